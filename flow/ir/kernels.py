"""Convolutions in the form of `Conv2d`: dilated kernels, padding that differs by side, transposed convolutions.

In a transposed convolution each input adds its multiple of the kernel to the result, `stride` places further on than
its neighbour. Seen from a result, that is a convolution of stride 1 with the kernel turned, over the inputs with
`stride - 1` zeros between them. It multiplies those zeros too: along each axis one product in `stride` counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Spread", "dilated", "forward_kernel", "shared_padding", "transposed_padding"]

Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """The amounts of a `Pad`, an entry for each axis that a kernel slides along."""

    before: Sizes
    after: Sizes
    interior: Sizes


def shared_padding(before: Sizes, after: Sizes, interior: Sizes) -> tuple[Spread | None, Sizes]:
    """Padding as what a `Conv2d` does itself, alike at both ends, and what is left to a `Pad` before it, if anything.

    >>> shared_padding((1, 1), (1, 2), (0, 0))
    (Spread(before=(0, 0), after=(0, 1), interior=(0, 0)), (1, 1))
    """
    shared = tuple(max(min(ends), 0) for ends in zip(before, after, strict=True))
    rest = [tuple(size - own for size, own in zip(ends, shared, strict=True)) for ends in (before, after)]
    return (Spread(rest[0], rest[1], interior) if any((*rest[0], *rest[1], *interior)) else None), shared


def transposed_padding(
    kernel: Sizes, stride: Sizes, dilation: Sizes, cut: tuple[Sizes, Sizes], more: Sizes
) -> tuple[Spread | None, Sizes]:
    """What a transposed convolution pads its input with, as `shared_padding` returns it.

    Args:
        kernel: places of the kernel, before any dilation.
        stride: of the result.
        dilation: of the kernel.
        cut: what the result loses at its start and at its end, which torch calls padding and ONNX pads.
        more: places that the result has more at its end, its output padding.
    """
    reach = [(size - 1) * step for size, step in zip(kernel, dilation, strict=True)]
    before = tuple(size - start for size, start in zip(reach, cut[0], strict=True))
    after = tuple(size - end + extra for size, end, extra in zip(reach, cut[1], more, strict=True))
    return shared_padding(before, after, tuple(step - 1 for step in stride))


def forward_kernel(weight: Any, groups: int) -> Any:
    """The kernel [I, O/groups, ...] of a transposed convolution as that of the convolution, [O, I/groups, ...].

    Args:
        weight: an array of numpy or a tensor of torch.
        groups: of the convolution, which divide I.
    """
    inputs, outputs, *kernel = weight.shape
    split = weight.reshape(groups, inputs // groups, outputs, *kernel).swapaxes(1, 2)
    turned = np.ix_(*(range(size)[::-1] for size in kernel))
    return split.reshape(groups * outputs, inputs // groups, *kernel)[(slice(None), slice(None), *turned)]


def dilated(codes: NDArray[np.int64], dilation: Sizes) -> NDArray[np.int64]:
    """The kernel int64[O, I, ...] with `dilation - 1` zeros between its places."""
    sizes = [(size - 1) * step + 1 for size, step in zip(codes.shape[2:], dilation, strict=True)]
    wide = np.zeros((*codes.shape[:2], *sizes), dtype=np.int64)
    wide[(slice(None), slice(None), *(slice(None, None, step) for step in dilation))] = codes
    return wide
