"""Constants of the graph in other formats, at the same values."""

from __future__ import annotations

import numpy as np

from flow.formats import INT64_BITS, FixedPoint, trailing_zeros
from flow.ir import ScaleShift, Tensor

__all__ = ["is_one", "is_zero", "narrowest", "plus", "shifted", "times"]


def _holding(codes: np.ndarray, frac: int) -> Tensor:
    return Tensor(codes, FixedPoint.holding(int(codes.min()), int(codes.max()), frac))


def narrowest(tensor: Tensor, may_move: bool = True) -> Tensor:
    """The narrowest format of the same values; `may_move` lets the binary point go where the last bits are zero.

    >>> str(narrowest(Tensor(np.array([4, -8]), FixedPoint(8, 3))))
    's2.1[2]'
    """
    codes = tensor.codes
    together = int(np.bitwise_or.reduce(codes, axis=None)) if codes.size else 0
    zeros = trailing_zeros(together) if together and may_move else 0
    return _holding(codes >> zeros, tensor.format.frac - zeros)


def times(left: Tensor, right: Tensor) -> Tensor | None:
    """The products, which broadcast; None where they need more than 62 bits."""
    if left.format.width + right.format.width > INT64_BITS:
        return None
    return _holding(left.codes * right.codes, left.format.frac + right.format.frac)


def plus(left: Tensor, right: Tensor) -> Tensor | None:
    """The sums, at the finer of the two binary points; None where they need more than 62 bits."""
    frac = max(left.format.frac, right.format.frac)
    if max(tensor.format.width + frac - tensor.format.frac for tensor in (left, right)) >= INT64_BITS:
        return None
    lifted = [tensor.codes << (frac - tensor.format.frac) for tensor in (left, right)]
    return _holding(lifted[0] + lifted[1], frac)


def shifted(tensor: Tensor | None, node: ScaleShift) -> Tensor | None:
    """`scale * tensor + shift`; None where there is nothing to add, or no 62 bits hold it."""
    if tensor is None or is_zero(tensor):
        return None if is_zero(node.shift) else node.shift
    scaled = tensor if is_one(node.scale) else times(tensor, node.scale)
    return scaled if scaled is None or is_zero(node.shift) else plus(scaled, node.shift)


def is_zero(tensor: Tensor) -> bool:
    """Whether all values are 0."""
    return not tensor.codes.any()


def is_one(tensor: Tensor) -> bool:
    """Whether all values are 1."""
    frac = tensor.format.frac
    return 0 <= frac < 62 and bool((tensor.codes == 1 << frac).all())
