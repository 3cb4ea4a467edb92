"""The `spatial` architecture: constant multiplications as shifts and additions, one sample a cycle."""

from flow.exporters.verilog.spatial.design import DEFAULT_DEPTH, Spatial, export_spatial, plan_spatial

__all__ = ["DEFAULT_DEPTH", "Spatial", "export_spatial", "plan_spatial"]
