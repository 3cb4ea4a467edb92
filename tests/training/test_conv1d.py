"""Layers along one axis: the calls they become, the same values as torch's, and the same bits everywhere."""

import pytest
import torch
from torch import nn

from flow.errors import UnsupportedError
from flow.lowering import lower
from flow.training import quantize
from flow.training.calls import AvgPool2d, Conv2d, Reshape
from flow.training.importer import import_network
from tests.training.models import example, randomized
from tests.training.test_model import identity_of
from tests.training.test_tables import assert_same_bits

NETS = {
    "plain": lambda: nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(40, 3)),
    "window": lambda: nn.Sequential(nn.Conv1d(2, 4, 4, stride=3, padding=2, bias=False), nn.Flatten(),
                                    nn.Linear(20, 3)),
    "groups": lambda: nn.Sequential(nn.Conv1d(2, 4, 3, groups=2, padding="same"), nn.BatchNorm1d(4), nn.ReLU(),
                                    nn.Conv1d(4, 4, 1, groups=4), nn.Flatten()),
    "pools": lambda: nn.Sequential(nn.Conv1d(2, 4, 3), nn.MaxPool1d(2), nn.SiLU(), nn.AvgPool1d(2, 1),
                                   nn.AdaptiveAvgPool1d(2), nn.Flatten(), nn.Linear(8, 3)),
    "depthwise": lambda: nn.Sequential(nn.Unflatten(1, (2, 1)), nn.Conv2d(2, 4, (1, 3), groups=2), nn.ReLU(),
                                       nn.Conv2d(4, 4, (1, 3), groups=4, padding=(0, 1)), nn.Flatten()),
}  # fmt: skip


def net(name):
    return randomized(NETS[name](), 3).eval()


@pytest.mark.parametrize("name", NETS)
def test_the_same_bits_on_every_rung(name):
    for options in ({}, {"accumulators": "s10"}, {"granularity": "channel", "activations": "s7"}):
        assert_same_bits(quantize(net(name), example((2, 12)), **options), (2, 12))


@pytest.mark.parametrize("batchnorm", ["fixed", "folded"])
@pytest.mark.parametrize("name", NETS)
def test_without_casts_it_is_the_float_model(name, batchnorm):
    """Float sums in another order: equal to 1e-9 of the largest value, in double precision."""
    model, batch = net(name).double(), example((2, 12)).double()
    expected, found = model(batch).detach(), identity_of(quantize(model, batch, batchnorm=batchnorm))(batch).detach()
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) <= 1e-9 * float(expected.abs().max())


def test_folding_reaches_through_the_reshape():
    graph = lower(quantize(net("groups"), example((2, 12)), batchnorm="folded"))
    assert [node.op for node in graph][1:7] == ["reshape", "conv2d", "reshape", "relu", "reshape", "requantize"]
    assert graph["0"].bias is not None


def test_a_batchnorm_over_other_channels_than_the_layers_is_not_folded():
    model = nn.Sequential(nn.Linear(4, 8), nn.Unflatten(1, (2, 4)), nn.BatchNorm1d(2), nn.Flatten())
    with pytest.raises(UnsupportedError, match=r"^BatchNorm '2' cannot be folded"):
        quantize(model, example((4,)), batchnorm="folded")
    assert_same_bits(quantize(randomized(model, 0), example((4,))), (4,))


def test_one_layer_is_three_calls():
    network = import_network(NETS["window"](), example((2, 12)))
    plane, conv, line = network.calls[:3]
    assert plane == Reshape(name="0.plane", inputs=("input",), origin="0", base="input")
    assert conv == Conv2d(
        name="0", inputs=("0.plane",), origin="0", weight="0.weight", stride=(1, 3), padding=(0, 2)
    )  # fmt: skip
    assert line == Reshape(name="0.line", inputs=("0",), origin="0", base="0")
    assert [call.shape for call in (plane, conv, line)] == [(2, 1, 12), (4, 1, 5), (4, 5)]
    assert network.state["0.weight"].shape == (4, 2, 1, 4)
    pool = import_network(nn.Sequential(nn.AdaptiveAvgPool1d(3)), example((2, 12))).calls[1]
    assert pool == AvgPool2d(name="0", inputs=("0.plane",), origin="0", kernel=(1, 4), stride=(1, 4))


def test_casts_keep_their_names_and_follow_the_relu():
    graph = lower(quantize(net("pools"), example((2, 12))))
    assert [node.name for node in graph if node.op == "requantize"] == [
        "0.out", "2.in", "3.out", "4.out",
    ]  # fmt: skip
    graph = lower(quantize(net("plain"), example((2, 12))))
    assert [f"{node.name} {str(graph.values[node.name].format)[:2]}" for node in graph if node.op == "requantize"] == [
        "0.out u6"
    ]


def test_gradients_reach_the_kernel():
    qmodel = quantize(net("window"), example((2, 12))).train()
    qmodel(example((2, 12))).square().sum().backward()
    assert qmodel.layers["0"].weight.grad.shape == (4, 2, 1, 4)
    assert bool(torch.isfinite(qmodel.layers["0"].weight.grad).all())
    assert float(qmodel.layers["0"].weight.grad.abs().sum()) > 0
