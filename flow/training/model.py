"""The quantised model: an ordinary module that holds trainable layers and the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from flow.errors import DataError, RecipeError
from flow.formats import FixedPoint
from flow.training import calls, layers
from flow.training.accumulators import FixedAccumulator
from flow.training.affine import FixedScale
from flow.training.calls import Call, Network, distinct
from flow.training.casts import ADDRESSES, INDEX
from flow.training.chosen import (
    address_quantizer,
    cast_quantizer,
    constant_quantizer,
    entry_quantizer,
    factor_quantizer,
)
from flow.training.fold import scale_and_shift
from flow.training.fracs import AtPoint, Constant, Frac
from flow.training.khot import few_digits
from flow.training.lookups import FixedLookup, IndexQuantizer
from flow.training.operators import (
    FixedConcat,
    FixedMatMul,
    FixedMul,
    FixedPad,
    FixedReduceMax,
    FixedReduceSum,
    FixedReshape,
    FixedSlice,
    FixedSub,
    FixedTranspose,
    FixedUpsample,
)
from flow.training.overrides import LayerSpecs, constant_options
from flow.training.program import Shortcuts, Step, run
from flow.training.quantizer import Quantizer
from flow.training.rotation import FixedRotation, Rotate
from flow.training.shares import FixedSoftmax, mantissa_of
from flow.training.shortcuts import Ways
from flow.training.spec import Lengths, Spec
from flow.training.tables import FixedTable
from flow.training.truth_tables import FixedLutDense, address_cast, table_quantizer
from flow.training.words import AnyWord, MinifloatWord

__all__ = ["QuantizedModel", "Step"]


class QuantizedModel(nn.Module):
    """A network whose every constant and every value between layers lies on a fixed-point grid.

    Train it as any module; `flow.lower` turns it into a graph with the same bits.

    Attributes:
        layers: the trainable layers.
        steps: the program; the first step casts the input.
        outputs: indices of the steps that are the results, in the order of the user's model.
        shape: of one input sample.
        spec: the word lengths.
    """

    _ways: Ways | None = None

    def __init__(self, network: Network, spec: Spec, shape: tuple[int, ...]) -> None:
        super().__init__()
        builder = _Builder(network, spec)
        self.layers = nn.ModuleDict(builder.layers)
        self.steps = tuple(builder.steps)
        self.outputs = tuple(builder.index[name] for name in network.outputs)
        self.shape, self.spec = shape, spec

    def values(self, x: Tensor) -> list[Tensor]:
        """The value of every step for a batch float[B, *shape].

        Raises:
            DataError: a sample has another shape than the example had.
        """
        return self._run(x, {})

    def _run(self, x: Tensor, shortcuts: Shortcuts) -> list[Tensor]:
        if tuple(x.shape[1:]) != self.shape:
            raise DataError(f"The model takes samples {list(self.shape)}, not {list(x.shape[1:])}.")
        placed = any(isinstance(layer, AtPoint) for layer in self.layers.values())
        return run(self.steps, dict(self.layers.items()), x, placed, shortcuts)

    def _shortcuts(self) -> Shortcuts:
        """What serves the next pass instead of calls of layers, found anew where a layer has been changed."""
        if torch.compiler.is_compiling():
            return {}
        if self._ways is None or not self._ways.hold(self.layers):
            self._ways = Ways(self.steps, self.layers, self.outputs)
        return self._ways.shortcuts()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_ways": None}  # a copy has ways of its own

    def constants(self) -> Iterator[Constant]:
        """Every constant with its quantiser, each pair once, first what its layer multiplies by."""
        seen: set[int] = set()
        for layer in self.layers.values():
            for values, held in layer.constants():
                if id(held) not in seen:
                    seen.add(id(held))
                    yield values, held

    def settle(self) -> None:
        """Make words that follow from the values of constants those of the present values, as the next cast would."""
        for values, held in self.constants():
            held.follow(values)

    def points(self) -> dict[str, Frac]:
        """Fractional bits of every value by the name of its step, as the model stands."""
        self.settle()
        found: list[Frac] = []
        for step in self.steps:
            layer: Any = self.layers[step.layer]
            found.append(layer.point(*(found[index] for index in step.inputs)))
        return dict(zip((step.name for step in self.steps), found, strict=True))

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The result for a batch float[B, *shape], or all of them where the user's model returns several."""
        values = self._run(x, self._shortcuts())
        found = tuple(values[index] for index in self.outputs)
        return found if len(found) > 1 else found[0]

    def formats(self) -> dict[str, FixedPoint]:
        """The present format of every quantised tensor by its place, such as `fc1.weight` and `fc1.out`."""
        self.settle()
        held = (module for module in self.modules() if isinstance(module, Quantizer))
        return {**{quantizer.place: quantizer.format for quantizer in held}, **self._accumulators()}

    def _accumulators(self) -> dict[str, FixedPoint]:
        layers = {step.name: self.layers[step.layer] for step in self.steps}
        bounded = {name: layer for name, layer in layers.items() if isinstance(layer, FixedAccumulator)}
        points = self.points() if bounded else {}
        return {name: layer.format(points[name]) for name, layer in bounded.items()}


class _Builder:
    """Makes layers and steps from calls; calls with the same weights and attributes share one layer."""

    def __init__(self, network: Network, spec: Spec) -> None:
        self.specs, self.state = LayerSpecs(spec), network.state
        self.layers: dict[str, nn.Module] = {}
        self.steps: list[Step] = []
        self.index: dict[str, int] = {}
        self.words: dict[str, Any] = {}  # of every cast
        self._shared: dict[tuple[object, ...], str] = {}
        self._constants: dict[str, tuple[nn.Parameter, Quantizer]] = {}
        self._asked: dict[str, tuple[str, tuple[Any, ...]]] = {}
        for call in network.calls:
            self._add(call)

    def _add(self, call: Call) -> None:
        share = (type(call), *_IDENTITIES.get(type(call), _by_name)(call), self.specs.of(call))
        if share not in self._shared:
            self._shared[share] = self._key(call.name)
            self.layers[self._shared[share]] = _LAYERS[type(call)](self, call)
        if isinstance(call, calls.Cast):
            self.words[call.name] = call.word
        self.index[call.name] = len(self.steps)
        inputs = tuple(self.index[name] for name in call.inputs)
        self.steps.append(Step(call.name, self._shared[share], inputs, call.origin))

    def _key(self, name: str) -> str:
        """A key that ModuleDict accepts: without dots, and not one of its own attributes."""
        key = name.replace(".", "_")
        return distinct(f"{key}_" if hasattr(nn.ModuleDict(), key) else key, self.layers)

    def constant(self, call: Call, key: str, role: str, place: str) -> tuple[nn.Parameter, Quantizer]:
        """A trainable copy of a constant and its quantiser, the same two wherever the constant is used.

        Raises:
            RecipeError: `layers` says different things of two layers that share it.
        """
        asked = constant_options(self.specs.of(call), role)
        first, before = self._asked.setdefault(key, (place, asked))
        if before != asked:
            raise RecipeError(
                f"{first!r} and {place!r} are one constant, but layers asks for different options of them; name both "
                "layers alike."
            )
        if key not in self._constants:
            self._constants[key] = self.fresh(call, self.state[key], role, place)
        return self._constants[key]

    def fresh(self, call: Call, value: Tensor, role: str, place: str) -> tuple[nn.Parameter, Quantizer]:
        """Constants are encoded before anything runs, so they are rounded to nearest and saturated.

        An unsigned word that the spec wishes for holds where the float model has no value below zero.
        """
        spec = self.specs.of(call)
        word = spec.word(role).fitted(positive=bool((value >= 0).all()))
        if role == "tables":
            return nn.Parameter(value.detach().clone()), factor_quantizer(spec, word, place)
        spec = replace(spec, **{role: str(word)})
        return nn.Parameter(value.detach().clone()), constant_quantizer(spec, role, tuple(value.shape), place)


def _cast(builder: _Builder, call: calls.Cast) -> nn.Module:
    kind = layers.Cast if call.inputs else layers.InputCast
    spec = builder.specs.of(call)
    if call.overflow is not None:
        spec = replace(spec, overflow=call.overflow)
    if call.role == INDEX:
        return kind(IndexQuantizer(call.word, call.name))
    if call.role == ADDRESSES:
        return kind(address_cast(spec, call.word, call.name, call.shape))
    if call.role == "tables":
        return kind(address_quantizer(spec, call.word, call.name, call.most))
    if call.role == "input" and spec.priced:  # one bit of it fewer is a step that no price is worth
        spec = replace(spec, lengths=Lengths.FIXED)
    return kind(cast_quantizer(spec, call.word, call.name, call.shape))


def _table(builder: _Builder, call: calls.Table) -> nn.Module:
    entries = entry_quantizer(builder.specs.of(call), call.role, call.function.positive, call.name)
    return FixedTable(call.function, builder.words[call.inputs[0]], entries)


def _lut_dense(builder: _Builder, call: calls.LutDense) -> nn.Module:
    """The functions are trained on; what is quantised is their values at the codes of the inputs."""
    functions = tuple(nn.Parameter(builder.state[key].detach().clone()) for key in call.functions)
    (outputs, inputs), size = functions[0].shape, 1 << builder.words[call.inputs[0]].width
    cast: Any = builder.layers[builder.steps[builder.index[call.inputs[0]]].layer]
    made, groups = table_quantizer(builder.specs.of(call), (outputs, inputs, size), f"{call.name}.tables")
    return FixedLutDense(functions, cast.quantizer, made, groups)


_Constants = tuple[nn.Parameter, nn.Parameter | None, Quantizer, Quantizer | None]


def _weighted(builder: _Builder, call: calls.Weighted) -> _Constants:
    weight, weight_word = builder.constant(call, call.weight, "weights", f"{call.name}.weight")
    if call.bias is None:
        return weight, None, weight_word, None
    bias, bias_word = builder.constant(call, call.bias, "biases", f"{call.name}.bias")
    return weight, bias, weight_word, bias_word


def _dense(builder: _Builder, call: calls.Dense) -> nn.Module:
    return layers.FixedDense(*_weighted(builder, call))


def _conv2d(builder: _Builder, call: calls.Conv2d) -> nn.Module:
    return layers.FixedConv2d(*_weighted(builder, call), call.stride, call.padding, call.groups, call.dilation)


def _scale_shift(builder: _Builder, call: calls.BatchNorm) -> nn.Module:
    scale, shift = scale_and_shift(call, builder.state)
    scale, scale_word = builder.fresh(call, scale, "scales", f"{call.name}.scale")
    shift, shift_word = builder.fresh(call, shift, "shifts", f"{call.name}.shift")
    return layers.FixedScaleShift(scale, shift, scale_word, shift_word)


def _softmax(builder: _Builder, call: calls.Softmax) -> nn.Module:
    mantissa = mantissa_of(builder.specs.of(call).word("tables"), call.shape[call.axis])
    return FixedSoftmax(call.axis, builder.words[call.inputs[0]], mantissa)


def _scale(builder: _Builder, call: calls.Scale) -> nn.Module:
    held: list[tuple[nn.Parameter, Quantizer] | None] = []
    for key, role in ((call.scale, call.role), (call.shift, "shifts")):
        name = "shift" if role == "shifts" else "scale"
        made = None if key is None else builder.constant(call, key, role, f"{call.name}.{name}")
        if made is not None and not call.trained:
            made[0].requires_grad_(False)
        held.append(made)
    return FixedScale(held[0], held[1], call.sample, call.shape[0])


def _lookup(builder: _Builder, call: calls.Lookup) -> nn.Module:
    weight, word = builder.constant(call, call.weight, "weights", f"{call.name}.weight")
    return FixedLookup(weight, word, 1 << builder.words[calls.SOURCE].width)


def _digits(word: AnyWord) -> int:
    """Bits of a constant that does as well as the word: of a minifloat its significand, since its point is free."""
    return word.form.mantissa + 1 if isinstance(word, MinifloatWord) else word.width


def _avg_pool(builder: _Builder, call: calls.AvgPool2d) -> nn.Module:
    spec = builder.specs.of(call)
    width, khot, signed_digits = _digits(spec.word("scales")), spec.khot, spec.signed_digits
    if khot is None:
        return layers.FixedAvgPool2d(call.kernel, call.stride, width)
    return layers.FixedAvgPool2d(call.kernel, call.stride, width, lambda code: few_digits(code, khot, signed_digits))


def _rotation(builder: _Builder, call: Rotate) -> nn.Module:
    return FixedRotation(call.size, builder.state[call.weight], call.groups)


def _by_name(call: Call) -> tuple[object, ...]:
    return (call.name,)


# What makes the layer of a call; calls that agree in what `_IDENTITIES` returns share one.
_LAYERS: dict[type[Call], Callable[[_Builder, Any], nn.Module]] = {
    calls.Cast: _cast,
    calls.Dense: _dense,
    calls.Conv2d: _conv2d,
    calls.BatchNorm: _scale_shift,
    calls.Scale: _scale,
    calls.Lookup: _lookup,
    calls.LutDense: _lut_dense,
    calls.MatMul: lambda builder, call: FixedMatMul(),
    calls.AvgPool2d: _avg_pool,
    Rotate: _rotation,
    calls.Relu: lambda builder, call: layers.FixedRelu(),
    calls.Add: lambda builder, call: layers.FixedAdd(),
    calls.MaxPool2d: lambda builder, call: layers.FixedMaxPool2d(call.kernel, call.stride),
    calls.Flatten: lambda builder, call: layers.FixedFlatten(),
    calls.Reshape: lambda builder, call: FixedReshape(call.shape),
    calls.Concat: lambda builder, call: FixedConcat(call.axis),
    calls.Pad: lambda builder, call: FixedPad(call.before, call.after, call.interior),
    calls.Upsample: lambda builder, call: FixedUpsample(call.factors),
    calls.Slice: lambda builder, call: FixedSlice(call.starts, call.stops, call.steps),
    calls.Transpose: lambda builder, call: FixedTranspose(call.order),
    calls.Sub: lambda builder, call: FixedSub(),
    calls.Mul: lambda builder, call: FixedMul(),
    calls.ReduceMax: lambda builder, call: FixedReduceMax(call.axis),
    calls.ReduceSum: lambda builder, call: FixedReduceSum(call.axis),
    calls.Table: _table,
    calls.Softmax: _softmax,
    calls.Accumulate: lambda builder, call: FixedAccumulator(call.word, call.overflow),
}
_IDENTITIES: dict[type[Call], Callable[[Any], tuple[object, ...]]] = {
    calls.Dense: lambda call: (call.weight, call.bias),
    calls.Conv2d: lambda call: (call.weight, call.bias, call.stride, call.padding, call.groups, call.dilation),
    calls.Scale: lambda call: (call.scale, call.shift, call.sample, call.shape),
    calls.Lookup: lambda call: (call.weight,),
    calls.BatchNorm: lambda call: (call.mean, call.variance, call.gamma, call.beta, call.eps),
}
