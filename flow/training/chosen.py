"""Which quantiser a spec asks for, by the role of a constant and for a cast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flow.formats import Overflow, Rounding
from flow.training.block_words import BlockQuantizer
from flow.training.cast_points import GroupedCast
from flow.training.constants import ConstantQuantizer
from flow.training.khot import digit_projection
from flow.training.minifloats import MinifloatQuantizer
from flow.training.priced import DEFAULT_DIGITS, PricedConstant
from flow.training.quantizer import Quantizer
from flow.training.shares import PowerQuantizer
from flow.training.spec import Granularity, Lengths, Spec, Word
from flow.training.widths import SATURATING, LearnedCast, LearnedConstant
from flow.training.words import FLOAT_ROUNDING, AnyWord, BlockWord, MinifloatWord

__all__ = ["address_quantizer", "cast_quantizer", "constant_quantizer", "entry_quantizer", "factor_quantizer"]

_PRICED = ("weights", "biases")  # roles whose digits may have a price


def constant_quantizer(spec: Spec, role: str, shape: tuple[int, ...], place: str) -> Quantizer:
    """The quantiser of a constant; constants are encoded before anything runs, so they round and saturate.

    Args:
        spec: words and options.
        role: field of `Spec` that holds the word.
        shape: of the constant.
        place: the constant, for messages.
    """
    if spec.priced and role in _PRICED:
        return PricedConstant(spec.word(role), shape, place, spec.khot or DEFAULT_DIGITS, spec.signed_digits)
    made = _CONSTANTS[type(spec.word(role))](spec, role, shape, place)
    made.stochastic = spec.stochastic and role == "weights"
    return made


def _fixed_constant(spec: Spec, role: str, shape: tuple[int, ...], place: str) -> Quantizer:
    word, project = spec.word(role), digit_projection(spec, role)
    if spec.lengths is Lengths.LEARNED:
        return LearnedConstant(word, shape, spec.granularity, place, trained=spec.overflow in SATURATING)
    if spec.granularity is Granularity.TENSOR and project is None:
        return Quantizer(word, Rounding.RND, Overflow.SAT, place)
    return ConstantQuantizer(word, shape, spec.granularity, place, project)


_CONSTANTS: dict[type[Any], Callable[[Spec, str, tuple[int, ...], str], Quantizer]] = {
    Word: _fixed_constant,
    MinifloatWord: lambda spec, role, shape, place: MinifloatQuantizer(
        spec.word(role), shape, spec.granularity, place=place
    ),
    BlockWord: lambda spec, role, shape, place: BlockQuantizer(spec.word(role), place),
}


def cast_quantizer(spec: Spec, word: AnyWord, place: str, shape: tuple[int, ...] = ()) -> Quantizer:
    """The quantiser of a cast between layers, or of the input.

    Args:
        spec: words and options.
        word: of the cast.
        place: the cast, for messages.
        shape: of one sample, where its channels or elements may have points of their own.
    """
    if shape and isinstance(word, Word) and spec.cast_granularity is not Granularity.TENSOR:
        learned = spec.lengths is Lengths.LEARNED
        made: Quantizer = GroupedCast(word, spec.rounding, spec.overflow, place, shape, spec.cast_granularity, learned)
    else:
        made = _CASTS[type(word)](spec, word, place)
    made.stochastic = spec.stochastic
    return made


def _fixed_cast(spec: Spec, word: Word, place: str) -> Quantizer:
    kind = LearnedCast if spec.lengths is Lengths.LEARNED else Quantizer
    return kind(word, spec.rounding, spec.overflow, place)


_CASTS: dict[type[Any], Callable[[Spec, Any, str], Quantizer]] = {
    Word: _fixed_cast,
    MinifloatWord: lambda spec, word, place: MinifloatQuantizer(
        word, rounding=FLOAT_ROUNDING[spec.rounding], place=place
    ),
    BlockWord: lambda spec, word, place: BlockQuantizer(word, place),
}


def address_quantizer(spec: Spec, word: Word, place: str, most: int | None = None) -> Quantizer:
    """The quantiser of a cast whose codes address a table: one word of given length.

    Args:
        spec: words and options.
        word: of the cast.
        place: the cast, for messages.
        most: fractional bits at most, where they alone are the address.
    """
    if most is None:
        return cast_quantizer(replace(spec, lengths=Lengths.FIXED), word, place)
    made = PowerQuantizer(word, spec.rounding, spec.overflow, place, most)
    made.stochastic = spec.stochastic
    return made


def factor_quantizer(spec: Spec, word: Word, place: str) -> Quantizer:
    """The quantiser of one factor of the word `tables`, which is encoded as other constants are."""
    return address_quantizer(replace(spec, rounding=Rounding.RND, overflow=Overflow.SAT, stochastic=False), word, place)


def entry_quantizer(spec: Spec, role: str, positive: bool, place: str) -> Quantizer:
    """The quantiser of a table's entries, which as other constants are rounded to nearest and saturated.

    Args:
        spec: words and options.
        role: field of `Spec` that holds the word; entries have no blocks, and take the word of `tables` instead.
        positive: whether no entry is negative.
        place: the table, for messages.
    """
    word = spec.word("tables" if isinstance(spec.word(role), BlockWord) else role)
    encoded = replace(spec, rounding=Rounding.RND, overflow=Overflow.SAT, stochastic=False)
    return cast_quantizer(encoded, word.fitted(positive), place)
