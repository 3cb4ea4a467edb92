"""Padding with zeros, and nearest upsampling."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np

from flow.ir import Pad, Upsample
from flow.lowering.from_onnx.draft import Draft
from flow.lowering.from_onnx.file import Call
from flow.lowering.from_onnx.linear import signal
from flow.lowering.from_onnx.quant_nodes import parameter
from flow.lowering.from_onnx.tracked import RefusedError, Signal, Tracked

__all__ = ["pad", "resize"]

_HALF = Fraction(1, 2)
# Where a place of the result lies on an axis of the input, for a whole factor.
_POSITIONS: dict[str, Callable[[int, int], Fraction]] = {
    "asymmetric": lambda place, factor: Fraction(place, factor),
    "half_pixel": lambda place, factor: (place + _HALF) / factor - _HALF,
    "pytorch_half_pixel": lambda place, factor: (place + _HALF) / factor - _HALF,
}
_ROUNDINGS: dict[str, Callable[[Fraction], int]] = {
    "floor": floor,
    "ceil": ceil,
    "round_prefer_floor": lambda position: ceil(position - _HALF),
    "round_prefer_ceil": lambda position: floor(position + _HALF),
}


def pad(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Pad of zeros behind the batch; negative amounts crop."""
    x = signal(operands)
    rank, mode = len(d.value(x).shape) + 1, call.attributes.get("mode", "constant")
    if mode != "constant" or _value(call, operands) != 0:
        found = f"mode={mode}" if mode != "constant" else f"value {_value(call, operands):g}"
        raise RefusedError(f"{found} pads other numbers than zeros; pad with zeros")
    before, after = [0] * rank, [0] * rank
    given = _listed(call, operands, 1, "pads")
    axes = _listed(call, operands, 3, "axes") if _present(operands, 3) else list(range(rank))
    for place, axis in enumerate(axes):
        before[axis], after[axis] = given[place], given[place + len(axes)]
    if before[0] or after[0]:
        raise RefusedError(f"pads={given} change the batch; pad axes behind it")
    if x.unit.size > 1 and (before[1] or after[1]):
        raise RefusedError("it pads channels that have a scale each; quantise per tensor")
    still = (0,) * (rank - 1)
    return Signal(d.emit(Pad, x.node, before=tuple(before[1:]), after=tuple(after[1:]), interior=still), x.unit)


def _present(operands: tuple[Tracked, ...], index: int) -> bool:
    return len(operands) > index and operands[index] is not None


def _listed(call: Call, operands: tuple[Tracked, ...], index: int, name: str) -> list[int]:
    """Integers from an input, or from an attribute as the first versions had it."""
    given = call.attributes.get(name)
    return [int(n) for n in (parameter(operands, index, name).reshape(-1) if given is None else given)]


def _value(call: Call, operands: tuple[Tracked, ...]) -> float:
    if _present(operands, 2):
        return float(parameter(operands, 2, "value").reshape(-1)[0])
    return float(call.attributes.get("value", 0))


def resize(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Resize, and Upsample before it, where whole factors repeat every value alike."""
    x = signal(operands)
    shape, mode = d.value(x).shape, call.attributes.get("mode", "nearest")
    if mode != "nearest":
        raise RefusedError(f"mode={mode} computes between the values; only nearest repeats them")
    scales = _scales(call, operands, shape)
    if scales[0] != 1 or any(scale != round(scale) or scale < 1 for scale in scales):
        shown = [float(scale) for scale in scales]
        raise RefusedError(f"it scales by {shown}; only whole factors behind the batch repeat every value alike")
    factors = tuple(int(scale) for scale in scales[1:])
    _check_places(call, shape, factors)
    unit = x.unit if x.unit.size == 1 else np.repeat(x.unit, factors[0])
    return Signal(d.emit(Upsample, x.node, factors=factors), unit)


def _scales(call: Call, operands: tuple[Tracked, ...], shape: tuple[int, ...]) -> list[Any]:
    """A factor for the batch and for each axis of a sample."""
    if call.attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch" or "axes" in call.attributes:
        raise RefusedError("its axes or its policy leave the factors open; write scales for all axes")
    if "scales" in call.attributes:
        return list(call.attributes["scales"])
    index = 1 if call.kind == "Upsample" or call.version < 11 else 2
    if _present(operands, index) and parameter(operands, index, "scales").size:
        return parameter(operands, index, "scales").reshape(-1).tolist()
    sizes = _listed(call, operands, 3, "sizes")
    return [1, *(Fraction(wanted, size) for wanted, size in zip(sizes[1:], shape, strict=True))]


def _check_places(call: Call, shape: tuple[int, ...], factors: tuple[int, ...]) -> None:
    """Every place of the result must show the value `place // factor`, as the first versions always do."""
    if call.kind == "Upsample" or call.version < 11:
        return
    given = call.attributes
    where = given.get("coordinate_transformation_mode", "half_pixel")
    how = given.get("nearest_mode", "round_prefer_floor")
    for size, factor in zip(shape, factors, strict=True):
        nearest = [_nearest(place, factor, size, where, how) for place in range(size * factor)] if factor > 1 else []
        if nearest != [place // factor for place in range(len(nearest))]:
            raise RefusedError(f"{where} with {how} shows some values less often than others; use asymmetric and floor")


def _nearest(place: int, factor: int, size: int, where: str, how: str) -> int:
    if where not in _POSITIONS or how not in _ROUNDINGS:
        return -1
    return min(max(_ROUNDINGS[how](_POSITIONS[where](place, factor)), 0), size - 1)
