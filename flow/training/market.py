"""A Lagrangian that lets digits and word lengths cost what brings a design to its budget.

Every few steps the rate, loss per adder bit, moves by how far the cost is from where it should be by then: from its
start the cost goes to the budget along a cubic, slower and slower, and stays there (an integral and a proportional term
on the logarithm, as a PI controller). What is left out last is missed most, so that it goes last and singly (Zhu and
Gupta, arXiv 1710.01878). Casts with learned lengths feel the rate as a term of the loss. A digit feels it as a price in
squared error: to leave out a digit is worth `rate * bits / sensitivity`, where the sensitivity of the loss to a weight
is estimated by its squared gradients, as row times column means (Adafactor, arXiv 1804.04235), so that single steps say
little.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from flow.errors import RecipeError
from flow.training.model import QuantizedModel
from flow.training.spatial_cost import Charge, SpatialCost

__all__ = ["Market", "Pricing"]

_MOVES = 600  # changes of the rate over a whole training, so that short ones get as far as long ones
_INTEGRAL, _PROPORTIONAL = 0.15, 1.0
_MEMORY = 0.99  # of the mean of squared gradients
_LEAST_RATE = 1e-7
_FALLING = 0.85  # of the time between a new target and when prices are held
_POWER = 3  # of the way to the target
_FLOOR = 0.1  # of the mean sensitivity: no weight counts for less


@dataclass(frozen=True, slots=True)
class Pricing:
    """What a training shall come to.

    Attributes:
        target: adder bits, in the unit of `SpatialCost`.
        start: share of the training after which digits cost anything.
        reached: share after which the cost is that of the target.
        measured: share after which the target is asked for anew.
        held: share after which prices stand, so that the values settle around the digits that they have.
        regrown: what the new target is multiplied by at first; it falls to the target itself shortly before prices are
            held, so that digits left out too early come back, and others go.
        exchange: squared error of a weight of mean sensitivity that is worth a rate of 1.
        retarget: the adder bits that the model, as it is by then, should have; the target stays where None.

    Raises:
        RecipeError: no target above 0, or shares out of order.
    """

    target: float
    start: float = 0.1
    reached: float = 0.6
    measured: float = 0.65
    held: float = 0.8
    regrown: float = 1.2
    exchange: float = 300.0
    retarget: Callable[[QuantizedModel], float] | None = None

    def __post_init__(self) -> None:
        numbers = (self.target, self.exchange, self.regrown)
        if not all(0.0 < number < math.inf for number in numbers):
            raise RecipeError(
                "A price needs a target, an exchange and a factor to grow by above 0, not {}, {} and {}; give "
                "others.".format(*numbers)
            )
        if not 0.0 <= self.start < self.reached <= self.measured <= self.held <= 1.0:
            raise RecipeError(
                "Prices start, reach their target, are measured and held at shares of the training in this order in "
                f"0..1, not at {self.start}, {self.reached}, {self.measured} and {self.held}; give others."
            )


class Market:
    """The rate and the prices of one training.

    Args:
        model: with priced constants, learned casts, or both.
        pricing: what it shall come to.
        steps: of the whole training.
    """

    def __init__(self, model: QuantizedModel, pricing: Pricing, steps: int) -> None:
        model.settle()
        self.cost, self.pricing, self.steps = SpatialCost(model), pricing, steps
        self.every = max(1, steps // _MOVES)
        self.model, self.target = model, pricing.target
        self.seen, self.drift, self.rate, self.asked = 0, math.log(_LEAST_RATE), 0.0, False
        self.first = self.last = float(self.cost().detach())
        self.rows: list[Tensor] = []
        self.columns: list[Tensor] = []

    def penalty(self) -> Tensor:
        """What the loss is raised by: the rate times the cost."""
        bits = self.cost()
        self.last = float(bits.detach())
        return bits * self.rate

    def goal(self) -> float:
        """What the cost should be by now."""
        pricing, now = self.pricing, self.seen / self.steps
        if self.asked:
            settled = pricing.measured + _FALLING * (pricing.held - pricing.measured)
            left = max(0.0, (settled - now) / max(settled - pricing.measured, 1 / self.steps))
            return self.target * pricing.regrown ** min(left, 1.0)
        share = (now - pricing.start) / (pricing.reached - pricing.start)
        return self.target + max(self.first - self.target, 0.0) * (1.0 - min(max(share, 0.0), 1.0)) ** _POWER

    def look(self) -> None:
        """Take a step into account; call it once its gradients are there."""
        with torch.no_grad():
            self._remember()
            if self.pricing.retarget and self.seen == round(self.pricing.measured * self.steps):
                self._ask(self.pricing.retarget)
            moving = self.pricing.start * self.steps <= self.seen < self.pricing.held * self.steps
            if moving and self.seen % self.every == 0:
                self._move()
        self.seen += 1

    def _remember(self) -> None:
        squares = [_table(charge) for charge in self.cost.charges]
        rows, columns = [s.mean(1, keepdim=True) for s in squares], [s.mean(0, keepdim=True) for s in squares]
        self.rows = _blended(self.rows, rows)
        self.columns = _blended(self.columns, columns)

    def _ask(self, retarget: Callable[[QuantizedModel], float]) -> None:
        """Take a new target from the model as a design, which it is not while it trains."""
        self.model.eval().settle()
        self.target, self.asked = retarget(self.model), True
        self.model.train()

    def _move(self) -> None:
        error = math.log(max(self.last, 1.0) / self.goal())
        self.drift += _INTEGRAL * error
        self.rate = math.exp(self.drift + _PROPORTIONAL * error)
        self._set_prices(self.rate)

    def set_rate(self, logarithm: float) -> None:
        """Set the rate, given by its natural logarithm, and the price of every digit."""
        with torch.no_grad():
            self.rate = math.exp(logarithm)
            self._set_prices(self.rate)

    def _set_prices(self, rate: float) -> None:
        """The price of every digit at a rate, from what is known of the gradients."""
        found = [self._sensitivity(place) for place in range(len(self.cost.charges))]
        if not found:
            return
        mean = torch.cat([s.flatten() for s in found]).mean().clamp(min=torch.finfo(torch.float32).tiny)
        for charge, s in zip(self.cost.charges, found, strict=True):
            shaped = (s / mean + _FLOOR).view(charge.values.shape)
            charge.held.price.copy_((rate * self.pricing.exchange * charge.bits / shaped).expand_as(charge.held.price))

    def _sensitivity(self, place: int) -> Tensor:
        rows, columns = self.rows[place], self.columns[place]
        return rows * columns / rows.mean().clamp(min=torch.finfo(torch.float32).tiny)

    def state(self) -> dict[str, Any]:
        """All that the rest of the training depends on; prices themselves are buffers of the model."""
        numbers = {key: getattr(self, key) for key in _NUMBERS}
        return {**numbers, "rows": self.rows, "columns": self.columns}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        for key in _NUMBERS:
            setattr(self, key, state.get(key, getattr(self, key)))  # older ones have no target
        self.rows, self.columns = ([t.clone() for t in state[key]] for key in ("rows", "columns"))


_NUMBERS = ("seen", "drift", "rate", "first", "last", "target", "asked")


def _table(charge: Charge) -> Tensor:
    """Squares of the gradient as a matrix, output channels down; a bias is one row."""
    gradient = torch.zeros_like(charge.values) if charge.values.grad is None else charge.values.grad
    return (gradient.flatten(1) if gradient.ndim > 1 else gradient.unsqueeze(0)).square()


def _blended(before: list[Tensor], now: list[Tensor]) -> list[Tensor]:
    if not before:
        return now
    return [_MEMORY * old + (1 - _MEMORY) * new for old, new in zip(before, now, strict=True)]
