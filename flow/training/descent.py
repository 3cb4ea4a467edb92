"""Coordinate descent on the codes of a trained net: each change by its exact effect on the loss and by what it costs.

Gradients go straight through the casts, and so know little of single digits: at the end of a training some digits are
worth less than their price, and others that are not there would be worth more. Here a digit is taken out, put in or
moved where that lowers `loss + rate * adder bits` over all training samples, one weight after the other in random
order, as in CDQuant (arXiv 2406.17542), but with the loss of the whole net in place of a layer's error. A change counts
only by what it gains beyond the standard error of its mean over the samples: what is less is likely to be nothing on
samples that are not seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from flow.formats.khot import digit_count
from flow.training.chain import Chain, Effect, chain_of
from flow.training.model import QuantizedModel
from flow.training.priced import PricedConstant
from flow.training.spatial_cost import SpatialCost

__all__ = ["Descent"]

Floats = NDArray[np.float32]

_VISITED = 0.4  # of the weights that are zero, in one sweep
_LEAST = 1e-7  # gain of a change
_SAMPLES = 2000  # at most: what more of them would tell is within the standard error


class _Codes:
    """The codes that may stand in place of one, by its own: with one digit more, fewer, or elsewhere."""

    def __init__(self, held: PricedConstant) -> None:
        form = held.format
        self.step, self.low = 2.0**-form.frac, form.low
        codes = np.arange(form.low, form.high + 1)
        self.digits = digit_count(codes, held.signed_digits)
        most = int(held.digits_of.max())
        powers = 1 << np.arange(form.width - 1)
        steps = np.concatenate([powers, -powers])
        self.near = [
            self._kept(code, np.unique([0, *(code + steps), *(steps if code else ())]), most) for code in codes
        ]

    def _kept(self, code: int, found: NDArray[np.int64], most: int) -> NDArray[np.int64]:
        inside = found[(found >= self.low) & (found < self.low + len(self.digits)) & (found != code)]
        return inside[self.digits[inside - self.low] <= most]

    def of(self, value: float) -> int:
        return round(value / self.step)

    def more(self, code: int, other: int) -> int:
        """Digits that the other has beyond those of a code."""
        return int(self.digits[other - self.low] - self.digits[code - self.low])


class Descent:
    """Sweeps over the weights of a fully connected net whose digits are priced.

    Args:
        model: in eval mode after each sweep.
        x: float[N, ...] training samples; of more than 2,000 so many are drawn.
        shares: float[N, classes] or int[N] labels.
        seed: of the order in which weights are visited, and of what is drawn.
    """

    def __init__(self, model: QuantizedModel, x: Any, shares: Any, seed: int) -> None:
        self.model, self.rng = model, np.random.default_rng(seed)
        y = np.asarray(shares)
        y = y.astype(np.float32) if y.ndim > 1 else np.eye(int(y.max()) + 1, dtype=np.float32)[y]
        rows = np.sort(self.rng.permutation(len(y))[:_SAMPLES]) if len(y) > _SAMPLES else slice(None)
        self.x, self.shares = torch.as_tensor(x)[rows], y[rows]

    @staticmethod
    def serves(model: QuantizedModel) -> bool:
        """Whether the model is a chain of fully connected layers with priced digits."""
        return chain_of(model) is not None

    def sweep(self, rate: float, target: float | None = None) -> int:
        """Visit the weights once; the model has the codes afterwards, at no price.

        Args:
            rate: loss per adder bit.
            target: adder bits at which to stop, from whichever side.

        Returns:
            Changes made.
        """
        self.model.eval().settle()
        found = chain_of(self.model)
        if found is None:
            raise TypeError(f"{type(self).__name__} serves no such model.")
        cost = SpatialCost(self.model)
        start = float(cost().detach())
        chain = Chain(*found, self.x, self.shares)
        sweep = _Sweep(chain, {id(charge.values): charge.bits for charge in cost.charges}, rate, self.rng)
        changed = sweep.run(-np.inf if target is None else target - start)
        self._write(chain)
        return changed

    def _write(self, chain: Chain) -> None:
        with torch.no_grad():
            for link, weight, bias in zip(chain.links, chain.weights, chain.biases, strict=True):
                for (values, held), new in zip(link.layer.constants(), (weight, bias), strict=False):
                    values.copy_(torch.from_numpy(new))
                    held.price.zero_()
        self.model.settle()


class _Sweep:
    """One visit of every weight and bias that is not zero, and of some that are."""

    def __init__(self, chain: Chain, bits: dict[int, torch.Tensor], rate: float, rng: np.random.Generator) -> None:
        self.chain, self.rate, self.rng = chain, rate, rng
        self.codes = [[_Codes(held) for _, held in link.layer.constants()] for link in chain.links]
        self.bits = [
            [bits[id(values)].expand(values.shape).numpy() for values, _ in link.layer.constants()]
            for link in chain.links
        ]
        self.ones = np.ones(len(chain.loss), np.float32)
        self.moved = 0.0  # bits that the changes have added

    def run(self, more: float) -> int:
        """Visit everything, or stop where the cost has moved by so many bits; the number of changes."""
        places = [
            (index, row, column)
            for index, weight in enumerate(self.chain.weights)
            for row in range(weight.shape[0])
            for column in range(weight.shape[1] + len(self.codes[index]) - 1)
        ]
        changed = 0
        for at in self.rng.permutation(len(places)):
            changed += self._visit(*places[at])
            if self.moved >= more > 0 or self.moved <= more <= 0:
                break
        return changed

    def _visit(self, index: int, row: int, column: int) -> bool:
        weight = self.chain.weights[index]
        is_bias = column == weight.shape[1]
        held, at = (self.chain.biases[index], (row,)) if is_bias else (weight, (row, column))
        value, codes, bits = held[at], self.codes[index][is_bias], float(self.bits[index][is_bias][at])
        if not bits or (value == 0 and self.rng.random() >= _VISITED):  # what meets no bits is not there
            return False
        seen = self.ones if is_bias else self.chain.inputs[index][:, column]
        best = self._best(index, row, codes.of(value), codes, bits, seen)
        if best is None:
            return False
        self.chain.apply(index, row, best[2])
        self.moved += bits * codes.more(codes.of(value), best[1])
        held[at] = best[1] * codes.step
        return True

    def _best(
        self, index: int, row: int, code: int, codes: _Codes, bits: float, seen: Floats
    ) -> tuple[float, int, Effect] | None:
        """The change that gains most: how much, the new code, and what it does."""
        best = None
        for other in codes.near[code - codes.low].tolist():
            effect = self.chain.effect(index, row, np.float32((other - code) * codes.step) * seen)
            if effect is None:
                continue
            gain = self._gain(effect) - self.rate * bits * codes.more(code, other)
            if gain > (best[0] if best else _LEAST):
                best = gain, other, effect
        return best

    def _gain(self, effect: Effect) -> float:
        """By how much the mean loss falls, less the standard error of that."""
        gains, count = self.chain.loss[effect.rows] - effect.loss, len(self.chain.loss)
        mean = float(gains.sum()) / count
        return mean - float(max((gains @ gains) / count - mean**2, 0.0) / count) ** 0.5
