"""A small hand for writing ONNX graphs: fresh names, shared constants, results called after the nodes of our graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from flow.ir import Node

__all__ = ["IR_VERSION", "OPSET", "Builder", "Operand"]

OPSET = 18  # the first whose ReduceSum and ReduceMax take their axes alike; every tool of the last years reads it
IR_VERSION = 8

Operand = str | int | NDArray[Any]


class Builder:
    """Collects nodes and initialisers of one ONNX graph; no name it invents meets one of `taken`."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._values = frozenset(taken)
        self._taken = set(taken)
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._place, self._origin = "", ""
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []
        self.shapes: dict[str, tuple[int, ...]] = {}  # of a sample, for results shaped unlike their node's
        self.integers: set[str] = set()  # results that are int64 in a graph of floats

    def enter(self, node: Node) -> None:
        """What follows belongs to `node`: names start with its name, doc strings with its origin."""
        self._place, self._origin = node.name, node.origin or node.name

    def fresh(self, stem: str) -> str:
        """A value name that nothing else has."""
        name, count = stem, 2
        while name in self._taken:
            name, count = f"{stem}_{count}", count + 1
        self._taken.add(name)
        return name

    def constant(self, value: NDArray[Any], label: str = "const") -> str:
        """The name of an initialiser; equal constants share one."""
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self._constants:
            name = self.fresh(f"{self._place}/{label}")
            self._constants[key] = name
            self.initialisers.append(numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name))
        return self._constants[key]

    def op(self, kind: str, *operands: Operand, domain: str = "", **attributes: Any) -> str:
        """Append one node and return the name of its result; integers become int64 constants."""
        (result,) = self.several(kind, 1, *operands, domain=domain, **attributes)
        return result

    def several(
        self, kind: str, count: int, *operands: Operand, domain: str = "", **attributes: Any
    ) -> tuple[str, ...]:
        """As `op`, for so many results."""
        inputs = [self._named(operand) for operand in operands]
        results = tuple(self.fresh(f"{self._place}/{kind.lower()}") for _ in range(count))
        node = helper.make_node(kind, inputs, results, name=results[0], domain=domain or None, **attributes)
        node.doc_string = self._origin
        self.nodes.append(node)
        return results

    def inner(self) -> Builder:
        """The builder of a graph inside a node, whose names differ from all others of this one."""
        body = Builder(())
        body._taken, body._place, body._origin = self._taken, self._place, self._origin
        return body

    def integer(self, result: str) -> str:
        """`result`, noted as int64."""
        self.integers.add(result)
        return result

    def shaped(self, kind: str, shape: tuple[int, ...], *operands: Operand, **attributes: Any) -> str:
        """As `op`, for a result on the way whose sample has a `shape` of its own."""
        result = self.op(kind, *operands, **attributes)
        self.shapes[result] = shape
        return result

    def _named(self, operand: Operand) -> str:
        return operand if isinstance(operand, str) else self.constant(np.asarray(operand))

    def name_result(self, result: str, name: str) -> None:
        """Call `result`, the last value made or an earlier node's, by `name`, one of the names taken at the start."""
        if result in self._values:  # a node that changes nothing
            result = self.op("Identity", result)
        self.nodes[-1].output[0] = name

    def model(
        self,
        name: str,
        doc: str,
        inputs: list[onnx.ValueInfoProto],
        outputs: list[onnx.ValueInfoProto],
        inner: list[onnx.ValueInfoProto],
        domains: tuple[str, ...] = (),
    ) -> bytes:
        """The checked model as bytes; `domains` are imported at version 1 beside ONNX itself."""
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.initialisers, doc, inner)
        opsets = [helper.make_opsetid("", OPSET), *(helper.make_opsetid(domain, 1) for domain in domains)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="flow")
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))
