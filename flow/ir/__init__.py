"""The typed graph: values with exact ranges, operators, the interpreter that arbitrates, stored and text forms."""

from flow.ir.graph import Graph
from flow.ir.interpret import interpret, trace
from flow.ir.ops import (
    OPERATORS,
    Add,
    ArgMax,
    AvgPool2d,
    Conv2d,
    Dense,
    Flatten,
    Input,
    Linear,
    MaxPool2d,
    Node,
    Relu,
    Requantize,
    ScaleShift,
)
from flow.ir.store import SPEC_VERSION, dump, load
from flow.ir.text import to_text
from flow.ir.value import Tensor, Value

__all__ = [
    "OPERATORS",
    "SPEC_VERSION",
    "Add",
    "ArgMax",
    "AvgPool2d",
    "Conv2d",
    "Dense",
    "Flatten",
    "Graph",
    "Input",
    "Linear",
    "MaxPool2d",
    "Node",
    "Relu",
    "Requantize",
    "ScaleShift",
    "Tensor",
    "Value",
    "dump",
    "interpret",
    "load",
    "to_text",
    "trace",
]
