"""The hls4ml backend: a project made through hls4ml's own API, with every precision set from the graph."""

from flow.exporters.hls4ml.exact import DOUBLE_BITS, reasons
from flow.exporters.hls4ml.project import export_hls4ml, model_graph, node_layers

__all__ = ["DOUBLE_BITS", "export_hls4ml", "model_graph", "node_layers", "reasons"]
