"""Learned rounding in the form of AdaRound (2004.10568): each weight goes to its grid neighbour below or above.

`W = below + h(V) (above - below)`, `h(V) = clip(sigmoid(V) (zeta - gamma) + gamma, 0, 1)`; the loss is the layer's
output error plus `lambda * sum(1 - |2h - 1|**beta)` with beta falling by a cosine. The output error is divided by
`mean(gap**2) tr(H) / K`, the error of one weight's rounding in a mean direction, so that one lambda serves all layers.
Where that ends, single weights still change sides as long as the error of their output falls.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from flow.errors import DataError
from flow.formats import Minifloat
from flow.training.model import QuantizedModel
from flow.training.ptq.grids import Grid, weight_grids
from flow.training.ptq.reference import Problem, layer_problems, weighted_layers

__all__ = ["Annealing", "Rounded", "learn_rounding", "learned_rounding"]

_ZETA, _GAMMA = 1.1, -0.1
_PULLS = 20  # how often lambda is doubled for what is still undecided


@dataclass(frozen=True, slots=True)
class Annealing:
    """How the rounding is learned.

    Attributes:
        steps: of Adam.
        rate: of Adam.
        weight: lambda, in units of the normalised loss.
        warm: share of the steps without the regulariser.
        beta: exponent of the regulariser, from and to.
    """

    steps: int = 400
    rate: float = 0.05
    weight: float = 0.3
    warm: float = 0.2
    beta: tuple[float, float] = (20.0, 2.0)

    def exponent(self, step: int) -> float | None:
        """Beta at a step, None while warming up."""
        progress = (step / self.steps - self.warm) / (1.0 - self.warm)
        start, end = self.beta
        return None if progress < 0 else end + (start - end) / 2 * (1 + math.cos(math.pi * min(progress, 1.0)))


@dataclass(frozen=True, slots=True)
class Rounded:
    """What learning came to.

    Attributes:
        weight: on the grid, float64[O, K].
        up: h, float64[O, K], 0 or 1.
    """

    weight: Tensor
    up: Tensor


def _rectified(v: Tensor) -> Tensor:
    return (torch.sigmoid(v) * (_ZETA - _GAMMA) + _GAMMA).clamp(0.0, 1.0)


class _Search:
    """The rounding variables of one problem."""

    def __init__(self, problem: Problem, weight: Tensor, grid: Grid, plan: Annealing) -> None:
        self.problem, self.plan = problem, plan
        self.below, above = grid.below(weight), grid.above(weight)
        self.gap = above - self.below
        open_ = self.gap > 0
        rest = torch.where(open_, (weight - self.below) / torch.where(open_, self.gap, 1.0), 0.0).clamp(0.0, 1.0)
        self.v = (-torch.log((_ZETA - _GAMMA) / (rest - _GAMMA) - 1.0)).requires_grad_()
        mean_gap = float(self.gap[open_].square().mean()) if bool(open_.any()) else 1.0
        self.unit = mean_gap * float(problem.hessian.diagonal().mean()) or 1.0
        self.adam = torch.optim.Adam([self.v], lr=plan.rate)

    def step(self, exponent: float | None, weight: float) -> None:
        """One step of Adam."""
        self.adam.zero_grad()
        h = _rectified(self.v)
        loss = self.problem.loss(self.below + h * self.gap).sum() / self.unit
        if exponent is not None:
            loss = loss + weight * (1.0 - (2.0 * h - 1.0).abs().pow(exponent)).sum()
        loss.backward()
        self.adam.step()

    def undecided(self) -> int:
        """How many variables are neither 0 nor 1."""
        h = _rectified(self.v.detach())
        return int(((h > 0) & (h < 1)).sum())

    def result(self) -> Rounded:
        """The weights, once every variable is decided."""
        if self.undecided():
            raise DataError(
                f"Learned rounding must decide every weight, but {self.undecided()} of {self.v.numel()} are undecided; "
                "raise the weight of its regulariser."
            )
        up = _descended(self.problem, self.below, self.gap, _rectified(self.v.detach()))
        return Rounded(self.below + up * self.gap, up)


def _descended(problem: Problem, below: Tensor, gap: Tensor, up: Tensor) -> Tensor:
    """Flip in each row the weight that helps most, until no single flip helps: h of 0 and 1, float64[O, K].

    A change of d in weight j changes the error of its row by `d (2 (W H - C)_j + d H_jj)`.
    """
    rows, diagonal = torch.arange(len(up)), problem.hessian.diagonal()
    for _ in range(4 * up.shape[1]):
        change = gap * (1.0 - 2.0 * up)
        slope = (below + up * gap) @ problem.hessian - problem.cross
        gain, column = (change * (2.0 * slope + change * diagonal)).min(1)
        # A gain below the last bits of the error would flip for ever.
        helps = gain < -1e-12 * problem.power
        if not bool(helps.any()):
            break
        up = up.clone()
        up[rows[helps], column[helps]] = 1.0 - up[rows[helps], column[helps]]
    return up


def learn_rounding(problem: Problem, weight: Tensor, grid: Grid, plan: Annealing | None = None) -> Rounded:
    """The roundings down or up that make the output error small; none is left undecided.

    Args:
        problem: of one group of a layer.
        weight: float64[O, K], before rounding.
        grid: of the weights.
        plan: course of the search.

    Raises:
        DataError: some variable is undecided although lambda was doubled again and again: its loss is not finite, or
            its rate 0.
    """
    chosen = plan or Annealing()
    search = _Search(problem, weight.detach().double(), grid, chosen)
    for step in range(chosen.steps):
        search.step(chosen.exponent(step), chosen.weight)
    pull = chosen.weight
    for _ in range(_PULLS):
        if not search.undecided():
            break
        pull = 2.0 * max(pull, 1e-3)
        for _ in range(chosen.steps // 10 + 1):
            search.step(chosen.beta[1], pull)
    return search.result()


def _best_rows(problem: Problem, candidates: list[Tensor]) -> Tensor:
    """For each output the row with the least error; outputs do not depend on each other."""
    losses = torch.stack([problem.loss(rows) for rows in candidates])
    best = losses.argmin(0)
    return torch.stack(candidates)[best, torch.arange(len(best))]


def learned_rounding(
    model: QuantizedModel,
    twin: QuantizedModel,
    data: Tensor,
    forms: Mapping[str, Minifloat] | None = None,
    plan: Annealing | None = None,
) -> QuantizedModel:
    """A copy whose weights lie on their grids; no output of a layer is worse on `data` than the model's own rounding.

    Args:
        model: quantised, its weights perhaps chosen by GPTQ before; left as it is.
        twin: `float_twin` of the model with its float weights.
        data: float[B, ...].
        forms: minifloats of some layers, by key.
        plan: course of the search.

    Raises:
        DataError: as `learn_rounding` does.
    """
    result = copy.deepcopy(model)
    for key, grids in weight_grids(result, forms).items():
        fit, layer = layer_problems(result, twin, key, data), weighted_layers(result)[key]
        before = fit.split(layer.weight_quantizer(layer.weight))
        rows = zip(fit.groups, fit.split(twin.layers[key].weight), before, grids, strict=True)
        chosen = [
            _best_rows(problem, [held, learn_rounding(problem, part, grid, plan).weight])
            for problem, part, held, grid in rows
        ]
        with torch.no_grad():
            layer.weight.copy_(torch.cat(chosen).reshape(layer.weight.shape))
    return result
