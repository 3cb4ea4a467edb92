"""From a trained model to the graph."""

from flow.lowering.from_torch import encode_input, lower, simulate_torch

__all__ = ["encode_input", "lower", "simulate_torch"]
