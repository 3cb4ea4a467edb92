"""Equalisation changes no function and makes ranges equal; where a factor must not move, none moves."""

import pytest
import torch
from torch import nn

from flow.training.calls import BatchNorm
from flow.training.ptq.equalise import equalise
from flow.training.ptq.pairs import consumer_range, producer_range, rescaled, scalable_pairs
from flow.training.ptq.reference import float_twin
from flow.training.quantize import float_network, quantize_network
from flow.training.spec import Spec
from tests.training.models import DIGIT_NETS, Functional, Random, example, randomized
from tests.training.ptq.common import BATCH, assert_same_bits, trained


def outputs(network, batch, spec):
    """What a float network computes, in double precision."""
    return float_twin(quantize_network(network, batch, spec))(batch).detach()


@pytest.mark.parametrize("batchnorm", ["fixed", "folded"])
@pytest.mark.parametrize("name", DIGIT_NETS)
def test_the_function_stays(name, batchnorm):
    """In double precision, to 1e-12 of the largest value: only the order of float roundings differs."""
    spec, batch = Spec(batchnorm=batchnorm), BATCH.double()
    network = float_network(trained(name).double(), batch, spec)
    trained(name).float()
    network = type(network)(network.calls, network.outputs, {k: v.double() for k, v in network.state.items()})
    held = {key: value.clone() for key, value in network.state.items()}
    result = equalise(network)
    expected, found = outputs(network, batch, spec), outputs(result, batch, spec)
    assert found.shape == expected.shape == (96, 10)
    assert float((found - expected).abs().max()) <= 1e-12 * float(expected.abs().max())
    assert all(torch.equal(held[key], network.state[key]) for key in held)
    assert any(not torch.equal(held[key], result.state[key]) for key in held)


@pytest.mark.parametrize("seed", range(8))
def test_the_function_of_random_networks_stays(seed):
    model = randomized(Random(seed) if seed else Functional(), seed).double().eval()
    batch = example(getattr(model, "shape", (2, 6, 6))).double()
    network = float_network(model, batch, Spec())
    for pair in scalable_pairs(network):
        factors = torch.rand(pair.channels, dtype=torch.float64) + 0.5
        network = rescaled(network, pair, factors)
    expected, found = model(batch).detach(), outputs(network, batch, Spec(scales="u32"))
    assert found.shape == expected.shape
    # A mean over 3 x 2 values is a product with a 32-bit reciprocal there.
    assert float((found - expected).abs().max()) <= 1e-9 * float(expected.abs().max())


def test_ranges_become_equal():
    network = equalise(float_network(trained("digits_mlp"), BATCH, Spec()))
    pairs = scalable_pairs(network)
    assert [(pair.producer.name, pair.consumer.name, pair.channels) for pair in pairs] == [
        ("fc1", "fc2", 32),
        ("fc2", "fc3", 32),
    ]
    for pair in pairs:
        first, second = producer_range(pair, network.state), consumer_range(pair, network.state)
        used = (first > 0) & (second > 0)
        assert int(used.sum()) > 20
        assert float((first / second)[used].log().abs().max()) < 0.01


def test_pairs_reach_through_reshapes_that_keep_the_channels():
    """Conv1d stands between two of them; behind a Flatten a BatchNorm has a factor for each place, and is no pair."""
    line = nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.Conv1d(4, 4, 3), nn.Flatten(), nn.Linear(16, 3))
    plane = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 3))
    for model, shape, expected in (
        (line, (2, 8), [("0", "2", 4), ("2", "4", 4)]),
        (plane, (2, 4, 4), [("2", "3", 16)]),
    ):
        batch = example(shape).double()
        network = float_network(randomized(model, 0).double().eval(), batch, Spec())
        assert [(pair.producer.name, pair.consumer.name, pair.channels) for pair in scalable_pairs(network)] == expected
        found, wanted = outputs(equalise(network), batch, Spec()), model(batch).detach()
        assert float((found - wanted).abs().max()) <= 1e-9 * float(wanted.abs().max())


def test_pairs_of_the_residual_network():
    network = float_network(trained("digits_resnet"), BATCH, Spec())
    assert [(pair.producer.name, pair.consumer.name) for pair in scalable_pairs(network)] == [
        ("stem.0", "stem.1"),
        ("block.conv1", "block.bn1"),
        ("block.bn1", "block.conv2"),
        ("block.conv2", "block.bn2"),
        ("head.0", "head.1"),
        ("head.1", "fc"),
    ]
    assert sum(isinstance(pair.consumer, BatchNorm) for pair in scalable_pairs(network)) == 4


def test_flattened_channels_and_groups_move_together():
    layers = [nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 1, groups=2), nn.MaxPool2d(2), nn.Flatten()]
    model = randomized(nn.Sequential(*layers, nn.Linear(32, 3)), 0).double()
    batch = example((2, 6, 6)).double()
    network = float_network(model, batch, Spec())
    assert [pair.channels for pair in scalable_pairs(network)] == [4, 8]
    expected, found = model(batch).detach(), outputs(equalise(network), batch, Spec())
    assert found.shape == (16, 3)
    assert float((found - expected).abs().max()) <= 1e-12 * float(expected.abs().max())


def test_shared_weights_and_outputs_stay():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    network = float_network(model, example((4,)), Spec())
    assert scalable_pairs(network) == ()
    assert equalise(network).state.keys() == network.state.keys()
    assert scalable_pairs(float_network(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), example((4,)), Spec())) == ()


def test_an_empty_channel_keeps_its_place():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight[1] = 0.0
        model[2].weight[:, 2] = 0.0
    network = equalise(float_network(model, example((3,)), Spec()))
    assert all(bool(torch.isfinite(value).all()) for value in network.state.values())
    assert torch.equal(network.state["0.weight"][2], model[0].weight[2].detach())


@pytest.mark.parametrize("batchnorm", ["fixed", "folded"])
@pytest.mark.parametrize("name", DIGIT_NETS)
def test_models_lower_to_the_same_bits(name, batchnorm):
    if name == "digits_mlp" and batchnorm == "folded":
        return  # it has no BatchNorm
    spec = Spec(weights="s4", activations="u4", batchnorm=batchnorm)
    network = equalise(float_network(trained(name), BATCH, spec))
    assert assert_same_bits(quantize_network(network, BATCH, spec)) > 0
