"""The `stream` architecture as SystemVerilog: a folded dataflow of the cells in `rtl/`."""

from flow.exporters.verilog.folding import DEFAULT_TARGET_CYCLES, Folding, choose_folding
from flow.exporters.verilog.plan import Plan, Stream, make_plan
from flow.exporters.verilog.timing import Timing, predict
from flow.exporters.verilog.top import METADATA, export_verilog

__all__ = [
    "DEFAULT_TARGET_CYCLES",
    "METADATA",
    "Folding",
    "Plan",
    "Stream",
    "Timing",
    "choose_folding",
    "export_verilog",
    "make_plan",
    "predict",
]
