"""Cases of the cells for images: windows, pools, scale and shift, joins, registers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flow.formats import FixedPoint
from tests.rtl.bench.case import STREAM, Case, join, split

IMAGES = 3


@dataclass(frozen=True)
class Window:
    """Parameters of a flow_window in its own order; `slack` is what the depth exceeds the least by, in beats."""

    pixel_beats: int
    groups: int
    size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    slack: int = 0

    @property
    def depth(self) -> int:
        """Beats of the ring."""
        rows, columns = (min(k, n) for k, n in zip(self.kernel, self.size, strict=True))
        span = (rows - 1) * self.size[1] + columns
        kept = min(self.kernel[0] - 1, self.size[0]) * self.size[1] if self.pad[0] >= self.stride[0] else 0
        return self.pixel_beats * max(span, kept) + self.slack

    def of(self, image: np.ndarray) -> np.ndarray:
        """int64[H, W, beats] as the beats that the cell makes of it."""
        padded = np.pad(image, [(p, p) for p in self.pad] + [(0, 0)])
        ends = [n - k + 1 for n, k in zip(padded.shape, self.kernel, strict=False)]
        found = []
        for y, x in itertools.product(range(0, ends[0], self.stride[0]), range(0, ends[1], self.stride[1])):
            window = padded[y : y + self.kernel[0], x : x + self.kernel[1]]
            found += [part.reshape(-1) for part in np.split(window, self.groups, axis=2)]
        return np.concatenate(found)


def window_case(number: int, window: Window, width: int) -> Case:
    """The cell and its model."""
    pairs = zip(
        ("Height", "ImageWidth", "KernelH", "KernelW", "StrideH", "StrideW", "PadH", "PadW"),
        (*window.size, *window.kernel, *window.stride, *window.pad),
        strict=True,
    )
    sizes = ", ".join(f".{name}({value})" for name, value in pairs)
    parameters = (
        f".Width({width}), .PixelBeats({window.pixel_beats}), .Groups({window.groups}), {sizes}, .Depth({window.depth})"
    )

    def model(beats: list[int]) -> list[int]:
        images = np.array(beats).reshape(-1, *window.size, window.pixel_beats)
        return [int(beat) for image in images for beat in window.of(image)]

    body = f"flow_window #({parameters}) u_{{p}} ({STREAM});"
    beats = window.size[0] * window.size[1] * window.pixel_beats
    return Case(f"window{number}", body, width, width, beats, model, IMAGES)


# Pads of one and two, strides above the pad and above the kernel, columns and rows that no window covers, images lower
# than the kernel, single pixels; the least depth, and more.
WINDOWS = (
    Window(2, 1, (3, 4), (3, 3), pad=(1, 1)),
    Window(2, 2, (3, 3), (3, 3), pad=(1, 1), slack=3),
    Window(1, 1, (5, 4), (2, 2), (2, 2)),
    Window(3, 1, (3, 3), (1, 1), (2, 2)),
    Window(1, 1, (5, 5), (3, 3), (2, 2), (1, 1), slack=1),
    Window(1, 1, (4, 5), (5, 4), (1, 3), (2, 1), slack=5),
    Window(4, 2, (2, 2), (3, 2), (1, 1), (2, 1)),
    Window(1, 1, (7, 7), (2, 3), (3, 4)),
    Window(1, 1, (1, 6), (1, 3), (1, 1), (0, 2)),
    Window(1, 1, (2, 2), (4, 4), (1, 1), (3, 3), slack=2),
    Window(2, 2, (4, 4), (4, 4), (4, 4)),
)


def _pool(lanes: int, taps: int, text: str, scale: int) -> Case:
    """The highest code where `scale` is 0, else the scaled sum."""
    form = FixedPoint.parse(text)
    ends = [end * taps * scale for end in (form.low, form.high)]
    out = FixedPoint.holding(*ends, 0).width if scale else form.width
    parameters = (
        f".Lanes({lanes}), .Taps({taps}), .Average({int(scale > 0)}), .Scale({max(scale, 1)}), "
        f".InWidth({form.width}), .InSigned({int(form.signed)}), .OutWidth({out})"
    )

    def model(beats: list[int]) -> list[int]:
        codes = np.array([split(beat, lanes, form) for beat in beats]).reshape(-1, taps, lanes)
        found = codes.sum(axis=1) * scale if scale else codes.max(axis=1)
        return [join(row, out) for row in found.tolist()]

    body = f"flow_pool #({parameters}) u_{{p}} ({STREAM});"
    return Case(f"pool{taps}x{lanes}{text[0]}", body, lanes * form.width, lanes * out, taps, model)


def _register(width: int) -> Case:
    body = f"flow_register #(.Width({width})) u_{{p}} ({STREAM});"
    return Case(f"register{width}", body, width, width, 1, lambda beats: beats)


_OPERATIONS: tuple[Callable[[int, int], int], ...] = (
    lambda a, b: (a << 2) + b,
    lambda a, b: (a << 2) - b,
    lambda a, b: a * b,
)


def _join(operation: int, lanes: int, a_text: str, b_text: str) -> Case:
    """The two halves of a beat to a join; `a` a cycle later, and two binary places higher."""
    a, b = FixedPoint.parse(a_text), FixedPoint.parse(b_text)
    out, wa, wb, of = 12, lanes * a.width, lanes * b.width, _OPERATIONS[operation]
    shift = 0 if operation == 2 else 2
    queues = "".join(
        f"  flow_fifo #(.Width({width}), .Depth({depth})) u_{{p}}_{way} (.clk_i, .rst_ni, "
        f".data_i({data}), .valid_i({valid}), .ready_o({ready}), "
        f".data_o({{p}}_d{way}), .valid_o({{p}}_v{way}), .ready_i({{p}}_r{way}));\n"
        for way, depth, width, data, valid, ready in (
            ("a", 2, wa, "{p}_dl", "{p}_vl", "{p}_rl"),
            ("b", 5, wb, f"{{p}}_data_i[{wa}+:{wb}]", "{p}_v[1]", "{p}_r[1]"),
        )
    )
    body = (
        f"logic [1:0] {{p}}_v, {{p}}_r; logic {{p}}_va, {{p}}_vb, {{p}}_ra, {{p}}_rb;\n"
        f"  logic [{wa}-1:0] {{p}}_da, {{p}}_dl; logic [{wb}-1:0] {{p}}_db; logic {{p}}_vl, {{p}}_rl;\n"
        f"  flow_register #(.Width({wa})) u_{{p}}_late (.clk_i, .rst_ni, .data_i({{p}}_data_i[0+:{wa}]), "
        ".valid_i({p}_v[0]), .ready_o({p}_r[0]), .data_o({p}_dl), .valid_o({p}_vl), .ready_i({p}_rl));\n"
        "  flow_fork #(.Ways(2)) u_{p} (.clk_i, .rst_ni, .valid_i({p}_valid_i), .ready_o({p}_ready_o), "
        f".valid_o({{p}}_v), .ready_i({{p}}_r));\n{queues}"
        f"  flow_join #(.Lanes({lanes}), .Operation({operation}), .AWidth({a.width}), .ASigned({int(a.signed)}), "
        f".AShift({shift}), .BWidth({b.width}), .BSigned({int(b.signed)}), .OutWidth({out})) u_{{p}}_join (.clk_i, "
        ".rst_ni, .a_data_i({p}_da), .a_valid_i({p}_va), .a_ready_o({p}_ra), .b_data_i({p}_db), .b_valid_i({p}_vb), "
        ".b_ready_o({p}_rb), .data_o({p}_data_o), .valid_o({p}_valid_o), .ready_i({p}_ready_i));"
    )

    def model(beats: list[int]) -> list[int]:
        halves = ((split(beat & ((1 << wa) - 1), lanes, a), split(beat >> wa, lanes, b)) for beat in beats)
        return [join([of(m, n) for m, n in zip(*pair, strict=True)], out) for pair in halves]

    return Case(f"join{operation}", body, wa + wb, lanes * out, 1, model)


SPATIAL: tuple[Case, ...] = (
    *(window_case(number, window, 3 + number) for number, window in enumerate(WINDOWS)),
    _pool(2, 4, "s4.0", 0),
    _pool(1, 3, "u3.0", 0),
    _pool(2, 6, "s3.0", 11),
    _pool(1, 1, "u4.0", 5),
    _register(7),
    _join(0, 2, "s4.0", "u5.0"),
    _join(1, 1, "u3.0", "s6.0"),
    _join(2, 2, "s4.0", "u3.0"),
)
