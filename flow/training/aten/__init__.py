"""What each aten overload of an exported program means to us: one handler each, in one table.

The names are those of torch.export's own graph, before any decomposition; `linear` and `conv2d` stay whole there, and
the functional and the module form of a layer look the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flow.training.aten import (
    activations,
    attention,
    linear,
    moves,
    pointwise,
    pooling,
    recurrent,
    reductions,
    scaling,
    shapes,
    softmax,
    truth_tables,
)
from flow.training.aten.arguments import Arguments, RefusedError, shape_of
from flow.training.aten.draft import Draft, Part
from flow.training.aten.recurrent import RECURRENT, ZEROS

__all__ = [
    "HANDLERS", "RECURRENT", "SUPPORTED", "ZEROS", "Arguments", "Draft", "Part", "RefusedError", "shape_of",
]  # fmt: skip

SUPPORTED = (
    "Linear, Conv and ConvTranspose in one and two dimensions (zero padding), BatchNorm1d and BatchNorm2d, ReLU, "
    f"{', '.join(activations.NAMES)}, PReLU, Softmax, LayerNorm, MultiheadAttention of one sequence with the batch "
    "first, scaled_dot_product_attention, products of two matrices, Embedding of the input, the sum of two values of "
    "one shape, the difference and the product of two values, sums and products with numbers and parameters, clamp, "
    "mean, sum and amax, MaxPool, AvgPool and AdaptiveAvgPool in one and two dimensions (whole windows), Flatten "
    "and views of other shapes, cat and stack, slices, chunk and split, GLU, transpose and permute, PixelShuffle and "
    "ChannelShuffle, padding with zeros, nearest upsampling by whole factors, LSTM, GRU and RNN (cells, and sequences "
    "from zeros), flow.training.LutDense, Dropout and Identity"
)

HANDLERS: dict[Any, Callable[[Arguments], Draft]] = {
    **linear.HANDLERS,
    **pointwise.HANDLERS,
    **activations.HANDLERS,
    **softmax.HANDLERS,
    **attention.HANDLERS,
    **reductions.HANDLERS,
    **scaling.HANDLERS,
    **pooling.HANDLERS,
    **shapes.HANDLERS,
    **moves.HANDLERS,
    **recurrent.HANDLERS,
    **truth_tables.HANDLERS,
}
