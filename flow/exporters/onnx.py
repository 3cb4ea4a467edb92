"""The two ONNX dialects: integer ONNX for stock runtimes, and QONNX for FINN, hls4ml and their relatives."""

from __future__ import annotations

from flow.exporters.onnx_integer import export_onnx
from flow.exporters.onnx_qonnx import export_qonnx

__all__ = ["export_onnx", "export_qonnx"]
