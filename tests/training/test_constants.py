"""Binary points per tensor, channel and element: values, gradients, starts, and that folding them changes no bit."""

import itertools
import math
import re

import numpy as np
import pytest
import torch

from flow.datasets import load
from flow.errors import DataError, RecipeError
from flow.formats import FixedPoint, Overflow, Rounding, encode
from flow.lowering import encode_input, lower
from flow.training import NETS, Granularity, Quantizer, Spec, Word, fit, freeze_points, quantize, seeded
from flow.training.constants import ConstantQuantizer
from flow.training.points import best_points, point_shape, power_of_two
from tests.lowering.test_from_torch import compare
from tests.training.models import DIGIT_NETS, randomized
from tests.training.test_grid import samples
from tests.training.test_quantizer import brute_force, reference_gradients

DATA = load("digits")
SHAPE = (5, 2, 3)
FINE = [Granularity.CHANNEL, Granularity.ELEMENT]


def made(word, granularity, seed=0, dtype=torch.float64):
    quantizer = ConstantQuantizer(word, SHAPE, granularity, "fc.weight").to(dtype)
    points = np.random.default_rng(seed).integers(-2, 6, quantizer.frac.shape) + 0.3
    with torch.no_grad():
        quantizer.frac.copy_(torch.as_tensor(points))
    return quantizer


def groups(quantizer, *arrays):
    """Each group's point and its part of every array."""
    shape = tuple(quantizer.frac.shape)
    spread = np.broadcast_to(np.arange(math.prod(shape)).reshape(shape), SHAPE)
    for index, frac in enumerate(quantizer.positions().flatten().tolist()):
        yield frac, [array[spread == index] for array in arrays]


def test_powers_of_two_are_exact():
    exponents = torch.arange(-126, 127)
    for dtype in (torch.float32, torch.float64):
        assert power_of_two(exponents, dtype).tolist() == [math.ldexp(1.0, k) for k in range(-126, 127)]


def test_points_have_the_shape_of_their_groups():
    shapes = [point_shape(SHAPE, granularity) for granularity in Granularity]
    assert shapes == [(), (5, 1, 1), (5, 2, 3)]
    assert [point_shape((7,), granularity) for granularity in Granularity] == [(), (7,), (7,)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("granularity", "signed"), list(itertools.product(Granularity, (True, False))))
def test_values_and_folded_codes_equal_encode(granularity, signed, dtype):
    compared = 0
    for width, seed in itertools.product((1, 3, 6), range(8)):
        word, rng = Word(width, signed), np.random.default_rng(seed)
        quantizer = made(word, granularity, seed, dtype)
        x = rng.choice(samples(word, int(rng.integers(-2, 6)), rng), SHAPE)
        values = quantizer(torch.from_numpy(x).to(dtype)).detach().numpy()
        form, folded = quantizer.format, quantizer.codes(torch.from_numpy(x))
        assert np.array_equal(folded * 2.0**-form.frac, values)
        assert form.holds(int(folded.min()), int(folded.max()))
        for frac, (part, found) in groups(quantizer, x, values):
            assert np.array_equal(encode(part, FixedPoint(width, frac, signed)) * 2.0**-frac, found)
            compared += found.size
    assert compared == 3 * 8 * math.prod(SHAPE)


@pytest.mark.parametrize(("granularity", "signed"), list(itertools.product(Granularity, (True, False))))
def test_gradients_follow_the_formulas_group_by_group(granularity, signed):
    rng, word, compared = np.random.default_rng(3), Word(4, signed), 0
    quantizer = made(word, granularity)
    x, upstream = rng.normal(0, 3, SHAPE), rng.normal(size=SHAPE)
    given = torch.from_numpy(x).requires_grad_()
    quantizer(given).backward(torch.from_numpy(upstream))
    by_frac = quantizer.frac.grad.flatten().tolist()
    for index, (frac, parts) in enumerate(groups(quantizer, x, upstream, given.grad.numpy())):
        form = FixedPoint(4, frac, signed)
        by_x, expected = reference_gradients(parts[0], form, Rounding.RND, Overflow.SAT, parts[1])
        assert np.array_equal(parts[2], by_x)
        # A sum of up to 30 doubles in another order: equal up to the last bits, which is what the allowance covers.
        assert by_frac[index] == pytest.approx(expected, rel=1e-12, abs=1e-14)
        compared += by_x.size
    assert compared == math.prod(SHAPE)


def test_one_point_for_all_is_the_plain_quantiser():
    x, upstream = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)), torch.ones(SHAPE)
    plain, fine = Quantizer(Word(4, True)), ConstantQuantizer(Word(4, True), SHAPE)
    for quantizer in (plain, fine):
        with torch.no_grad():
            quantizer.move_to_best(x)
        quantizer(x).backward(upstream)
    assert plain.format == fine.format
    assert torch.equal(plain(x), fine(x))
    assert plain.frac.grad.item() == pytest.approx(fine.frac.grad.item(), rel=1e-5)  # float32, summed in another order


@pytest.mark.parametrize(("width", "signed"), list(itertools.product((3, 6), (True, False))))
def test_every_channel_starts_where_it_loses_least(width, signed):
    rng = np.random.default_rng(width)
    x = rng.normal(0, 1, (12, 40)) * 2.0 ** rng.integers(-5, 5, (12, 1))
    x = x if signed else np.abs(x)
    x[3] = 0.0
    word = Word(width, signed)
    found = best_points(torch.from_numpy(x), word, (12, 1)).flatten().tolist()
    assert found == [brute_force(row, word) if row.any() else width - signed for row in x]
    assert len(set(found)) > 3
    alone = best_points(torch.from_numpy(x), word, (12, 40))
    assert alone.shape == (12, 40)
    assert set(alone.flatten().tolist()) == {brute_force(x, word)}


def test_of_equally_good_positions_the_smallest_starts():
    """Ones are exact in s8 with 0..6 fractional bits; the search begins one left of the last that clips nothing."""
    assert int(best_points(torch.ones(3, dtype=torch.float64), Word(8, True), ())) == 5


def test_points_far_apart_are_held_together():
    quantizer = made(Word(6, True), Granularity.ELEMENT)
    with torch.no_grad():
        quantizer.frac.fill_(99.0)
        quantizer.frac[0, 0, 0] = -3.4
    assert set(quantizer.positions().flatten().tolist()) == {-3, 21}
    assert quantizer.format == FixedPoint(30, 21)


def test_frozen_points_are_whole_and_get_no_gradient():
    quantizer = made(Word(6, True), Granularity.CHANNEL)
    before = quantizer.positions()
    freeze_points(quantizer)
    assert torch.equal(quantizer.frac, before.double())
    quantizer(torch.ones(SHAPE, dtype=torch.float64, requires_grad=True)).sum().backward()
    assert quantizer.frac.grad is None


def trained(name, cost=None, **spec):
    with seeded(0):
        qmodel = quantize(randomized(NETS[name](), 3), DATA.train_x[:64], **spec)
    before = {key: value.clone() for key, value in qmodel.state_dict().items()}
    part = (DATA.train_x[:320], DATA.train_y[:320])
    fit(qmodel, part, part, epochs=2, seed=0, point_lr=0.2, frozen_from=2.0, cost=cost)
    return qmodel, before


@pytest.mark.parametrize(("name", "granularity"), list(itertools.product(DIGIT_NETS, FINE)))
def test_trained_nets_equal_the_interpreter_on_every_node(name, granularity):
    qmodel, before = trained(name, weights="s4", granularity=granularity.value)
    graph = lower(qmodel, argmax=True)
    compared = compare(graph, qmodel, encode_input(qmodel, DATA.test_x[:40]))
    assert compared == 40 * sum(value.size for value in graph.values.values())
    point = "layers.fc.weight_quantizer.frac" if name == "digits_resnet" else "layers.fc1.weight_quantizer.frac"
    moved = (qmodel.state_dict()[point] != before[point]).double().mean()
    assert float(moved) > 0.5  # pixels that are always white and units that never fire give no gradient
    weights = [node.weight.format for node in graph.nodes if node.op in ("dense", "conv2d")]
    assert len(weights) >= 3
    assert all(form.width > 4 for form in weights)  # points lie apart, so the folded words are wider


def test_a_diverged_point_is_refused():
    quantizer = made(Word(6, True), Granularity.CHANNEL)
    with torch.no_grad():
        quantizer.frac[2] = float("inf")
    message = "^The binary point of 'fc.weight' is inf; the training diverged, lower its rate\\.$"
    with pytest.raises(DataError, match=message):
        quantizer(torch.ones(SHAPE, dtype=torch.float64))


def test_codes_of_nan_are_refused():
    message = "^Fixed point holds finite numbers only, but 'fc.weight' holds NaN or infinity\\.$"
    with pytest.raises(DataError, match=message):
        made(Word(6, True), Granularity.CHANNEL).codes(torch.full(SHAPE, float("nan")))


def test_an_unknown_granularity_is_refused():
    message = "granularity must be one of tensor, channel, element, not 'row'."
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        Spec(granularity="row")
