"""`flow.quantize`: from a float model to its trainable fixed-point form, calibrated."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flow.errors import UnsupportedError
from flow.training.calls import Network
from flow.training.casts import place_casts
from flow.training.fold import fold_batchnorm
from flow.training.idle import check_idle
from flow.training.importer import import_network
from flow.training.model import QuantizedModel
from flow.training.overrides import LayerSpecs, check_layers
from flow.training.quantizer import calibrating
from flow.training.rotation import rotate
from flow.training.spec import BatchNormMode, Spec, spec_with

__all__ = ["float_network", "quantize", "quantize_network"]


def quantize(
    model: nn.Module, example: Tensor | NDArray[np.floating[Any]], spec: Spec | None = None, **overrides: Any
) -> QuantizedModel:
    """The trainable fixed-point form of a float model; the model itself stays as it was.

    Every binary point starts where the example loses least, each quantiser seeing already quantised inputs: what comes
    back is the post-training baseline. Train it further with any loop, or with `flow.training.fit`.

    Args:
        model: trained in float, anything that torch.export can follow.
        example: float[B, ...]; traces the model and sets the binary points; some hundred training samples serve well.
            int64[B, ...] where the model only reads rows of embeddings by it.
        spec: word lengths and modes.
        overrides: fields of `Spec` by keyword, such as `weights="s8", activations="u8"`.

    Returns:
        A module that takes float[B, ...] and returns what the model returns.

    Raises:
        RecipeError: an unknown option, or a value without meaning.
        UnsupportedError: layers without a fixed-point form, all in one message.
        DataError: NaN or infinity in the model or the example.
    """
    chosen = spec_with(spec, overrides)
    batch = torch.as_tensor(example)
    return quantize_network(float_network(model, batch, chosen), batch, chosen)


def float_network(model: nn.Module, batch: Tensor, spec: Spec) -> Network:
    """The calls of a float model, BatchNorm folded where `spec` says so: the first half of `quantize`.

    Raises:
        RecipeError, UnsupportedError, DataError: as `quantize` does.
    """
    if isinstance(model, QuantizedModel):
        raise UnsupportedError("The model is quantised already; pass the float model to flow.quantize.")
    check_idle(spec)
    network = import_network(model, batch)
    return fold_batchnorm(network) if spec.batchnorm is BatchNormMode.FOLDED else network


def quantize_network(network: Network, batch: Tensor, spec: Spec) -> QuantizedModel:
    """Casts placed and calibrated on float[B, ...]: the second half of `quantize`."""
    specs = LayerSpecs(spec)
    placed = place_casts(rotate(network, specs), specs, positive=bool((batch >= 0).all()))
    check_layers(placed, specs)
    result = QuantizedModel(placed, spec, tuple(batch.shape[1:])).to(batch.device)
    with torch.no_grad(), calibrating(result):
        result(batch)
    return result
