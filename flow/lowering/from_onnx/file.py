"""What an ONNX file says, as plain data: the only reader of the protobuf."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import helper, inliner, numpy_helper

from flow.errors import DataError, UnsupportedError
from flow.training.source_lines import line_of_trace

__all__ = ["Call", "OnnxFile", "Source", "nowhere", "read_file", "self_contained"]

_QUANT_DOMAINS = {"qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas"}
_LIBRARIES = re.compile(r"[\"/\\](site|dist)-packages[/\\]")  # where no line is the user's
_FRAME = re.compile(r'(?=File ")')


@dataclass(frozen=True, slots=True)
class Call:
    """One node of the file.

    Attributes:
        kind: the operator; those of QONNX are written `qonnx.Quant`.
        version: of the operator's domain.
        name: the node's name, or that of its first result.
        inputs: names of values; empty where an optional input is left out.
        outputs: names of the results.
        attributes: as Python values; tensors as arrays, `to` as a number type.
        origin: module path in the user's model, where the file tells it.
        line: the line of the source, with a leading blank, where the file tells it.
    """

    kind: str
    version: int
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    origin: str
    line: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}" + (f" in {self.origin!r}" if self.origin else "") + self.line


def nowhere(result: str = "") -> Call:
    """A call that stands for no node of the file, but for an output."""
    return Call("Output", 0, result, (), (result,), {}, "", "")


@dataclass(frozen=True, slots=True)
class Source:
    """The model's input: one sample's shape, the batch that the file was made for (0: any), and its number type."""

    name: str
    shape: tuple[int, ...]
    batch: int
    number: np.dtype[Any]


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """An ONNX graph with one input, its nodes in their order."""

    name: str
    source: Source
    calls: tuple[Call, ...]
    constants: dict[str, NDArray[Any]]
    outputs: tuple[str, ...]


def read_file(model: str | Path | bytes) -> OnnxFile:
    """Read a file, or the bytes of one.

    Raises:
        DataError: no such file, or not ONNX.
        UnsupportedError: not exactly one input with a fixed shape behind the batch.
    """
    proto = _parsed(model)
    if proto.functions:
        proto = inliner.inline_local_functions(proto)
    constants = _constants(proto)
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    calls = []
    for node in proto.graph.node:
        call = _call(node, versions)
        if call.kind == "Constant":
            constants[call.outputs[0]] = np.asarray(next(iter(call.attributes.values())))
        else:
            calls.append(call)
    source = _source([info for info in proto.graph.input if info.name not in constants])
    outputs = tuple(info.name for info in proto.graph.output)
    return OnnxFile(proto.graph.name or "design", source, tuple(calls), constants, outputs)


def self_contained(file: Path) -> bytes:
    """The content of an ONNX file, with the weights inside that it may keep in a file beside it; errors as above."""
    content: bytes = _parsed(file).SerializeToString()
    return content


def _parsed(model: str | Path | bytes) -> onnx.ModelProto:
    try:
        proto = onnx.load_model_from_string(model) if isinstance(model, bytes) else onnx.load(model)
    except onnx.checker.ValidationError as error:
        raise DataError(f"The ONNX file {str(model)!r} cannot be read: {error}.") from None
    except OSError as error:
        raise DataError(f"The ONNX file {str(model)!r} cannot be read: {error.strerror or error}.") from None
    except DecodeError:
        place = "The bytes given" if isinstance(model, bytes) else repr(str(model))
        raise DataError(f"{place} are no ONNX model; export the network once more.") from None
    return proto


def _constants(proto: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    try:
        return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    except onnx.checker.ValidationError:
        raise DataError(
            f"ONNX graph {proto.graph.name!r} keeps its weights in a file beside it, which bytes do not have; pass the "
            "path, or export with the weights inside."
        ) from None


def _source(inputs: list[onnx.ValueInfoProto]) -> Source:
    if len(inputs) != 1:
        names = ", ".join(repr(info.name) for info in inputs) or "none"
        raise UnsupportedError(f"A design has one input, but the ONNX file has {len(inputs)} ({names}); join them.")
    tensor = inputs[0].type.tensor_type
    sizes = [dim.dim_value for dim in tensor.shape.dim]
    if min(sizes[1:], default=0) < 1:
        raise UnsupportedError(
            f"Input {inputs[0].name!r} needs a batch axis and fixed sizes behind it, but the file says {sizes} "
            "(0: unknown); export with a static shape."
        )
    number = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    return Source(inputs[0].name, tuple(sizes[1:]), sizes[0], number)


def _call(node: onnx.NodeProto, versions: dict[str, int]) -> Call:
    qonnx = node.domain in _QUANT_DOMAINS
    kind = f"qonnx.{node.op_type}" if qonnx else f"{node.domain}.{node.op_type}".removeprefix(".")
    return Call(
        kind=kind.removeprefix("ai.onnx."),
        version=versions.get(node.domain, 1),
        name=node.name or next(iter(node.output), ""),
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes={attribute.name: _attribute(attribute) for attribute in node.attribute},
        origin=_origin(node),
        line=_line(node),
    )


def _attribute(attribute: onnx.AttributeProto) -> Any:
    value = helper.get_attribute_value(attribute)
    if attribute.name == "to":
        return helper.tensor_dtype_to_np_dtype(value)
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return value.decode() if isinstance(value, bytes) else value


def _metadata(node: onnx.NodeProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in node.metadata_props}


def _origin(node: onnx.NodeProto) -> str:
    """The module path: from torch.onnx's metadata, from the scopes of a TorchScript name, or as flow writes it."""
    scopes = re.findall(r"'([^']*)'", _metadata(node).get("pkg.torch.onnx.name_scopes", ""))
    if scopes:
        return str(scopes[-2]) if len(scopes) > 1 else ""
    if node.name.startswith("/"):
        return ".".join(node.name.split("/")[1:-1])
    return node.doc_string if "\n" not in node.doc_string else ""


def _line(node: onnx.NodeProto) -> str:
    frames = _FRAME.split(_metadata(node).get("pkg.torch.onnx.stack_trace", ""))
    return line_of_trace("".join(frame for frame in frames if not _LIBRARIES.search(frame.split("\n")[0])))
