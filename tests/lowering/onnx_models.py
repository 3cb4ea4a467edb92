"""Small ONNX models written by hand, and what qonnx's executor says they compute."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

from flow.ir import Graph, interpret

QONNX = "qonnx.custom_op.general"
QUANTS = ("Quant", "BipolarQuant", "Trunc", "FloatQuant")


class Model:
    """Nodes in a row; each takes the result of the one before, and constants."""

    def __init__(self, shape: tuple[int, ...], number: int = TensorProto.FLOAT, version: int = 2) -> None:
        self.shape, self.number, self.version = shape, number, version
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.last = "x"

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        array = np.asarray(value)
        self.constants.append(
            numpy_helper.from_array(array.astype(np.float32) if array.dtype.kind == "f" else array, name)
        )
        return name

    def op(self, kind: str, *inputs: Any, source: str | None = None, count: int = 1, **attributes: Any) -> str:
        """Strings are values, everything else becomes a constant; returns the result's name, or the last."""
        names = [item if isinstance(item, str) else self.constant(item) for item in inputs]
        results = [f"v{len(self.nodes)}", *(f"v{len(self.nodes)}.{place}" for place in range(1, count))]
        domain = {"domain": QONNX} if kind in QUANTS else {}
        names = names if source == "" else [self.last if source is None else source, *names]
        self.nodes.append(helper.make_node(kind, names, results, name=f"n{len(self.nodes)}", **domain, **attributes))
        self.last = results[-1]
        return self.last

    def quant(
        self, scale: Any, width: Any = 8.0, zero: Any = 0.0, source: str | None = None, signed: int = 1,
        narrow: int = 0, mode: str = "ROUND",
    ) -> str:  # fmt: skip
        parameters = (np.asarray(scale, dtype=float), np.asarray(zero, dtype=float), np.asarray(width, dtype=float))
        return self.op("Quant", *parameters, source=source, signed=signed, narrow=narrow, rounding_mode=mode)

    def content(self, shape: tuple[int, ...] | None = None, batch: int = 1) -> bytes:
        """The file; `shape` is one sample's at the output."""
        wanted = None if shape is None else [batch, *shape]
        graph = helper.make_graph(
            self.nodes, "hand", [helper.make_tensor_value_info("x", self.number, [batch, *self.shape])],
            [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, wanted)], self.constants,
        )  # fmt: skip
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(QONNX, self.version)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def interpreted(graph: Graph, codes: np.ndarray) -> np.ndarray:
    """The real numbers at the first output, float64."""
    return np.ldexp(interpret(graph, codes)[0].astype(np.float64), -graph.values[graph.outputs[0]].format.frac)


def executed(model: Model, graph: Graph, x: np.ndarray, batch: int = 1) -> np.ndarray:
    """The same by qonnx, one batch after the other."""
    shape = graph.values[graph.outputs[0]].shape
    wrapper = ModelWrapper(model.content(shape, batch)).transform(InferShapes())
    found = [execute_onnx(wrapper, {"x": part})[model.last] for part in np.split(x.astype(np.float32), len(x) // batch)]
    return np.concatenate(found).astype(np.float64)
