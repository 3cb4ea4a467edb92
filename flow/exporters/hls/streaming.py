"""Which streaming template each operator has, and in which order a layer reads and writes beats.

An operator without one gets its array template between a `gather` and a `scatter`, so that every operator has a form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain, repeat

from flow.exporters.hls.call import Call
from flow.exporters.hls.calls import calls
from flow.exporters.hls.options import LayerOptions
from flow.ir import (
    Add,
    ArgMax,
    AvgPool2d,
    Conv2d,
    Dense,
    Graph,
    Lookup,
    MatMul,
    MaxPool2d,
    Mul,
    Node,
    ReduceMax,
    ReduceSum,
    Relu,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    ScaleShift,
    Softmax,
    Sub,
    Table,
    Value,
)

__all__ = ["Kind", "Layout", "StreamCall", "layout", "passes", "stream_call"]

_WRITE = -1


@dataclass(frozen=True, slots=True)
class Layout:
    """A value as beats; lane `l` of beat `b` is code `l * beats + b` of the row-major order.

    Attributes:
        lanes: codes of a beat.
        beats: beats of a sample.
    """

    lanes: int
    beats: int


def layout(value: Value) -> Layout:
    """An image [C, H, W] is H * W beats of C lanes, everything else one code a beat."""
    if len(value.shape) == 3:
        return Layout(value.shape[0], value.size // value.shape[0])
    return Layout(1, value.size)


class Kind(Enum):
    """How a layer of the streaming form is made."""

    STREAM = "stream"  # a template that takes the streams
    BEATS = "beats"  # an array template for every beat
    BUFFER = "buffer"  # an array template for the whole sample


@dataclass(frozen=True, slots=True)
class StreamCall:
    """One layer of the streaming form.

    Attributes:
        kind: how it is made.
        calls: the templates, one after another; one but for BUFFER.
        schedule: for every beat in order, `i` to read operand i, -1 to write the result.
        held: for every operand of BEATS, whether its one beat is read first and kept.
        places: for every constant of BEATS, its place at beat `beat` as C++, None for the same at every beat.
    """

    kind: Kind
    calls: tuple[Call, ...]
    schedule: Iterable[int]
    held: tuple[bool, ...] = ()
    places: tuple[str | None, ...] = ()


def passes(beats: int, *readers: int) -> Iterator[int]:
    """The schedule of a layer that reads a beat of each of `readers` and writes one, again and again."""
    return chain.from_iterable(repeat((*readers, _WRITE), beats))


def _all_first(beats: Sequence[int], written: int) -> Iterator[int]:
    """The schedule of a layer that reads its operands whole, one after the other, and then writes."""
    reads = chain.from_iterable(repeat(operand, count) for operand, count in enumerate(beats))
    return chain(reads, repeat(_WRITE, written))


def _windows(
    size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int] = (0, 0)
) -> Iterator[int]:
    """The schedule of a window that slides over rows and columns, and writes where it is complete."""
    height, width = size
    for row in range(height + 2 * pad[0]):
        over, whole = divmod(row - (kernel[0] - 1), stride[0])
        for column in range(width + 2 * pad[1]):
            if pad[0] <= row < height + pad[0] and pad[1] <= column < width + pad[1]:
                yield 0
            right, rest = divmod(column - (kernel[1] - 1), stride[1])
            if over >= 0 and not whole and right >= 0 and not rest:
                yield _WRITE


def _single(node: Node, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    (made,) = calls(node, operands, result, choice)
    return made


def _conv2d(node: Conv2d, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> StreamCall:
    made = replace(_single(node, operands, result, choice), header="flow_conv2d_stream.h", function="conv2d_stream")
    return StreamCall(Kind.STREAM, (made,), _windows(operands[0].shape[1:], node.kernel, node.stride, node.padding))


def _dense(node: Dense, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> StreamCall:
    made = replace(_single(node, operands, result, choice), header="flow_dense_stream.h", function="dense_stream")
    return StreamCall(Kind.STREAM, (made,), _all_first([operands[0].size], result.size))


def _pool(node: MaxPool2d | AvgPool2d, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> StreamCall:
    made = _single(node, operands, result, choice)
    apart = node.stride[0] >= node.kernel[0] and node.stride[1] >= node.kernel[1]
    function = f"{made.function}_{'tiles' if apart else 'windows'}"
    return StreamCall(
        Kind.STREAM, (replace(made, header="flow_pool_stream.h", function=function),),
        _windows(operands[0].shape[1:], node.kernel, node.stride),
    )  # fmt: skip


def _argmax(node: ArgMax, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> StreamCall:
    made = replace(_single(node, operands, result, choice), header="flow_reduce_stream.h", function="argmax_stream")
    return StreamCall(Kind.STREAM, (made,), _all_first([operands[0].size], 1))


def _reduction(
    node: ReduceMax | ReduceSum, operands: tuple[Value, ...], result: Value, choice: LayerOptions
) -> StreamCall | None:
    """Over all codes of a vector as they come, over the channels of an image within a beat."""
    (x,) = operands
    if len(x.shape) == 1:
        function = f"reduce_{'max' if isinstance(node, ReduceMax) else 'sum'}_stream"
        made = Call("flow_reduce_stream.h", function, sizes={"LENGTH": x.size})
        return StreamCall(Kind.STREAM, (made,), _all_first([x.size], 1))
    return _each_beat(node, operands, result, choice) if len(x.shape) == 3 and node.axis == 0 else None


def _softmax(node: Softmax, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> StreamCall | None:
    """Rows as they come, lane by lane; or the channels of an image within a beat."""
    (x,) = operands
    if len(x.shape) == 3 and node.axis == 0:
        return _each_beat(node, operands, result, choice)
    if math.prod(x.shape[node.axis + 1 :]) > 1:
        return None
    made, lanes = _single(node, operands, result, choice), layout(x).lanes
    length, rest = made.sizes["LENGTH"], {key: made.sizes[key] for key in _SOFTMAX_SIZES}
    count = x.size // lanes // length
    sizes = {"LANES": lanes, "COUNT": count, "LENGTH": length, **rest}
    call = replace(made, header="flow_softmax_stream.h", function="softmax_stream", sizes=sizes)
    row = (*repeat(0, length), *repeat(_WRITE, length))
    return StreamCall(Kind.STREAM, (call,), chain.from_iterable(repeat(row, count)))


_SOFTMAX_SIZES = ("ADDRESS", "LIFT", "MANTISSA", "EXPONENT")


def _one_beat(value: Value) -> Value:
    """The part of a value that one beat carries."""
    lanes = layout(value).lanes
    return replace(value, shape=(lanes, 1, 1) if len(value.shape) == 3 else (1,) * len(value.shape))


def _each_beat(
    node: Node, operands: tuple[Value, ...], result: Value, choice: LayerOptions, places: tuple[str | None, ...] = ()
) -> StreamCall | None:
    """The array template for every beat, where operands have a beat for every beat of the result, or one for all."""
    beats, found = layout(result).beats, [layout(operand).beats for operand in operands]
    if any(count not in (1, beats) for count in found):
        return None
    held = tuple(count == 1 and beats > 1 for count in found)
    made = _single(node, tuple(map(_one_beat, operands)), _one_beat(result), choice)
    kept = [operand for operand, once in enumerate(held) if once]
    moving = [operand for operand, once in enumerate(held) if not once]
    schedule = [*kept, *passes(beats, *moving)]
    return StreamCall(Kind.BEATS, (made,), schedule, held, places or (None,) * len(made.constants))


def _scale_shift(
    node: ScaleShift, operands: tuple[Value, ...], result: Value, choice: LayerOptions
) -> StreamCall | None:
    """The channels are lanes of an image; of anything else the channel is the beat's."""
    if len(result.shape) == 3:
        return _each_beat(node, operands, result, choice)
    positions = result.size // result.shape[0]
    place = "beat" if positions == 1 else f"beat / {positions}"
    made = _each_beat(node, operands, result, choice, (place, place))
    if made is None:
        return None
    words = made.calls[0].constants[0].codes.size // result.shape[0]  # of one scale
    return replace(made, places=(f"{place} * {words}" if words > 1 else place, place))


def _requantize_each(
    node: RequantizeEach, operands: tuple[Value, ...], result: Value, choice: LayerOptions
) -> StreamCall | None:
    """A cast for each channel of an image, or for each code of a vector."""
    shape = node.fracs.shape
    if all(size == 1 for size in shape) or (len(shape) == 3 and shape[1:] == (1, 1)):
        return _each_beat(node, operands, result, choice)
    return _each_beat(node, operands, result, choice, ("beat",)) if len(shape) == 1 else None


def _lookup(node: Lookup, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> StreamCall | None:
    """The rows of a vector's codes; those of anything else would change the beats."""
    (x,) = operands
    if len(x.shape) != 1:
        return None
    made = replace(_single(node, operands, result, choice), header="flow_lookup_stream.h", function="lookup_stream")
    return StreamCall(Kind.STREAM, (made,), chain.from_iterable(repeat((0, *[_WRITE] * result.shape[1]), x.size)))


def _matmul(node: MatMul, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> StreamCall:
    """The second factor whole, of the first a row for every row of results."""
    made, lanes = _single(node, operands, result, choice), layout(result).lanes
    sizes = {"LANES": lanes, **made.sizes, "COUNT": made.sizes["COUNT"] // lanes}
    call = replace(made, header="flow_matmul_stream.h", function="matmul_stream", sizes=sizes)
    row = (*repeat(0, sizes["TERMS"]), *repeat(_WRITE, sizes["COLUMNS"]))
    pair = (*repeat(1, sizes["TERMS"] * sizes["COLUMNS"]), *row * sizes["ROWS"])
    return StreamCall(Kind.STREAM, (call,), chain.from_iterable(repeat(pair, sizes["COUNT"])))


_STREAMS: dict[type[Node], Callable[..., StreamCall | None]] = {
    Add: _each_beat,
    ArgMax: _argmax,
    AvgPool2d: _pool,
    Conv2d: _conv2d,
    Dense: _dense,
    Lookup: _lookup,
    MatMul: _matmul,
    MaxPool2d: _pool,
    Mul: _each_beat,
    ReduceMax: _reduction,
    ReduceSum: _reduction,
    Relu: _each_beat,
    Requantize: _each_beat,
    RequantizeEach: _requantize_each,
    RequantizeMinifloat: _each_beat,
    ScaleShift: _scale_shift,
    Softmax: _softmax,
    Sub: _each_beat,
    Table: _each_beat,
}


def stream_call(graph: Graph, node: Node, choice: LayerOptions) -> StreamCall:
    """The layer of the streaming form that computes `node`, any operator but Input and those of `wiring.WIRES`."""
    operands, result = graph.operands(node), graph.values[node.name]
    make = _STREAMS.get(type(node))
    made = make(node, operands, result, choice) if make else None
    if made is not None:
        return made
    beats = [layout(operand).beats for operand in operands]
    return StreamCall(Kind.BUFFER, calls(node, operands, result, choice), _all_first(beats, layout(result).beats))
