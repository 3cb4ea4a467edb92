"""The two-pass softmax in words: a chain of additions along each row, a division unrolled, a product for each share."""

from __future__ import annotations

from collections.abc import Sequence

from flow.exporters.verilog.spatial.words import Unit, Word
from flow.formats import FixedPoint
from flow.ir import Softmax, Value

__all__ = ["shares"]

Pair = tuple[Word, Word]  # a mantissa and an exponent


def shares(unit: Unit, node: Softmax, value: Value, row: Sequence[Word]) -> list[Word]:
    """The shares of one row of codes of `value`."""
    pairs = [_power(unit, node, value, word) for word in row]
    total, top = pairs[0]
    for pair in pairs[1:]:
        total, top = _added(unit, node.mantissa, (total, top), pair)
    factor = _reciprocal(unit, node.mantissa, total)
    return [_share(unit, node.mantissa, pair, factor, top) for pair in pairs]


def _power(unit: Unit, node: Softmax, value: Value, word: Word) -> Pair:
    held = node.arithmetic(value)
    exponent = unit.down(word, value.format.frac)
    if not held.address:
        return unit.constant(1 << node.mantissa), exponent
    fraction = unit.wrapped(word, FixedPoint(held.address, 0, signed=False))
    return unit.entry(fraction, held.table().tolist(), 0), exponent


def _places(unit: Unit, mantissa: int, bits: Word) -> Word:
    """How far to shift a mantissa: beyond its length it makes no difference, below 0 not at all."""
    return unit.saturated(bits, FixedPoint((mantissa + 1).bit_length(), 0, signed=False))


def _added(unit: Unit, mantissa: int, sum_: Pair, power: Pair) -> Pair:
    """The sum of both, brought back below 2."""
    (total, top), (term, exponent) = sum_, power
    later = unit.above(exponent, top)
    high, low = unit.chosen(later, term, total), unit.chosen(later, total, term)
    distance = unit.larger(unit.sum(exponent, top, minus=True), unit.sum(top, exponent, minus=True))
    both = unit.sum(high, unit.shifted(low, _places(unit, mantissa, distance)))
    carry = unit.floor(both, mantissa + 1)
    below = unit.wrapped(both, FixedPoint(mantissa + 1, 0, signed=False))
    return unit.chosen(carry, unit.floor(both, 1), below), unit.sum(unit.larger(exponent, top), carry)


def _reciprocal(unit: Unit, mantissa: int, total: Word) -> Word:
    """`2**(2 * mantissa + 1) / total`, bit by bit from the highest on."""
    rest, quotient = unit.constant(1 << mantissa), unit.constant(0)
    for _ in range(mantissa + 2):
        over = unit.less(1, unit.above(total, rest))
        left = unit.chosen(over, unit.sum(rest, total, minus=True), rest)
        rest = unit.lift(unit.wrapped(left, FixedPoint(mantissa + 1, 0, signed=False)), 1)
        quotient = unit.sum(over, quotient, 0, 1)
    return quotient


def _share(unit: Unit, mantissa: int, power: Pair, factor: Word, top: Word) -> Word:
    term, exponent = power
    whole = unit.wrapped(unit.floor(unit.times(term, factor), mantissa + 1), FixedPoint(mantissa + 1, 0, signed=False))
    return unit.shifted(whole, _places(unit, mantissa, unit.sum(top, exponent, minus=True)))
