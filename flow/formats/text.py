"""Reads the text form of any number format: the first letters say which family it is."""

from __future__ import annotations

import re
from collections.abc import Callable

from flow.errors import FormatError
from flow.formats.blocks import BlockFormat
from flow.formats.dynamic_fixed_point import DynamicFixedPoint
from flow.formats.fixed_point import FixedPoint
from flow.formats.khot import KHot
from flow.formats.minifloat import Minifloat
from flow.formats.power import PowerGrid

__all__ = ["Format", "parse_format"]

Format = FixedPoint | Minifloat | BlockFormat | DynamicFixedPoint | KHot | PowerGrid

_FAMILIES: dict[str, Callable[[str], Format]] = {
    r"[su]\d": FixedPoint.parse,
    r"u?e\d": Minifloat.parse,
    r"mx|nv|bk": BlockFormat.parse,
    r"dfp": DynamicFixedPoint.parse,
    r"k\d": KHot.parse,
    r"p\d": PowerGrid.parse,
}


def parse_format(text: str) -> Format:
    """The format that `text` names; `str` of it is the text again, or a shorter form of it.

    >>> [type(parse_format(text)).__name__ for text in ("s8.4", "e4m3fn", "mxe2m1b32", "dfp16", "k2s8.4naf", "p4a0.8")]
    ['FixedPoint', 'Minifloat', 'BlockFormat', 'DynamicFixedPoint', 'KHot', 'PowerGrid']

    Raises:
        FormatError: the text names no family, or is not as its family writes it.
    """
    for start, parse in _FAMILIES.items():
        if re.match(start, text):
            return parse(text)
    raise FormatError(
        f"A format is written like s8.4, e4m3fn, mxe2m1b32, nve2m1b16, dfp16h2, k2s8.4naf or p4a0.8, not {text!r}."
    )
