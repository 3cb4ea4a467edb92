"""The training loop, the same for float and quantised models: Adam, cosine step sizes, resumable to the bit."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from flow.errors import DataError
from flow.training.guard import check_parameters, check_samples, diverged
from flow.training.lessons import Labels, Lessons, lessons_of
from flow.training.market import Market, Pricing
from flow.training.oscillation import Oscillation, PointGuard
from flow.training.outputs import Data, accuracy, only, tensors
from flow.training.quantizer import freeze_points, quantizers

__all__ = ["Epoch", "FitResult", "fit", "seeded", "torch_threads"]

Cost = Callable[[Any], Tensor]  # a model -> a scalar that training lowers besides the loss

_SEED_STRIDE = 1_000_003  # no two seeds share an epoch's random numbers below this many epochs


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: from 1.
        loss: mean cross-entropy over the training samples as they were seen.
        accuracy: share of the test samples that are right, 0..1.
    """

    number: int
    loss: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class FitResult:
    """The course of a training.

    Attributes:
        epochs: one entry each.
        state: hand it to `fit(resume_state=...)` to go on; tensors, numbers, lists and dicts, so torch.save holds it.
    """

    epochs: tuple[Epoch, ...]
    state: dict[str, Any]

    @property
    def accuracy(self) -> float:
        """That of the last epoch: picking the best one would be picking on the test set."""
        return self.epochs[-1].accuracy if self.epochs else math.nan


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random numbers of torch start from `seed` within, and go on as before after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Torch computes with `count` threads within, and with as many as before after."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _optimizer(model: nn.Module, lr: float, point_lr: float) -> torch.optim.Optimizer:
    points = [point for quantizer in quantizers(model).values() for point in quantizer.points()]
    held = {id(point) for point in points}
    weights = [parameter for parameter in model.parameters() if id(parameter) not in held]
    groups = [{"params": weights, "lr": lr, "peak": lr}]
    if points:
        groups.append({"params": points, "lr": point_lr, "peak": point_lr})
    return torch.optim.Adam(groups, fused=True)  # one pass over a group: steps of small nets take 11-14 % less


class _Run:
    """One training: everything that changes while it goes on."""

    def __init__(
        self,
        model: nn.Module,
        lessons: Labels | Lessons,
        steps: int,
        batch: int,
        optimizer: torch.optim.Optimizer,
        cost: Cost | None = None,
        oscillation: Oscillation | None = None,
        pricing: Pricing | None = None,
        frozen_from: float = 1.0,
    ) -> None:
        self.model, self.optimizer, self.steps, self.batch, self.cost = model, optimizer, steps, batch, cost
        self.points_rest = steps if pricing is None else max(frozen_from * steps, 1.0)  # the step at which they do
        self.lessons = lessons
        check_samples(torch.as_tensor(lessons.x))
        self.guard = None if oscillation is None else PointGuard(model, oscillation)
        self.market = None if pricing is None else Market(model, pricing, steps)

    def epoch(self, number: int, seed: int) -> float:
        """Train one epoch and return its mean loss; depends on nothing but the state, `number` and `seed`."""
        self.model.train()
        total = 0.0
        with seeded(seed * _SEED_STRIDE + number):
            x, y = tensors(self.model, self.lessons.drawn())
            at = number * math.ceil(len(x) / self.batch)
            for index, rows in enumerate(torch.randperm(len(x)).split(self.batch)):
                self._set_rates(at + index)
                total += self._step(x[rows], y[rows], at + index + 1) * len(rows)
        check_parameters(self.model, at + index + 1)
        return total / len(x)

    def _step(self, x: Tensor, y: Tensor, number: int) -> float:
        self.optimizer.zero_grad()
        loss = self._loss(x, y, number)
        self._charged(loss).backward()
        self.optimizer.step()
        if self.market:
            self.market.look()
        if self.guard:
            self.guard.look()
        return loss.item()

    def _charged(self, loss: Tensor) -> Tensor:
        """The loss and what the model costs."""
        if self.cost is not None:
            loss = loss + self.cost(self.model)
        return loss if self.market is None else loss + self.market.penalty()

    def _loss(self, x: Tensor, y: Tensor, number: int) -> Tensor:
        try:
            loss = functional.cross_entropy(only(self.model(x)), y)
        except DataError:  # a binary point that is not finite says so itself, but not in which step
            check_parameters(self.model, number)
            raise
        if not math.isfinite(loss.item()):
            raise diverged(self.model, x, number)
        return loss

    def _set_rates(self, step: int) -> None:
        """A cosine from the peak to zero over the whole training; that of points ends where they come to rest."""
        weights, *points = self.optimizer.param_groups
        weights["lr"] = weights["peak"] * _cosine(step, self.steps)
        for group in points:
            group["lr"] = group["peak"] * _cosine(step, self.points_rest)

    def state(self, epochs: list[Epoch]) -> dict[str, Any]:
        """All that the rest of the training depends on, as a copy."""
        rows = [[epoch.number, epoch.loss, epoch.accuracy] for epoch in epochs]
        held = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "epochs": rows}
        if self.guard:
            held["guard"] = self.guard.state()
        if self.market:
            held["market"] = self.market.state()
        return copy.deepcopy(held)

    def restore(self, state: dict[str, Any]) -> list[Epoch]:
        """Go back to a state, and return the epochs before it."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        if self.guard and "guard" in state:
            self.guard.restore(state["guard"])
        if self.market and "market" in state:
            self.market.restore(state["market"])
        return [Epoch(*row) for row in state["epochs"]]


def _cosine(step: float, end: float) -> float:
    """From 1 at step 0 to 0 at the end and beyond."""
    return 0.5 * (1.0 + math.cos(math.pi * min(step, end) / end))


def fit(
    model: nn.Module,
    train: Data | Lessons,
    test: Data,
    *,
    epochs: int,
    seed: int,
    batch: int = 32,
    lr: float = 2e-3,
    point_lr: float = 1e-2,
    frozen_from: float = 0.7,
    threads: int = 1,
    cost: Cost | None = None,
    oscillation: Oscillation | None = None,
    pricing: Pricing | None = None,
    on_epoch: Callable[[Epoch, dict[str, Any]], None] | None = None,
    resume_state: dict[str, Any] | None = None,
) -> FitResult:
    """Train a model in place; the same seed on the same machine gives the same weights.

    The weights are those of the last epoch. Binary points stop after `frozen_from` of the epochs, so that none swings
    between two positions at the end.

    Args:
        model: float or quantised.
        train: samples and labels, or float[N, classes] in their place: shares of every class that sum to 1, such as the
            `answers` of a float model; or `Lessons`, whose teacher is asked anew in every epoch.
        test: samples and labels; only measured, nothing is chosen by it.
        epochs: of the whole training, those before `resume_state` included.
        seed: of the order of the samples and of dropout.
        batch: samples a step.
        lr: Adam's peak step size for weights.
        point_lr: the same for binary points.
        frozen_from: share of the epochs after which binary points stand still. Prices push all of them the same way
            until then, so under `pricing` their step sizes fall to zero by it.
        threads: of torch within one operator, set back at the end. One is fastest for networks as small as those of
            the demo and gives the same weights on any number of cores; large ones want more.
        cost: added to the loss of every step, such as `lambda model: 1e-6 * bit_operations(model)` where word lengths
            are learned; what `Epoch.loss` says is without it.
        oscillation: stops single binary points that swing, long before `frozen_from` stops all; None for never.
        pricing: lets digits and learned lengths cost what brings the model to a target, see `flow.training.Market`.
        on_epoch: called after each epoch with it and a state from which training can resume; may raise to stop.
        resume_state: from `on_epoch` or `FitResult`; the model must have the same layers.

    Raises:
        DataError: a sample is not finite, or the training diverged; names the tensor and the step.
        UnsupportedError: the model has several outputs.
    """
    lessons = lessons_of(train)
    run = _Run(
        model,
        lessons,
        epochs * math.ceil(len(lessons.x) / batch),
        batch,
        _optimizer(model, lr, point_lr),
        cost,
        oscillation,
        pricing,
        frozen_from,
    )
    done = run.restore(resume_state) if resume_state else []
    for number in range(len(done), epochs):
        if number >= frozen_from * epochs:
            freeze_points(model)
        with torch_threads(threads):
            done.append(Epoch(number + 1, run.epoch(number, seed), accuracy(model, test)))
        if on_epoch:
            on_epoch(done[-1], run.state(done))
    return FitResult(tuple(done), run.state(done))
