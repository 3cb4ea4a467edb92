"""Products with constants: Gemm, MatMul, and a BatchNormalization that stands by itself."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.formats import FixedPoint
from flow.ir import Dense, MatMul, Tensor
from flow.lowering.from_onnx.draft import ONE, WEIGHT_BITS, Draft
from flow.lowering.from_onnx.exact import dyadic_tensor, exponent, exponents, fractions
from flow.lowering.from_onnx.file import Call
from flow.lowering.from_onnx.quant_nodes import parameter
from flow.lowering.from_onnx.tracked import Constant, RefusedError, Signal, Tracked

__all__ = [
    "added_tensor", "batch_norm", "bias_of", "constant_tensor", "gemm", "matmul", "product_unit", "signal", "weight_of",
]  # fmt: skip

_NEAR = 2.0**-20  # how far a bias code may lie from an integer, relative to itself: what float32 scales leave


def signal(operands: tuple[Tracked, ...], index: int = 0) -> Signal:
    """The signal at an input.

    Raises:
        RefusedError: it is a constant or waits for a Quant.
    """
    found = operands[index]
    if not isinstance(found, Signal):
        raise RefusedError(f"its input {index} is no quantised value of the network; put a Quant before it")
    return found


def constant_tensor(d: Draft, x: Constant) -> tuple[Tensor, NDArray[Any]]:
    """A constant as codes, and their unit: () or one per index of the first axis.

    Raises:
        RefusedError: no Quant put it on a grid and it is not exact in WEIGHT_BITS, or its scale is no power of two.
    """
    if x.scale is None:
        exact = _narrow(x.values.astype(np.float64))
        if exact is None:
            raise RefusedError(
                f"its weight is not quantised (it needs more than {WEIGHT_BITS} bits); put a Quant on it"
            )
        return exact, np.array(Fraction(1), dtype=object)
    steps = fractions(np.unique(x.scale))
    powers = exponents(steps)
    if powers is not None:
        return _on_points(x, -powers), np.array(Fraction(1), dtype=object)
    d.need_power("weight's scale", next(step for step in steps.tolist() if exponent(step) is None))
    rows = x.scale.reshape(x.scale.shape[0], -1) if x.scale.ndim else x.scale.reshape(1, 1)
    if (rows != rows[:, :1]).any():
        raise RefusedError("its weight's scale differs within an output channel; quantise per tensor or channel")
    codes = np.rint(x.values / x.scale).astype(np.int64)
    unit = fractions(rows[:, 0] if len(steps) > 1 else rows[0, 0])
    return Tensor(codes, FixedPoint(x.width or 1, 0, x.signed)), unit


def _narrow(values: NDArray[np.float64]) -> Tensor | None:
    """Unquantised numbers, if they happen to lie on a grid of few bits: an exporter folded the Quant away."""
    largest = float(np.abs(values).max()) if values.size else 0.0
    if not np.isfinite(largest):
        raise RefusedError("its constant holds NaN or infinity; train the network again")
    frac = WEIGHT_BITS - int(np.frexp(largest)[1])
    codes = np.ldexp(values, frac)
    return dyadic_tensor(fractions(values), WEIGHT_BITS) if (codes == np.rint(codes)).all() else None


def _on_points(x: Constant, points: NDArray[np.int64]) -> Tensor:
    """Codes of powers of two folded into one format: the finest point, as much wider as the points lie apart."""
    low, high = int(points.min()), int(points.max())
    form = FixedPoint((x.width or 1) + high - low, high, x.signed)
    return Tensor(np.ldexp(x.values, high).astype(np.int64), form)


def gemm(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Gemm: `x @ W + c`."""
    factors = call.attributes.get("alpha", 1.0), call.attributes.get("beta", 1.0)
    if factors != (1.0, 1.0) or call.attributes.get("transA", 0):
        raise RefusedError("only alpha=1, beta=1 and transA=0 are supported")
    weight = weight_of(operands[1])
    rows = weight if call.attributes.get("transB", 0) else weight.mapped(np.transpose)
    return _dense(d, signal(operands), rows, operands[2] if len(operands) > 2 else None)


def matmul(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX MatMul of a value and a constant matrix, or of two values."""
    if all(isinstance(operand, Signal) for operand in operands):
        left, right = signal(operands), signal(operands, 1)
        unit = product_unit(right, product_unit(left, ONE))
        return Signal(d.emit(MatMul, left.node, right.node), unit)
    return _dense(d, signal(operands), weight_of(operands[1]).mapped(np.transpose), None)


def weight_of(found: Tracked) -> Constant:
    """The constant factor.

    Raises:
        RefusedError: the network computes it.
    """
    if not isinstance(found, Constant):
        raise RefusedError(
            "its second factor is no constant; products of two values of the network are Mul and MatMul only"
        )
    return found


def _dense(d: Draft, x: Signal, rows: Constant, bias: Tracked | None) -> Signal:
    shape = d.value(x).shape
    if rows.values.ndim != 2 or len(shape) != 1:
        raise RefusedError(f"it needs one axis behind the batch and a matrix, not {list(shape)}; flatten before it")
    weight, unit = constant_tensor(d, rows)
    unit = product_unit(x, unit)
    return Signal(d.emit(Dense, x.node, weight=weight, bias=bias_of(d, bias, unit, weight.shape[0])), unit)


def product_unit(x: Signal, unit: NDArray[Any]) -> NDArray[Any]:
    """The unit of sums of products with constants in `unit`.

    Raises:
        RefusedError: the values have a scale per channel.
    """
    if x.unit.size > 1:
        raise RefusedError("its input has a scale per channel, which a sum cannot mix; quantise it per tensor")
    return np.asarray(x.unit.reshape(()) * unit, dtype=object)


def bias_of(d: Draft, found: Tracked | None, unit: NDArray[Any], channels: int) -> Tensor | None:
    """The bias in the unit of the sums, int64[O].

    Raises:
        RefusedError: it is not exact in ADDED_BITS, and must be.
    """
    if found is None:
        return None
    if not isinstance(found, Constant):
        raise RefusedError("its bias is no constant")
    if found.values.size not in (1, channels):
        raise RefusedError(f"its bias of shape {list(found.values.shape)} does not fit {channels} output channels")
    spread = found.mapped(lambda array: np.broadcast_to(array.reshape(-1), (channels,)).copy())
    if all(value == 1 for value in unit.reshape(-1)):
        return added_tensor(d, spread)
    codes = fractions(spread.values.astype(np.float64)) / unit
    whole = [round(code) if abs(code - round(code)) <= _NEAR * max(1, abs(code)) else code for code in codes.tolist()]
    array = np.empty(channels, dtype=object)
    array[:] = [Fraction(code) for code in whole]
    return d.summand(array, 0)


def added_tensor(d: Draft, x: Constant) -> Tensor:
    """A summand: on the grid of its Quant, or exact as it stands."""
    if x.scale is not None:
        powers = exponents(fractions(np.unique(x.scale)))
        if powers is not None:
            return _on_points(x, -powers)
    return d.summand(fractions(x.values.astype(np.float64)), 0)


def batch_norm(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX BatchNormalization in inference: `x * s + t` with `s = gamma / sqrt(variance + eps)`."""
    x = signal(operands)
    names = ("gamma", "beta", "mean", "variance")
    gamma, beta, mean, variance = (
        parameter(operands, i, name).astype(np.float64) for i, name in enumerate(names, start=1)
    )
    scale = gamma / np.sqrt(variance + call.attributes.get("epsilon", 1e-5))
    unit = fractions(scale.reshape(-1)) * x.unit
    if not (d.scales.dyadic or d.tainted) and dyadic_tensor(np.asarray(unit, dtype=object), WEIGHT_BITS) is None:
        d.note(f"its factor {scale.reshape(-1)[0]:.9g} is not exact in {WEIGHT_BITS} bits: fold the BatchNorm first")
    factor = d.dyadic(np.asarray(unit, dtype=object), "factor")
    shift = d.summand(fractions((beta - mean * scale).reshape(-1)), d.value(x).format.frac + factor.format.frac)
    return Signal(d.affine(x.node, factor, shift), np.array(Fraction(1), dtype=object))
