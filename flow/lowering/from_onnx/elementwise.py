"""Sums, differences and products; ReLU; functions that wait for their table."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import erf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.ir import Add, Mul, Relu, Sub
from flow.lowering.from_onnx.draft import Draft, per_channel
from flow.lowering.from_onnx.exact import exponents, fractions
from flow.lowering.from_onnx.file import Call
from flow.lowering.from_onnx.linear import added_tensor, constant_tensor, signal
from flow.lowering.from_onnx.tracked import Constant, Pending, RefusedError, Signal, Tracked

__all__ = ["FUNCTIONS", "add", "function", "mul", "relu", "sub"]

Floats = NDArray[np.float64]

# What a table is computed from, in double precision; attributes with the defaults of ONNX.
FUNCTIONS: dict[str, Callable[[Floats, dict[str, Any]], Floats]] = {
    "Sigmoid": lambda x, a: 1 / (1 + np.exp(-x)),
    "Tanh": lambda x, a: np.tanh(x),
    "HardSigmoid": lambda x, a: np.clip(a.get("alpha", 0.2) * x + a.get("beta", 0.5), 0, 1),
    "HardSwish": lambda x, a: x * np.clip(x / 6 + 0.5, 0, 1),
    "LeakyRelu": lambda x, a: np.where(x < 0, a.get("alpha", 0.01) * x, x),
    "Elu": lambda x, a: np.where(x < 0, a.get("alpha", 1.0) * np.expm1(x), x),
    "Softplus": lambda x, a: np.logaddexp(x, 0),
    "Softsign": lambda x, a: x / (1 + np.abs(x)),
    "Gelu": lambda x, a: x * (1 + _erf(x / np.sqrt(2))) / 2,
    "Erf": lambda x, a: _erf(x),
    "Exp": lambda x, a: np.exp(x),
    "Sin": lambda x, a: np.sin(x),
    "Cos": lambda x, a: np.cos(x),
    "Abs": lambda x, a: np.abs(x),
    "Neg": lambda x, a: -x,
}


def _erf(x: Floats) -> Floats:
    return np.vectorize(erf, otypes=[np.float64])(x)


def function(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """A function of one value: a table, once the Quant behind it says how its results are rounded."""
    if call.attributes.get("approximate", "none") != "none":
        raise RefusedError("only the exact form is supported; export with approximate='none'")
    kernel, attributes = FUNCTIONS[call.kind], call.attributes
    return Pending(signal(operands), lambda x: kernel(x, attributes))


def relu(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Relu; units are positive, so it commutes with them."""
    x = signal(operands)
    return Signal(d.emit(Relu, x.node), x.unit)


def add(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Add of two values, or of a value and a constant per channel."""
    left, right = operands
    if isinstance(left, Constant):
        left, right = right, left
    if isinstance(right, Constant):
        return _plus_constant(d, signal((left,)), right)
    first, second = _same_unit(d, signal(operands), signal(operands, 1))
    if d.value(first).shape != d.value(second).shape:
        raise RefusedError(f"it adds {d.value(first).shape} and {d.value(second).shape}; shapes must agree")
    return Signal(d.emit(Add, first.node, second.node), first.unit)


def sub(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Sub of two values, or of a value and a constant on either side."""
    left, right = operands
    if isinstance(right, Constant):
        return _plus_constant(d, signal(operands), _negated(right))
    if isinstance(left, Constant):
        x = signal(operands, 1)
        turned = Signal(d.affine(x.node, d.dyadic(np.array(Fraction(-1), dtype=object), "factor"), None), x.unit)
        return _plus_constant(d, turned, left)
    first, second = _same_unit(d, signal(operands), signal(operands, 1))
    return Signal(d.emit(Sub, first.node, second.node), first.unit)


def _same_unit(d: Draft, left: Signal, right: Signal) -> tuple[Signal, Signal]:
    """Both in the unit of the first: a sum needs one grid."""
    if left.unit.shape == right.unit.shape and (left.unit == right.unit).all():
        return left, right
    if left.unit.shape != right.unit.shape and left.unit.size > 1:
        return d.to_unit(left, right.unit), right
    return left, d.to_unit(right, left.unit)


def _negated(x: Constant) -> Constant:
    if x.width is None:
        return Constant(-x.values.astype(np.float64))
    return Constant(-x.values, x.scale, x.width + 1, True)


def _channels(x: Constant, shape: tuple[int, ...]) -> Constant:
    """A constant of shape (), or (C,) along the channels."""
    return x.mapped(lambda array: per_channel(array, shape))


def _plus_constant(d: Draft, x: Signal, found: Constant) -> Signal:
    shape = d.value(x).shape
    laid = _channels(found, shape)
    if all(unit == 1 for unit in x.unit.reshape(-1)):
        tensor = added_tensor(d, laid)
    else:
        added = np.asarray(fractions(laid.values.astype(np.float64)) / x.unit, dtype=object)
        tensor = d.summand(added, d.value(x).format.frac)
    return Signal(d.affine(x.node, None, tensor), x.unit) if tensor.codes.any() else x


def mul(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Mul of two values, or of a value and a constant per channel."""
    left, right = operands
    if isinstance(left, Constant):
        left, right = right, left
    if not isinstance(right, Constant):
        return _product(d, signal(operands), signal(operands, 1))
    x = signal((left,))
    laid = _channels(right, d.value(x).shape)
    if _as_unit(d, laid):
        unit = np.asarray(x.unit * fractions(laid.values.astype(np.float64)), dtype=object)
        return Signal(x.node, unit)
    if laid.scale is None:
        factors = fractions(laid.values.astype(np.float64))
        return Signal(d.affine(x.node, d.dyadic(factors, "factor"), None), x.unit)
    tensor, unit = constant_tensor(d, laid)
    return Signal(d.affine(x.node, tensor, None), np.asarray(x.unit * unit, dtype=object))


def _as_unit(d: Draft, x: Constant) -> bool:
    """Whether a factor is a scale: it then waits for the next Quant instead of being rounded here."""
    positive = bool((x.values > 0).all())
    return d.scales.dyadic and x.scale is None and positive and exponents(fractions(x.values)) is None


def _product(d: Draft, left: Signal, right: Signal) -> Signal:
    if max(left.unit.size, right.unit.size) > 1:
        raise RefusedError("it multiplies a value with a scale per channel; quantise it per tensor")
    unit = np.asarray(left.unit.reshape(()) * right.unit.reshape(()), dtype=object)
    return Signal(d.emit(Mul, left.node, right.node), unit)
