"""Whether a float model has a fixed-point form, before anything is trained."""

from __future__ import annotations

from collections import Counter

import torch
from numpy.typing import ArrayLike
from torch import nn

from flow.errors import DataError
from flow.training.checks import check_forward
from flow.training.importer import import_network

__all__ = ["operators_of", "takes"]


def operators_of(model: nn.Module, example: ArrayLike) -> dict[str, int]:
    """How often each operator occurs in `model`, in the order of their first use.

    Args:
        model: any module that torch.export can follow; left as it was.
        example: float[B, ...], one batch of inputs.

    Raises:
        UnsupportedError: one message lists every node without a fixed-point form.
    """
    network = import_network(model, torch.as_tensor(example))
    return dict(Counter(type(call).__name__.lower() for call in network.calls))


def takes(model: nn.Module, example: ArrayLike) -> bool:
    """Whether the forward of `model` runs on `example`, one batch of inputs."""
    try:
        check_forward(model, torch.as_tensor(example))
    except DataError:
        return False
    return True
