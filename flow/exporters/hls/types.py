"""Formats, numbers and words as C++ writes them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

from flow.formats import FixedPoint

__all__ = ["comment", "fixed_type", "initialiser"]

_COLUMNS = 116


def fixed_type(form: FixedPoint, *modes: str) -> str:
    """The ap_fixed type of a format, with the modes of assignment where they are not the default.

    >>> fixed_type(FixedPoint.parse("s8.4")), fixed_type(FixedPoint.parse("u6.-2"), "AP_RND", "AP_SAT")
    ('ap_fixed<8, 4>', 'ap_ufixed<6, 8, AP_RND, AP_SAT>')
    """
    sign = "" if form.signed else "u"
    return f"ap_{sign}fixed<{', '.join([str(form.width), str(form.integer), *modes])}>"


def comment(text: str) -> str:
    """A name of the user's model as it may stand in a comment or a string: no line end, escape, quote or trigraph.

    >>> comment("layers.0 (3x3)"), comment('a"b??/')
    ('layers.0 (3x3)', 'a_b___')
    """
    return re.sub(r"[^ !#-.0->@-\[\]-~]", "_", text)


def _literal(code: int) -> str:
    return str(code) if abs(code) < 1 << 31 else f"{code}LL"


def initialiser(codes: Iterable[int]) -> str:
    """The inside of an array initialiser, wrapped.

    >>> initialiser([1, -2, 1 << 40])
    '    1, -2, 1099511627776LL'
    """
    text = ", ".join(map(_literal, codes))
    return textwrap.fill(text, _COLUMNS, initial_indent="    ", subsequent_indent="    ", break_long_words=False)
