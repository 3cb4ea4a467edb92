"""The windows of convolutions and pools: their size, their order and the memory they need, as flow_window has them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from flow.ir import AvgPool2d, Conv2d, Graph, MaxPool2d, Node
from flow.ir.ops.node import Pair

__all__ = ["SLIDING", "Windows", "is_depthwise", "outer_padding", "windows_of"]

SLIDING = (Conv2d, MaxPool2d, AvgPool2d)


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows over an image of `size` pixels, all pairs as (vertical, horizontal)."""

    size: Pair
    kernel: Pair
    stride: Pair
    pad: Pair

    @property
    def result(self) -> Pair:
        """Windows in either direction."""
        rows, columns = (
            (n + 2 * p - k) // s + 1 for n, k, s, p in zip(self.size, self.kernel, self.stride, self.pad, strict=True)
        )
        return rows, columns

    @property
    def positions(self) -> int:
        """Windows of an image."""
        return self.result[0] * self.result[1]

    @property
    def taps(self) -> int:
        """Pixels of a window."""
        return self.kernel[0] * self.kernel[1]

    @property
    def is_pixelwise(self) -> bool:
        """Whether every window is one pixel and every pixel a window, which takes no memory."""
        return self.taps == 1 and self.stride == (1, 1) and self.pad == (0, 0)

    @property
    def least_pixels(self) -> int:
        """Pixels that must be kept at once, as in flow_window."""
        rows, columns = (min(k, n) for k, n in zip(self.kernel, self.size, strict=True))
        span = (rows - 1) * self.size[1] + columns
        kept = min(self.kernel[0] - 1, self.size[0]) * self.size[1] if self.pad[0] >= self.stride[0] else 0
        return max(span, kept)

    def pixels(self, ahead: int) -> int:
        """Pixels of the ring: those that must be kept, those for the next window, and `ahead` rows in advance."""
        return self.least_pixels + ahead * self.size[1] + self.stride[1] + self.pad[1]

    def _first(self, window: tuple[int, int]) -> int:
        top, left = (max(0, i * s - p) for i, s, p in zip(window, self.stride, self.pad, strict=True))
        return top * self.size[1] + left

    def reads(self) -> list[list[tuple[int, bool]]]:
        """Per window and tap the pixel, and whether it is inside the image; outside, the window's first pixel."""
        (height, width), found = self.size, []
        for window in itertools.product(*map(range, self.result)):
            top, left = (i * s - p for i, s, p in zip(window, self.stride, self.pad, strict=True))
            taps = itertools.product(range(top, top + self.kernel[0]), range(left, left + self.kernel[1]))
            first = self._first(window)
            inside = [(y * width + x, 0 <= y < height and 0 <= x < width) for y, x in taps]
            found.append([(place, True) if real else (first, False) for place, real in inside])
        return found

    def releases(self) -> list[int]:
        """Per window how many pixels of the image no later window needs."""
        order = list(itertools.product(*map(range, self.result)))
        needed = [self.size[0] * self.size[1]]
        for window in reversed(order[1:]):
            needed.append(min(needed[-1], self._first(window)))
        return needed[::-1]


def windows_of(graph: Graph, node: Node) -> Windows | None:
    """The windows of a convolution or pool, over what is padded before; None for every other node."""
    if not isinstance(node, SLIDING):
        return None
    shape: tuple[Any, ...] = graph.values[node.inputs[0]].shape
    (rows, columns), pad = outer_padding(node), node.padding if isinstance(node, Conv2d) else (0, 0)
    return Windows(
        (shape[1] + 2 * rows, shape[2] + 2 * columns), node.kernel, node.stride,
        (0 if rows else pad[0], 0 if columns else pad[1]),
    )  # fmt: skip


def outer_padding(node: Node) -> Pair:
    """What is padded before the windows slide, above and left: where it is as much as the kernel, a window would see
    nothing else, which flow_window does not do.
    """
    if not isinstance(node, Conv2d):
        return 0, 0
    rows, columns = (p if p >= k else 0 for p, k in zip(node.padding, node.kernel, strict=True))
    return rows, columns


def is_depthwise(node: Node) -> bool:
    """Whether a node is a convolution with one output channel for every input channel, and nothing between them."""
    return (
        isinstance(node, Conv2d)
        and node.groups > 1
        and node.groups == node.weight.shape[0]
        and (node.weight.shape[1] == 1)
    )
