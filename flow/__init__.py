"""From a PyTorch model to FPGA hardware that computes the same bits, at a cost known before synthesis.

The public functions are verbs and load what they need on first use: `import flow` alone imports no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["estimate", "export", "interpret", "load_onnx", "lower", "quantize", "simulate"]

_HOMES = {
    "estimate": "flow.api",
    "export": "flow.api",
    "interpret": "flow.ir",
    "load_onnx": "flow.lowering.from_onnx",
    "lower": "flow.lowering",
    "quantize": "flow.training",
    "simulate": "flow.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'flow' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
