"""Allocation against every combination, and what it does to a model."""

import itertools
import re

import numpy as np
import pytest
import torch
from torch import nn

from flow.errors import RecipeError
from flow.training import accuracy
from flow.training.ptq.apply import apply
from flow.training.ptq.mixed import allocate, mixed_precision, sensitivities
from flow.training.ptq.reference import step_values, weighted_layers
from tests.training.models import DIGIT_NETS, example
from tests.training.ptq.common import BATCH, DATA, assert_same_bits, assert_untouched, quantised, state_of


@pytest.mark.parametrize("seed", range(20))
def test_the_allocation_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    names, widths = "abcd", (2, 3, 4, 6)
    sizes = {name: int(rng.integers(1, 30)) for name in names}
    losses = {name: {width: float(rng.exponential() * 4.0**-width) for width in widths} for name in names}
    budget = int(sum(sizes.values()) * rng.uniform(2, 6))

    def bits(chosen):
        return sum(width * sizes[name] for name, width in zip(names, chosen, strict=True))

    def total(chosen):
        return sum(losses[name][width] for name, width in zip(names, chosen, strict=True))

    legal = [chosen for chosen in itertools.product(widths, repeat=4) if bits(chosen) <= budget]
    found = allocate(losses, sizes, budget)
    assert legal
    assert tuple(found.values()) in legal
    assert total(found.values()) == min(map(total, legal))


def test_a_budget_that_is_too_small_is_refused():
    message = "The weights need at least 60 bits at their smallest widths, not 59; allow more."
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        allocate({"a": {2: 1.0}, "b": {4: 1.0, 5: 0.5}}, {"a": 10, "b": 10}, 59)


@pytest.mark.parametrize("net", DIGIT_NETS)
def test_models_keep_the_budget_and_lower_to_the_same_bits(net):
    model, twin = quantised(net)
    before = state_of(model)
    result, widths = mixed_precision(model, twin, BATCH)
    assert_untouched(model, before)
    layers = weighted_layers(result)
    assert list(widths) == list(layers)
    assert [layer.weight_quantizer.word.width for layer in layers.values()] == list(widths.values())
    sizes = {key: layer.weight.numel() for key, layer in layers.items()}
    assert sum(widths[key] * sizes[key] for key in sizes) <= 4 * sum(sizes.values())
    assert max(widths.values()) > 4
    assert assert_same_bits(result) > 0
    assert accuracy(result, DATA.test) > 0.5


def test_the_sensitivity_is_the_change_of_the_outputs():
    model, twin = quantised("digits_mlp", width=5)
    found = sensitivities(model, twin, BATCH, (3, 5))
    assert list(found) == ["fc1", "fc2", "fc3"]
    assert all(loss[3] > loss[5] > 0 for loss in found.values())
    trial = quantised("digits_mlp", width=5)[1]
    layer = model.layers["fc2"]
    with torch.no_grad():
        trial.layers["fc2"].weight.copy_(layer.weight_quantizer(layer.weight))
    change = step_values(trial, BATCH)["fc3"].double() - step_values(twin, BATCH)["fc3"].double()
    assert found["fc2"][5] == float(change.square().mean())


def test_a_word_of_a_layer_is_not_overridden():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    message = (
        "Mixed precision chooses the width of all weights, but layers['0'] gives weights='s3'; leave one of them out."
    )
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        apply(model, example((4,)), ["mixed_precision"], layers={"0": {"weights": "s3"}})


def test_a_larger_budget_loses_no_more():
    model, twin = quantised("digits_mlp")
    size = sum(layer.weight.numel() for layer in weighted_layers(model).values())
    losses = sensitivities(model, twin, BATCH, range(2, 8))

    def loss(budget):
        return sum(
            losses[key][width] for key, width in mixed_precision(model, twin, BATCH, budget, range(2, 8))[1].items()
        )

    totals = [loss(size * bits) for bits in (2, 3, 5, 7)]
    assert totals == sorted(totals, reverse=True)
    assert totals[0] > totals[-1]
