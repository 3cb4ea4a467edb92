"""The search over splits and biases against brute force, and minifloat weights in a model that lowers."""

import re

import numpy as np
import pytest
import torch

from flow.errors import RecipeError
from flow.formats import Minifloat
from flow.training.ptq.gptq import gptq
from flow.training.ptq.grids import minifloat_grid, nearest_minifloat
from flow.training.ptq.learned_rounding import Annealing, learned_rounding
from flow.training.ptq.minifloat import minifloat_weights, search_minifloat
from flow.training.ptq.reference import layer_problems, weighted_layers
from tests.training.models import DIGIT_NETS
from tests.training.ptq.common import BATCH, assert_same_bits, assert_untouched, quantised, state_of


def levels(form):
    return np.unique(form.decode(np.arange(1 << form.bits)))


def brute_error(x, form):
    """Mean squared distance to the nearest level."""
    return float(np.square(np.abs(x[:, None] - levels(form)).min(1)).mean())


@pytest.mark.parametrize("bits", [3, 4, 6])
@pytest.mark.parametrize("draw", ["normal", "laplace", "uniform"])
def test_no_format_is_better(draw, bits):
    x = getattr(np.random.default_rng(bits), draw)(size=300) * 0.3
    found = search_minifloat(torch.from_numpy(x), bits)
    forms = [
        Minifloat(exponent, bits - 1 - exponent, bias) for exponent in range(1, min(bits, 5)) for bias in range(-10, 24)
    ]
    assert len(forms) == 34 * min(bits - 1, 4)
    best = min(forms, key=lambda form: brute_error(x, form))
    # Both are sums of the same squares, in another order.
    assert found.error == pytest.approx(brute_error(x, best), rel=1e-12)
    assert found.error == pytest.approx(brute_error(x, found.form), rel=1e-12)


def test_heavier_tails_ask_for_more_exponent():
    rng = np.random.default_rng(0)
    splits = [
        search_minifloat(torch.from_numpy(x), 6).form.exponent
        for x in (rng.uniform(-1, 1, 4000), rng.normal(size=4000), rng.standard_t(1.5, size=4000))
    ]
    assert splits == sorted(splits)
    assert splits[0] == 1
    assert splits[2] > splits[1]


def test_one_exponent_bit_is_sign_and_magnitude():
    assert levels(Minifloat.parse("e1m2")).tolist() == [step / 2 for step in range(-7, 8)]
    assert levels(Minifloat.parse("e2m1")).tolist() == [-6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 6]


def test_neighbours_are_those_of_the_levels():
    form = Minifloat.parse("e2m2b4")
    grid, held = minifloat_grid(form), levels(form)
    x = np.random.default_rng(0).uniform(-1.5 * held[-1], 1.5 * held[-1], 500)
    given = torch.from_numpy(x)
    clipped = np.clip(x, held[0], held[-1])
    above = held[np.searchsorted(held, clipped)]
    below = held[np.searchsorted(held, clipped, side="right") - 1]
    assert grid.below(given).tolist() == below.tolist()
    assert grid.above(given).tolist() == above.tolist()
    assert np.abs(grid.nearest(given).numpy() - x).tolist() == np.abs(x[:, None] - held).min(1).tolist()


def test_all_zero_weights_have_a_format():
    assert search_minifloat(torch.zeros(5), 4).error == 0.0


@pytest.mark.parametrize("net", DIGIT_NETS)
def test_models_lower_to_the_same_bits_with_every_rounding(net):
    model, twin = quantised(net)
    before = state_of(model)
    nearest, choices = minifloat_weights(model, twin, BATCH)
    assert_untouched(model, before)
    forms = {key: choice.form for key, choice in choices.items()}
    learned = learned_rounding(nearest, twin, BATCH, forms, Annealing(steps=60, rate=0.1))
    results = [nearest, gptq(nearest, twin, BATCH, forms), learned]
    for result in results:
        for key, layer in weighted_layers(result).items():
            assert forms[key].bits == 4
            assert torch.equal(nearest_minifloat(layer.weight, forms[key]), layer.weight.detach().double())
            assert torch.equal(layer.weight_quantizer(layer.weight), layer.weight)
        assert assert_same_bits(result) > 0
    first = next(iter(forms))
    losses = [layer_problems(model, twin, first, BATCH).loss(result.layers[first].weight) for result in results]
    assert losses[1] < losses[0]
    assert losses[2] < losses[0]


def test_the_search_minimises_the_outputs_error_where_a_fit_is_given():
    model, twin = quantised("digits_mlp")
    fit, weight = layer_problems(model, twin, "fc1", BATCH), twin.layers["fc1"].weight
    chosen, plain = search_minifloat(weight, 4, fit), search_minifloat(weight, 4)
    assert chosen.error == fit.loss(nearest_minifloat(weight, chosen.form)) / 32
    assert chosen.error <= fit.loss(nearest_minifloat(weight, plain.form)) / 32


@pytest.mark.parametrize("bits", [2, 9])
def test_other_widths_are_refused(bits):
    message = f"Minifloat weights have 3..8 bits, not {bits}."
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        search_minifloat(torch.ones(3), bits)
