"""Fused kernels of the trainable quantisers, compiled on first use; eager torch does the same where none can run."""

from flow.training.kernels.autograd import fused, fused_all
from flow.training.kernels.library import cast_operator
from flow.training.kernels.options import Options, packed

__all__ = ["Options", "cast_operator", "fused", "fused_all", "packed"]
