"""A training on disk: written after every epoch, read back with `weights_only`."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from flow.errors import DataError

__all__ = ["pack", "unpack"]


def pack(state: dict[str, Any]) -> bytes:
    """Tensors, numbers, texts, lists and dicts as bytes."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def unpack(path: Path) -> dict[str, Any]:
    """What `pack` wrote; nothing in the file is executed.

    Raises:
        DataError: the file is not there, cut short, or not a checkpoint.
    """
    try:
        state = torch.load(path, weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise DataError(_sentence(path, error)) from None
    if not isinstance(state, dict):
        raise DataError(_sentence(path, TypeError(f"a {type(state).__name__}")))
    return state


def _sentence(path: Path, error: Exception) -> str:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"Checkpoint {str(path)!r} cannot be read ({reason}); delete it and run `flow train` again."
