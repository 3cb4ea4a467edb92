"""A binary point that starts four bits off ends at the position that loses least, or at one beside it: 20 seeds."""

import itertools

import numpy as np
import pytest
import torch

from flow.training import Granularity, Word
from flow.training.constants import ConstantQuantizer
from tests.training.test_quantizer import brute_force, trained_position

SEEDS = 20
CASES = list(itertools.product((3, 4, 5, 6, 7, 8), (True, False)))
DRAWS = {"normal": lambda rng: rng.normal(0, 0.7, 300), "laplace": lambda rng: rng.laplace(0, 5.0, 300)}


def drawn(seed, signed, kind="normal"):
    x = DRAWS[kind](np.random.default_rng(seed))
    return x if signed else np.abs(x)


def recovered(x, word, starts, steps=300):
    """Where the points of all rows end: Adam works on each alone, so that one training is one for every row."""
    made = ConstantQuantizer(word, x.shape, Granularity.CHANNEL).double()
    with torch.no_grad():
        made.frac.copy_(torch.tensor(starts).view(-1, 1))
    optimizer, given = torch.optim.Adam([made.frac], lr=6e-2), torch.from_numpy(x)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 6e-2 * (1 - step / steps)
        optimizer.zero_grad()
        (made(given) - given).square().sum().backward()
        optimizer.step()
    return made.positions().flatten().tolist()


@pytest.mark.parametrize("kind", list(DRAWS))
@pytest.mark.parametrize(("width", "signed"), CASES)
def test_every_point_finds_back(width, signed, kind):
    word, x = Word(width, signed), np.stack([drawn(seed, signed, kind) for seed in range(SEEDS)])
    best = [brute_force(row, word) for row in x]
    for off in (-4, 4):
        found = recovered(x, word, [float(point + off) for point in best])
        assert len(found) == SEEDS
        assert max(abs(end - point) for end, point in zip(found, best, strict=True)) <= 1, (off, found, best)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "signed"), CASES)
def test_one_point_for_the_whole_tensor_finds_back_too(width, signed):
    for seed in range(SEEDS):
        x, word = drawn(seed, signed), Word(width, signed)
        best = brute_force(x, word)
        ends = [trained_position(torch.from_numpy(x), word, best + off) for off in (-4, 4)]
        assert len(ends) == 2
        assert all(abs(end - best) <= 1 for end in ends), (seed, ends, best)
