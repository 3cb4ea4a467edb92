"""Our graph as it grows: typed nodes, units, and the few moves that every handler is made of."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import DataError
from flow.formats import INT64_BITS, FixedPoint, Overflow, Rounding
from flow.ir import Input, Node, Relu, Requantize, Reshape, ScaleShift, Tensor, Value
from flow.lowering.from_onnx.exact import dyadic_tensor, exponents, nearest_dyadic
from flow.lowering.from_onnx.file import Call, Source, nowhere
from flow.lowering.from_onnx.tracked import RefusedError, Signal

__all__ = ["ADDED_BITS", "ONE", "WEIGHT_BITS", "Draft", "Factor", "Scales", "per_channel"]

WEIGHT_BITS = 24  # widest factor that is taken as it stands: what one float32 holds
ADDED_BITS = 48  # widest summand that is taken as it stands

ONE = np.array(Fraction(1), dtype=object)
_MORE_BITS = 8  # that a rounded summand has beyond the value it is added to


@dataclass(frozen=True, slots=True)
class Scales:
    """What happens to a factor that is no power of two.

    Attributes:
        dyadic: it becomes the nearest M * 2**-k; otherwise its node is refused.
        bits: significant bits of M.
    """

    dyadic: bool = False
    bits: int = 16

    @classmethod
    def named(cls, name: str) -> Scales:
        """What a user writes.

        Raises:
            DataError: neither `error` nor `dyadic`.
        """
        if name not in ("error", "dyadic"):
            raise DataError(f"Scales that are no powers of two are 'error' or 'dyadic', not {name!r}.")
        return cls(dyadic=name == "dyadic")


@dataclass(frozen=True, slots=True)
class Factor:
    """A real factor and the dyadic one that stands for it; of several channels, the one that is furthest off."""

    node: str
    wanted: float
    used: Fraction
    error: float


def per_channel(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """An array that broadcasts against [N, *shape], as one value, shape (), or one per channel, shape (C,).

    Raises:
        RefusedError: it differs along another axis, or does not broadcast.
    """
    if values.size == 1:
        return values.reshape(())
    full = values.reshape((1,) * (len(shape) + 1 - values.ndim) + values.shape)
    if full.ndim != len(shape) + 1 or full.shape[1:2] != shape[:1] or full.size != shape[0]:
        raise RefusedError(f"its constant of shape {list(values.shape)} varies along other axes than the channels")
    return full.reshape(shape[0])


@dataclass(slots=True)
class Draft:
    """Nodes made so far, their types, what the input is worth, and the node of the file that is being lowered."""

    source: Source
    scales: Scales
    nodes: dict[str, Node] = field(default_factory=dict)
    types: dict[str, Value] = field(default_factory=dict)
    factors: list[Factor] = field(default_factory=list)
    input_unit: Fraction = Fraction(1)
    call: Call = field(default_factory=nowhere)
    reserved: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    tainted: bool = False

    def note(self, reason: str) -> None:
        """Refuse the node, and go on with what comes nearest, so that one message may list all that is refused."""
        self.tainted = True
        self.notes.append(reason)

    def need_power(self, what: str, value: Fraction) -> None:
        """Refuse a factor that is no power of two, where only such are allowed."""
        if not self.scales.dyadic:
            self.note(f"its {what} {float(value):.9g} is no power of two")

    def value(self, signal: Signal) -> Value:
        """The type of a signal's node."""
        return self.types[signal.node]

    def emit(self, kind: type[Node], *inputs: str, **attributes: Any) -> str:
        """Append a node and return its name."""
        name = self._fresh(f"{self.call.outputs[0]}/{kind.op}")
        node = kind(name=name, inputs=inputs, origin=self.call.origin, **attributes)
        self.types[name] = node.infer(*(self.types[source] for source in inputs))
        self.nodes[name] = node
        return name

    def read_input(self, form: FixedPoint) -> str:
        """The graph's input in `form`.

        Raises:
            RefusedError: it is read in another format already.
        """
        node = Input(name=self.source.name, shape=self.source.shape, format=form)
        if self.nodes.setdefault(node.name, node) != node:
            raise RefusedError(
                f"the input {node.name!r} is quantised twice, as {self.types[node.name].format} and as {form}; "
                "quantise it once"
            )
        self.types[node.name] = node.infer()
        return node.name

    def rename_last(self, signal: Signal, since: int) -> Signal:
        """Call the node behind `signal` by the result of the call, if it was made after the first `since` nodes."""
        last, name = next(reversed(self.nodes), None), self.call.outputs[0]
        if last in (None, self.source.name) or signal.node != last or len(self.nodes) <= since or name in self.nodes:
            return signal
        node = self.nodes.pop(last)
        self.types[name] = self.types.pop(last)
        self.nodes[name] = replace(node, name=name)
        return replace(signal, node=name)

    def _fresh(self, stem: str) -> str:
        name, count = stem, 2
        while name in self.nodes or name in self.reserved:
            name, count = f"{stem}_{count}", count + 1
        return name

    def reshape(self, x: str, shape: tuple[int, ...]) -> str:
        """The same codes in another shape."""
        return x if self.types[x].shape == shape else self.emit(Reshape, x, shape=shape)

    def affine(self, x: str, scale: Tensor | None, shift: Tensor | None) -> str:
        """`scale * x + shift` per channel; either may be left out."""
        channels = self.types[x].shape[0]
        factor = Tensor(np.ones(channels), FixedPoint(1, 0, signed=False)) if scale is None else scale
        frac = self.types[x].format.frac + factor.format.frac
        added = Tensor(np.zeros(channels), FixedPoint(1, frac, signed=False)) if shift is None else shift
        return self.emit(ScaleShift, x, scale=_spread(factor, channels), shift=_spread(added, channels))

    def times(self, x: str, factors: NDArray[Any]) -> str:
        """`x` times positive Fractions of shape () or (C,), exactly or by the nearest dyadic ones."""
        if all(factor == 1 for factor in factors.reshape(-1)):
            return x
        return self.affine(x, self.dyadic(factors, "factor"), None)

    def plus(self, x: str, added: NDArray[Any]) -> str:
        """`x` plus Fractions of shape () or (C,)."""
        if not any(added.reshape(-1)):
            return x
        return self.affine(x, None, self.summand(added, self.types[x].format.frac))

    def summand(self, values: NDArray[Any], frac: int) -> Tensor:
        """Fractions as the codes of something that is added at `frac` fractional bits.

        Raises:
            RefusedError: no 62 bits hold them.
        """
        exact = dyadic_tensor(values, ADDED_BITS)
        if exact is not None:
            return exact
        if not (self.scales.dyadic or self.tainted):
            self.note(f"its summand {float(values.reshape(-1)[0]):.9g} is not exact in {ADDED_BITS} bits")
        rounded = dyadic_tensor(_rounded(values, frac + _MORE_BITS), INT64_BITS)
        if rounded is None:
            raise RefusedError(f"its summands need more than {INT64_BITS} bits")
        return rounded

    def dyadic(self, values: NDArray[Any], what: str) -> Tensor:
        """Factors as codes: exact ones as they are, others rounded to `scales.bits` where that is allowed."""
        powers, allowed = exponents(values) is not None, self.scales.dyadic or self.tainted
        exact = dyadic_tensor(values, WEIGHT_BITS)
        if exact is not None and (powers or not allowed or exact.format.width <= self.scales.bits):
            return exact
        if not allowed:
            self.need_power(what, values.reshape(-1)[0])
        return self._approximated(values, what)

    def _approximated(self, values: NDArray[Any], what: str) -> Tensor:
        flat = values.reshape(-1).tolist()
        used = [nearest_dyadic(value, self.scales.bits) for value in flat]
        errors = [abs(float(u / v - 1)) if v else 0.0 for u, v in zip(used, flat, strict=True)]
        worst = int(np.argmax(errors))
        self.factors.append(Factor(str(self.call), float(flat[worst]), used[worst], errors[worst]))
        array = np.empty(len(used), dtype=object)
        array[:] = used
        tensor = dyadic_tensor(array.reshape(values.shape), INT64_BITS)
        if tensor is None:
            raise RefusedError(f"its {what}s lie too far apart between channels for one format")
        return tensor

    def to_unit(self, signal: Signal, unit: NDArray[Any]) -> Signal:
        """The same value in another unit."""
        ratio = np.asarray(signal.unit / unit, dtype=object)
        return Signal(self.times(signal.node, ratio), unit)

    def settled(self, signal: Signal) -> Signal:
        """The same value in units of 1, where only powers of two are allowed: a shift, or nothing."""
        return signal if self.scales.dyadic or self.tainted else self.to_unit(signal, ONE)

    def clamp(self, x: str, low: Fraction | None, high: Fraction | None) -> str:
        """`min(max(x, low), high)`; bounds that the range makes idle cost nothing.

        Raises:
            RefusedError: a bound is not exact in fixed point.
        """
        value = self.types[x]
        step = value.format.step
        low = None if low is None or low <= value.low * step else low
        high = None if high is None or high >= value.high * step else high
        if low is None and high is None:
            return x
        if low == 0 and high is None:
            return self.emit(Relu, x)
        form = _clamping(value, low, high)
        if form is not None:
            return self.emit(Requantize, x, format=form[0], rounding=Rounding.TRN, overflow=form[1])
        if low is not None:
            x = self.plus(self.emit(Relu, self.plus(x, _object(-low))), _object(low))
        return x if high is None else self._at_most(x, high)

    def _at_most(self, x: str, high: Fraction) -> str:
        minus = Tensor(np.array(-1), FixedPoint(1, 0))
        bound = self.summand(_object(high), 0)
        return self.affine(self.emit(Relu, self.affine(x, minus, bound)), minus, bound)


def _spread(tensor: Tensor, channels: int) -> Tensor:
    return Tensor(np.broadcast_to(tensor.codes, (channels,)), tensor.format)


def _object(value: Fraction) -> NDArray[Any]:
    return np.array(value, dtype=object)


def _rounded(values: NDArray[Any], frac: int) -> NDArray[Any]:
    result = np.empty(values.shape, dtype=object)
    step = Fraction(2) ** -frac
    result.reshape(-1)[:] = [round(value / step) * step for value in values.reshape(-1).tolist()]
    return result


def _clamping(value: Value, low: Fraction | None, high: Fraction | None) -> tuple[FixedPoint, Overflow] | None:
    """The format whose saturation is this clamp of `value`, and its mode, if there is one."""
    scale = Fraction(2) ** value.format.frac
    bottom = Fraction(value.low) if low is None else low * scale
    top = Fraction(value.high) if high is None else high * scale
    if bottom.denominator > 1 or top.denominator > 1 or top < bottom:
        return None
    form = FixedPoint.holding(int(bottom), int(top), value.format.frac)
    if high is not None and form.high != top:
        return None
    if low is None or form.low == bottom:
        return form, Overflow.SAT
    return (form, Overflow.SAT_SYM) if form.signed and bottom == -form.high else None
