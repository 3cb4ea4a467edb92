"""The cast by the kernel, and when it runs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from flow.training.kernels.library import cast_operator

__all__ = ["fused"]

Twin = Callable[[Tensor], Tensor]

_PLAIN = (Tensor, nn.Parameter)  # subclasses, as those of tracing, need not have memory


def fused(x: Tensor, frac: Tensor, integer: Tensor | None, options: Tensor | None, twin: Twin) -> Tensor:
    """`x` on its grid, by the kernel where it can run and by `twin` elsewhere: same shape, same bits.

    Args:
        x: any shape.
        frac: binary points as trained; each holds for `x.numel() / frac.numel()` consecutive values.
        integer: integer bits as trained, where they are learned: of the shape of `frac`.
        options: of the quantiser, packed; None where its modes have no kernel.
        twin: the same in eager torch.
    """
    if options is None or torch.compiler.is_compiling() or not _usable(x, frac):
        return twin(x)
    cast = cast_operator()
    found: Tensor | None = None if cast is None else cast(x, frac, integer, options)
    return twin(x) if found is None else found  # a point that is not finite: the twin says so


def _usable(x: Tensor, frac: Tensor) -> bool:
    """Whether a pointer says all of a tensor: contiguous float32 on the CPU, and not empty."""
    return (
        type(x) in _PLAIN
        and x.dtype is torch.float32 is frac.dtype
        and x.is_cpu
        and frac.is_cpu
        and x.is_contiguous()
        and frac.is_contiguous()
        and x.numel() > 0
    )
