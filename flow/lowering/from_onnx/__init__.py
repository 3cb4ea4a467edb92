"""From an ONNX file to the graph: QONNX and QCDQ, what Brevitas exports; one handler per operator."""

from flow.lowering.from_onnx.draft import Factor, Scales
from flow.lowering.from_onnx.file import self_contained
from flow.lowering.from_onnx.load import HANDLERS, Loaded, load_onnx, read_onnx

__all__ = ["HANDLERS", "Factor", "Loaded", "Scales", "load_onnx", "read_onnx", "self_contained"]
