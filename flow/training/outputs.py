"""What a model answers to samples, and how good that is."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from flow.errors import UnsupportedError

__all__ = ["Data", "accuracy", "answers", "cross_entropy", "only", "tensors"]

# Samples float[N, ...] and labels int[N], to train also float[N, classes].
Data = tuple[Tensor | NDArray[Any], Tensor | NDArray[Any]]

_EVALUATION_BATCH = 1024


def tensors(model: nn.Module, data: Data) -> tuple[Tensor, Tensor]:
    """Samples and labels, where the model's parameters are; labels are indices or shares of every class."""
    x, y = data
    device = next(model.parameters()).device
    labels = torch.as_tensor(y, device=device)
    return torch.as_tensor(x, device=device), labels if labels.is_floating_point() else labels.long()


def _outputs(model: nn.Module, x: Tensor) -> Tensor:
    """What the model answers in eval mode, float[N, classes]; it keeps its mode."""
    training = model.training
    model.eval()
    with torch.no_grad():
        parts = [only(model(part)) for part in x.split(_EVALUATION_BATCH)]
    model.train(training)
    return torch.cat(parts)


def only(found: Any) -> Tensor:
    """The only result of a model."""
    if isinstance(found, Tensor):
        return found
    raise UnsupportedError(
        f"fit trains on one output, but the model returns {len(found)}; train it in a loop of your own, with a loss of "
        "all of them."
    )


def answers(model: nn.Module, x: Tensor | NDArray[Any]) -> Tensor:
    """The model's share of every class for each sample, float[N, classes]: what a student may learn in labels' place.

    Distillation at temperature 1 (arXiv 1503.02531).
    """
    samples = torch.as_tensor(x, device=next(model.parameters()).device)
    return functional.softmax(_outputs(model, samples), dim=1)


def accuracy(model: nn.Module, data: Data) -> float:
    """Share of the samples whose highest output is their label, 0..1; the model keeps its mode."""
    x, y = tensors(model, data)
    return float((_outputs(model, x).argmax(dim=1) == y).double().mean())


def cross_entropy(model: nn.Module, data: Data) -> float:
    """Mean loss over the samples, as training lowers it; the model keeps its mode."""
    x, y = tensors(model, data)
    return float(functional.cross_entropy(_outputs(model, x).double(), y))
