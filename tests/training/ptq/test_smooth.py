"""SmoothQuant and folded exponents: powers of two only, and no bit of the float network changes."""

import re

import pytest
import torch
from torch import nn

from flow.errors import RecipeError
from flow.training.ptq.pairs import scalable_pairs
from flow.training.ptq.reference import float_twin, step_values
from flow.training.ptq.smooth import channel_exponents, fold_channel_exponents, smooth
from flow.training.quantize import float_network, quantize_network
from flow.training.spec import Spec
from tests.training.models import DIGIT_NETS
from tests.training.ptq.common import BATCH, assert_same_bits, trained

METHODS = [smooth, fold_channel_exponents]


def spread():
    """Two layers between which the channels differ by ten octaves."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 4))
    with torch.no_grad():
        factors = 2.0 ** torch.linspace(-5, 5, 16)
        model[0].weight.abs_().mul_(factors.unsqueeze(1))
        model[0].bias.abs_().mul_(factors)
    return model, torch.rand(64, 6)


def values(network, batch, spec):
    return step_values(float_twin(quantize_network(network, batch, spec)), batch)


@pytest.mark.parametrize("batchnorm", ["fixed", "folded"])
@pytest.mark.parametrize("net", DIGIT_NETS)
@pytest.mark.parametrize("method", METHODS)
def test_no_bit_of_the_float_result_changes(method, net, batchnorm):
    spec = Spec(weights="s4", activations="u4", batchnorm=batchnorm)
    network = float_network(trained(net), BATCH, spec)
    result = method(network, BATCH, spec)
    changed = [key for key in network.state if not torch.equal(network.state[key], result.state[key])]
    assert len(changed) >= 2
    for key in changed:
        ratio = (result.state[key] / network.state[key])[network.state[key] != 0]
        assert bool((torch.frexp(ratio).mantissa.abs() == 0.5).all()), key
    expected, found = values(network, BATCH, spec), values(result, BATCH, spec)
    (output,) = network.outputs
    assert expected[output].shape == (96, 10)
    assert torch.equal(expected[output], found[output])
    assert assert_same_bits(quantize_network(result, BATCH, spec)) > 0


def test_spread_channels_are_drawn_together_and_cost_less():
    model, batch = spread()
    spec = Spec(weights="s6", activations="u4")
    network = float_network(model, batch, spec)
    wanted = model(batch).detach()

    def state(made):
        maxima = values(made, batch, spec)["0.relu"].amax(0)
        loss = float((quantize_network(made, batch, spec)(batch).detach() - wanted).square().mean())
        return float(maxima.max() / maxima.min()), loss

    before, after = state(network), state(smooth(network, batch, spec))
    assert after[0] < before[0] / 8
    assert after[1] < before[1] / 2
    folded = state(fold_channel_exponents(network, batch, spec, 3))
    assert folded[0] < before[0] / 8


def test_alpha_says_where_the_difficulty_goes():
    model, batch = spread()
    spec = Spec()
    network = float_network(model, batch, spec)
    (pair,) = scalable_pairs(network)
    assert pair.channels == 16
    level = values(smooth(network, batch, spec, alpha=1.0), batch, spec)["0.relu"].amax(0)
    # Powers of two: every channel's largest activation ends within half an octave of 1.
    assert bool(((level >= 2**-0.5) & (level <= 2**0.5)).all())
    weights = smooth(network, batch, spec, alpha=0.0).state["2.weight"].abs().amax(0)
    assert bool(((weights >= 2**-0.5) & (weights <= 2**0.5)).all())


def test_channel_exponents():
    assert channel_exponents(torch.tensor([8.0, 3.0, 0.5, 0.0, 4.0]), 2).tolist() == [0, 1, 3, 3, 1]
    assert channel_exponents(torch.tensor([8.0, 3.0, 0.5, 0.0, 4.0]), 0).tolist() == [0] * 5
    assert channel_exponents(torch.zeros(3), 2).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("method", "option", "message"),
    [
        (smooth, {"alpha": 1.5}, "SmoothQuant's alpha must lie in 0..1, not at 1.5."),
        (fold_channel_exponents, {"exponent_bits": 6}, "Exponents of channels have 0..5 bits, not 6."),
    ],
)
def test_options_out_of_range_are_refused(method, option, message):
    model, batch = spread()
    network = float_network(model, batch, Spec())
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        method(network, batch, Spec(), **option)
