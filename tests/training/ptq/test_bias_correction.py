"""After correction the mean of every corrected output is that of the float network, as near as the bias can say."""

import pytest
import torch
from torch import nn

from flow.training import quantize
from flow.training.ptq.bias_correction import correct_biases
from flow.training.ptq.reference import float_twin, step_values
from tests.training.models import DIGIT_NETS, Functional, example, randomized
from tests.training.ptq.common import BATCH, assert_same_bits, assert_untouched, quantised, state_of


def mean_errors(model, twin, data, names):
    """Largest distance of the channel means of some steps from those of the float network."""
    found, wanted = step_values(model, data), step_values(twin, data)
    gaps = [(found[name] - wanted[name]).double().transpose(0, 1).flatten(1).mean(1).abs().max() for name in names]
    return [float(gap) for gap in gaps]


@pytest.mark.parametrize(("net", "names"), [("digits_mlp", ["fc1", "fc2", "fc3"]), ("digits_resnet", ["stem.1", "fc"])])
def test_means_agree_to_half_a_step_of_the_bias(net, names):
    model, twin = quantised(net, width=3)
    before = state_of(model)
    result = correct_biases(model, twin, BATCH)
    assert_untouched(model, before)
    for name, was, now in zip(
        names, mean_errors(model, twin, BATCH, names), mean_errors(result, twin, BATCH, names), strict=True
    ):
        layer = result.layers[name.replace(".", "_")]
        quantizer = getattr(layer, "bias_quantizer", None) or layer.shift_quantizer
        addend = layer.bias if hasattr(layer, "bias") else layer.shift
        inside = float((quantizer(addend) - addend).detach().abs().max())
        # What remains is the rounding of the bias, and the last bits of a float32 mean.
        assert now <= inside + 1e-5 * (1 + was)
        assert now < was


def test_a_shared_layer_is_corrected_by_the_mean_of_its_uses():
    batch = example((2, 6, 6))
    model = quantize(randomized(Functional(), 0), batch, weights="s3", activations="u4", biases="s16")
    twin = float_twin(model)
    result = correct_biases(model, twin, batch)
    moved = [name for name, value in result.named_parameters() if not torch.equal(value, state_of(model)[name])]
    assert "layers.twice.bias" in moved
    assert sum("weight" in name for name in moved) == 0
    assert assert_same_bits(result, batch) > 0


def test_the_point_of_a_bias_moves_with_it():
    """Biases of a thousandth, whose words end at a few of them, take up errors of tenths."""
    model, batch = randomized(nn.Sequential(nn.Linear(6, 5)), 0), example((6,), signed=False, count=64)
    with torch.no_grad():
        model[0].bias.mul_(1e-3)
    plain = quantize(model, batch, weights="s3", activations="u8")
    twin = float_twin(plain)
    (was,) = mean_errors(plain, twin, batch, ["0"])
    (now,) = mean_errors(correct_biases(plain, twin, batch), twin, batch, ["0"])
    assert was > 0.1
    assert now < was / 20


def test_without_biases_nothing_changes():
    model = quantize(nn.Sequential(nn.Linear(4, 3, bias=False)), example((4,)))
    assert_untouched(correct_biases(model, float_twin(model), example((4,))), state_of(model))


@pytest.mark.parametrize("net", DIGIT_NETS)
def test_models_lower_to_the_same_bits(net):
    model, twin = quantised(net)
    assert assert_same_bits(correct_biases(model, twin, BATCH)) > 0
