"""Nodes that only move values: parts of an axis, axes in another order, several values as one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.ir import Concat, Lookup, Slice, Transpose
from flow.ir.ops import keeps_order
from flow.lowering.from_onnx.draft import Draft
from flow.lowering.from_onnx.file import Call
from flow.lowering.from_onnx.linear import constant_tensor, signal
from flow.lowering.from_onnx.quant_nodes import parameter
from flow.lowering.from_onnx.shapes import reshaped
from flow.lowering.from_onnx.tracked import Constant, RefusedError, Signal, Tracked

__all__ = ["concat", "gather", "slice_axes", "split", "transpose"]


def _axis(d: Draft, call: Call, x: Signal, default: int | None = None) -> int:
    """The axis of a sample that the node names, from 0.

    Raises:
        RefusedError: it is that of the batch.
    """
    given = call.attributes.get("axis", default)
    axis: int = given % (len(d.value(x).shape) + 1)
    if axis == 0:
        raise RefusedError(f"axis={given} is that of the batch; name one behind it")
    return axis - 1


def concat(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Concat of values; channels keep units of their own, other parts take that of the first."""
    parts = [signal(operands, place) for place in range(len(operands))]
    axis, unit = _axis(d, call, parts[0]), parts[0].unit
    if any(part.unit.shape != unit.shape or (part.unit != unit).any() for part in parts):
        if axis == 0:
            unit = np.concatenate([np.broadcast_to(part.unit, d.value(part).shape[:1]) for part in parts])
        else:
            parts = [d.to_unit(part, unit) for part in parts]
    elif axis == 0 and unit.size > 1:
        unit = np.tile(unit, len(parts))
    return Signal(d.emit(Concat, *(part.node for part in parts), axis=axis), unit)


def _cut(d: Draft, x: Signal, picked: dict[int, range]) -> Signal:
    """Some places of some axes of a sample, by the axis."""
    shape = d.value(x).shape
    empty = [axis for axis, places in picked.items() if not places]
    if empty:
        raise RefusedError(f"it picks nothing of the {shape[empty[0]]} places of axis {empty[0] + 1}")
    ranges = [picked.get(axis, range(size)) for axis, size in enumerate(shape)]
    if all(len(places) == size for places, size in zip(ranges, shape, strict=True)):
        return x
    cuts = [(places[0], places[-1] + 1, places.step) for places in ranges]
    starts, stops, steps = (tuple(cut[field] for cut in cuts) for field in range(3))
    unit = x.unit[np.array(ranges[0])] if x.unit.size > 1 else x.unit
    return Signal(d.emit(Slice, x.node, starts=starts, stops=stops, steps=steps), unit)


def _numbers(call: Call, operands: tuple[Tracked, ...], place: int, name: str) -> list[int] | None:
    """Integers from an operand, or from the attribute that older files have."""
    if len(operands) > place and operands[place] is not None:
        return [int(number) for number in parameter(operands, place, name).reshape(-1)]
    given = call.attributes.get(name)
    return None if given is None else list(given)


def slice_axes(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Slice behind the batch, forwards."""
    x = signal(operands)
    starts, ends = (_numbers(call, operands, place, name) or [] for place, name in ((1, "starts"), (2, "ends")))
    axes = _numbers(call, operands, 3, "axes") or list(range(len(starts)))
    steps = _numbers(call, operands, 4, "steps") or [1] * len(starts)
    shape, picked = d.value(x).shape, dict[int, range]()
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        at = axis % (len(shape) + 1)
        if step < 1:
            raise RefusedError(f"its step {step} along axis {at} goes backwards; use positive steps")
        if at:
            picked[at - 1] = range(shape[at - 1])[start:end:step]
        elif (start, step) != (0, 1) or 0 <= end < (d.source.batch or 1):
            raise RefusedError("it takes part of the batch; slice axes behind it")
    return _cut(d, x, picked)


def split(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> tuple[Tracked, ...]:
    """ONNX Split behind the batch: as many values as the node has outputs."""
    x = signal(operands)
    axis, count = _axis(d, call, x, 0), len(call.outputs)
    size = d.value(x).shape[axis]
    each = -(-size // count)
    sizes = _numbers(call, operands, 1, "split") or [min(each, size - each * part) for part in range(count)]
    ends = np.cumsum(sizes).tolist()
    if len(sizes) != count or ends[-1] != size:
        raise RefusedError(f"its parts {sizes} are not the {size} places of axis {axis + 1} in {count} outputs")
    return tuple(_cut(d, x, {axis: range(end - part, end)}) for part, end in zip(sizes, ends, strict=True))


def gather(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Gather of one place of an axis, which then goes, of places that lie evenly spaced, or of constant rows."""
    if isinstance(operands[0], Constant):
        return _rows(d, call, operands[0], signal(operands, 1))
    x, index = signal(operands), operands[1]
    if not isinstance(index, Constant):
        raise RefusedError("its indices depend on the data; only constant ones have a form here")
    axis, places = _axis(d, call, x, 0), index.values.astype(np.int64)
    shape = d.value(x).shape
    picked = _evenly(places.reshape(-1) % shape[axis])
    if places.ndim > 1 or picked is None:
        raise RefusedError(f"its indices {places.tolist()} are not evenly spaced; use a slice")
    made = _cut(d, x, {axis: picked})
    left = (*shape[:axis], *shape[axis + 1 :])
    if places.ndim == 0 and not left:
        raise RefusedError("it leaves samples without an axis; gather a list of one index")
    return reshaped(d, made, left) if places.ndim == 0 else made


def _rows(d: Draft, call: Call, table: Constant, index: Signal) -> Signal:
    """An embedding: a row of the constant for every index."""
    value = d.value(index)
    if call.attributes.get("axis", 0) or table.values.ndim != 2:
        raise RefusedError("it picks by data from other than rows of a matrix; only those have a form here")
    if value.format.frac or any(unit != 1 for unit in index.unit.reshape(-1)):
        raise RefusedError(f"its indices are no integers but {value.format}; put a Quant of scale 1 before it")
    rows, unit = constant_tensor(d, table)
    if value.low < 0 or value.high >= len(table.values):
        raise RefusedError(
            f"its indices range over {value.low}..{value.high}, but there are {len(table.values)} rows; add rows up to "
            "the last code that the Quant before it lets through"
        )
    if unit.size > 1:
        raise RefusedError("its rows have a scale each; quantise them per tensor")
    return Signal(d.emit(Lookup, index.node, rows=rows), unit.reshape(()))


def _evenly(places: NDArray[Any]) -> range | None:
    """The places as a range that goes forwards, where they are one."""
    step = int(places[1] - places[0]) if places.size > 1 else 1
    found = range(int(places[0]), int(places[-1]) + 1, max(step, 1)) if places.size else range(0)
    return found if list(found) == places.tolist() else None


def transpose(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Transpose that leaves the batch first."""
    x = signal(operands)
    shape = d.value(x).shape
    given = call.attributes.get("perm", list(range(len(shape) + 1))[::-1])
    if given[0] != 0:
        raise RefusedError(f"perm={list(given)} moves the axis of the batch; leave that one first")
    order = tuple(axis - 1 for axis in given[1:])
    moved = tuple(shape[axis] for axis in order)
    if keeps_order(shape, order):
        return reshaped(d, x, moved)
    if x.unit.size > 1 and order[0] != 0:
        raise RefusedError("it moves values with a scale per channel; quantise per tensor")
    return Signal(d.emit(Transpose, x.node, order=order), x.unit)
