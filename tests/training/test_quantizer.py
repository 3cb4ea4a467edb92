"""Gradients of the quantiser against their formulas, and where its binary point ends up."""

import itertools
import math

import numpy as np
import pytest
import torch

from flow.formats import FixedPoint, Overflow, Rounding, encode
from flow.training import Quantizer, Word, calibrating, freeze_points
from flow.training.grid import limits
from flow.training.quantizer import best_position
from tests.training.test_grid import MODES, quantizer


def reference_gradients(x, form, rounding, mode, upstream):
    """dL/dx and dL/df from section 5 of the gradients' notes: TQT's, with the range tested on the rounded value."""
    low, high = limits(form, mode)
    wide = encode(x, FixedPoint(48, form.frac), rounding, Overflow.SAT)
    inside = (wide >= low) & (wide <= high)
    nearest = np.clip(wide, low, high) * 2.0**-form.frac
    by_frac = math.log(2) * np.where(inside, x - nearest, -nearest)
    return upstream * inside, float((upstream * by_frac).sum())


@pytest.mark.parametrize(("rounding", "mode", "signed"), MODES)
def test_gradients_follow_the_formulas(rounding, mode, signed):
    rng, word, frac = np.random.default_rng(1), Word(4, signed), 2
    x = np.concatenate([rng.normal(0, 4, 300), [7.5 / 4, -8.5 / 4, 15.5 / 4, 0.0, -0.1]])
    upstream = rng.normal(size=x.size)
    made = quantizer(word, rounding, mode, frac).double()
    given = torch.from_numpy(x).requires_grad_()
    made(given).backward(torch.from_numpy(upstream))
    by_x, by_frac = reference_gradients(x, FixedPoint(4, frac, signed), rounding, mode, upstream)
    assert np.array_equal(given.grad.numpy(), by_x)
    # A sum of 305 doubles in another order: equal up to the last bits, which is what the allowance covers.
    assert made.frac.grad.item() == pytest.approx(by_frac, rel=1e-12)


def test_gradient_of_wrap_stays_bounded():
    """Straight through a wrap, dy/df would be ln2 times a multiple of the full range: 1e6 here instead of 10."""
    made = quantizer(Word(4, signed=True), Rounding.RND, Overflow.WRAP, 0.0)
    made(torch.tensor([1e6, -1e6])).sum().backward()
    assert made.frac.grad.item() == pytest.approx(-math.log(2) * (7 - 8), rel=1e-6)


def test_the_point_is_used_rounded_and_trained_real():
    made = quantizer(Word(8, signed=True), frac=2.4)
    assert str(made.format) == "s8.2"
    assert made(torch.tensor([0.3])).item() == 0.25
    made(torch.tensor([0.3])).sum().backward()
    assert made.frac.grad.item() == pytest.approx(math.log(2) * 0.05, rel=1e-5)


def brute_force(x, word):
    def error(frac):
        codes = encode(x, FixedPoint(word.width, frac, word.signed), Rounding.RND, Overflow.SAT)
        return float(np.square(codes * 2.0**-frac - x).sum())

    return min(range(-12, 24), key=error)


@pytest.mark.parametrize(("width", "signed"), list(itertools.product((3, 4, 6, 8), (True, False))))
def test_calibration_finds_the_position_that_loses_least(width, signed):
    for seed, scale in itertools.product(range(3), (0.01, 1.0, 40.0)):
        x = np.random.default_rng(seed).normal(0, scale, 400)
        x = x if signed else np.abs(x)
        found = best_position(torch.from_numpy(x), Word(width, signed), Rounding.RND, Overflow.SAT)
        assert found == brute_force(x, Word(width, signed))


def test_calibration_of_zeros_spans_one():
    assert best_position(torch.zeros(5), Word(8, signed=True), Rounding.RND, Overflow.SAT) == 7


def trained_position(x, word, start, steps=300):
    made = quantizer(word, frac=float(start)).double()
    optimizer = torch.optim.Adam([made.frac], lr=6e-2)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 6e-2 * (1 - step / steps)
        optimizer.zero_grad()
        (made(x) - x).square().sum().backward()
        optimizer.step()
    return made.format.frac


@pytest.mark.parametrize(("width", "signed"), list(itertools.product((3, 4, 5, 6, 7, 8), (True, False))))
def test_a_point_four_bits_off_trains_to_the_best_position_or_one_beside(width, signed):
    for seed in range(2):
        x = np.random.default_rng(seed).normal(0, 0.7, 300)
        x = x if signed else np.abs(x)
        best = brute_force(x, Word(width, signed))
        ends = [trained_position(torch.from_numpy(x), Word(width, signed), best + off) for off in (-4, 4)]
        assert len(ends) == 2
        assert all(abs(end - best) <= 1 for end in ends), (ends, best)


def test_calibrating_only_within():
    made = quantizer(Word(6, signed=True))
    with calibrating(made):
        made(torch.tensor([0.4, -0.2]))
    assert str(made.format) == "s6.6"
    made(torch.tensor([300.0]))
    assert str(made.format) == "s6.6"


def test_frozen_points_are_whole_and_get_no_gradient():
    made = Quantizer(Word(6, signed=True))
    with torch.no_grad():
        made.frac.fill_(3.7)
    freeze_points(made)
    x = torch.ones(3, requires_grad=True)
    made(x).sum().backward()
    assert made.frac.item() == 4.0
    assert made.frac.grad is None
    assert torch.equal(x.grad, torch.ones(3))
