"""What only moves values: parts of an axis, axes in another order, several values as one."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import fx

from flow.ir.ops import keeps_order
from flow.training.aten.arguments import Arguments, RefusedError, shape_of
from flow.training.aten.draft import Draft, Part, one, passed_on
from flow.training.calls import Concat, Mul, Reshape, Slice, Table, Transpose
from flow.training.functions import Function

__all__ = ["HANDLERS"]


def _cut(source: fx.Node, axis: int, places: range) -> Draft:
    """The places of one axis of a sample."""
    shape = shape_of(source)[1:]
    if not places:
        raise RefusedError(f"it picks nothing of the {shape[axis]} places of axis {axis + 1}")
    if len(places) == shape[axis]:
        return passed_on(source)
    starts, stops, steps = [0] * len(shape), list(shape), [1] * len(shape)
    starts[axis], stops[axis], steps[axis] = places[0], places[-1] + 1, places.step
    picks = {"starts": tuple(starts), "stops": tuple(stops), "steps": tuple(steps)}
    cut = Part(Slice, (source,), picks, shape=(*shape[:axis], len(places), *shape[axis + 1 :]))
    return Draft(source, (cut,), shares=True)


def _one_place(source: fx.Node, axis: int, place: int) -> Draft:
    """One place of an axis, which goes."""
    shape = shape_of(source)[1:]
    if len(shape) == 1:
        raise RefusedError("it leaves samples without an axis; keep the axis, as x[:, i : i + 1] does")
    found = _cut(source, axis, range(place, place + 1))
    left = (*shape[:axis], *shape[axis + 1 :])
    if not found.parts:
        return replace(one(Reshape, source), shares=True)
    return replace(found, parts=(*found.parts, Part(Reshape, ("",), suffix="row", shape=left)))


def _slice(given: Arguments) -> Draft:
    source = given.value("self")
    size = shape_of(source)[given["dim"]]
    places = range(size)[slice(given["start"], given["end"], given["step"])]
    if given["dim"] % len(shape_of(source)) == 0 and len(places) == size:
        return passed_on(source)
    return _cut(source, given.axis(), places)


def _narrow(given: Arguments) -> Draft:
    source, axis = given.value("self"), given.axis()
    if not isinstance(given["start"], int):
        raise RefusedError("its start depends on data; give it a number")
    start = given["start"] % shape_of(source)[axis + 1]
    return _cut(source, axis, range(start, start + given["length"]))


def _select(given: Arguments) -> Draft:
    source = given.value("self")
    axis = given.axis(rank=len(shape_of(source)))
    return _one_place(source, axis, given["index"] % shape_of(source)[axis + 1])


def _parts(given: Arguments) -> Draft:
    """A node with several results stands for what it splits, until one of them is taken."""
    source = given.value("self")
    given.axis(rank=len(shape_of(source)))
    return passed_on(source)


def _taken(given: Arguments) -> Draft:
    """One of the results of a split."""
    whole = given["self"]
    if whole.target not in _SPLITS:  # and thereby refused already
        return passed_on(whole)
    before = Arguments(whole, given.constants)
    source, index = before.value("self"), given["index"]
    try:
        axis = before.axis(rank=len(shape_of(source)))
    except RefusedError:  # which the split has said
        return passed_on(whole)
    if whole.target is _ATEN.unbind.int:
        return replace(_one_place(source, axis, index), source=whole)
    sizes = [int(part.shape[axis + 1]) for part in whole.meta["val"]]
    start = sum(sizes[:index])
    return replace(_cut(source, axis, range(start, start + sizes[index])), source=whole)


def _transposed(given: Arguments) -> Draft:
    """The order of the axes from what the operator does to a probe whose axes differ in their strides."""
    source = given.value("self")
    shape, arguments = shape_of(source), given.node.args[1:]
    probe = torch.empty([2] * len(shape), device="meta")
    strides: tuple[int, ...] = given.node.target(probe, *arguments, **given.node.kwargs).stride()  # type: ignore[operator]
    order = tuple(probe.stride().index(stride) for stride in strides)
    if order[0] != 0:
        raise RefusedError("it moves the axis of the batch; leave that one first")
    moved = tuple(axis - 1 for axis in order[1:])
    if moved == tuple(range(len(moved))):
        return passed_on(source)
    kept = keeps_order(shape[1:], moved)
    return replace(one(Reshape, source) if kept else one(Transpose, source, order=moved), shares=True)


def _regrouped(given: Arguments, split: tuple[int, ...], order: tuple[int, ...]) -> Draft:
    """Axes split, put in another order and joined again."""
    source = given.value("self")
    parts = (
        Part(Reshape, (source,), suffix="split", shape=split, prepares=True),
        Part(Transpose, ("split",), {"order": order}, shape=tuple(split[axis] for axis in order)),
        Part(Reshape, ("",), suffix="joined"),
    )
    return Draft(source, parts, label=str(given.node.target.__name__).split(".")[0])  # type: ignore[union-attr]


def _image(given: Arguments) -> tuple[int, int, int]:
    shape = shape_of(given.value("self"))
    if len(shape) != 4:
        raise RefusedError(f"its input has the shape {shape[1:]} a sample; only [C, H, W] can be shuffled")
    return shape[1], shape[2], shape[3]


def _pixel_shuffle(given: Arguments) -> Draft:
    (channels, height, width), r = _image(given), given["upscale_factor"]
    return _regrouped(given, (channels // r**2, r, r, height, width), (0, 3, 1, 4, 2))


def _pixel_unshuffle(given: Arguments) -> Draft:
    (channels, height, width), r = _image(given), given["downscale_factor"]
    return _regrouped(given, (channels, height // r, r, width // r, r), (0, 2, 4, 1, 3))


def _channel_shuffle(given: Arguments) -> Draft:
    shape, groups = shape_of(given.value("self"))[1:], given["groups"]
    return _regrouped(given, (groups, shape[0] // groups, math.prod(shape[1:])), (1, 0, 2))


def _glu(given: Arguments) -> Draft:
    """The first half of an axis times the sigmoid of the second."""
    source = given.value("self")
    axis, shape = given.axis(), shape_of(source)[1:]
    half = shape[axis] // 2
    value, gate = (_cut(source, axis, places).parts[0] for places in (range(half), range(half, 2 * half)))
    sigmoid = Part(Table, ("gate",), {"function": Function("sigmoid")}, "sigmoid")
    parts = (replace(value, suffix="value"), replace(gate, suffix="gate"), sigmoid, Part(Mul, ("value", "sigmoid")))
    return Draft(source, parts, label="glu")


def _cat(given: Arguments) -> Draft:
    return one(Concat, *given.values("tensors"), axis=given.axis())


def _hstack(given: Arguments) -> Draft:
    return one(Concat, *given.values("tensors"), axis=0)


def _stack(given: Arguments) -> Draft:
    """Each part gets the axis along which they are joined."""
    tensors, axis = given.values("tensors"), given.axis()
    shape = shape_of(tensors[0])[1:]
    wide, names = (*shape[:axis], 1, *shape[axis:]), [f"part{number}" for number in range(len(tensors))]
    parts = [
        Part(Reshape, (tensor,), suffix=name, shape=wide, prepares=True)
        for tensor, name in zip(tensors, names, strict=True)
    ]
    return Draft(tensors[0], (*parts, Part(Concat, tuple(names), {"axis": axis})), label="stack")


_ATEN = torch.ops.aten
_SPLITS = (
    _ATEN.chunk.default, _ATEN.split.Tensor, _ATEN.split.sizes, _ATEN.split_with_sizes.default, _ATEN.unbind.int,
    _ATEN.unsafe_chunk.default, _ATEN.unsafe_split.Tensor, _ATEN.tensor_split.sections, _ATEN.tensor_split.indices,
)  # fmt: skip
_TRANSPOSES = (
    _ATEN.transpose.int, _ATEN.permute.default, _ATEN.movedim.int, _ATEN.movedim.intlist, _ATEN.moveaxis.int,
    _ATEN.moveaxis.intlist, _ATEN.swapaxes.default, _ATEN.swapdims.default, _ATEN.mT.default, _ATEN.t.default,
)  # fmt: skip
HANDLERS: dict[Any, Callable[[Arguments], Draft]] = {
    **dict.fromkeys((_ATEN.cat.default, _ATEN.concat.default, _ATEN.concatenate.default), _cat),
    **dict.fromkeys(_TRANSPOSES, _transposed),
    **dict.fromkeys(_SPLITS, _parts),
    operator.getitem: _taken,
    _ATEN.stack.default: _stack,
    _ATEN.hstack.default: _hstack,
    _ATEN.glu.default: _glu,
    _ATEN.slice.Tensor: _slice,
    _ATEN.narrow.default: _narrow,
    _ATEN.select.int: _select,
    _ATEN.pixel_shuffle.default: _pixel_shuffle,
    _ATEN.pixel_unshuffle.default: _pixel_unshuffle,
    _ATEN.channel_shuffle.default: _channel_shuffle,
}
