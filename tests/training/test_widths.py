"""Learned word lengths: values, gradients, pruning, ranges that follow, and that the graph has the same bits."""

import itertools
import math
import re

import numpy as np
import pytest
import torch

from flow.errors import RecipeError
from flow.formats import FixedPoint, Overflow, Rounding, encode
from flow.lowering import encode_input, lower
from flow.training import Granularity, Spec, Word, freeze_points, words
from flow.training.cost import constant_bits
from flow.training.grid import limits
from flow.training.widths import LearnedCast, LearnedConstant
from tests.lowering.test_from_torch import compare
from tests.training.models import DIGIT_NETS
from tests.training.test_constants import DATA, SHAPE, groups, trained
from tests.training.test_grid import samples

CASES = list(itertools.product(Granularity, (True, False)))


def constant(granularity, signed, seed=0, trained=True):
    """Words of -2..6 magnitude bits: some groups have none."""
    made = LearnedConstant(Word(4, signed), SHAPE, granularity, "fc.weight", trained).double()
    rng, shape = np.random.default_rng(seed), made.frac.shape
    with torch.no_grad():
        made.frac.copy_(torch.as_tensor(rng.integers(-2, 5, shape) + 0.3))
        made.integer.copy_(torch.as_tensor(rng.integers(-1, 3, shape) - 0.2))
    return made


@pytest.mark.parametrize(("granularity", "signed"), CASES)
def test_values_and_folded_codes_equal_encode(granularity, signed):
    compared, pruned = 0, 0
    for seed in range(30):
        rng, made = np.random.default_rng(seed), constant(granularity, signed, seed)
        x = rng.choice(samples(Word(3, signed), 1, rng), SHAPE)
        values = made(torch.from_numpy(x).double()).detach().numpy()
        assert np.array_equal(made.codes(torch.from_numpy(x)) * 2.0**-made.format.frac, values)
        for index, (frac, (part, found)) in enumerate(groups(made, x, values)):
            magnitude = int(made.magnitudes().flatten()[index])
            form = FixedPoint(max(magnitude, 1) + signed, frac, signed)
            expected = encode(part, form) * 2.0**-frac if magnitude > 0 else np.zeros_like(part)
            assert np.array_equal(expected, found)
            compared, pruned = compared + found.size, pruned + found.size * (magnitude <= 0)
    assert compared == 30 * math.prod(SHAPE)
    assert 0 < pruned < compared


def slopes(x, form, rounding, mode):
    """dy/dx, dy/df and dy/di of `low..high` codes of step 2**-f, where high + 1 = 2**(i + f) and so is -low in SAT."""
    low, high = limits(form, mode)
    wide = encode(x, FixedPoint(48, form.frac), rounding, Overflow.SAT)
    above, below = wide > high, wide < low
    step, top = 2.0**-form.frac, (high + 1) * 2.0**-form.frac
    y = encode(x, form, rounding, mode) * step
    by_frac = np.where(above, step, np.where(below, -step * (low == -high), x - y))
    by_integer = np.where(above, top, np.where(below & form.signed, -top, 0.0))
    return ~(above | below), math.log(2) * by_frac, math.log(2) * by_integer


@pytest.mark.parametrize(("granularity", "signed"), CASES)
def test_gradients_of_constants_group_by_group(granularity, signed):
    compared = 0
    for seed in range(10):
        rng, made = np.random.default_rng(seed), constant(granularity, signed, seed)
        x, upstream = rng.normal(0, 3, SHAPE), rng.normal(size=SHAPE)
        given = torch.from_numpy(x).requires_grad_()
        made(given).backward(torch.from_numpy(upstream))
        for index, (frac, (part, weight, by_x)) in enumerate(groups(made, x, upstream, given.grad.numpy())):
            magnitude = int(made.magnitudes().flatten()[index])
            form = FixedPoint(max(magnitude, 1) + signed, frac, signed)
            expected = slopes(part, form, Rounding.RND, Overflow.SAT)
            if magnitude <= 0:
                expected = np.ones_like(part), math.log(2) * part, np.zeros_like(part)
            assert np.array_equal(by_x, weight * expected[0])
            # Sums of up to 30 doubles in another order: equal up to the last bits, which is what the allowance covers.
            for point, slope in ((made.frac, expected[1]), (made.integer, expected[2])):
                total = float((weight * slope).sum())
                assert point.grad.flatten()[index].item() == pytest.approx(total, rel=1e-12, abs=1e-13)
            compared += by_x.size
    assert compared == 10 * math.prod(SHAPE)


MODES = [(mode, signed) for mode in Overflow for signed in (True, False) if signed or mode is not Overflow.WRAP_SM]


@pytest.mark.parametrize(("mode", "signed"), MODES)
def test_casts_equal_encode_and_follow_the_formulas(mode, signed):
    made, rng = LearnedCast(Word(5, signed), Rounding.TRN, mode, "fc.out").double().eval(), np.random.default_rng(0)
    with torch.no_grad():
        made.frac.fill_(2.4)
        made.integer.fill_(1.6)
    x, upstream = rng.normal(0, 5, 400), rng.normal(size=400)
    given = torch.from_numpy(x).requires_grad_()
    y = made(given)
    form = FixedPoint(4 + signed, 2, signed)
    assert made.format == form
    assert np.array_equal(y.detach().numpy(), encode(x, form, Rounding.TRN, mode) / 4)
    assert np.array_equal(made.codes(given), encode(x, form, Rounding.TRN, mode))
    y.backward(torch.from_numpy(upstream))
    by_x, by_frac, by_integer = slopes(x, form, Rounding.TRN, mode)
    assert np.array_equal(given.grad.numpy(), upstream * by_x)
    # Sums of 400 doubles in another order: equal up to the last bits, which is what the allowance covers.
    assert made.frac.grad.item() == pytest.approx(float((upstream * by_frac).sum()), rel=1e-12)
    assert made.trained == (mode in (Overflow.SAT, Overflow.SAT_SYM))
    if made.trained:
        assert made.integer.grad.item() == pytest.approx(float((upstream * by_integer).sum()), rel=1e-12)


def test_a_range_that_follows_wraps_nothing_while_training_and_stands_still_once_frozen():
    made = LearnedCast(Word(4, True), Rounding.RND, Overflow.WRAP, "fc.out").train()
    for largest in (3.0, 100.0, 20.0):
        x = torch.linspace(-largest, largest, 50)
        assert bool(((made(x) - x).abs() <= 0.5).all())
    assert made.format == FixedPoint(8, 0)
    freeze_points(made)
    assert made(torch.tensor([200.0])).item() == -56.0
    assert made.format == FixedPoint(8, 0)


@pytest.mark.parametrize("granularity", list(Granularity))
def test_covering_constants_clip_nothing(granularity):
    made = constant(granularity, True, trained=False)
    x = torch.from_numpy(np.random.default_rng(0).normal(0, 20, SHAPE))
    step = (2.0 ** -made.positions().double()).expand(SHAPE)
    assert bool(((made(x) - x).abs() <= step / 2).all())
    assert made.integer.requires_grad is False
    assert len(made.points()) == 1


def test_a_word_without_bits_is_pruned_and_may_come_back():
    made = LearnedConstant(Word(4, True), (3,), Granularity.ELEMENT, "fc.bias").double()
    with torch.no_grad():
        made.frac.copy_(torch.tensor([2.0, 0.0, 2.0]))
        made.integer.copy_(torch.tensor([1.0, 0.0, -2.0]))
    x = torch.tensor([1.3, 5.0, 0.2], dtype=torch.float64)
    assert made.bits().tolist() == [4.0, 0.0, 0.0]
    assert made(x).tolist() == [1.25, 0.0, 0.0]
    made(x).sum().backward()
    assert made.frac.grad[1:].tolist() == pytest.approx([math.log(2) * 5.0, math.log(2) * 0.2])
    assert made.integer.grad[1:].tolist() == [0.0, 0.0]
    with torch.no_grad():
        made.frac.fill_(-3.0)
    assert made.format == FixedPoint(1, 0)
    assert made.codes(x).tolist() == [0, 0, 0]


def test_lengths_cost_one_bit_a_bit_while_there_are_any():
    made = constant(Granularity.CHANNEL, True)
    made.bits().sum().backward()
    live = (made.magnitudes() > 0).double()
    assert 0 < float(live.sum()) < live.numel()
    assert torch.equal(made.frac.grad, live)
    assert torch.equal(made.integer.grad, live)


NET_CASES = list(itertools.product(DIGIT_NETS, ("tensor", "channel", "element"), ("SAT", "WRAP")))


@pytest.mark.parametrize(("name", "granularity", "overflow"), NET_CASES)
def test_trained_nets_equal_the_interpreter_on_every_node(name, granularity, overflow):
    qmodel, _ = trained(
        name, lambda model: 1e-6 * constant_bits(model), lengths="learned", granularity=granularity, overflow=overflow
    )
    graph = lower(qmodel, argmax=True)
    compared = compare(graph, qmodel, encode_input(qmodel, DATA.test_x[:30]))
    assert compared == 30 * sum(value.size for value in graph.values.values())
    lengths = {place: found.mean for place, found in words(qmodel).items()}
    assert len({form.width for form in qmodel.formats().values()}) > 2
    assert len(lengths) >= 6


def test_digits_need_words_of_given_length():
    message = "khot=2 needs words of given length, not lengths='learned'; leave one out."
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        Spec(khot=2, lengths="learned")
