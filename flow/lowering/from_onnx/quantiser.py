"""What a Quant does to a constant, to a signal, to the network's input and to a function that waits for its table."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.formats import INT64_BITS, FixedPoint, Overflow, Rounding
from flow.ir import Requantize, RequantizeEach, Table, Tensor
from flow.lowering.from_onnx.draft import Draft, per_channel
from flow.lowering.from_onnx.exact import exponent, exponents, fractions
from flow.lowering.from_onnx.rounding import rounding_function, rounding_mode
from flow.lowering.from_onnx.tracked import Constant, Lost, Pending, Raw, RefusedError, Signal, Tracked

__all__ = ["Quantiser", "quantise", "real_codes", "scaled"]

_TABLE_BITS = 12


@dataclass(frozen=True, slots=True)
class Quantiser:
    """`y = (clamp(round(x / scale + zero)) - zero) * scale`; arrays as the file holds them.

    Attributes:
        scale: float steps, positive.
        zero: integers.
        width: integers, bits of a code.
        signed: whether codes are signed.
        narrow: whether the lowest signed, or the highest unsigned code is left out.
        rounding: a name of QONNX.
    """

    scale: NDArray[Any]
    zero: NDArray[Any]
    width: NDArray[Any]
    signed: bool
    narrow: bool
    rounding: str

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale).all() and (self.scale > 0).all()):
            raise RefusedError(f"its scale must be positive and finite, not {self.scale.reshape(-1)[0]}")
        if (self.zero != np.rint(self.zero)).any() or (self.width != np.rint(self.width)).any():
            raise RefusedError("its zero point and bit width must be integers")
        if self.width.min() < 1 or self.width.max() > INT64_BITS:
            raise RefusedError(f"its bit width must lie in 1..{INT64_BITS}, not {self.width.max():g}")

    @property
    def bipolar(self) -> bool:
        """Whether one signed bit means -1 and +1, as QONNX has it."""
        return self.signed and self.width.size == 1 and int(self.width.reshape(())) == 1

    @property
    def lowest(self) -> NDArray[Any]:
        """The lowest code."""
        return -np.exp2(self.width - 1) + self.narrow if self.signed else np.zeros_like(self.width)

    @property
    def highest(self) -> NDArray[Any]:
        """The highest code."""
        return np.exp2(self.width - 1) - 1 if self.signed else np.exp2(self.width) - 1 - self.narrow

    def one_width(self) -> int:
        """The width, where it is one.

        Raises:
            RefusedError: it differs between channels.
        """
        if self.width.min() != self.width.max():
            raise RefusedError("its bit width differs between channels, which only activations may have")
        return int(self.width.reshape(-1)[0])


def real_codes(values: NDArray[Any], q: Quantiser) -> NDArray[Any]:
    """Codes less the zero point, computed in the number type of `values`, as QONNX's executor does."""
    scaled = values / q.scale.astype(values.dtype) + q.zero.astype(values.dtype)
    if q.bipolar:
        return np.where(scaled >= 0, 1.0, -1.0) - q.zero
    clamped = np.minimum(np.maximum(scaled, q.lowest), q.highest)
    return rounding_function(q.rounding)(clamped) - q.zero


def quantise(d: Draft, x: Tracked, q: Quantiser) -> Tracked:
    """`x` on the grid of `q`.

    Raises:
        RefusedError: a scale that is no power of two, unless the draft allows it, or what else has no exact form.
    """
    if isinstance(x, Constant):
        return _constant(x, q)
    if isinstance(x, Pending):
        return _table(d, x, q)
    if isinstance(x, Signal):
        return _bipolar(d, x, q) if q.bipolar else _cast(d, x, q)
    return _input(d, q) if isinstance(x, Raw) and x.name == d.source.name else Lost()


def _constant(x: Constant, q: Quantiser) -> Constant:
    values = x.values.astype(np.float32) if x.scale is None else x.values
    codes = real_codes(values, q).astype(np.float64)
    scale = np.broadcast_to(q.scale.astype(np.float64), codes.shape)
    width, signed = q.one_width(), q.signed
    if q.zero.any() or q.bipolar:  # codes less the zero point need a format of their own
        form = FixedPoint.holding(int((q.lowest - q.zero).min()), int((q.highest - q.zero).max()), 0)
        width, signed = (2, True) if q.bipolar else (form.width, form.signed)
    return Constant(codes * scale, scale, width, signed)


def scaled(d: Draft, x: Signal, scale: NDArray[Any]) -> tuple[str, NDArray[Any], NDArray[Any]]:
    """A node that is `x` over the scale but for powers of two; these, int64 of () or (C,); and the result's unit.

    The code of a step is `node * 2**power`, and a code at `power` fractional bits is worth `unit * 2**-power`.
    """
    steps = per_channel(fractions(scale.astype(np.float64)), d.value(x).shape)
    ratio = np.asarray(x.unit / steps, dtype=object)
    powers = exponents(ratio)
    if powers is not None:
        return x.node, powers, np.broadcast_to(x.unit, ratio.shape)
    _need_powers(d, steps)
    return d.affine(x.node, d.dyadic(ratio, "requantisation factor"), None), np.zeros((), np.int64), steps


def _need_powers(d: Draft, steps: NDArray[Any]) -> None:
    """Refuse the first scale that is no power of two, where only such are allowed."""
    odd = next((step for step in steps.reshape(-1).tolist() if exponent(step) is None), None)
    if odd is not None:
        d.need_power("scale", odd)


def _cast(d: Draft, x: Signal, q: Quantiser) -> Signal:
    node, powers, unit = scaled(d, x, q.scale)
    zero = per_channel(fractions(q.zero), d.types[node].shape)
    steps = np.array([Fraction(2) ** -int(power) for power in powers.reshape(-1)], dtype=object).reshape(powers.shape)
    offset = np.asarray(zero * steps, dtype=object)
    node = d.plus(node, offset)
    node = _rounded(d, node, powers, q)
    if q.narrow and not q.signed:
        top = per_channel(fractions(q.highest), d.types[node].shape) * steps
        node = _each_at_most(d, node, np.asarray(top, dtype=object))
    return Signal(d.plus(node, np.asarray(-offset, dtype=object)), unit)


def _each_at_most(d: Draft, node: str, top: NDArray[Any]) -> str:
    if len(set(top.reshape(-1).tolist())) > 1:
        raise RefusedError("narrow unsigned codes with a scale per channel have no cast; set narrow=0")
    return d.clamp(node, None, top.reshape(-1)[0])


def _rounded(d: Draft, x: str, powers: NDArray[Any], q: Quantiser) -> str:
    """One cast, to one format where all channels agree and to one per channel elsewhere."""
    value = d.types[x]
    mode, ceiling = rounding_mode(q.rounding, value.low, value.high)
    if ceiling:
        x = d.plus(x, _almost_one(powers, value.format.frac))
    overflow = Overflow.SAT_SYM if q.narrow and q.signed else Overflow.SAT
    if powers.size == 1 and q.width.size == 1:
        form = FixedPoint(int(q.width.reshape(())), int(powers.reshape(())), q.signed)
        return d.emit(Requantize, x, format=form, rounding=mode, overflow=overflow)
    widths = per_channel(q.width.astype(np.int64), value.shape)
    axes = (-1, *[1] * (len(value.shape) - 1))
    fracs, widths = np.broadcast_arrays(powers.reshape(axes), widths.reshape(axes))
    tensors = {"fracs": _integers(fracs), "widths": _integers(widths)}
    return d.emit(RequantizeEach, x, signed=q.signed, rounding=mode, overflow=overflow, **tensors)


def _almost_one(powers: NDArray[Any], frac: int) -> NDArray[Any]:
    """One step less the last place of the input, where a step has more than one place."""
    result = np.empty(powers.shape, dtype=object)
    last = Fraction(2) ** -frac
    result.reshape(-1)[:] = [max(Fraction(2) ** -int(power) - last, Fraction(0)) for power in powers.reshape(-1)]
    return result


def _integers(codes: NDArray[np.int64]) -> Tensor:
    return Tensor(codes, FixedPoint.holding(int(codes.min()), int(codes.max()), 0))


def _bipolar(d: Draft, x: Signal, q: Quantiser) -> Signal:
    """The sign, zero counting as positive: `2 * max(min(floor(x + zero), 0), -1) + 1`, times the scale."""
    node, powers, unit = scaled(d, x, q.scale)
    if powers.size > 1 or q.zero.any():
        raise RefusedError("a sign per channel, or with a zero point, has no cast; use one scale and zero point 0")
    power = int(powers.reshape(()))
    sign = d.emit(Requantize, node, format=FixedPoint(1, power), rounding=Rounding.TRN, overflow=Overflow.SAT)
    return Signal(_plus_minus(d, sign, Fraction(2) ** -power, 1), unit)


def _plus_minus(d: Draft, bit: str, step: Fraction, offset: int) -> str:
    two = Tensor(np.array(2), FixedPoint(2, 0, signed=False))
    shift = d.summand(np.array(offset * step, dtype=object), 0)
    return d.affine(bit, two, shift)


def _input(d: Draft, q: Quantiser) -> Signal:
    """The network's input as the codes of its first Quant; the host rounds."""
    if max(q.scale.size, q.zero.size) > 1:
        raise RefusedError("the input needs one scale and one zero point for all channels; quantise it per tensor")
    if q.bipolar and q.zero.any():
        raise RefusedError("a sign with a zero point has no cast; use zero point 0")
    step = fractions(q.scale.astype(np.float64)).reshape(())
    power = exponents(step)
    _need_powers(d, step)
    frac = 0 if power is None else -int(power)
    unit = step if power is None else np.array(Fraction(1), dtype=object)
    quantum, d.input_unit = Fraction(2) ** -frac, unit[()]
    if q.bipolar:
        return Signal(_plus_minus(d, d.read_input(FixedPoint(1, frac, signed=False)), quantum, -1), unit)
    node = d.read_input(FixedPoint(q.one_width(), frac, q.signed))
    zero = fractions(q.zero).reshape(-1)[0] * quantum
    if q.narrow:
        node = d.clamp(node, Fraction(int(q.lowest.min())) * quantum, Fraction(int(q.highest.max())) * quantum)
    return Signal(d.plus(node, np.array(-zero, dtype=object)), unit)


def _table(d: Draft, x: Pending, q: Quantiser) -> Signal:
    """One entry per code of the input, computed in double precision."""
    value = d.value(x.signal)
    if value.high - value.low >= 1 << _TABLE_BITS or x.signal.unit.size > 1 or q.scale.size > 1:
        raise RefusedError(
            f"its table would serve codes {value.low}..{value.high} of {value.format}; put a Quant of at most "
            f"{_TABLE_BITS} bits, with one scale, before and after it"
        )
    inputs = np.ldexp(np.arange(value.low, value.high + 1, dtype=np.float64), -value.format.frac)
    unit = fractions(q.scale.astype(np.float64)).reshape(())
    codes = real_codes(x.function(inputs * float(x.signal.unit[()])), q).astype(np.int64).reshape(-1)
    power = exponents(unit)
    frac = 0 if power is None else -int(power)
    _need_powers(d, unit)
    entries = Tensor(codes, _table_format(q, codes, frac))
    node = d.emit(Table, x.signal.node, entries=entries, first=value.low)
    return Signal(node, unit if power is None else np.array(Fraction(1), dtype=object))


def _table_format(q: Quantiser, codes: NDArray[np.int64], frac: int) -> FixedPoint:
    if q.zero.any() or q.bipolar:
        return FixedPoint.holding(int(codes.min()), int(codes.max()), frac)
    return FixedPoint(q.one_width(), frac, q.signed)
