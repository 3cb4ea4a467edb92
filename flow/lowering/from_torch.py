"""From a quantised torch model to the graph: one handler per layer class, one node per step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from flow.errors import DataError, UnsupportedError
from flow.formats import FixedPoint, Rounding
from flow.ir import (
    Add,
    ArgMax,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Input,
    Lookup,
    LutDense,
    MatMul,
    MaxPool2d,
    Mul,
    Node,
    Pad,
    ReduceMax,
    ReduceSum,
    Relu,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    Reshape,
    ScaleShift,
    Slice,
    Softmax,
    Sub,
    Table,
    Tensor,
    Transpose,
    Upsample,
)
from flow.ir.kernels import dilated
from flow.training import layers, operators
from flow.training.accumulators import FixedAccumulator
from flow.training.affine import FixedScale
from flow.training.block_words import BlockQuantizer
from flow.training.cast_points import GroupedCast
from flow.training.fracs import AtPoint
from flow.training.lookups import FixedLookup
from flow.training.minifloats import MinifloatQuantizer
from flow.training.model import QuantizedModel
from flow.training.quantizer import Quantizer
from flow.training.rotation import FixedRotation
from flow.training.rung import simulate_torch
from flow.training.shares import FixedSoftmax
from flow.training.tables import FixedTable
from flow.training.truth_tables import AddressCast, FixedLutDense

__all__ = ["encode_input", "lower", "simulate_torch"]

Common = dict[str, Any]  # name, inputs and origin of a node


def _tensor(quantizer: Quantizer, values: torch.Tensor) -> Tensor:
    return Tensor(quantizer.codes(values), quantizer.format)


def _bias(layer: Any) -> Tensor | None:
    return None if layer.bias is None else _tensor(layer.bias_quantizer, layer.bias)


def _input(layer: layers.InputCast, model: QuantizedModel, common: Common) -> Node:
    return Input(shape=model.shape, format=layer.quantizer.format, **common)


def _cast(layer: layers.Cast, model: QuantizedModel, common: Common) -> Node:
    return _CASTS.get(type(layer.quantizer), _fixed_cast)(layer.quantizer, common)


def _fixed_cast(held: Quantizer, common: Common) -> Node:
    return Requantize(format=held.format, rounding=held.rounding, overflow=held.overflow, **common)


def _minifloat_cast(held: MinifloatQuantizer, common: Common) -> Node:
    return RequantizeMinifloat(minifloat=held.minifloat, rounding=held.float_rounding, **common)


def _block_cast(held: BlockQuantizer, common: Common) -> Node:
    raise UnsupportedError(
        f"The graph has no operator for scales that depend on the data, but the cast {held.place!r} makes blocks of "
        f"{held.word}; give activations a fixed-point word like u8 or a minifloat like e4m3."
    )


def _grouped_cast(held: GroupedCast, common: Common) -> Node:
    fracs, widths = (codes.cpu().numpy().astype(np.int64) for codes in (held.positions(), held.widths()))
    modes = {"signed": held.word.signed, "rounding": held.rounding, "overflow": held.overflow}
    return RequantizeEach(fracs=_whole(fracs), widths=_whole(widths), **modes, **common)


def _whole(numbers: NDArray[np.int64]) -> Tensor:
    return Tensor(numbers, FixedPoint.holding(int(numbers.min()), int(numbers.max()), 0))


# How a cast lowers where its quantiser is none of fixed point.
_CASTS: dict[type[Quantizer], Callable[[Any, Common], Node]] = {
    MinifloatQuantizer: _minifloat_cast,
    BlockQuantizer: _block_cast,
    GroupedCast: _grouped_cast,
    AddressCast: _grouped_cast,
}


def _dense(layer: layers.FixedDense, model: QuantizedModel, common: Common) -> Node:
    return Dense(weight=_tensor(layer.weight_quantizer, layer.weight), bias=_bias(layer), **common)


def _rotation(layer: FixedRotation, model: QuantizedModel, common: Common) -> Node:
    """The blocks as the diagonal of a Dense, or as the groups of a convolution of one point."""
    signs, count = layer.signs.to(torch.int64).cpu().numpy(), layer.channels // layer.size
    form = FixedPoint.holding(-1, 1, layer.frac)
    if not layer.spatial:
        return Dense(weight=Tensor(np.kron(np.eye(count, dtype=np.int64), signs), form), **common)
    weight = np.tile(signs, (count, 1)).reshape(layer.channels, layer.size, 1, 1)
    return Conv2d(weight=Tensor(weight, form), groups=count, **common)


def _conv2d(layer: layers.FixedConv2d, model: QuantizedModel, common: Common) -> Node:
    weight = _tensor(layer.weight_quantizer, layer.weight)
    window = {"stride": layer.stride, "padding": layer.padding, "groups": layer.groups}
    kernel = Tensor(dilated(weight.codes, layer.dilation), weight.format)
    return Conv2d(weight=kernel, bias=_bias(layer), **window, **common)


def _scale_shift(layer: layers.FixedScaleShift, model: QuantizedModel, common: Common) -> Node:
    scale, shift = _tensor(layer.scale_quantizer, layer.scale), _tensor(layer.shift_quantizer, layer.shift)
    return ScaleShift(scale=scale, shift=shift, **common)


def _avg_pool(layer: layers.FixedAvgPool2d, model: QuantizedModel, common: Common) -> Node:
    scale = Tensor(np.array(layer.code), FixedPoint.holding(0, layer.code, layer.frac))
    return AvgPool2d(kernel=layer.kernel, stride=layer.stride, scale=scale, **common)


def _max_pool(layer: layers.FixedMaxPool2d, model: QuantizedModel, common: Common) -> Node:
    return MaxPool2d(kernel=layer.kernel, stride=layer.stride, **common)


def _slice(layer: operators.FixedSlice, model: QuantizedModel, common: Common) -> Node:
    return Slice(starts=layer.starts, stops=layer.stops, steps=layer.steps, **common)


def _table(layer: FixedTable, frac: int, common: Common) -> Node:
    entries = Tensor(layer.entries(frac), layer.quantizer.format)
    return Table(entries=entries, first=layer.source(frac).low, **common)


def _scale(layer: FixedScale, frac: int, common: Common) -> Node:
    """What is not there is a factor of 1, or zeros at the binary point of the product."""
    channels, scale = layer.channels, Tensor(np.ones(layer.channels, dtype=np.int64), FixedPoint(1, 0, signed=False))
    if layer.scale is not None:
        scale = Tensor(layer.codes(layer.scale_quantizer, layer.scale), layer.scale_quantizer.format)
    zeros = FixedPoint(1, frac + scale.format.frac, signed=False)
    shift = Tensor(np.zeros(channels, dtype=np.int64), zeros)
    if layer.shift is not None:
        shift = Tensor(layer.codes(layer.shift_quantizer, layer.shift), layer.shift_quantizer.format)
    return ScaleShift(scale=scale, shift=shift, **common)


def _lut_dense(layer: FixedLutDense, model: QuantizedModel, common: Common) -> Node:
    tables = Tensor(layer.codes(), layer.quantizer.format)
    return LutDense(tables=tables, shifts=_whole(layer.address.shifts()), **common)


def _accumulator(layer: FixedAccumulator, frac: int, common: Common) -> Node:
    return Requantize(format=layer.format(frac), rounding=Rounding.TRN, overflow=layer.overflow, **common)


_HANDLERS: dict[type[nn.Module], Callable[[Any, QuantizedModel, Common], Node]] = {
    layers.InputCast: _input,
    layers.Cast: _cast,
    layers.FixedDense: _dense,
    layers.FixedConv2d: _conv2d,
    FixedRotation: _rotation,
    layers.FixedScaleShift: _scale_shift,
    layers.FixedAvgPool2d: _avg_pool,
    layers.FixedMaxPool2d: _max_pool,
    layers.FixedRelu: lambda layer, model, common: Relu(**common),
    layers.FixedAdd: lambda layer, model, common: Add(**common),
    layers.FixedFlatten: lambda layer, model, common: Flatten(**common),
    operators.FixedReshape: lambda layer, model, common: Reshape(shape=layer.shape, **common),
    operators.FixedConcat: lambda layer, model, common: Concat(axis=layer.axis, **common),
    operators.FixedPad: lambda layer, model, common: Pad(
        before=layer.before, after=layer.after, interior=layer.interior, **common
    ),
    operators.FixedUpsample: lambda layer, model, common: Upsample(factors=layer.factors, **common),
    operators.FixedSlice: _slice,
    operators.FixedTranspose: lambda layer, model, common: Transpose(order=layer.order, **common),
    FixedLookup: lambda layer, model, common: Lookup(rows=Tensor(layer.codes(), layer.quantizer.format), **common),
    FixedLutDense: _lut_dense,
    operators.FixedMatMul: lambda layer, model, common: MatMul(**common),
    operators.FixedSub: lambda layer, model, common: Sub(**common),
    operators.FixedMul: lambda layer, model, common: Mul(**common),
    operators.FixedReduceMax: lambda layer, model, common: ReduceMax(axis=layer.axis, **common),
    operators.FixedReduceSum: lambda layer, model, common: ReduceSum(axis=layer.axis, **common),
}
# Those that must know the fractional bits of what they read.
_AT_POINT: dict[type[nn.Module], Callable[[Any, Any, Common], Node]] = {
    FixedTable: _table,
    FixedScale: _scale,
    FixedAccumulator: _accumulator,
    FixedSoftmax: lambda layer, frac, common: Softmax(axis=layer.axis, mantissa=layer.mantissa, **common),
}


def _quantized(model: nn.Module) -> QuantizedModel:
    if not isinstance(model, QuantizedModel):
        raise UnsupportedError(
            f"{type(model).__name__} is a float model without fixed-point formats; call flow.quantize(model, example) "
            "first."
        )
    for name, tensor in model.state_dict().items():
        broken = tensor[~torch.isfinite(tensor)]
        if broken.numel():
            raise DataError(
                f"Fixed point holds finite numbers only, but parameter {name!r} contains {broken[0].item()}; "
                "train it again or repair it first."
            )
    return model


def lower(
    qmodel: nn.Module,
    example: torch.Tensor | NDArray[Any] | None = None,
    name: str = "design",
    argmax: bool = False,
) -> Graph:
    """The graph of a quantised model: same values, same order, same names, as integers.

    Args:
        qmodel: what `flow.quantize` returned, trained or not.
        example: a batch [B, ...], only checked against the model's input shape; may be left out.
        name: of the design.
        argmax: append the index of the highest value of the first output, whose sample has one axis; the outputs are
            then (logits, ..., class).

    Raises:
        UnsupportedError: a float model.
        DataError: NaN or infinity in the model, or an example of another shape.
    """
    model = _quantized(qmodel)
    if example is not None and tuple(example.shape[1:]) != model.shape:
        raise DataError(f"The model takes samples {list(model.shape)}, not {list(example.shape[1:])}.")
    nodes: list[Node] = []
    points = model.points()
    for step in model.steps:
        layer = model.layers[step.layer]
        inputs = tuple(model.steps[index].name for index in step.inputs)
        common = {"name": step.name, "inputs": inputs, "origin": step.origin}
        if isinstance(layer, AtPoint):
            nodes.append(_AT_POINT[type(layer)](layer, points[inputs[0]], common))
        else:
            nodes.append(_HANDLERS[type(layer)](layer, model, common))
    outputs = tuple(model.steps[index].name for index in model.outputs)
    if argmax:
        nodes.append(ArgMax(name=_free("class", nodes), inputs=outputs[:1]))
        outputs = (*outputs, nodes[-1].name)
    return Graph(name, tuple(nodes), outputs)


def _free(name: str, nodes: list[Node]) -> str:
    taken = {node.name for node in nodes}
    while name in taken:
        name += "_"
    return name


def encode_input(qmodel: QuantizedModel, x: torch.Tensor | NDArray[Any]) -> NDArray[np.int64]:
    """What the host sends: codes int64[N, *shape] of samples float[N, *shape], by the model's own input cast.

    Raises:
        DataError: a sample is not finite.
    """
    first = qmodel.layers[qmodel.steps[0].layer]
    return first.quantizer.codes(torch.as_tensor(x))
