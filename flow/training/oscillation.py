"""The rule that stops a binary point which swings between two positions, one point at a time.

Adam's steps carry a point across the middle of two positions and back for as long as both lose about the same. A point
whose rounded value changes more often than allowed within a window of steps stops where it mostly was (after TQT, arXiv
1903.08066, which freezes thresholds one by one; the count of changes is ours).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from flow.errors import RecipeError
from flow.training.quantizer import quantizers

__all__ = ["Oscillation", "PointGuard"]


@dataclass(frozen=True, slots=True)
class Oscillation:
    """How often a point may change its rounded value.

    Attributes:
        flips: changes allowed within a window; one more and the point stops.
        window: steps; windows follow one another and do not overlap.

    Raises:
        RecipeError: no change is allowed, or more than a window has steps.
    """

    flips: int = 4
    window: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.flips < self.window:
            raise RecipeError(
                f"A point may flip 1..{self.window - 1} times in a window of {self.window} steps, not {self.flips}."
            )


class _Watched:
    """One parameter of points, and what is known of each point in it."""

    def __init__(self, points: nn.Parameter) -> None:
        self.points = points
        last = points.detach().round()
        zeros = torch.zeros_like(last)
        self.tables = {"last": last, "flips": zeros, "sum": zeros.clone(), "held": zeros.clone(), "frozen": zeros > 0}

    def look(self, rule: Oscillation, count: int) -> None:
        """Take the positions after a step into account, the `count`-th of its window."""
        t = self.tables
        if count == 1:
            t["flips"], t["sum"] = torch.zeros_like(t["flips"]), torch.zeros_like(t["sum"])
        now = self.points.detach().round()
        t["flips"], t["sum"] = t["flips"] + (now != t["last"]), t["sum"] + now
        stopping = (t["flips"] > rule.flips) & ~t["frozen"]
        t["held"] = torch.where(stopping, (t["sum"] / count).round(), t["held"])
        t["frozen"] = t["frozen"] | stopping
        self.points.copy_(torch.where(t["frozen"], t["held"], self.points))
        t["last"] = self.points.detach().round()


class PointGuard:
    """Watches every binary point of a model, and every learned length, from step to step.

    Args:
        model: its trained points are watched.
        rule: when a point stops.
    """

    def __init__(self, model: nn.Module, rule: Oscillation) -> None:
        self.rule, self.steps = rule, 0
        found = {f"{name}.{i}": p for name, held in quantizers(model).items() for i, p in enumerate(held.points())}
        self.watched = {name: _Watched(points) for name, points in found.items()}

    def look(self) -> None:
        """Call it after each step of the optimizer."""
        with torch.no_grad():
            for watched in self.watched.values():
                if watched.points.requires_grad:
                    watched.look(self.rule, self.steps % self.rule.window + 1)
        self.steps += 1

    def frozen(self) -> dict[str, Tensor]:
        """Which points stand still by the rule: bool, the shape of each parameter, by the quantiser's path."""
        return {name: watched.tables["frozen"] for name, watched in self.watched.items()}

    def state(self) -> dict[str, Any]:
        """All that the rest of the watch depends on."""
        return {"steps": self.steps, "tables": {name: watched.tables for name, watched in self.watched.items()}}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.steps = state["steps"]
        for name, tables in state["tables"].items():
            self.watched[name].tables = {key: table.clone() for key, table in tables.items()}
