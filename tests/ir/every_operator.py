"""One small graph with every operator, every mode and constants spelled out: what the stored fixture holds."""

from __future__ import annotations

import numpy as np

from flow.formats import Overflow, Rounding
from flow.ir import (
    Add,
    ArgMax,
    AvgPool2d,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Input,
    MaxPool2d,
    Node,
    Relu,
    Requantize,
    ScaleShift,
    Tensor,
)
from tests.graphs import fmt


def ramp(shape: tuple[int, ...], text: str) -> Tensor:
    """Codes that count through the format."""
    form, size = fmt(text), int(np.prod(shape))
    return Tensor((np.arange(size) * 5 % (1 << form.width) + form.low).reshape(shape), form)


def every_operator() -> Graph:
    nodes: list[Node] = [
        Input(name="input", shape=(2, 6, 6), format=fmt("s5.2")),
        Conv2d(
            name="conv", inputs=("input",), weight=ramp((4, 1, 3, 2), "s4.3"), bias=ramp((4,), "s6.7"),
            stride=(1, 2), padding=(1, 0), groups=2, origin="features.0",
        ),
        ScaleShift(
            name="bn", inputs=("conv",), scale=ramp((4,), "s5.-1"), shift=ramp((4,), "s5.9"), origin="features.1"
        ),
        Requantize(name="bn.out", inputs=("bn",), format=fmt("s6.1"), origin="features.1"),
        Relu(name="relu", inputs=("bn.out",)),
        Add(name="add", inputs=("relu", "bn.out")),
        MaxPool2d(name="max", inputs=("add",), kernel=(2, 2), stride=(2, 1)),
        AvgPool2d(name="avg", inputs=("max",), kernel=(3, 1), stride=(1, 1), scale=Tensor(np.array(11), fmt("u4.5"))),
        Flatten(name="flat", inputs=("avg",)),
    ]  # fmt: skip
    for rounding in Rounding:
        for mode in Overflow:
            name = f"cast.{rounding.value}.{mode.value}"
            nodes.append(Requantize(name=name, inputs=("flat",), format=fmt("s5.3"), rounding=rounding, overflow=mode))
    nodes.append(Dense(name="fc/é", inputs=("cast.RND_CONV.WRAP_SM",), weight=ramp((3, 8), "u4.-2"), origin="head"))
    nodes.append(ArgMax(name="class", inputs=("fc/é",)))
    return Graph("every operator", tuple(nodes), ("fc/é", "class"))
