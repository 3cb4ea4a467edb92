"""The text form of a graph: one line a node, short enough to read; golden tests compare it."""

from __future__ import annotations

from dataclasses import fields
from enum import Enum
from typing import Any

from flow.ir.graph import Graph
from flow.ir.ops import Input, Node

__all__ = ["to_text"]

_STRUCTURE = {"name", "inputs", "origin"}


def _show(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return "x".join(str(item) for item in value)
    return str(value)


def _attributes(node: Node) -> str:
    if isinstance(node, Input):
        return ""
    shown = [(f.name, getattr(node, f.name)) for f in fields(node) if f.name not in _STRUCTURE]
    return "".join(f" {name}={_show(value)}" for name, value in shown if value is not None)


def to_text(graph: Graph) -> str:
    """The graph as lines of `name = op inputs attributes -> shape format [low, high]`."""
    lines = [f"graph {graph.name}"]
    for node in graph.nodes:
        inputs = "".join(f" {name}" for name in node.inputs)
        lines.append(f"  {node.name} = {node.op}{inputs}{_attributes(node)} -> {graph.values[node.name]}")
    lines.append(f"  return {' '.join(graph.outputs)}")
    return "\n".join(lines) + "\n"
