"""What a training learns: labels, or what a teacher answers to the samples and to what lies between them.

Distillation at temperature 1 (arXiv 1503.02531). Of every epoch's samples half are as they are and half are mixed with
another one, `s * x + (1 - s) * other` with a new `s` of 0..1 each (arXiv 1710.09412): few samples say little of what
lies between them, but a teacher can be asked for it (arXiv 2106.05237).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flow.training.outputs import Data, answers

__all__ = ["Labels", "Lessons", "lessons_of"]

_MIXED = 0.5


@dataclass(frozen=True, slots=True)
class Labels:
    """Samples and what they are, the same in every epoch.

    Attributes:
        x: float[N, ...].
        y: int[N] labels, or float[N, classes] shares of every class.
    """

    x: Tensor | NDArray[Any]
    y: Tensor | NDArray[Any]

    def plain(self) -> Data:
        """Both."""
        return self.x, self.y

    def drawn(self) -> Data:
        """Both."""
        return self.x, self.y


@dataclass(frozen=True, slots=True)
class Lessons:
    """Samples and who says what they are; what `fit` takes in place of samples and labels.

    Attributes:
        x: float[N, ...]; integers, which have nothing between them, are never mixed.
        teacher: answers float[B, classes].
    """

    x: Tensor | NDArray[Any]
    teacher: nn.Module

    def plain(self) -> tuple[Tensor, Tensor]:
        """The samples and the teacher's answers, float[N, classes]."""
        return torch.as_tensor(self.x), answers(self.teacher, self.x)

    def drawn(self) -> tuple[Tensor, Tensor]:
        """The same for samples of one epoch, by torch's random numbers."""
        x = torch.as_tensor(self.x)
        if not x.is_floating_point():
            return self.plain()
        each = (len(x), *(1 for _ in x.shape[1:]))
        share = torch.where(torch.rand(each) < _MIXED, torch.rand(each), torch.ones(()))
        share, others = share.to(x), torch.randperm(len(x))
        mixed = share * x + (1 - share) * x[others.to(x.device)]
        return mixed, answers(self.teacher, mixed)


def lessons_of(train: Data | Labels | Lessons) -> Labels | Lessons:
    """A pair of samples and labels as what `fit` draws its epochs from; anything else as it is."""
    return Labels(*train) if isinstance(train, tuple) else train
