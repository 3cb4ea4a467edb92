"""Exact dot products of block formats: integers inside a block, one exponent or small product per pair of blocks."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from flow.errors import DataError
from flow.formats.blocks import BlockFormat, BlockTensor, blocked
from flow.formats.cast import INT64_BITS
from flow.formats.minifloat import Minifloat

__all__ = ["block_dot_width", "block_dots", "dot_blocks"]


def block_dot_width(a: BlockFormat, b: BlockFormat, terms: int | None = None) -> int:
    """Bits, sign included, of a register that holds every sum of `terms` element products, by default a whole block.

    >>> form = BlockFormat.parse("mxe2m1b32")
    >>> block_dot_width(form, form, 1), block_dot_width(form, form)
    (9, 14)
    """
    count = a.block if terms is None else terms
    return (count * a.highest_integer * b.highest_integer).bit_length() + 1


def _integers(coded: BlockTensor) -> NDArray[Any]:
    """The elements in steps, [..., blocks, block]."""
    element, block = coded.form.element, coded.form.block
    flat = element.integers(coded.elements) if isinstance(element, Minifloat) else coded.elements
    return blocked(flat, block)


def block_dots(a: BlockTensor, b: BlockTensor) -> NDArray[Any]:
    """The dot product of each pair of blocks in units of both elements' steps, [..., blocks], without the scales.

    Raises:
        DataError: the two differ in block or length.
        FormatError: an element is no number.
    """
    if (a.form.block, a.elements.shape[-1]) != (b.form.block, b.elements.shape[-1]):
        raise DataError(
            f"A dot product needs equal lengths and equal blocks, not {a.elements.shape[-1]} of {a.form} "
            f"and {b.elements.shape[-1]} of {b.form}."
        )
    left, right = _integers(a), _integers(b)
    if block_dot_width(a.form, b.form) > INT64_BITS:
        left, right = left.astype(object), right.astype(object)
    total: NDArray[Any] = (left * right).sum(axis=-1)
    return total


def dot_blocks(a: BlockTensor, b: BlockTensor) -> tuple[NDArray[Any], int]:
    """The exact dot product along the last axis, as object integers with a number of fractional bits.

    The value is `integer * 2**-frac * a.tensor * b.tensor`.

    Raises:
        DataError: the two differ in block or length.
        FormatError: an element or a scale is no number.
    """
    scales = a.form.scale.integers(a.scales).astype(object) * b.form.scale.integers(b.scales).astype(object)
    total: NDArray[Any] = (block_dots(a, b).astype(object) * scales).sum(axis=-1)
    return total, a.form.element.frac + b.form.element.frac + a.form.scale.frac + b.form.scale.frac
