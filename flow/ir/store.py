"""Graphs as files: `design.json` holds the structure, `design.npz` the constants."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import Enum
from typing import Any

import numpy as np

from flow.errors import FormatError, GraphError
from flow.formats import FixedPoint, FloatRounding, Minifloat, Overflow, Rounding
from flow.ir.graph import Graph
from flow.ir.ops import OPERATORS, Node
from flow.ir.value import Tensor

__all__ = ["SPEC_VERSION", "dump", "load"]

SPEC_VERSION = 1

# What json, numpy and zipfile say of files that are cut, damaged or written by someone else.
_BROKEN = (KeyError, ValueError, TypeError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, FormatError)

# From the annotation of a field (a string, since annotations are postponed) to what reads it back.
_READERS: dict[str, Callable[[Any], Any]] = {
    "FixedPoint": FixedPoint.parse,
    "Minifloat": Minifloat.parse,
    "FloatRounding": FloatRounding,
    "Rounding": Rounding,
    "Overflow": Overflow,
    "tuple[str, ...]": tuple,
    "tuple[int, ...]": tuple,
    "Pair": tuple,
    "str": str,
    "int": int,
    "bool": bool,
}


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return {"tensor": str(value.format)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, (FixedPoint, Minifloat)) else value


def dump(graph: Graph) -> dict[str, bytes]:
    """The graph as `{"design.json": ..., "design.npz": ...}`; the same graph always gives the same bytes."""
    nodes = [{"op": n.op, **{f.name: _plain(getattr(n, f.name)) for f in fields(n)}} for n in graph.nodes]
    header = {"spec": SPEC_VERSION, "name": graph.name, "outputs": list(graph.outputs), "nodes": nodes}
    arrays = {f"{n.name}/{key}": t.codes for n in graph.nodes for key, t in n.tensors().items()}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return {"design.json": (json.dumps(header, indent=1) + "\n").encode(), "design.npz": buffer.getvalue()}


def _node(entry: dict[str, Any], arrays: Mapping[str, Any]) -> Node:
    cls = OPERATORS.get(entry["op"])
    if cls is None:
        raise GraphError(f"The stored graph uses operator {entry['op']!r}, which this version does not know.")
    arguments: dict[str, Any] = {}
    for field in fields(cls):
        value = entry[field.name]
        if isinstance(value, dict):
            arguments[field.name] = Tensor(arrays[f"{entry['name']}/{field.name}"], FixedPoint.parse(value["tensor"]))
        elif value is None:
            arguments[field.name] = None
        else:
            arguments[field.name] = _READERS[str(field.type)](value)
    return cls(**arguments)


def load(files: Mapping[str, bytes]) -> Graph:
    """The graph that `dump` wrote.

    Raises:
        GraphError: the files carry a newer spec version, or are not what `dump` writes.
    """
    try:
        header = json.loads(files["design.json"])
        if header["spec"] > SPEC_VERSION:
            raise GraphError(
                f"design.json has spec version {header['spec']}, but this version of flow reads up to {SPEC_VERSION}; "
                "upgrade flow."
            )
        with np.load(io.BytesIO(files["design.npz"]), allow_pickle=False) as arrays:
            nodes = tuple(_node(entry, arrays) for entry in header["nodes"])
        return Graph(header["name"], nodes, tuple(header["outputs"]))
    except _BROKEN as error:
        raise GraphError(
            f"design.json and design.npz do not hold a graph ({error}); export the design again."
        ) from None
