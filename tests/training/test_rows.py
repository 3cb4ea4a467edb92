"""A Linear of the rows of [..., I]: the calls that it becomes, the bits of one row at a time, every exporter."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import flow
from flow.ir import Transpose
from flow.lowering import encode_input, lower
from flow.training import quantize
from flow.training.ptq import apply
from tests.lowering.test_from_torch import compare
from tests.training.models import example
from tests.training.test_importer import Made, refused

SHAPES = [(4, 6), (2, 3, 6), (1, 6), (5, 1), (1, 1, 1), (2, 1, 3, 2)]


def network(shape):
    torch.manual_seed(1)
    parts = {"a": nn.Linear(shape[-1], 5), "b": nn.Linear(5, 5, bias=False), "c": nn.Linear(5, 1)}
    return Made(lambda self, x: self.c((y := functional.relu(self.a(x))) + self.b(self.b(y))), **parts)


def test_one_becomes_a_convolution_of_single_places():
    graph = lower(quantize(nn.Sequential(nn.Linear(6, 5)), example((4, 6))))
    assert [(node.name, node.op, graph.values[node.name].shape) for node in graph] == [
        ("input", "input", (4, 6)), ("0.rows", "reshape", (1, 4, 6)), ("0.image", "transpose", (6, 1, 4)),
        ("0", "conv2d", (5, 1, 4)), ("0.places", "transpose", (1, 4, 5)), ("0.joined", "reshape", (4, 5)),
    ]  # fmt: skip


def test_what_moves_no_code_is_no_transposition():
    for shape in ((1, 6), (5, 1), (1, 1, 1)):
        graph = lower(quantize(nn.Linear(shape[-1], 1), example(shape)))
        assert not any(isinstance(node, Transpose) for node in graph)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "options", [{}, {"granularity": "element", "cast_granularity": "channel"}, {"accumulators": "s9"}]
)
def test_every_node_equals_the_interpreter(shape, options):
    qmodel = quantize(network(shape), example(shape), **options)
    graph = lower(qmodel)
    assert compare(graph, qmodel, encode_input(qmodel, example(shape, 1))) == 16 * sum(
        value.size for value in graph.values.values()
    )


def test_rows_have_the_bits_that_each_of_them_has_alone():
    shape = (3, 6)
    whole, single = (quantize(network(s), example(s)).eval() for s in (shape, shape[-1:]))
    single.load_state_dict({key: t.reshape(single.state_dict()[key].shape) for key, t in whole.state_dict().items()})
    x = example(shape, 1)
    assert torch.equal(whole(x), torch.stack([single(row) for row in x.unbind(1)], 1))
    found = [torch.autograd.grad(net.square().sum(), leaf)[0] for net, leaf in _weights(whole, single, x)]
    assert torch.allclose(found[0].flatten(), found[1].flatten(), rtol=1e-4)


def _weights(whole, single, x):
    """Results of both nets with the weight of their first layer, of which gradients are asked for."""
    yield whole(x), whole.layers["a"].weight
    yield torch.stack([single(row) for row in x.unbind(1)], 1), single.layers["a"].weight


MINIFLOATS = {"weights": "e2m1", "activations": "e4m3"}


@pytest.mark.parametrize(
    ("options", "rungs"),
    [({}, ["onnxruntime", "csim"]), ({"hadamard": 4}, ["onnxruntime"]), (MINIFLOATS, ["onnxruntime"])],
)
def test_exported_forms_have_the_same_bits(options, rungs):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2), nn.Flatten(), nn.Linear(6, 3))
    graph = lower(quantize(model, example((3, 4)), **options))
    ladder = flow.simulate(graph, example((3, 4), 1), rungs=rungs)
    assert ladder.passed and len(ladder.rungs) == len(rungs), str(ladder)


def test_post_training_methods_take_it():
    model = apply(network((4, 6)), example((4, 6)), ["equalise", "smooth", "gptq", "bias_correction"], weights="s4")
    graph = lower(model)
    assert compare(graph, model, encode_input(model, example((4, 6), 2))) > 0


def test_a_weight_that_serves_vectors_and_rows_is_refused():
    model = Made(lambda self, x: self.a(functional.relu(self.a(x)).flatten(1)), a=nn.Linear(4, 2))
    refused(
        model, example((2, 4)),
        "aten.linear.default in 'a' (its weight 'a.weight' serves vectors in one place and rows in another; give each "
        "a weight of its own)",
    )  # fmt: skip
