"""HGQ2 with Keras on torch: the same MLP with its layers; learned lengths, which start at its default of 8 bits."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
from hgq.layers import QDense
from steps import network, serve
from torch import Tensor, nn


class Wrapped(nn.Module):
    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x, training=True)


def quantised(case: str, x: Tensor) -> nn.Module:
    if case != "mlp":
        raise ValueError("HGQ2 is measured on the MLP only")
    sizes = [layer.out_features for layer in network(case) if isinstance(layer, nn.Linear)]
    dense = [QDense(size, activation="relu" if size != sizes[-1] else None) for size in sizes]
    return Wrapped(keras.Sequential([keras.layers.Input((x.shape[1],)), *dense]))


if __name__ == "__main__":
    serve({"HGQ2": quantised})
