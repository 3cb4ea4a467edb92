"""A fully connected net as arrays: what one code of it changes, without computing the rest again.

What stands between two layers (a ReLU, a cast) makes a value of each sum by itself, so that it is a table of the sums
that occur; a change of one weight then moves one column of sums, few of whose samples change at all behind the cast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flow.formats import FixedPoint
from flow.training.layers import Cast, FixedDense, FixedFlatten, FixedRelu
from flow.training.model import QuantizedModel
from flow.training.priced import PricedConstant

__all__ = ["Chain", "Effect", "Link", "chain_of"]

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_BETWEEN = (FixedRelu, Cast)
_LONGEST = 1 << 18  # sums that one place may have, so that their tables fit a cache or two


@dataclass(frozen=True)
class Link:
    """One layer, and what follows it up to the next one.

    Attributes:
        layer: its weight float[O, I] and bias float[O] are changed through `Chain`.
        frac: fractional bits of its sums.
        between: modules that make a value of every sum by itself.
    """

    layer: FixedDense
    frac: int
    between: tuple[nn.Module, ...]


def chain_of(model: QuantizedModel) -> tuple[tuple[nn.Module, ...], tuple[Link, ...]] | None:
    """What stands before the first layer, and the layers.

    None where the net is no chain of layers with priced digits, or where the words of its sums are too long for tables.
    """
    if any(step.inputs not in ((), (index - 1,)) for index, step in enumerate(model.steps)):
        return None
    layers, points = [model.layers[step.layer] for step in model.steps], model.points()
    starts = [index for index, layer in enumerate(layers) if isinstance(layer, FixedDense)]
    if not starts or model.outputs != (len(layers) - 1,) or len({id(layers[start]) for start in starts}) < len(starts):
        return None
    if not all(isinstance(held, PricedConstant) for start in starts for _, held in layers[start].constants()):
        return None
    ends = [*starts[1:], len(layers)]
    links = tuple(
        Link(layers[start], points[model.steps[start].name] or 0, tuple(layers[start + 1 : end]))
        for start, end in zip(starts, ends, strict=True)
    )
    simple = all(isinstance(layer, _BETWEEN) for link in links for layer in link.between)
    before = tuple(layers[: starts[0]])
    known = all(isinstance(layer, (*_BETWEEN, FixedFlatten)) for layer in before)
    if not (simple and known):
        return None
    given = (before, *(link.between for link in links))
    short = all(_count(link, layers) <= _LONGEST for link, layers in zip(links[:-1], given, strict=False))
    return (before, links) if short else None


def _count(link: Link, given: tuple[nn.Module, ...]) -> float:
    """How many sums a place may have at most, behind layers the last of which that casts says how large an input is."""
    form: FixedPoint = next(layer.quantizer.format for layer in reversed(given) if isinstance(layer, Cast))
    largest = max(form.high, -form.low) * 2.0**-form.frac
    weight, *bias = (held(values).detach().abs() for values, held in link.layer.constants())
    sums = sum(bias, weight.sum(1) * largest)
    return 2 * float(sums.max()) * 2.0**link.frac


@dataclass(frozen=True)
class Effect:
    """What changes with one column of sums; the rows are the samples that differ behind it.

    Attributes:
        sums, after: the column and what follows from it; no `after` behind the last layer.
        rows: of the samples, int64[R].
        later: sums and values of the layers behind, [R, ...] each.
        loss: of these samples, float[R].
    """

    sums: Floats
    after: Floats | None
    rows: Ints
    later: tuple[tuple[Floats, Floats | None], ...]
    loss: Floats


class _Stairs:
    """What follows every sum of a layer, tabulated over the sums that occur and as many again on both sides."""

    def __init__(self, link: Link, sums: Floats) -> None:
        self.scale = np.float32(math.ldexp(1.0, link.frac))
        low, high = float(sums.min()) * self.scale, float(sums.max()) * self.scale
        margin = (high - low) / 2 + 1
        self.low, self.count = math.floor(low - margin), math.ceil(high - low + 2 * margin) + 1
        grid = torch.arange(self.low, self.low + self.count, dtype=torch.float32) / self.scale
        values: Any = grid.unsqueeze(1).expand(-1, sums.shape[1])
        with torch.no_grad():
            for layer in link.between:
                values = layer(values)
        self.columns: Floats = np.ascontiguousarray(values.numpy().T)
        self.starts = np.arange(sums.shape[1]) * self.count - self.low

    def column(self, place: int, sums: Floats) -> Floats | None:
        """What follows one column; None where a sum lies beyond the table."""
        index = (sums * self.scale).astype(np.int64) - self.low
        if index.min() < 0 or index.max() >= self.count:
            return None
        found: Floats = self.columns[place].take(index)
        return found

    def all(self, sums: Floats) -> Floats | None:
        """What follows sums [R, O]."""
        index = (sums * self.scale).astype(np.int64)
        if index.min() < self.low or index.max() >= self.low + self.count:
            return None
        found: Floats = self.columns.take(index + self.starts)
        return found


class Chain:
    """The state of a net on all of its samples.

    Args:
        before, links: as `chain_of` finds them.
        x: float[N, ...] samples.
        shares: float[N, classes], what the net shall answer.

    Attributes:
        weights, biases: float32 values of every layer, a bias of zeros where there is none.
        inputs: float32[N, I] of every layer.
        sums: float32[N, O].
        loss: cross-entropy of every sample, float32[N].
    """

    def __init__(self, before: tuple[nn.Module, ...], links: tuple[Link, ...], x: Tensor, shares: Floats) -> None:
        self.links, self.shares, value = links, shares, x
        with torch.no_grad():
            for layer in before:
                value = layer(value)
            constants = [[held(values).numpy() for values, held in link.layer.constants()] for link in links]
        self.weights: list[Floats] = [found[0].copy() for found in constants]
        self.biases: list[Floats] = [
            found[1].copy() if len(found) > 1 else np.zeros(len(found[0]), np.float32) for found in constants
        ]
        self.inputs: list[Floats] = [value.numpy()]
        self.sums: list[Floats] = []
        self.stairs: list[_Stairs] = []
        for index, link in enumerate(links):
            self.sums.append(self.inputs[-1] @ self.weights[index].T + self.biases[index])
            if index + 1 < len(links):
                self.stairs.append(_Stairs(link, self.sums[-1]))
                self.inputs.append(self.stairs[-1].all(self.sums[-1]))
        self.loss = self._losses(self.sums[-1], shares)

    def _losses(self, sums: Floats, shares: Floats) -> Floats:
        """Cross-entropy of every row."""
        z = sums - sums.max(axis=1, keepdims=True)
        found: Floats = np.log(np.exp(z).sum(axis=1)) - (z * shares).sum(axis=1)
        return found

    def effect(self, index: int, place: int, change: Floats) -> Effect | None:
        """What adding `change`, float[N], to a column of the sums of a layer does; None if beyond the tables."""
        sums = self.sums[index][:, place] + change
        if index + 1 == len(self.links):
            rows = change.nonzero()[0]
            last = self.sums[index][rows]
            last[:, place] = sums[rows]
            return Effect(sums, None, rows, (), self._losses(last, self.shares[rows]))
        after = self.stairs[index].column(place, sums)
        if after is None:
            return None
        moved = after - self.inputs[index + 1][:, place]
        rows = moved.nonzero()[0]
        below = self.sums[index + 1][rows] + np.outer(moved[rows], self.weights[index + 1][:, place])
        return self._followed(index + 1, Effect(sums, after, rows, (), self.loss[rows]), below)

    def _followed(self, index: int, effect: Effect, sums: Floats) -> Effect | None:
        """The effect with what sums [R, O] of a layer behind it come to."""
        if not len(effect.rows):
            return effect
        later: list[tuple[Floats, Floats | None]] = []
        for at in range(index, len(self.links) - 1):
            values = self.stairs[at].all(sums)
            if values is None:
                return None
            later.append((sums, values))
            sums = values @ self.weights[at + 1].T + self.biases[at + 1]
        later.append((sums, None))
        return replace(effect, later=tuple(later), loss=self._losses(sums, self.shares[effect.rows]))

    def apply(self, index: int, place: int, effect: Effect) -> None:
        """Let an effect happen; the caller changes the weight or the bias that it is of."""
        self.sums[index][:, place] = effect.sums
        if effect.after is not None:
            self.inputs[index + 1][:, place] = effect.after
        for at, (sums, values) in enumerate(effect.later, index + 1):
            self.sums[at][effect.rows] = sums
            if values is not None:
                self.inputs[at + 1][effect.rows] = values
        self.loss[effect.rows] = effect.loss
