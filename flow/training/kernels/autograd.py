"""Casts by the kernels, and when they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from flow.training.kernels.library import cast_operator, casts_operator

__all__ = ["fused", "fused_all"]

Twin = Callable[[Tensor], Tensor]

_PLAIN = (Tensor, nn.Parameter)  # subclasses, as those of tracing, need not have memory


def fused(x: Tensor, frac: Tensor, integer: Tensor | None, options: Tensor | None, twin: Twin) -> Tensor:
    """`x` on its grid, by the kernel where it can run and by `twin` elsewhere: same shape, same bits.

    The kernel runs where a pointer says all of a tensor, contiguous float32 on the CPU and not empty, and where the
    points are finite; the twin says which are not.

    Args:
        x: any shape.
        frac: binary points as trained; each holds for `x.numel() / frac.numel()` consecutive values.
        integer: integer bits as trained, where they are learned: of the shape of `frac`.
        options: of the quantiser, packed; None where its modes have no kernel.
        twin: the same in eager torch.
    """
    if options is None or type(x) not in _PLAIN or torch.compiler.is_compiling():
        return twin(x)
    cast = cast_operator()
    found: Tensor | None = None if cast is None else cast(x, frac, integer, options)
    return twin(x) if found is None else found


def fused_all(
    xs: Sequence[Tensor], fracs: Sequence[Tensor], integers: Sequence[Tensor | None], options: Sequence[Tensor]
) -> list[Tensor]:
    """Several tensors on their grids, each as by `fused`; none where the kernel cannot run on one of them."""
    casts = casts_operator()
    if casts is None or not xs or not all(type(x) in _PLAIN for x in xs):
        return []
    found: list[Tensor] = casts(xs, fracs, integers, options)
    return found
