"""Means, sums and maxima along axes, and LayerNorm, which is made of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from flow.training.aten.arguments import Arguments, RefusedError, shape_of
from flow.training.aten.draft import Draft, Part
from flow.training.aten.scaling import scaled_parts
from flow.training.calls import AvgPool2d, Call, Mul, ReduceMax, ReduceSum, Reshape, Sub, Table, Transpose
from flow.training.functions import Function

__all__ = ["HANDLERS"]

Shape = tuple[int, ...]


def _axes(given: Arguments, name: str = "dim") -> tuple[int, ...]:
    """The axes of a sample that are reduced, from 0 without the batch."""
    listed, rank = given[name], len(shape_of(given.value("self")))
    numbers = [listed] if isinstance(listed, int) else list(listed or range(rank))
    axes = sorted({number % rank - 1 for number in numbers})
    if axes[0] < 0:
        raise RefusedError(f"{name}={listed} reduces the batch; name axes behind it")
    if not given["keepdim"] and len(axes) == rank - 1:
        raise RefusedError("it leaves samples without an axis; use keepdim=True")
    return tuple(axes)


def _mean_parts(source: fx.Node | str, rows: int, terms: int, prefix: str) -> tuple[Part, ...]:
    """The mean of each row of [rows, terms], as an average over windows: [rows, 1, 1]."""
    return (
        Part(Reshape, (source,), suffix=f"{prefix}plane", shape=(rows, 1, terms), prepares=True),
        Part(
            AvgPool2d, (f"{prefix}plane",), {"kernel": (1, terms), "stride": (1, terms)}, f"{prefix}mean", (rows, 1, 1)
        ),
    )


def _mean(given: Arguments) -> Draft:
    """The averaged axes come last, where they do not stand already; then a window covers them."""
    source, axes = given.value("self"), _axes(given)
    sample = shape_of(source)[1:]
    kept = [axis for axis in range(len(sample)) if axis not in axes]
    order, parts, read = (*kept, *axes), list[Part](), "ordered"
    if order != tuple(range(len(sample))):
        parts.append(Part(Transpose, (source,), {"order": order}, "ordered", tuple(sample[axis] for axis in order)))
    else:
        read = source
    rows, terms = (math.prod(sample[axis] for axis in part) for part in (kept, axes))
    return Draft(source, (*parts, *_mean_parts(read, rows, terms, ""), Part(Reshape, ("mean",))), label="mean")


def _reduced(kind: type[Call], label: str) -> Callable[[Arguments], Draft]:
    def handle(given: Arguments) -> Draft:
        source, axes = given.value("self"), _axes(given)
        sample, parts, read = shape_of(source)[1:], list[Part](), source
        for axis in axes:
            sample = (*sample[:axis], 1, *sample[axis + 1 :])
            parts.append(Part(kind, (read,), {"axis": axis}, f"axis{axis}", sample))
            read = parts[-1].suffix
        return Draft(source, (*parts, Part(Reshape, (read,))), label=label)

    return handle


def _layer_norm(given: Arguments) -> Draft:
    """`(x - mean) / sqrt(variance + eps)` of each row, then factors and summands; sums of squares are exact integers.

    Their root's reciprocal comes from a table, so that the only roundings are those of casts and of the mean's factor.
    The table's codes are evenly spaced: of rows whose variance is some hundredths of the largest it knows few bits.
    """
    source, normal = given.value("input"), tuple(given["normalized_shape"])
    sample = shape_of(source)[1:]
    terms = math.prod(normal)
    rows, flat = math.prod(sample) // terms, (math.prod(sample) // terms, terms)
    root = Function("rsqrt", (float(terms), float(given["eps"])))
    parts = (
        Part(Reshape, (source,), suffix="rows", shape=flat, prepares=True),
        *_mean_parts("rows", rows, terms, ""),
        Part(Reshape, ("mean",), suffix="means", shape=(rows, 1)),
        Part(Sub, ("rows", "means"), suffix="centred", shape=flat),
        Part(Mul, ("centred", "centred"), {"positive": True}, "squares", flat),
        Part(ReduceSum, ("squares",), {"axis": 1}, "power", (rows, 1)),
        Part(Table, ("power",), {"function": root, "role": "tables", "saturates": True}, "root", (rows, 1)),
        Part(Mul, ("centred", "root"), suffix="unit", shape=flat),
        *_affine(given, flat, normal),
    )
    return Draft(source, parts, label="layer_norm")


def _affine(given: Arguments, flat: Shape, normal: Shape) -> tuple[Part, ...]:
    """The factors and summands of a LayerNorm, if it has some; then the shape of its input."""
    names = {field: given.constant_or_none(name) for field, name in (("scale", "weight"), ("shift", "bias"))}
    held: dict[str, Any] = {field: name for field, name in names.items() if name is not None}
    if not held:
        return (Part(Reshape, ("unit",)),)
    *before, scale, after = scaled_parts("unit", (flat[0], *normal), (1, *normal), **held)
    return (*before, scale, Part(after.kind, after.inputs, suffix=after.suffix))


_ATEN = torch.ops.aten
HANDLERS: dict[Any, Callable[[Arguments], Draft]] = {
    _ATEN.mean.dim: _mean,
    _ATEN.sum.dim_IntList: _reduced(ReduceSum, "sum"),
    _ATEN.amax.default: _reduced(ReduceMax, "amax"),
    _ATEN.layer_norm.default: _layer_norm,
}
