"""The `stream` architecture as SystemVerilog: a folded dataflow of the cells in `rtl/`."""

from flow.exporters.verilog.buffers import make_plan
from flow.exporters.verilog.check import has_rtl
from flow.exporters.verilog.folding import DEFAULT_TARGET_CYCLES, Folding, choose_folding
from flow.exporters.verilog.order import Order
from flow.exporters.verilog.plan import Plan, Stream
from flow.exporters.verilog.timing import Timing, predict
from flow.exporters.verilog.top import METADATA, export_verilog

__all__ = [
    "DEFAULT_TARGET_CYCLES",
    "METADATA",
    "Folding",
    "Order",
    "Plan",
    "Stream",
    "Timing",
    "choose_folding",
    "export_verilog",
    "has_rtl",
    "make_plan",
    "predict",
]
