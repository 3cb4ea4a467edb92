"""Fused kernels of the trainable quantisers, compiled on first use; eager torch does the same where none can run."""

from flow.training.kernels.autograd import fused
from flow.training.kernels.library import library
from flow.training.kernels.options import Options

__all__ = ["Options", "fused", "library"]
