"""The quantisers of QONNX and of QCDQ: what each node's inputs and attributes say, as a `Quantiser`."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import FormatError
from flow.formats import FloatRounding, Minifloat, Specials, encode_minifloat
from flow.ir import RequantizeMinifloat
from flow.lowering.from_onnx.draft import Draft, per_channel
from flow.lowering.from_onnx.exact import fractions
from flow.lowering.from_onnx.file import Call
from flow.lowering.from_onnx.quantiser import Quantiser, quantise, scaled
from flow.lowering.from_onnx.rounding import NEAREST_EVEN
from flow.lowering.from_onnx.tracked import Constant, RefusedError, Signal, Tracked

__all__ = [
    "bipolar_quant", "clip", "dequantize_linear", "float_quant", "parameter", "quant", "quantize_linear", "trunc",
]  # fmt: skip

_FLOAT_ROUNDING = {
    "ROUND": FloatRounding.NEAREST_EVEN,
    "HALF_EVEN": FloatRounding.NEAREST_EVEN,
    "CEIL": FloatRounding.UP,
    "FLOOR": FloatRounding.DOWN,
}


def parameter(operands: tuple[Tracked | None, ...], index: int, what: str) -> NDArray[Any]:
    """The constant at an input.

    Raises:
        RefusedError: it is computed by the network.
    """
    found = operands[index] if index < len(operands) else None
    if not isinstance(found, Constant):
        raise RefusedError(f"its {what} is no constant")
    return found.values


def quant(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """QONNX Quant, also called IntQuant: `(round(clamp(x / s + z)) - z) * s`."""
    flags = call.attributes
    q = Quantiser(
        scale=parameter(operands, 1, "scale"),
        zero=parameter(operands, 2, "zero point").astype(np.float64),
        width=parameter(operands, 3, "bit width").astype(np.float64),
        signed=bool(flags.get("signed", 1)),
        narrow=bool(flags.get("narrow", 0)),
        rounding=flags.get("rounding_mode", NEAREST_EVEN),
    )
    return quantise(d, operands[0], q)


def bipolar_quant(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """QONNX BipolarQuant: `+s` where `x >= 0`, else `-s`."""
    zero, one = np.zeros(()), np.ones(())
    q = Quantiser(parameter(operands, 1, "scale"), zero, one, True, False, NEAREST_EVEN)
    return quantise(d, operands[0], q)


def trunc(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """QONNX Trunc: to integers at `s`, then a power of two is divided away and rounded; the output has its own scale.

    Version 1 divides by `2**(width - output width)` and keeps the scale.
    """
    scale, zero = parameter(operands, 1, "scale"), parameter(operands, 2, "zero point").astype(np.float64)
    width = parameter(operands, 3, "input bit width").astype(np.float64)
    latest = call.version >= 2 and len(operands) >= 6
    out_width = parameter(operands, 5 if latest else 4, "output bit width").astype(np.float64)
    out_scale = parameter(operands, 4, "output scale") if latest else scale
    if zero.any() or not isinstance(operands[0], Signal):
        raise RefusedError("a Trunc needs a quantised input and zero point 0")
    signed = bool(call.attributes.get("signed", 1)) if latest else d.value(operands[0]).low < 0
    lost = np.rint(np.log2(out_scale / scale)) if latest else width - out_width
    step = scale.astype(np.float64) * np.exp2(lost)
    first = Quantiser(scale, zero, np.array(40.0), True, False, NEAREST_EVEN)
    name = call.attributes.get("rounding_mode", "FLOOR")
    second = Quantiser(step, zero, out_width, signed, bool(call.attributes.get("narrow", 0)), name)
    result = quantise(d, quantise(d, operands[0], first), second)
    if not isinstance(result, Signal):
        return result
    relabel = per_channel(fractions(out_scale.astype(np.float64)), d.value(result).shape) / per_channel(
        fractions(step), d.value(result).shape
    )
    return d.settled(Signal(result.node, np.asarray(result.unit * relabel, dtype=object)))


def quantize_linear(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX QuantizeLinear: `saturate(round_half_even(x / s) + z)`, whose result is an integer."""
    scale = _along(call, parameter(operands, 1, "scale"), operands[0], d)
    number = np.dtype(np.uint8)
    zero = np.zeros((), dtype=np.float64)
    if len(operands) > 2 and operands[2] is not None:
        stored = parameter(operands, 2, "zero point")
        number, zero = stored.dtype, _along(call, stored.astype(np.float64), operands[0], d)
    if number.kind not in "iu":
        raise RefusedError(f"its result is {number}; only integers have a fixed-point form")
    bits, signed = np.array(float(number.itemsize * 8)), number.kind == "i"
    x = operands[0]
    if isinstance(x, Constant):
        codes = np.rint(x.values.astype(np.float32) / scale.astype(np.float32)) + zero
        limits = np.iinfo(number)
        return Constant(np.clip(codes, limits.min, limits.max).astype(number))
    if not zero.any():
        return _integers(d, quantise(d, x, Quantiser(scale, zero, bits, signed, False, NEAREST_EVEN)), scale)
    return _shifted(d, x, scale, zero, bits, signed)


def _shifted(
    d: Draft, x: Tracked, scale: NDArray[Any], zero: NDArray[Any], bits: NDArray[Any], signed: bool
) -> Tracked:
    """With a zero point: it is added after the rounding, so that ties go to even codes before it."""
    if not isinstance(x, Signal):  # the input's codes are the host's, rounded there
        return _integers(d, quantise(d, x, Quantiser(scale, zero, bits, signed, False, NEAREST_EVEN)), scale, zero)
    none = np.zeros_like(zero)
    rounded = quantise(d, x, Quantiser(scale, none, np.array(40.0), True, False, NEAREST_EVEN))
    clamped = quantise(d, rounded, Quantiser(scale, zero, bits, signed, False, NEAREST_EVEN))
    return _integers(d, clamped, scale, zero)


def _integers(d: Draft, x: Tracked, scale: NDArray[Any], zero: NDArray[Any] | None = None) -> Tracked:
    """A quantised signal read as `x / scale + zero`."""
    if not isinstance(x, Signal):
        return x
    shape = d.value(x).shape
    unit = np.asarray(x.unit / per_channel(fractions(scale.astype(np.float64)), shape), dtype=object)
    if zero is None or not zero.any():
        return Signal(x.node, unit)
    offset = np.asarray(per_channel(fractions(zero), shape) / unit, dtype=object)
    return Signal(d.plus(x.node, offset), unit)


def dequantize_linear(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX DequantizeLinear: `(q - z) * s`."""
    x = operands[0]
    scale = _along(call, parameter(operands, 1, "scale"), x, d)
    present = len(operands) > 2 and operands[2] is not None
    zero = _along(call, parameter(operands, 2, "zero point").astype(np.float64), x, d) if present else np.zeros(())
    if isinstance(x, Constant):
        return _dequantised(x, scale.astype(np.float64), zero)
    if not isinstance(x, Signal):
        raise RefusedError("it reads real numbers; put a QuantizeLinear before it")
    shape = d.value(x).shape
    node = d.plus(x.node, np.asarray(-per_channel(fractions(zero), shape) / x.unit, dtype=object))
    steps = per_channel(fractions(scale.astype(np.float64)), shape)
    unit = np.asarray(x.unit * steps, dtype=object)
    return d.settled(Signal(node, unit))


def _dequantised(x: Constant, scale: NDArray[Any], zero: NDArray[Any]) -> Constant:
    codes = x.values.astype(np.float64) - zero
    number = x.values.dtype
    width = number.itemsize * 8 + bool(zero.any()) if number.kind in "iu" else None
    signed = number.kind == "i" or bool(zero.any())
    full = np.broadcast_to(scale, codes.shape)
    if width is not None and codes.size:
        width = min(width, _needed(codes, signed))
    return Constant(codes * full, full, width, signed)


def _needed(codes: NDArray[Any], signed: bool) -> int:
    """Bits that the codes fill: a file's integers have 8 or 32, whatever the network was trained with."""
    low, high = int(codes.min()), int(codes.max())
    return max((-low - 1 if low < 0 else 0).bit_length(), max(high, 0).bit_length(), 1 - signed) + signed


def _along(call: Call, values: NDArray[Any], x: Tracked, d: Draft) -> NDArray[Any]:
    """A scale or zero point of shape (C,) laid along the attribute `axis` of `x`."""
    if values.size == 1:
        return values.reshape(())
    if call.attributes.get("block_size", 0):
        raise RefusedError("blocked quantisation has one scale per block; only one per tensor or channel is supported")
    axes = x.values.ndim if isinstance(x, Constant) else len(d.value(x).shape) + 1 if isinstance(x, Signal) else 2
    axis = call.attributes.get("axis", 1) % axes
    return values.reshape([-1 if i == axis else 1 for i in range(axes)])


def clip(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Clip: bounds as inputs, or as attributes up to opset 10."""
    bounds = [
        float(parameter(operands, i, "bound").reshape(())) if len(operands) > i and operands[i] is not None else None
        for i in (1, 2)
    ]
    low, high = (call.attributes.get(n, b) for n, b in zip(("min", "max"), bounds, strict=True))
    x = operands[0]
    if isinstance(x, Constant):
        clipped = np.clip(x.values, -np.inf if low is None else low, np.inf if high is None else high)
        return Constant(clipped.astype(x.values.dtype), x.scale, x.width, x.signed)
    if not isinstance(x, Signal):
        raise RefusedError("it reads real numbers; put a Quant before it")
    return _clamped(d, x, low, high)


def _clamped(d: Draft, x: Signal, low: float | None, high: float | None) -> Signal:
    if x.unit.size > 1:
        raise RefusedError("it clips a value with a scale per channel, whose bounds then differ; quantise per tensor")
    unit = x.unit.reshape(())[()]
    finite = [None if bound is None or np.isinf(bound) else Fraction(bound) / unit for bound in (low, high)]
    return Signal(d.clamp(x.node, finite[0], finite[1]), x.unit)


def float_quant(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """QONNX FloatQuant: the nearest minifloat, times the scale."""
    scale = parameter(operands, 1, "scale")
    names = ("exponent width", "mantissa width", "exponent bias", "largest value")
    e, m, bias, most = (float(parameter(operands, i, name).reshape(())) for i, name in enumerate(names, start=2))
    form = _minifloat(call, int(e), int(m), int(bias), most)
    rounding = _float_rounding(call, form)
    x = operands[0]
    if isinstance(x, Constant):
        return _float_constant(x, scale, form, rounding)
    if not isinstance(x, Signal):
        raise RefusedError("it reads real numbers; put a Quant on the network's input")
    node, powers, unit = scaled(d, x, scale)
    if powers.size > 1:
        raise RefusedError("a minifloat with a scale per channel has no cast; quantise per tensor")
    moved = Minifloat(form.exponent, form.mantissa, form.bias + int(powers.reshape(())), form.specials)
    return Signal(d.emit(RequantizeMinifloat, node, minifloat=moved, rounding=rounding), unit)


def _minifloat(call: Call, e: int, m: int, bias: int, most: float) -> Minifloat:
    """The format whose largest number is that of the node."""
    if not call.attributes.get("saturation", 1):
        raise RefusedError("it overflows to infinity or NaN, which integers cannot be; set saturation=1")
    for specials in Specials:
        try:
            form = Minifloat(e, m, bias, specials)
        except FormatError:
            continue
        if form.high == min(Fraction(most), Minifloat(e, m, bias).high):
            return form
    raise RefusedError(f"no minifloat e{e}m{m} with bias {bias} has {most:g} as its largest value")


def _float_rounding(call: Call, form: Minifloat) -> FloatRounding:
    name = str(call.attributes.get("rounding_mode", NEAREST_EVEN)).upper()
    if name not in _FLOAT_ROUNDING or (form.mantissa == 0 and name in ("ROUND", "HALF_EVEN")):
        raise RefusedError(f"rounding mode {name} of e{form.exponent}m{form.mantissa} has no exact counterpart")
    return _FLOAT_ROUNDING[name]


def _float_constant(x: Constant, scale: NDArray[Any], form: Minifloat, rounding: FloatRounding) -> Constant:
    numbers = form.decode(encode_minifloat(x.values.astype(np.float32) / scale, form, rounding))
    steps = np.broadcast_to(scale.astype(np.float64) * float(form.step), numbers.shape)
    return Constant(numbers * scale, steps, form.fixed_point.width, True)
