"""A quantised model is an ordinary module: any loop, copies and state work on it as on a float one."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional

from flow.ir import dump
from flow.lowering import lower
from flow.training import quantize
from tests.training.models import Functional, example, randomized

DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
OPTIONS = {
    "plain": {},
    "channel": {"granularity": "channel", "batchnorm": "fixed"},
    "learned": {"lengths": "learned", "granularity": "element"},
    "following": {"lengths": "learned", "overflow": "WRAP"},
    "khot": {"khot": 2, "layers": {"fc": {"weights": "s4"}}},
}


def small():
    """A convolution of each kind, shared layers, additions and both poolings."""
    return randomized(Functional(), 0)


def mlp():
    return randomized(nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3)), 0)


def batch(count=96):
    """Samples that a plane separates into three classes."""
    x = example((6,), seed=3, count=count)
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0.5).long()


def steps(model, x, y, count, lr=0.05):
    """The losses of a plain loop."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(count):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def stored(qmodel):
    return dump(lower(qmodel))


@pytest.mark.parametrize("device", DEVICES)
def test_a_plain_loop_lowers_the_loss_and_moves_the_points(device):
    x, y = (part.to(device) for part in batch())
    qmodel = quantize(mlp().to(device), x, weights="s4", activations="u4").train()
    before = {name: tensor.detach().clone() for name, tensor in qmodel.named_parameters()}
    losses = steps(qmodel, x, y, 40)
    assert losses[-1] < 0.5 * losses[0]
    points = [name for name, tensor in qmodel.named_parameters() if "quantizer" in name]
    assert len(points) == 9  # input, two weights, two biases, scale, shift, and the casts of the sums and the ReLU
    assert [name for name, tensor in qmodel.named_parameters() if torch.equal(tensor, before[name])] == []


@pytest.mark.parametrize("options", OPTIONS)
def test_state_goes_into_a_fresh_model_bit_by_bit(options):
    x = example((2, 6, 6))
    trained, fresh = (quantize(small(), part, **OPTIONS[options]) for part in (x, 3 * x))
    steps(trained.train(), x, torch.arange(16) % 3, 3)
    assert stored(trained.eval()) != stored(fresh.eval())
    fresh.load_state_dict(trained.state_dict())
    assert torch.equal(trained(x), fresh(x))
    assert stored(trained) == stored(fresh)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("made", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])  # noqa: S301
def test_a_copy_trains_on_its_own(made, options):
    x, y = example((2, 6, 6)), torch.arange(16) % 3
    first = quantize(small(), x, **OPTIONS[options]).train()
    before = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    second = made(first)
    losses = steps(second, x, y, 2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in first.state_dict().items())
    assert any(not torch.equal(tensor, before[name]) for name, tensor in second.state_dict().items())
    assert steps(first, x, y, 2) == losses
    assert stored(first.eval()) == stored(second.eval())
