"""The built-in networks, in plain torch: nothing in them knows that they will become hardware."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from flow.training.nets.attention import digits_attention
from flow.training.nets.branches import digits_branches
from flow.training.nets.convolutional import digits_conv1d, lenet, mobilenet, small_cnn
from flow.training.nets.decoders import digits_autoencoder
from flow.training.nets.dense import digits_luts, digits_mlp, glyph_mlp, jet_mlp
from flow.training.nets.residual import Residual, digits_resnet, resnet8, resnet20

__all__ = [
    "NETS",
    "Residual",
    "digits_attention",
    "digits_autoencoder",
    "digits_branches",
    "digits_conv1d",
    "digits_luts",
    "digits_mlp",
    "digits_resnet",
    "glyph_mlp",
    "jet_mlp",
    "lenet",
    "mobilenet",
    "resnet8",
    "resnet20",
    "small_cnn",
]

# What a recipe may name as its model: classifiers that need no arguments.
NETS: dict[str, Callable[[], nn.Module]] = {
    "digits_mlp": digits_mlp,
    "digits_luts": digits_luts,
    "digits_luts16": partial(digits_luts, sizes=(64, 16, 10)),
    "digits_resnet": digits_resnet,
    "digits_resnet8": partial(resnet8, width=8),
    "digits_mobilenet": mobilenet,
    "digits_conv1d": digits_conv1d,
    "digits_attention": digits_attention,
    "digits_cnn": small_cnn,
    "jet_mlp": jet_mlp,
    "glyph_mlp": glyph_mlp,
    "glyph_cnn": partial(small_cnn, classes=62),
    "glyph_lenet": partial(lenet, classes=62),
    # 28x28 grey pixels, 62 classes; at width 8 behind a stride of 2, one processor core trains it.
    "glyph_resnet20": partial(resnet20, width=8, classes=62, stem_stride=2),
}
