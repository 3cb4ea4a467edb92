"""Factors and summands that are constants: numbers in the forward, parameters of the user's own, slopes of a PReLU."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import fx

from flow.training.aten.arguments import Arguments, RefusedError, shape_of
from flow.training.aten.draft import Draft, Part
from flow.training.calls import Add, Relu, Reshape, Scale, Sub

__all__ = ["HANDLERS", "added", "is_constant", "multiplied", "scaled_parts"]

Shape = tuple[int, ...]


def is_constant(given: Arguments, name: str) -> bool:
    """Whether an argument is a number, or a parameter or buffer of the model."""
    found = given[name]
    return not isinstance(found, fx.Node) or found.name in given.constants


def scaled_parts(source: fx.Node | str, sample: Shape, constants: Shape, **fields: Any) -> tuple[Part, ...]:
    """`x * scale + shift`: as it stands where the constants differ by channel at most, else on the flat sample.

    Args:
        source: what is scaled.
        sample: its shape.
        constants: the shape of scale and shift, which broadcasts to `sample`.
        fields: `scale` and `shift` as names of constants.
    """
    if len(sample) == 1 or math.prod(constants[-len(sample) + 1 :]) == 1:
        return (Part(Scale, (source,), {"sample": sample, **fields}, shape=sample),)
    flat = (math.prod(sample),)
    return (
        Part(Reshape, (source,), suffix="flat", shape=flat, prepares=True),
        Part(Scale, ("flat",), {"sample": sample, **fields}, shape=flat),
        Part(Reshape, ("",), suffix="shape", shape=sample),
    )


def _scaled(given: Arguments, source: str, field: str, constant: Any, label: str) -> Draft:
    """A value with one constant, a number or a parameter, that does not enlarge it."""
    value = given.value(source)
    sample = shape_of(value)[1:]
    if not isinstance(constant, fx.Node):
        return _with_numbers(given, value, {field: float(constant)}, label)
    shape = shape_of(constant)
    if shape_of(given.node) != shape_of(value) or (len(shape) > len(sample) and shape[0] != 1):
        raise RefusedError(
            f"the constant {given.constants[constant.name]!r} of shape {shape} does not broadcast to samples {sample}; "
            "give it axes of that size or 1"
        )
    parts = scaled_parts(value, sample, shape, **{field: given.constants[constant.name]})
    return Draft(value, parts, label=label)


def _with_numbers(given: Arguments, value: fx.Node, numbers: dict[str, float], label: str) -> Draft:
    """Numbers of the forward become constants that training leaves alone."""
    names = {field: f"{given.node.name}.{field}" for field in numbers}
    sample = shape_of(value)[1:]
    parts = scaled_parts(value, sample, (), trained=False, **names)
    literals = {names[field]: number for field, number in numbers.items()}
    return Draft(value, parts, label=label, literals=literals)


def _sides(given: Arguments) -> tuple[str, Any]:
    """The argument that is a value, and the constant beside it."""
    own, other = ("self", "other") if is_constant(given, "other") else ("other", "self")
    return own, given[other]


def multiplied(given: Arguments) -> Draft:
    """A value times a constant."""
    own, constant = _sides(given)
    return _scaled(given, own, "scale", constant, "mul")


def added(given: Arguments) -> Draft:
    """A value plus a constant."""
    own, constant = _sides(given)
    return _scaled(given, own, "shift", constant, "add")


def _number(given: Arguments, name: str, instead: str) -> float:
    """An argument that must be a number; `instead` is the way out where it is another constant."""
    found = given[name]
    if not isinstance(found, fx.Node):
        return float(found)
    if found.name in given.constants:
        raise RefusedError(f"{name} is the constant {given.constants[found.name]!r}; {instead}")
    raise RefusedError(f"{name} is a value of the network; only numbers can stand there")


def _divided(given: Arguments) -> Draft:
    divisor = _number(given, "other", "multiply by a parameter that holds its inverse")
    if divisor == 0:
        raise RefusedError("it divides by 0; leave it out")
    return _with_numbers(given, given.value("self"), {"scale": 1.0 / divisor}, "div")


def subtracted(given: Arguments) -> Draft:
    """A value minus a number, or a number minus a value."""
    name = "self" if is_constant(given, "self") else "other"
    number = _number(given, name, "add a parameter that holds its negative")
    if name == "self":
        return _with_numbers(given, given.value("other"), {"scale": -1.0, "shift": number}, "sub")
    return _with_numbers(given, given.value("self"), {"shift": -number}, "sub")


def _turned_around(given: Arguments) -> Draft:
    """`other - self`."""
    if given["alpha"] != 1:
        raise RefusedError(f"alpha={given['alpha']}; scale the operand's layer instead")
    return _with_numbers(given, given.value("self"), {"scale": -1.0, "shift": float(given["other"])}, "sub")


def _negated(given: Arguments) -> Draft:
    return _with_numbers(given, given.value("self"), {"scale": -1.0}, "neg")


def _prelu(given: Arguments) -> Draft:
    """The positive part, and the negative one times a trained slope."""
    source, slope = given.value("self"), given.constant("weight")
    sample, slopes = shape_of(source)[1:], shape_of(given["weight"])
    constants = (*slopes, *[1] * (len(sample) - 1)) if slopes != (1,) else (1,)
    (scaled,) = scaled_parts("down", sample, constants, scale=slope)
    parts = (
        Part(Relu, (source,), suffix="up"),
        Part(Sub, (source, "up"), {"narrow": True}, "down"),
        replace(scaled, suffix="slope", fields={**scaled.fields, "sample": _channel_shape(sample, slopes)}),
        Part(Add, ("up", "slope")),
    )
    return Draft(source, parts, label="prelu")


def _channel_shape(sample: Shape, slopes: Shape) -> Shape:
    """What the slopes broadcast to: a vector, since torch keeps them without axes behind that of the channels."""
    return sample[:1] if slopes != (1,) or len(sample) == 1 else sample


_ATEN = torch.ops.aten
HANDLERS: dict[Any, Callable[[Arguments], Draft]] = {
    _ATEN.div.Tensor: _divided,
    _ATEN.div_.Tensor: lambda given: replace(_divided(given), shares=True, in_place=True),
    _ATEN.rsub.Scalar: _turned_around,
    _ATEN.neg.default: _negated,
    _ATEN.prelu.default: _prelu,
}
