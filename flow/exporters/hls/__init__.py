"""The HLS backend: a project for Vitis HLS and Vivado HLS, whose C++ also runs under g++."""

from flow.exporters.hls.project import export_hls

__all__ = ["export_hls"]
