"""hls4ml's layers for what only moves codes; a value is seen as hls4ml keeps it, images as [H, W, C]."""

from __future__ import annotations

import math

from flow.exporters.hls4ml.entries import Layer, Plan, is_image, layer_shape, value_type
from flow.ir import Concat, Slice, Transpose, Value

__all__ = ["concat", "cut", "transpose"]

_AXES = (1, 2, 0)  # which axis of [C, H, W] stands at each place of [H, W, C]


def _held_axis(value: Value, axis: int) -> int:
    """Where hls4ml keeps an axis."""
    return _AXES.index(axis) if is_image(value) else axis


def concat(plan: Plan, node: Concat, types: tuple[Value, ...], value: Value) -> Layer:
    """hls4ml counts the axis from 1; an image keeps its channels last."""
    axis = (node.axis - 1) % 3 if is_image(value) else node.axis
    sources = tuple(plan.holder[name].name for name in node.inputs)
    return plan.add(
        plan.names[node.name],
        "Concatenate",
        sources,
        value_type(value),
        axis=axis + 1,
        op=f"concatenate{len(value.shape)}d",
    )


def cut(plan: Plan, node: Slice, types: tuple[Value, ...], value: Value) -> Layer:
    """A crop along the middle of three axes, then a pooling of single codes whose stride is the step."""
    (x,), name, source = types, plan.names[node.name], plan.holder[node.inputs[0]]
    ((axis, places),) = [(axis, held) for axis, held in enumerate(node.places()) if len(held) < x.shape[axis]]
    shape, at, result = layer_shape(x), _held_axis(x, axis), source.precision["result"]
    outer, size, inner = math.prod(shape[:at]), shape[at], math.prod(shape[at + 1 :])
    width = places[-1] + 1 - places[0]
    seen = plan.add(f"{name}__seen", "Reshape", (source.name,), result, target_shape=[outer, size, inner])
    layer = plan.add(
        name if places.step == 1 else f"{name}__crop", "Cropping2D", (seen.name,), result, data_format="channels_last",
        in_height=outer, in_width=size, out_height=outer, out_width=width, n_chan=inner, crop_top=0, crop_bottom=0,
        crop_left=places[0], crop_right=size - places[-1] - 1,
    )  # fmt: skip
    if places.step > 1:
        layer = plan.put(Layer(name, "MaxPooling2D", (layer.name,), {"accum": result, "result": result}, {
            "data_format": "channels_last", "in_height": outer, "in_width": width, "out_height": outer,
            "out_width": len(places), "pool_height": 1, "pool_width": 1, "stride_height": 1,
            "stride_width": places.step, "n_filt": inner, "pad_top": 0, "pad_bottom": 0, "pad_left": 0, "pad_right": 0,
            "count_pad": False,
        }))  # fmt: skip
    return plan.add(f"{name}__shape", "Reshape", (layer.name,), result, target_shape=layer_shape(value))


def transpose(plan: Plan, node: Transpose, types: tuple[Value, ...], value: Value) -> Layer:
    """hls4ml's own between two reshapes: it drops one behind the input and moves one into a Dense layer."""
    (x,), name, source = types, plan.names[node.name], plan.holder[node.inputs[0]]
    result, order = source.precision["result"], [_held_axis(x, axis) for axis in node.order]
    order = [order[axis] for axis in _AXES] if is_image(value) else order
    seen = plan.add(f"{name}__seen", "Reshape", (source.name,), result, target_shape=layer_shape(x))
    layer = plan.add(name, "Transpose", (seen.name,), result, perm=order)
    return plan.add(f"{name}__shape", "Reshape", (layer.name,), result, target_shape=layer_shape(value))
