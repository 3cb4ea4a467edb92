"""Casts go to the kernels without calls of modules, with the bits of those calls, and only where nobody sees them."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from flow.training import calibrating, quantize
from tests.training.test_user_loop import OPTIONS, batch, mlp, small

OTHERS = {**OPTIONS, "minifloat": {"weights": "e4m3", "activations": "e4m3"}, "stochastic": {"stochastic": True}}
CASTS = "torch::autograd::CppNode<(anonymous namespace)::Cast>"
RELU = "ReluBackward0"


def count(tensor, name):
    """How many nodes of a name the graph of a result holds."""
    seen, left = set(), [tensor.grad_fn]
    while left:
        node = left.pop()
        if node is not None and node not in seen:
            seen.add(node)
            left += [following for following, _ in node.next_functions]
    return sum(node.name() == name for node in seen)


def model(**options):
    return quantize(mlp(), batch()[0], **{"weights": "s4", "activations": "u4", **options}).train()


def layers(qmodel):
    """Its layers by their names: two Linear, a BatchNorm, the input's cast and two more, and the ReLU before one."""
    return {step.name: qmodel.layers[step.layer] for step in qmodel.steps}


@pytest.fixture
def x():
    return batch()[0]


def called(qmodel):
    """The same model, whose layers are all called as modules."""
    single = copy.deepcopy(qmodel)
    single._shortcuts = dict
    return single


def results(qmodel, x):
    """The output and every gradient of one pass."""
    torch.manual_seed(0)
    qmodel.zero_grad()
    made = qmodel(x)
    made.square().sum().backward()
    return [made, *(tensor.grad for tensor in qmodel.parameters())]


def assert_equal_results(qmodel, x):
    found, expected = results(qmodel, x), results(called(qmodel), x)
    assert len(found) == len(expected) > 10
    for mine, its in zip(found, expected, strict=True):
        assert (mine is None and its is None) or torch.equal(mine, its)


@pytest.mark.parametrize("options", OTHERS)
def test_shortcuts_have_the_bits_of_calls(options):
    x = torch.randn(16, 2, 6, 6, generator=torch.Generator().manual_seed(0))
    qmodel = quantize(small(), x, **OTHERS[options]).train()
    assert len(qmodel._shortcuts()) >= (1 if options == "stochastic" else 9)
    assert_equal_results(qmodel, x)


def test_all_constants_are_cast_by_one_node(x):
    qmodel = model()
    # The input is cast by one more, and the two values between layers; one takes the ReLU along.
    assert (count(qmodel(x), CASTS), count(qmodel(x), RELU)) == (4, 0)
    assert (count(called(qmodel)(x), CASTS), count(called(qmodel)(x), RELU)) == (9, 1)


def test_a_constant_that_no_kernel_casts_leaves_the_others_to_it(x):
    qmodel = model(layers={"0": {"khot": 2}})
    assert count(qmodel(x), CASTS) == 5
    assert_equal_results(qmodel, x)
    qmodel.double()
    assert count(qmodel(x.double()), CASTS) == 0
    assert_equal_results(qmodel, x.double())


def test_values_are_those_of_every_step(x):
    qmodel = model()
    values = dict(zip((step.name for step in qmodel.steps), qmodel.values(x), strict=True))
    result = values[qmodel.steps[qmodel.outputs[0]].name]
    assert count(result, RELU) == 1
    assert values["1.relu"].amin() == 0.0
    assert torch.equal(result, qmodel(x))


def test_who_watches_sees_what_the_layer_makes(x):
    qmodel, seen = model(), []
    expected = qmodel(x)
    for name, layer in layers(qmodel).items():
        handle = layer.register_forward_hook(lambda layer, given, result: seen.append(result))
        assert torch.equal(qmodel(x), expected)
        handle.remove()
        assert torch.equal(qmodel(x), expected)
        assert torch.equal(seen[-1], qmodel.values(x)[[step.name for step in qmodel.steps].index(name)])
    assert len(seen) == len(qmodel.steps) == 7
    assert count(qmodel(x), RELU) == 0


def test_global_hooks_see_every_call(x):
    seen = []
    handle = nn.modules.module.register_module_forward_hook(lambda module, given, result: seen.append(module))
    qmodel = model()
    seen.clear()
    assert count(qmodel(x), RELU) == 1
    handle.remove()
    assert {id(layer) for layer in layers(qmodel).values()} < {id(module) for module in seen}


@pytest.mark.parametrize(
    ("name", "part"), [("1.out", "quantizer"), ("0", "weight_quantizer"), ("1", "shift_quantizer")]
)
def test_a_watched_or_changed_quantiser_is_called(name, part, x):
    qmodel, seen = model(), []
    quantizer, expected = getattr(layers(qmodel)[name], part), qmodel(x)
    handle = quantizer.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    assert torch.equal(qmodel(x), expected)
    handle.remove()
    quantizer.forward = lambda value: (seen.append(value), type(quantizer).forward(quantizer, value))[1]
    assert torch.equal(qmodel(x), expected)
    assert len(seen) == 2
    assert torch.equal(*seen)
    assert name != "1.out" or seen[0].amin() == 0.0
    del quantizer.forward
    assert count(qmodel(x), CASTS) == 4


def test_calibration_and_layers_of_ones_own_come_first(x):
    qmodel = model()
    with calibrating(qmodel), torch.no_grad():
        before = qmodel(x)
    assert torch.equal(qmodel(x), before)
    qmodel.layers["1_relu"] = nn.Softplus()
    assert not torch.equal(qmodel(x), before)
    qmodel = model()
    expected = qmodel(x)
    layers(qmodel)["1.out"].quantizer = nn.Identity()
    assert count(qmodel(x), RELU) == 1
    assert not torch.equal(qmodel(x), expected)


def test_constants_that_come_go_or_change_are_seen(x):
    qmodel = model()
    first, before = layers(qmodel)["0"], qmodel(x)
    first.weight = nn.Parameter(-first.weight.detach())
    assert not torch.equal(qmodel(x), before)
    assert_equal_results(qmodel, x)
    bias, first.bias = first.bias, None
    assert_equal_results(qmodel, x)
    without = qmodel(x)
    first.bias = bias
    assert not torch.equal(qmodel(x), without)
    parametrize.register_parametrization(first, "weight", nn.Tanh())
    assert_equal_results(qmodel, x)
    assert count(qmodel(x), "TanhBackward0") == 1


def test_a_copy_has_ways_of_its_own(x):
    qmodel = model()
    before = qmodel(x)
    other = copy.deepcopy(qmodel)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert torch.equal(qmodel(x), before)
    assert not torch.equal(other(x), before)
    replica = copy.copy(qmodel)
    replica.layers = other.layers
    assert torch.equal(replica(x), other(x))
