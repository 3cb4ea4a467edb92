"""The float twin is the float model, and a layer's least squares are its measured error."""

import pytest
import torch
from torch.nn import functional

from flow.training import quantize
from flow.training.layers import FixedDense
from flow.training.ptq.reference import float_twin, layer_problems, step_values, weighted_layers
from flow.training.quantizer import quantizers
from tests.training.models import DIGIT_NETS, Functional, example, randomized
from tests.training.ptq.common import BATCH, quantised, trained


@pytest.mark.parametrize("net", DIGIT_NETS)
def test_the_twin_is_the_float_model(net):
    """Equal to 1e-5 of the largest value: float32, and BatchNorm as one multiplication and one addition."""
    model, twin = quantised(net)
    assert len(quantizers(model)) > 8
    assert quantizers(twin) == {}
    expected, found = trained(net).eval()(BATCH).detach(), twin(BATCH).detach()
    assert found.shape == expected.shape == (96, 10)
    assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


def product(layer, weight, x):
    """What a layer makes of its inputs, without bias, float64 and outputs last."""
    if isinstance(layer, FixedDense):
        return x.double() @ weight.double().T
    options = {"stride": layer.stride, "padding": layer.padding, "groups": layer.groups}
    return functional.conv2d(x.double(), weight.double(), **options).movedim(1, -1).flatten(0, -2)


@pytest.mark.parametrize("name", ["stem", "twice", "tail.0", "fc", "keys"])
def test_the_loss_is_the_mean_squared_error_of_the_outputs(name):
    """Grouped, strided over several steps of a shared layer; sums of doubles in another order, hence the 1e-9."""
    batch = example((2, 6, 6), count=300)
    model = quantize(randomized(Functional(), 0), batch, weights="s4", activations="u4")
    twin = float_twin(model)
    steps = [step for step in model.steps if step.name in (name, f"{name}_2")]
    key, layer = steps[0].layer, model.layers[steps[0].layer]
    seen, wanted = step_values(model, batch), step_values(twin, batch)
    trial = layer.weight_quantizer(layer.weight).detach()
    errors = []
    for step in steps:
        source = model.steps[step.inputs[0]].name
        reached, meant = product(layer, trial, seen[source]), product(layer, layer.weight.detach(), wanted[source])
        errors.append((reached - meant).square())
    expected = torch.cat(errors).mean(0)
    fit = layer_problems(model, twin, key, batch)
    rows = [problem.loss(part) for problem, part in zip(fit.groups, fit.split(trial), strict=True)]
    assert torch.cat(rows).shape == expected.shape == (len(trial),)
    assert torch.allclose(torch.cat(rows), expected, rtol=1e-9, atol=1e-9 * float(expected.max()))
    assert fit.loss(trial) == pytest.approx(float(expected.sum()), rel=1e-9)
    assert len(steps) == (2 if name in ("twice", "fc") else 1)


def test_tied_weights_are_listed_once():
    model, _ = quantised("digits_resnet")
    assert list(weighted_layers(model)) == ["stem_0", "block_conv1", "block_conv2", "head_0", "fc"]
    shared = quantize(Functional(), example((2, 6, 6)))
    assert list(weighted_layers(shared)) == ["stem", "twice", "tail_0", "fc", "keys_"]
