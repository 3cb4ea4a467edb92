"""GPTQ loses less than nearest rounding on correlated inputs, and equals its definition."""

import re

import pytest
import torch

from flow.errors import UnsupportedError
from flow.formats import FixedPoint, Minifloat
from flow.training.ptq.gptq import feed_back, gptq
from flow.training.ptq.grids import fixed_grid, minifloat_grid
from flow.training.ptq.reference import layer_problems
from tests.training.models import DIGIT_NETS
from tests.training.ptq.common import BATCH, assert_same_bits, assert_untouched, quantised, state_of

GRIDS = {"s4": fixed_grid(FixedPoint(4, 2)), "e2m1": minifloat_grid(Minifloat.parse("e2m1b3"))}


def correlated(seed, rows=8, columns=24, count=500):
    """Weights of a grid's size, and E[x x'] of inputs x = z L + 1."""
    generator = torch.Generator().manual_seed(seed)
    mix, z, weight = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((columns, columns), (count, columns), (rows, columns))
    )
    x = z @ mix + 1
    return weight * 0.5, x.T @ x / count


def loss(weight, wanted, hessian):
    return float(((weight - wanted) @ hessian * (weight - wanted)).sum())


@pytest.mark.parametrize("by_importance", [False, True])
@pytest.mark.parametrize("name", list(GRIDS))
def test_outputs_lose_less_than_by_nearest_rounding(name, by_importance):
    ratios = []
    for seed in range(5):
        weight, hessian = correlated(seed)
        chosen = feed_back(weight, hessian, GRIDS[name].nearest, by_importance=by_importance)
        assert torch.equal(GRIDS[name].nearest(chosen), chosen)
        ratios.append(loss(chosen, weight, hessian) / loss(GRIDS[name].nearest(weight), weight, hessian))
    assert len(ratios) == 5
    assert max(ratios) < 0.75, ratios


def test_it_is_optimal_brain_surgery_column_by_column():
    """After each column the rest moves to where the error is least: by -H_rr^-1 H_rj (q_j - w_j)."""
    weight, hessian = correlated(0, rows=3, columns=6)
    grid, rest = GRIDS["s4"], weight.clone()
    expected = torch.empty_like(weight)
    for column in range(6):
        chosen = grid.nearest(rest[:, column])
        after = slice(column + 1, 6)
        shift = torch.linalg.solve(hessian[after, after], hessian[after, column])
        rest[:, after] -= (chosen - rest[:, column]).unsqueeze(1) * shift
        expected[:, column] = chosen
    assert torch.equal(feed_back(weight, hessian, grid.nearest, damping=0.0), expected)


def test_independent_inputs_are_rounded_to_nearest():
    weight, _ = correlated(1)
    chosen = feed_back(weight, torch.eye(24, dtype=torch.float64), GRIDS["s4"].nearest)
    assert torch.equal(chosen, GRIDS["s4"].nearest(weight))


def test_inputs_that_are_never_seen_do_no_harm():
    weight, hessian = correlated(2)
    hessian[3] = hessian[:, 3] = 0.0
    chosen = feed_back(weight, hessian, GRIDS["s4"].nearest)
    assert torch.equal(chosen[:, 3], GRIDS["s4"].nearest(weight[:, 3]))
    assert bool(torch.isfinite(feed_back(weight, torch.zeros_like(hessian), GRIDS["s4"].nearest)).all())


@pytest.mark.parametrize("net", DIGIT_NETS)
def test_models_lower_to_the_same_bits_and_layers_lose_less(net):
    model, twin = quantised(net)
    before = state_of(model)
    result = gptq(model, twin, BATCH)
    assert_untouched(model, before)
    first = next(step.layer for step in model.steps if hasattr(model.layers[step.layer], "weight"))
    fit = layer_problems(model, twin, first, BATCH)
    nearest = model.layers[first].weight_quantizer(model.layers[first].weight)
    assert fit.loss(result.layers[first].weight) < fit.loss(nearest)
    assert assert_same_bits(result) > 0


@pytest.mark.parametrize(
    ("option", "words"),
    [({"granularity": "element"}, "s4 per element in "), ({"khot": 2}, "s4 per tensor in ")],
)
def test_finer_points_and_few_digits_are_refused(option, words):
    model, twin = quantised("digits_mlp", **option)
    described = model.layers["fc1"].weight_quantizer.extra_repr()
    assert described.startswith(words)
    message = (
        "Choosing codes after training needs a fixed word, a binary point a tensor or channel and no limit of digits, "
        f"but 'fc1.weight' is {described}; set granularity='channel' and leave the rest."
    )
    with pytest.raises(UnsupportedError, match=f"^{re.escape(message)}$"):
        gptq(model, twin, BATCH)
