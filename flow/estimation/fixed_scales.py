"""Scales and shifts whose constants stand still, since a beat has every channel: what is left of their products."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from flow.estimation.forms import TABLE_BITS, array_digits
from flow.exporters.verilog import Plan, make_plan
from flow.exporters.verilog.constants import scale_shift_context
from flow.formats import FixedPoint, trailing_zeros
from flow.ir import Dense, Graph, Input, ScaleShift, Tensor

__all__ = ["fixed_scales", "scale_features", "scale_registers", "scale_shape"]

_RADIX = 2  # bits of a Booth digit
# Channels, and widths of codes and of scales; codes with and without a sign.
_CASES = ((1, "s6.0", 6), (3, "s8.0", 6), (2, "u4.0", 8), (4, "s12.0", 6), (3, "u8.0", 5), (2, "s9.0", 8),
          (4, "u6.0", 6), (1, "s14.0", 7), (3, "s5.0", 4), (2, "s10.0", 5), (4, "s7.0", 7), (3, "u10.0", 8),
          (2, "s16.0", 6), (4, "s11.0", 4), (6, "s8.0", 8), (3, "s13.0", 6), (4, "u3.0", 3),
          (3, "s2.0", 4))  # fmt: skip


def fixed_scales() -> Iterator[Plan]:
    """Random constants behind a layer that gives all its channels at once, node `y`."""
    for number, (channels, form, width) in enumerate(_CASES):
        rng, scale = np.random.default_rng(number), FixedPoint(width, width - 2, True)
        x = FixedPoint.parse(form)
        same = Dense(
            name="w", inputs=("x",), weight=Tensor(np.ones((channels, 1), dtype=np.int64), FixedPoint.parse("u1.0"))
        )
        node = ScaleShift(
            name="y",
            inputs=("w",),
            scale=Tensor(rng.integers(scale.low, scale.high + 1, channels), scale),
            shift=Tensor(rng.integers(-100, 100, channels), FixedPoint(8, width - 2, True)),
        )
        graph = Graph(f"scale{number}", (Input(name="x", shape=(1,), format=x), same, node), ("y",))
        yield make_plan(graph, {"w": (channels, 1)})


def _bits(low: int, high: int) -> int:
    """Without a sign."""
    return max(high, -low - 1, 0).bit_length()


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> int:
    """Bits in which both of two summands have one: a LUT each. The sign of the shorter one stands above it too."""
    shorter, longer = sorted((a, b), key=lambda ends: _bits(*ends))
    return _bits(*longer) + 1 if shorter[0] < 0 and longer[0] < 0 else _bits(*(longer if shorter[0] < 0 else shorter))


def _digit(scale: int, row: int) -> int:
    """The radix-4 Booth digit of a scale at a row, -2 to 2."""
    bits = (scale << 1) >> _RADIX * row
    return (bits & 1) + (bits >> 1 & 1) - 2 * (bits >> 2 & 1)


def _constant_rows(x: tuple[int, int], scale: int, count: int) -> int:
    """LUTs of the sums of a code's multiples by the digits of a scale."""
    luts, held = 0, (0, 0)
    for row in range(count):
        digit = _digit(scale, row)
        ends = sorted((digit * x[0], digit * x[1]))
        low, high = held[0] >> _RADIX, held[1] >> _RADIX
        if digit and low < high:
            luts += _overlap((low, high), (ends[0], ends[1])) - (abs(digit) - 1)
        held = low + ends[0], high + ends[1]
    return luts


def scale_features(p: Mapping[str, int], scales: Sequence[int]) -> dict[str, int]:
    """What the cost of such a layer grows with.

    `Rows`: bits of the sums of a code's multiples where the scale is recoded into Booth digits, those that are 0 left
    out; `Recoded`: of rows of a constant's multiples, which three bits of a code choose; `Tables`: bits of products of
    at most six bits; `Adders`: bits of all results.
    """
    x, s, signed = p["XWidth"], p["SWidth"], p["XSigned"]
    rows = recoded = tables = 0
    swap, width, count = array_digits(x, s, 1 - signed, 1 - p["SSigned"])
    ends = (-(1 << x - 1), (1 << x - 1) - 1) if signed else (0, (1 << x) - 1)
    for scale in scales:
        if x + s <= TABLE_BITS:
            tables += (x + s) * (scale.bit_count() > 1)
        elif swap and scale:
            lengths = [min(x + s - _RADIX * row, width + _RADIX) for row in range(1, count)]
            recoded += sum(lengths) - trailing_zeros(scale) * len(lengths)
        elif not swap:
            rows += _constant_rows(ends, scale, count)
    return {"Rows": rows, "Recoded": recoded, "Tables": tables, "Adders": p["Lanes"] * p["OutWidth"]}


def scale_registers(p: Mapping[str, int], scales: Sequence[int], shifts: Sequence[int]) -> int:
    """Flip-flops of a beat and its valid bit; bits that are 0 for any code are none.

    Those at a scale's end, of which a code's own digits leave one, since they add a 1 to inverted bits; those at the
    top only where nothing is subtracted. Of products that are tables Yosys keeps some of them on Xilinx and ECP5, as it
    finds them too late; those are not counted.
    """
    swap, _, count = array_digits(p["XWidth"], p["SWidth"], 1 - p["XSigned"], 1 - p["SSigned"])
    found = 1
    for scale, shift in zip(scales, shifts, strict=True):
        zeros = min(trailing_zeros(scale), 1) if swap else trailing_zeros(scale)
        subtracts = p["XSigned"] or shift < 0 or any(_digit(scale, row) < 0 for row in range(count))
        most = (scale * ((1 << p["XWidth"]) - 1) << p["ProductShift"]) + shift
        top = p["OutWidth"] if subtracts else most.bit_length()
        found += top - zeros - p["ProductShift"] if scale else 0
    return found


def scale_shape(plan: Plan, node: ScaleShift) -> dict[str, int]:
    """`scale_features` of a node of a plan."""
    context = scale_shift_context(plan, node, False)
    return scale_features(context["parameters"], context["scale"].codes.ravel().tolist())
