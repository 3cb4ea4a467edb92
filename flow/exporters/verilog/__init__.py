"""The graph as SystemVerilog: `stream`, a folded dataflow of cells, or `spatial`, shifts and additions all at once."""

from flow.exporters.verilog.architectures import ARCHITECTURES, PACE_OPTIONS, check_options, export_architecture
from flow.exporters.verilog.buffers import make_plan, timed_plan
from flow.exporters.verilog.check import has_rtl
from flow.exporters.verilog.files import alive
from flow.exporters.verilog.folding import DEFAULT_TARGET_CYCLES, Folding, Price, Space, choose_folding, folding_range
from flow.exporters.verilog.order import Order
from flow.exporters.verilog.plan import Plan, Stream, draft_plan
from flow.exporters.verilog.timing import Timing, predict
from flow.exporters.verilog.top import METADATA, export_verilog

__all__ = [
    "ARCHITECTURES",
    "DEFAULT_TARGET_CYCLES",
    "METADATA",
    "PACE_OPTIONS",
    "Folding",
    "Order",
    "Plan",
    "Price",
    "Space",
    "Stream",
    "Timing",
    "alive",
    "check_options",
    "choose_folding",
    "draft_plan",
    "export_architecture",
    "export_verilog",
    "folding_range",
    "has_rtl",
    "make_plan",
    "predict",
    "timed_plan",
]
