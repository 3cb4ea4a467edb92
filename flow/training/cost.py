"""What a quantised model costs in bits, as something that training can lower, and what its words came to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from flow.training.accumulators import FixedAccumulator
from flow.training.layers import Cast, FixedFlatten, FixedMaxPool2d, FixedRelu
from flow.training.model import QuantizedModel
from flow.training.operators import (
    FixedConcat,
    FixedPad,
    FixedReduceMax,
    FixedReshape,
    FixedSlice,
    FixedTranspose,
    FixedUpsample,
)
from flow.training.tables import FixedTable

__all__ = ["Words", "accumulator_excess", "bit_operations", "constant_bits", "words"]

# As wide as the widest of what they are given.
_PASSING = (
    FixedRelu, FixedMaxPool2d, FixedFlatten, FixedReshape, FixedReduceMax, FixedConcat, FixedSlice, FixedTranspose,
    FixedPad, FixedUpsample,
)  # fmt: skip


def constant_bits(model: QuantizedModel) -> Tensor:
    """The bits of all constants, a scalar with a gradient to learned word lengths; folding is not counted."""
    return sum((held.bits().expand(values.shape).sum() for values, held in model.constants()), torch.zeros(()))


def bit_operations(model: QuantizedModel) -> Tensor:
    """For every constant that something is multiplied by, its bits times those of what it meets, summed: a scalar.

    This is the EBOPs of HGQ (arXiv 2405.00645) with every multiplier counted once, as it stands in a streaming design,
    and not once for each position of a convolution. Its gradient reaches learned lengths on both sides. Where a cast
    has several words, their mean counts.

    Args:
        model: its casts' and constants' present words are taken.
    """
    widths: list[Tensor] = []
    total = torch.zeros(())
    for step in model.steps:
        layer = model.layers[step.layer]
        given = [widths[index] for index in step.inputs]
        for values, held in layer.constants()[:1]:
            total = total + held.bits().expand(values.shape).sum() * given[0]
        if isinstance(layer, (Cast, FixedTable)):
            widths.append(layer.quantizer.bits().mean())
        else:
            # Sums are cast before anything multiplies them; until then their width counts for nothing.
            widths.append(reduce(torch.maximum, given) if isinstance(layer, _PASSING) else torch.zeros(()))
    return total


def accumulator_excess(model: QuantizedModel) -> Tensor:
    """By how much the sums of the last training batch came near or left the ends of their accumulators: a scalar.

    It adds `max(0, |sum| / highest - 0.9)` over the sums of a sample, and takes the mean over the samples. A sum that
    has wrapped has no slope towards its range, so this is what brings it back: `cost=accumulator_excess` of `fit`.
    """
    bounded = (layer for layer in model.layers.values() if isinstance(layer, FixedAccumulator))
    # Added one by one: zeros of the CPU and scalars of a GPU cannot be stacked.
    return sum((layer.excess for layer in bounded if layer.excess is not None), torch.zeros(()))


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one constant.

    Attributes:
        values: how many.
        pruned: how many of them have no bits.
        mean: bits a value, before folding.
        folded: bits a value in the one format of the graph's tensor.
    """

    values: int
    pruned: int
    mean: float
    folded: int

    @property
    def growth(self) -> float:
        """Bits a value that folding adds."""
        return self.folded - self.mean


def words(model: QuantizedModel) -> dict[str, Words]:
    """The words of every constant by its place, such as `fc1.weight`."""
    found: dict[str, Words] = {}
    model.settle()
    for values, held in model.constants():
        bits = held.bits().detach().expand(values.shape)
        mean, pruned = float(bits.double().mean()), int((bits == 0).sum())
        found[held.place] = Words(values.numel(), pruned, mean, held.format.width)
    return found
