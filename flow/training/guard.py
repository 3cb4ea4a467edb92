"""What went wrong when a training stops being finite: the tensor and the step, in one sentence."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from flow.errors import DataError
from flow.training.model import QuantizedModel

__all__ = ["check_parameters", "check_samples", "diverged"]


def _first_bad(tensor: Tensor) -> float | None:
    bad = tensor[~torch.isfinite(tensor)]
    return float(bad.flatten()[0]) if bad.numel() else None


def check_samples(x: Tensor) -> None:
    """Refuse training samples float[N, ...] that are not finite.

    Raises:
        DataError: names the first such sample.
    """
    finite = torch.isfinite(x)
    if not bool(finite.all()):
        row = int((~finite).nonzero()[0, 0])
        raise DataError(f"Training needs finite samples, but sample {row} contains {_first_bad(x[row])}; repair it.")


def _parameter(model: nn.Module) -> tuple[str, float] | None:
    """The last one that is not finite: a gradient that breaks spoils all that lies before the place where it broke."""
    held = reversed([*model.named_buffers(), *model.named_parameters()])
    found = ((f"parameter {name!r}", _first_bad(tensor.detach())) for name, tensor in held)
    return next(((name, value) for name, value in found if value is not None), None)


def _value(model: nn.Module, x: Tensor) -> tuple[str, float] | None:
    """The first result that is not finite, in the order of computation."""
    if isinstance(model, QuantizedModel):
        made = [(step.name, value) for step, value in zip(model.steps, model.values(x), strict=True)]
    else:
        made = _results(model, x)
    found = ((f"value {name!r}", _first_bad(value)) for name, value in made)
    return next(((name, value) for name, value in found if value is not None), None)


def _results(model: nn.Module, x: Tensor) -> list[tuple[str, Tensor]]:
    made: list[tuple[str, Tensor]] = []

    def watch(name: str) -> Any:
        return lambda module, given, result: made.append((name, result)) if isinstance(result, Tensor) else None

    hooks = [module.register_forward_hook(watch(name or "output")) for name, module in model.named_modules()]
    try:
        model(x)
    finally:
        for hook in hooks:
            hook.remove()
    return made


def check_parameters(model: nn.Module, step: int) -> None:
    """Refuse parameters that a step left NaN or infinite.

    Raises:
        DataError: names the last such parameter and the step.
    """
    found = _parameter(model)
    if found:
        raise DataError(_sentence(*found, step))


def diverged(model: nn.Module, x: Tensor, step: int) -> DataError:
    """What to raise when the loss of a step is NaN or infinite.

    Args:
        model: in the state that the step before left.
        x: float[B, ...], the samples of the step.
        step: from 1, over the whole training.
    """
    with torch.no_grad():
        found = _parameter(model) or _value(model, x)
    return DataError(_sentence(*(found or ("the loss", float("nan"))), step))


def _sentence(name: str, value: float, step: int) -> str:
    return f"Training needs finite numbers, but {name} contains {value} in step {step}; lower the rate."
