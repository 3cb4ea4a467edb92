"""Small random designs whose synthesis calibrates the spatial forms: MLPs and convolutions, few words of each kind."""

from __future__ import annotations

import itertools

import numpy as np

from flow.formats import FixedPoint, Overflow, Rounding
from flow.ir import (
    ArgMax,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Input,
    LutDense,
    MaxPool2d,
    Node,
    Relu,
    Requantize,
    ScaleShift,
    Tensor,
)

__all__ = ["IMAGE", "TRUTH_TABLES", "calibration_design"]

IMAGE, TRUTH_TABLES = 0, -1  # in place of a number of neurons
_FEWEST = 3  # the highest code of a cast at least; below, hardly anything of a design is left


def _weights(rng: np.random.Generator, shape: tuple[int, ...], width: int, zeros: float) -> Tensor:
    form = FixedPoint(width, width - 1, True)
    codes = rng.integers(form.low, form.high, shape, endpoint=True)
    return Tensor(np.where(rng.random(shape) < zeros, 0, codes), form)


def _bias(rng: np.random.Generator, count: int) -> Tensor:
    form = FixedPoint(6, 4, True)
    return Tensor(rng.integers(form.low, form.high, (count,), endpoint=True), form)


def _cast(rng: np.random.Generator, name: str, source: str, width: int) -> Requantize:
    rounding = (Rounding.TRN, Rounding.RND)[rng.integers(2)]
    overflow = (Overflow.SAT, Overflow.SAT, Overflow.WRAP)[rng.integers(3)]
    form = FixedPoint(width, int(rng.integers(1, width + 1)), False)
    return Requantize(name=name, inputs=(source,), format=form, rounding=rounding, overflow=overflow)


def _mlp(rng: np.random.Generator, name: str, largest: int) -> Graph:
    sizes = [int(n) for n in rng.integers(largest // 4, largest + 1, int(rng.integers(2, 4)))]
    width, zeros = int(rng.integers(2, 8)), float(rng.choice([0.0, 0.3, 0.6]))
    nodes: list[Node] = [Input(name="x", shape=(sizes[0],), format=FixedPoint(width, width - 1, bool(rng.integers(2))))]
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        weight = _weights(rng, (fan_out, fan_in), int(rng.integers(3, 8)), zeros)
        bias = _bias(rng, fan_out) if rng.integers(2) else None
        nodes.append(Dense(name=f"fc{i}", inputs=(nodes[-1].name,), weight=weight, bias=bias))
        if i < len(sizes) - 2:
            if rng.integers(4):
                nodes.append(Relu(name=f"relu{i}", inputs=(nodes[-1].name,)))
            nodes.append(_cast(rng, f"cast{i}", nodes[-1].name, int(rng.integers(2, 8))))
    if rng.integers(3) == 0:
        nodes.append(ArgMax(name="class", inputs=(nodes[-1].name,)))
    return Graph(name, tuple(nodes), (nodes[-1].name,))


def _convolution(rng: np.random.Generator, name: str, largest: int) -> Graph:
    width, channels = int(rng.integers(2, 6)), int(rng.integers(2, 4)) if largest > 8 else 1
    size = int(rng.choice([4, 5])) if largest > 8 else 4
    nodes: list[Node] = [Input(name="x", shape=(1, size, size), format=FixedPoint(width, width - 1, False))]
    weight = _weights(rng, (channels, 1, 3, 3), int(rng.integers(3, 6)), 0.3)
    nodes.append(Conv2d(name="conv", inputs=("x",), weight=weight))
    nodes.append(Relu(name="relu", inputs=("conv",)))
    nodes.append(_cast(rng, "cast", "relu", width))
    if size == 4:
        nodes.append(MaxPool2d(name="max", inputs=("cast",), kernel=(2, 2), stride=(2, 2)))
    nodes.append(Flatten(name="flat", inputs=(nodes[-1].name,)))
    held = channels * (1 if size == 4 else 9)
    nodes.append(Dense(name="fc", inputs=("flat",), weight=_weights(rng, (4, held), 4, 0.3)))
    return Graph(name, tuple(nodes), ("fc",))


def _image(rng: np.random.Generator, name: str) -> Graph:
    """A padded convolution of an image of 3 to 5 pixels a side, scaled or not, pooled or not, and a Dense."""
    channels, width = int(rng.integers(1, 3)), int(rng.integers(2, 7))
    size = int(rng.integers(3, 7 - channels))
    kernel, out = int(rng.choice([2, 3, 3])), int(rng.choice([1, 1, 2]))
    nodes: list[Node] = [Input(name="x", shape=(channels, size, size), format=FixedPoint(width, width - 1, False))]
    weight = _weights(rng, (out, channels, kernel, kernel), int(rng.integers(3, 7)), float(rng.choice([0.0, 0.0, 0.4])))
    bias = _bias(rng, out) if rng.integers(2) else None
    nodes.append(Conv2d(name="conv", inputs=("x",), weight=weight, bias=bias, padding=(1, 1), stride=(out, out)))
    if rng.integers(3) == 0:
        nodes.append(_cast(rng, "sum", "conv", int(rng.integers(4, 7))))
        scale = _weights(rng, (out,), 4, 0.0)
        nodes.append(ScaleShift(name="scale", inputs=("sum",), scale=scale, shift=_bias(rng, out)))
    nodes.append(Relu(name="relu", inputs=(nodes[-1].name,)))
    nodes.append(_cast(rng, "cast", "relu", int(rng.integers(2, 7))))
    side = (size + 2 - kernel) // out + 1
    if side > 2 and rng.integers(3) == 0:
        nodes.append(MaxPool2d(name="max", inputs=("cast",), kernel=(2, 2), stride=(1, 1)))
        side -= 1
    nodes.append(Flatten(name="flat", inputs=(nodes[-1].name,)))
    weight = _weights(rng, (3, out * side**2), int(rng.integers(2, 6)), 0.3)
    nodes.append(Dense(name="fc", inputs=("flat",), weight=weight))
    return Graph(name, tuple(nodes), ("fc",))


def _truth_tables(rng: np.random.Generator, name: str) -> Graph:
    """One or two layers of sums of tables of two to five bits."""
    address, inputs = int(rng.integers(2, 6)), int(rng.integers(5, 11))
    nodes: list[Node] = [Input(name="x", shape=(inputs,), format=FixedPoint(address, 0, False))]
    for layer in range(int(rng.integers(1, 3))):
        outputs, width = int(rng.integers(4, 9)), int(rng.integers(3, 6))
        tables = _weights(rng, (outputs, inputs, 1 << address), width, 0.0)
        shifts = Tensor(np.zeros(inputs, dtype=np.int64), FixedPoint(1, 0, False))
        nodes.append(LutDense(name=f"lut{layer}", inputs=(nodes[-1].name,), tables=tables, shifts=shifts))
        address, inputs = int(rng.integers(2, 6)), outputs
        form = FixedPoint(address, width - 3, False)
        nodes.append(Requantize(name=f"cast{layer}", inputs=(nodes[-1].name,), format=form, overflow=Overflow.SAT))
    return Graph(name, tuple(nodes), (nodes[-1].name,))


def calibration_design(seed: int, largest: int = 16) -> Graph:
    """A design of some hundred to two thousand LUTs; every third one has a convolution.

    Args:
        seed: of shapes, word lengths and constants.
        largest: most neurons of a layer; with at most 8 a design takes tens of LUTs to some hundred. `IMAGE` for a
            padded convolution instead, `TRUTH_TABLES` for sums of such.
    """
    rng = np.random.default_rng([seed, 20261127])
    if largest == TRUTH_TABLES:
        return _truth_tables(rng, f"calibration_{seed}")
    if largest == IMAGE:
        graph = _image(rng, f"calibration_{seed}")
        while graph.values["cast"].high < _FEWEST:
            graph = _image(rng, f"calibration_{seed}")
        return graph
    make = _convolution if seed % 3 == 2 else _mlp
    return make(rng, f"calibration_{seed}", largest)
