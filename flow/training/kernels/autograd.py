"""The autograd function around the kernels, and when it runs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from flow.training.kernels.library import library
from flow.training.kernels.options import Options, packed

__all__ = ["fused"]

Twin = Callable[[Tensor], Tensor]

_PLAIN = (Tensor, nn.Parameter)  # subclasses, as those of tracing, need not have memory


def _pointer(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


class _Fused(torch.autograd.Function):
    """One pass each way. Straight-through gradients as the twin has them, sums over points in double.

    It keeps `x` and the points; the backward pass finds from them again what lies outside.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, frac: Tensor, integer: Tensor | None, options: Options, twin: Twin, kernels: ctypes.CDLL
    ) -> Tensor:
        y, groups = torch.empty_like(x), frac.numel()
        bad = kernels.flow_forward(
            x.data_ptr(), y.data_ptr(), x.numel() // groups, groups, frac.data_ptr(), _pointer(integer),
            ctypes.addressof(packed(options)), torch.get_num_threads(),
        )  # fmt: skip
        if bad:
            return twin(x)  # a point that is not finite: the twin says so
        ctx.save_for_backward(x, frac, integer)
        ctx.rest = options, twin, kernels
        return y

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, frac, integer = ctx.saved_tensors
        options, twin, kernels = ctx.rest
        if torch.is_grad_enabled():  # a gradient of this gradient is wanted
            held = [value for value, wanted in zip((x, frac, integer), ctx.needs_input_grad, strict=False) if wanted]
            found = iter(torch.autograd.grad(twin(x), held, upstream, create_graph=True))
            return *(next(found) if wanted else None for wanted in ctx.needs_input_grad[:3]), None, None, None
        upstream = upstream.contiguous()
        by_x, by_frac = torch.empty_like(x), torch.empty_like(frac)
        by_integer = None if integer is None else torch.empty_like(integer)
        kernels.flow_backward(
            x.data_ptr(), upstream.data_ptr(), by_x.data_ptr(), x.numel() // frac.numel(), frac.numel(),
            frac.data_ptr(), _pointer(integer), by_frac.data_ptr(), _pointer(by_integer),
            ctypes.addressof(packed(options)), torch.get_num_threads(),
        )  # fmt: skip
        return by_x, by_frac, by_integer if ctx.needs_input_grad[2] else None, None, None, None


def fused(x: Tensor, frac: Tensor, integer: Tensor | None, options: Options | None, twin: Twin) -> Tensor:
    """`x` on its grid, by the kernel where it can run and by `twin` elsewhere: same shape, same bits.

    Args:
        x: any shape.
        frac: binary points as trained; each holds for `x.numel() / frac.numel()` consecutive values.
        integer: integer bits as trained, where they are learned: of the shape of `frac`.
        options: of the quantiser; None where its modes have no kernel.
        twin: the same in eager torch.
    """
    if options is None or torch.compiler.is_compiling() or not _usable(x, frac):
        return twin(x)
    kernels = library()
    if kernels is None:
        return twin(x)
    result: Tensor = _Fused.apply(x, frac, integer, options, twin, kernels)
    return result


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
