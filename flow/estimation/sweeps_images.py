"""The sweeps of the cells for images and joins: windows, pools, depthwise products, sums of two streams."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping

from flow.synthesis import Family

__all__ = ["IMAGE_SWEEPS"]

Parameters = dict[str, int]
Sweep = Callable[[Family], Iterator[Parameters]]


def _ring(beats: int, groups: int, size: int, kernel: int, stride: int, pad: int, width: int, slack: int) -> Parameters:
    """A window over a square image; its ring holds `slack` rows more than a window must have."""
    row = size * beats
    span = (min(kernel, size) - 1) * row + min(kernel, size) * beats
    kept = min(kernel - 1, size) * row if pad >= stride else 0
    return {
        "Width": width, "PixelBeats": beats, "Groups": groups, "Height": size, "ImageWidth": size,
        "KernelH": kernel, "KernelW": kernel, "StrideH": stride, "StrideW": stride, "PadH": pad, "PadW": pad,
        "Depth": max(span, kept) + slack * row,
    }  # fmt: skip


def _window(family: Family) -> Iterator[Parameters]:
    """Kernels of one to five rows over images of 6 to 28 pixels a side, few and many channels, one lane and several."""
    shapes = (  # beats of a pixel, groups of beats, size, kernel, stride, pad, bits of a beat, rows of slack
        (1, 1, 8, 3, 1, 1, 4, 0), (1, 1, 8, 3, 1, 1, 16, 0), (4, 1, 8, 3, 1, 1, 6, 0), (8, 1, 8, 3, 1, 1, 8, 1),
        (8, 8, 8, 3, 1, 1, 6, 0), (1, 1, 8, 2, 2, 0, 6, 0), (4, 4, 8, 2, 2, 0, 6, 0), (8, 8, 4, 2, 2, 0, 4, 1),
        (1, 1, 28, 5, 1, 2, 6, 0), (1, 1, 28, 3, 1, 1, 8, 1), (6, 6, 24, 2, 2, 0, 8, 0), (2, 1, 14, 3, 2, 1, 6, 0),
        (16, 1, 4, 3, 1, 1, 4, 0), (4, 1, 8, 1, 2, 0, 6, 0), (2, 1, 8, 4, 2, 1, 8, 0), (3, 1, 10, 3, 1, 0, 5, 0),
        (1, 1, 16, 3, 1, 1, 24, 0), (32, 1, 4, 3, 1, 1, 8, 0), (16, 16, 8, 3, 2, 1, 6, 0), (1, 1, 6, 3, 1, 1, 2, 0),
    )  # fmt: skip
    for shape in shapes:
        yield _ring(*shape)
    for shape in (  # as a plan has them: the least pixels, and those that the next window needs
        (1, 1, 7, 2, 1, 0, 7, 0), (3, 3, 7, 3, 1, 1, 6, 0), (2, 2, 6, 3, 1, 1, 4, 0), (3, 3, 9, 2, 2, 0, 5, 0),
        (2, 1, 7, 3, 1, 0, 5, 0), (2, 2, 5, 2, 2, 0, 3, 0), (3, 1, 6, 3, 1, 1, 6, 0), (1, 1, 9, 3, 1, 1, 5, 0),
        (4, 1, 5, 3, 1, 1, 4, 0), (4, 4, 6, 3, 1, 1, 3, 0), (1, 1, 6, 3, 1, 0, 4, 0), (3, 1, 8, 3, 1, 1, 4, 1),
    ):  # fmt: skip
        found = _ring(*shape)
        yield found | {"Depth": found["Depth"] + (found["StrideW"] + found["PadW"]) * found["PixelBeats"]}


def _pool(family: Family) -> Iterator[Parameters]:
    for lanes, width, signed in ((1, 4, 0), (1, 8, 1), (4, 6, 0), (2, 12, 1), (8, 4, 1)):
        yield _pooled(lanes, 4, 0, 1, width, signed, width)
    for lanes, taps, scale, width, signed in (
        (1, 4, 1, 6, 0), (1, 9, 57, 6, 0), (2, 64, 1, 5, 1), (4, 4, 1, 8, 1), (1, 49, 167, 8, 0), (2, 16, 5, 6, 0),
    ):  # fmt: skip
        yield _pooled(lanes, taps, 1, scale, width, signed, width + (taps * scale).bit_length())


def _pooled(lanes: int, taps: int, average: int, scale: int, width: int, signed: int, out: int) -> Parameters:
    return {"Lanes": lanes, "Taps": taps, "Average": average, "Scale": scale, "InWidth": width, "InSigned": signed,
            "OutWidth": out}  # fmt: skip


def _join(family: Family) -> Iterator[Parameters]:
    """Sums and differences of codes that stand at equal and at unequal places; products."""
    for operation, lanes, a, b, shift in (
        (0, 1, 4, 4, 0), (0, 1, 8, 8, 0), (0, 4, 6, 6, 0), (0, 2, 12, 8, 3), (0, 8, 4, 6, 1), (0, 1, 16, 10, 0),
        (1, 1, 6, 6, 0), (1, 4, 8, 8, 2), (1, 2, 12, 10, 0),
    ):  # fmt: skip
        yield _joined(operation, lanes, a, b, shift, max(a, b + shift) + 1)
    for lanes, a, b in ((1, 4, 4), (1, 8, 6), (2, 6, 6), (1, 8, 8)):
        yield _joined(2, lanes, a, b, 0, a + b)


def _joined(operation: int, lanes: int, a: int, b: int, shift: int, out: int) -> Parameters:
    return {"Lanes": lanes, "Operation": operation, "AWidth": a, "ASigned": 1, "AShift": 0, "BWidth": b, "BSigned": 1,
            "BShift": shift, "OutWidth": out}  # fmt: skip


def _relu(family: Family) -> Iterator[Parameters]:
    for lanes, width in itertools.product((1, 3), (2, 6, 12)):
        yield {"Lanes": lanes, "InWidth": width, "InSigned": 1, "OutWidth": width - 1}


def _scale_shift(family: Family) -> Iterator[Parameters]:
    for lanes, beats, x, s, signed in (
        (1, 1, 6, 6, 1), (1, 8, 6, 6, 1), (1, 16, 12, 6, 1), (2, 4, 8, 4, 0), (4, 2, 6, 5, 1), (1, 10, 16, 8, 1),
        (2, 32, 10, 8, 0), (1, 3, 4, 4, 0),
    ):  # fmt: skip
        yield {"Lanes": lanes, "Beats": beats, "XWidth": x, "XSigned": signed, "SWidth": s, "SSigned": 1,
               "OutWidth": x + s + 2, "ProductShift": 0, "UseDsp": 0}  # fmt: skip


def _depthwise(family: Family) -> Iterator[Parameters]:
    for lanes, groups, taps, width in (
        (1, 8, 9, 6), (1, 1, 9, 6), (2, 4, 9, 4), (4, 2, 9, 6), (1, 16, 25, 8), (1, 4, 3, 5), (1, 3, 9, 4),
        (1, 2, 9, 3), (2, 3, 4, 5), (1, 5, 9, 2),
    ):  # fmt: skip
        acc = 2 * width + taps.bit_length() + 1
        yield {"Lanes": lanes, "Groups": groups, "Taps": taps, "XWidth": width, "XSigned": 0, "WWidth": width,
               "WSigned": 1, "AccWidth": acc, "ProductShift": 0, "UseDsp": 0}  # fmt: skip


IMAGE_SWEEPS: Mapping[str, Sweep] = {
    "flow_window": _window,
    "flow_pool": _pool,
    "flow_join": _join,
    "flow_relu": _relu,
    "flow_scale_shift": _scale_shift,
    "flow_depthwise": _depthwise,
}
