"""Rounding by chance: both neighbours only, right on average, gradients as ever, and only while training."""

import math

import pytest
import torch
from torch import nn

from flow.datasets import load
from flow.formats import Overflow, Rounding
from flow.training import NETS, Granularity, Quantizer, Word, calibrating, fit, quantize, seeded
from flow.training.constants import ConstantQuantizer
from flow.training.grid import round_randomly
from flow.training.quantizer import quantizers
from tests.training.models import example, randomized

DATA = load("digits")


def drawing(quantizer, frac):
    quantizer.stochastic = True
    with torch.no_grad():
        quantizer.frac.fill_(frac)
    return quantizer.train()


KINDS = {
    "tensor": lambda shape: Quantizer(Word(4, True)),
    "channel": lambda shape: ConstantQuantizer(Word(4, True), shape, Granularity.CHANNEL),
    "element": lambda shape: ConstantQuantizer(Word(4, True), shape, Granularity.ELEMENT),
}


@pytest.mark.parametrize("kind", KINDS)
def test_both_neighbours_and_right_on_average(kind):
    """The mean of n draws lies within 6 standard deviations of the value: p = 2e-9 for each of 60 values."""
    x, draws = torch.linspace(-2.4, 2.1, 60).view(3, 20), 3000
    quantizer = drawing(KINDS[kind](x.shape), 2.0)
    with seeded(0), torch.no_grad():
        found = torch.stack([quantizer(x) for _ in range(draws)]).double()
    codes = x.double() * 4
    below, above = (side.clamp(-8, 7) / 4 for side in (codes.floor(), codes.ceil()))
    assert bool(((found == below) | (found == above)).all())
    target = x.double().clamp(below, above)
    deviation = ((target - below) * (above - target) / draws).sqrt()
    assert bool(((found.mean(0) - target).abs() <= 6 * deviation + 1e-9).all())
    assert int((found.std(0) > 0).sum()) > 40


def test_what_is_on_the_grid_stays_and_a_hair_beside_it_nearly():
    v = torch.tensor([-3.0, 0.0, 5.0, 1e7, 0.25]).repeat(20_000, 1)
    with seeded(0):
        found = round_randomly(v)
    assert torch.equal(found[:, :4], v[:, :4])
    assert set(found[:, 4].tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_the_number_that_was_drawn(kind):
    x = torch.linspace(-1.7, 1.7, 60, dtype=torch.float64).view(3, 20).requires_grad_()
    upstream = torch.randn(3, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    quantizer = drawing(KINDS[kind](x.shape).double(), 2.0)
    with seeded(3):
        y = quantizer(x)
    y.backward(upstream)
    assert torch.equal(x.grad, upstream)
    by_frac = (upstream * (x - y)).detach().sum_to_size(quantizer.frac.shape) * math.log(2)
    # Sums of doubles in another order: equal up to the last bits, which is what the allowance covers.
    assert torch.allclose(quantizer.frac.grad, by_frac, rtol=1e-12, atol=0.0)


def test_casts_and_weights_draw_and_nothing_else_does():
    model = randomized(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)), 0)
    for words in ({}, {"weights": "e2m1", "activations": "e3m2"}, {"weights": "mxfp4"}, {"granularity": "channel"}):
        qmodel = quantize(model, example((4,)), stochastic=True, **words).train()
        found = {held.place for held in quantizers(qmodel).values() if held.drawing}
        assert {"0.weight", "2.weight", "0.out"} <= found
        assert not any(place.endswith("bias") for place in found)
        with calibrating(qmodel):
            assert not any(held.drawing for held in quantizers(qmodel).values())
        assert not any(held.drawing for held in quantizers(qmodel.eval()).values())
        assert not any(held.stochastic for held in quantizers(quantize(model, example((4,)), **words)).values())


def test_eval_mode_rounds_as_the_spec_says():
    x = torch.full((2000,), 0.3)
    quantizer = drawing(Quantizer(Word(4, True), Rounding.TRN, Overflow.SAT), 2.0)
    with seeded(0):
        assert set(quantizer(x).tolist()) == {0.25, 0.5}
        assert set(quantizer.eval()(x).tolist()) == {0.25}
        assert set(quantizer.train().codes(x).tolist()) == {1}


def trained(seed, epochs=2, **options):
    with seeded(0):
        model = NETS["digits_mlp"]()
    qmodel = quantize(model, DATA.train_x[:64], weights="e2m1", activations="u4", stochastic=True)
    train = tuple(part[:256] for part in DATA.train)
    result = fit(qmodel, train, DATA.test, epochs=epochs, seed=seed, **options)
    return qmodel, result


def test_the_seed_of_fit_decides_what_is_drawn_even_after_a_break():
    states = []
    first, _ = trained(1, on_epoch=lambda epoch, state: states.append(state))
    again, _ = trained(1)
    resumed, _ = trained(1, resume_state=states[0])
    other, _ = trained(2)
    weights = [model.layers["fc1"].weight for model in (first, again, resumed, other)]
    assert torch.equal(weights[0], weights[1]) and torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[3])
