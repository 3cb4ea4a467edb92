"""PQuantML on torch: its own conversion of the same nets, without pruning; its default words have a sign and 7 bits."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import pquant
import torch
from steps import network, serve
from torch import Tensor, nn


def quantised(case: str, x: Tensor) -> nn.Module:
    config = pquant.pdp_config()
    config.pruning_parameters.enable_pruning = False
    config.quantization_parameters.enable_quantization = True
    model = pquant.add_compression_layers(network(case), config, tuple(x.shape))
    with torch.no_grad():
        model(x)
    return model


if __name__ == "__main__":
    serve({"PQuantML": quantised})
