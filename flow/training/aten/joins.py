"""Several values as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from flow.training.aten.arguments import Arguments
from flow.training.aten.draft import Draft, one
from flow.training.calls import Concat

__all__ = ["HANDLERS"]


def _cat(given: Arguments) -> Draft:
    return one(Concat, *given.values("tensors"), axis=given.axis())


_ATEN = torch.ops.aten
HANDLERS: dict[Any, Callable[[Arguments], Draft]] = dict.fromkeys(
    (_ATEN.cat.default, _ATEN.concat.default, _ATEN.concatenate.default), _cat
)
