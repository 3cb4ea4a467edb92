"""A ReLU and its cast run as one, with the bits of the two, and only where nobody sees what lies between."""

import copy

import pytest
import torch
from torch import nn

from flow.training import calibrating, quantize
from tests.training.test_user_loop import OPTIONS, batch, mlp, small

OTHERS = {**OPTIONS, "minifloat": {"weights": "e4m3", "activations": "e4m3"}, "stochastic": {"stochastic": True}}


def relus(tensor):
    """How many ReLUs the graph of a result holds."""
    seen, left = set(), [tensor.grad_fn]
    while left:
        node = left.pop()
        if node is not None and node not in seen:
            seen.add(node)
            left += [following for following, _ in node.next_functions]
    return sum(node.name() == "ReluBackward0" for node in seen)


def model(**options):
    return quantize(mlp(), batch()[0], **{"weights": "s4", "activations": "u4", **options}).train()


def pair(qmodel):
    """The steps of its one ReLU and of the cast that follows."""
    ((relu, cast),) = qmodel._rectified.items()
    return qmodel.steps[relu], qmodel.steps[cast]


@pytest.fixture
def x():
    return batch()[0]


def results(qmodel, x):
    """The output and every gradient of one pass."""
    torch.manual_seed(0)
    qmodel.zero_grad()
    made = qmodel(x)
    made.square().sum().backward()
    return [made, *(tensor.grad for tensor in qmodel.parameters())]


@pytest.mark.parametrize("options", OTHERS)
def test_joined_steps_have_the_bits_of_single_ones(options):
    x = torch.randn(16, 2, 6, 6, generator=torch.Generator().manual_seed(0))
    qmodel = quantize(small(), x, **OTHERS[options]).train()
    single = copy.deepcopy(qmodel)
    assert qmodel._rectified
    single._rectified = {}
    found, expected = results(qmodel, x), results(single, x)
    assert len(found) == len(expected) > 10
    for mine, its in zip(found, expected, strict=True):
        assert (mine is None and its is None) or torch.equal(mine, its)


def test_values_are_those_of_every_step(x):
    qmodel = model()
    values = dict(zip((step.name for step in qmodel.steps), qmodel.values(x), strict=True))
    result = values[qmodel.steps[qmodel.outputs[0]].name]
    assert (relus(qmodel(x)), relus(result)) == (0, 1)
    assert values[pair(qmodel)[0].name].amin() == 0.0
    assert torch.equal(result, qmodel(x))


def test_who_watches_sees_the_relu(x):
    seen = []
    qmodel = model()
    for step in pair(qmodel):
        handle = qmodel.layers[step.layer].register_forward_hook(lambda layer, given, result: seen.append(result))
        assert relus(qmodel(x)) == 1
        handle.remove()
        assert relus(qmodel(x)) == 0
    handle = nn.modules.module.register_module_forward_hook(lambda module, given, result: None)
    assert relus(model()(x)) == 1
    handle.remove()
    assert len(seen) == 2
    assert all(value.amin() == 0.0 for value in seen)


def test_a_watched_or_changed_quantiser_is_called(x):
    qmodel, seen = model(), []
    quantizer = qmodel.layers[pair(qmodel)[1].layer].quantizer
    handle = quantizer.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    expected = qmodel(x)
    handle.remove()
    quantizer.forward = lambda value: (seen.append(value), type(quantizer).forward(quantizer, value))[1]
    assert torch.equal(qmodel(x), expected)
    assert len(seen) == 2
    assert torch.equal(*seen)
    assert seen[0].amin() == 0.0


def test_calibration_and_layers_of_ones_own_come_first(x):
    qmodel = model()
    with calibrating(qmodel), torch.no_grad():
        before = qmodel(x)
    assert torch.equal(qmodel(x), before)
    qmodel.layers[pair(qmodel)[0].layer] = nn.Softplus()
    assert qmodel(x).grad_fn is not None
    assert not torch.equal(qmodel(x), before)
    qmodel = model()
    qmodel.layers[pair(qmodel)[1].layer].quantizer = nn.Identity()
    assert relus(qmodel(x)) == 1
