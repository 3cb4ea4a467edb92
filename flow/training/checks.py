"""Which models and examples can be quantised at all: one device, one type of float, finite, and fitting together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flow.errors import DataError
from flow.training.source_lines import line_of_error

__all__ = ["FAILURES", "check_example", "check_forward", "check_model"]

# What a forward that does not fit its example, or a mistake in it, may raise.
FAILURES = (RuntimeError, TypeError, ValueError, LookupError, AttributeError, AssertionError, ArithmeticError)
_EXACT = (torch.float32, torch.float64)  # the types whose scaling by powers of two the quantisers rely on
_NUMBERS = (torch.int32, torch.int64)  # the types that number rows of embeddings


def _held(model: nn.Module) -> list[tuple[str, Tensor]]:
    """Every floating-point parameter and buffer with words for it."""
    named = [*(("parameter", *item) for item in model.named_parameters())]
    named += [("buffer", *item) for item in model.named_buffers()]
    return [(f"{kind} {name!r} of the model", tensor) for kind, name, tensor in named if tensor.is_floating_point()]


def check_model(model: nn.Module, example: Tensor) -> None:
    """Refuse parameters and buffers that are not finite, or of another device or type than the example.

    Raises:
        DataError: names the first such tensor.
    """
    for place, tensor in _held(model):
        if tensor.device != example.device:
            raise DataError(
                f"Model and example must be on one device, but {place} is on {tensor.device} and the example on "
                f"{example.device}; move one of them with .to()."
            )
        if tensor.dtype not in _EXACT or (example.is_floating_point() and tensor.dtype != example.dtype):
            raise DataError(
                f"Model and example must both be torch.float32 or both torch.float64, but {place} is {tensor.dtype} "
                f"and the example {example.dtype}; convert both with .float()."
            )
        broken = ~torch.isfinite(tensor)
        if bool(broken.any()):
            raise DataError(
                f"Fixed point holds finite numbers only, but {place} contains {tensor[broken][0].item()}; train it "
                "again or repair it first."
            )


def check_example(example: Tensor) -> None:
    """Refuse what is not float32[B, ...] or float64[B, ...], finite, nor int32 or int64 from 0 on.

    Raises:
        DataError: says what it is instead.
    """
    if example.ndim < 2 or not len(example) or example.dtype not in (*_EXACT, *_NUMBERS):
        raise DataError(
            "The example must be a float32 or float64 tensor [B, ...] with B >= 1, or int64 for embeddings, not "
            f"{example.dtype} {list(example.shape)}."
        )
    if not bool(torch.isfinite(example).all()):
        raise DataError("Fixed point holds finite numbers only, but the example contains NaN or infinity.")


def check_forward(model: nn.Module, example: Tensor) -> None:
    """Run a checked model once on a checked example.

    Raises:
        DataError: it fails; names the line of the user's source.
    """
    try:
        with torch.no_grad():
            model(example)
    except FAILURES as error:
        reason, place = " ".join(str(error).split()), line_of_error(error)
        raise DataError(f"The model does not take an example {list(example.shape)}{place}: {reason}.") from None
