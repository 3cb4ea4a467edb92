"""Attention, LayerNorm, embeddings and constants of the forward: what they become; floats and integers agree."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from flow.ir import Graph, Input, Lookup, MatMul, ScaleShift, Softmax, Table, interpret, trace
from flow.lowering import encode_input, lower, simulate_torch
from flow.training import fit, quantize, seeded
from tests.training.models import example
from tests.training.test_importer import Made

WIDE = {"weights": "s12", "activations": "s12", "sums": "s14", "tables": "u12", "scales": "s12", "biases": "s14"}


def lowered(model, x, **options):
    """The graph, after the torch rung and the interpreter have agreed on every code of every node."""
    qmodel = quantize(model, x, **options)
    graph, codes = lower(qmodel), encode_input(qmodel, x)
    expected, actual = trace(graph, codes), simulate_torch(graph, qmodel, codes)
    assert list(actual) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, err_msg=name)
    return graph, qmodel, expected[graph.outputs[0]] * float(graph.values[graph.outputs[0]].format.step)


def off(model, x, **options):
    """How far the fixed-point form is from the float model, with words of twelve bits."""
    graph, _, found = lowered(model, x, **(WIDE | options))
    return graph, np.abs(found - model.eval()(x).detach().numpy())


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("shape", [(8,), (3, 8), (2, 3, 4)])
@pytest.mark.parametrize("affine", [True, False])
def test_layer_norm(shape, affine):
    model = nn.Sequential(nn.LayerNorm(shape[-1], elementwise_affine=affine))
    if affine:
        nn.init.normal_(model[0].weight)
        nn.init.normal_(model[0].bias)
    graph, error = off(model, example(shape, count=64))
    assert error.mean() < 0.02  # a row whose variance is a hundredth of the largest has a coarse root
    assert sum(isinstance(node, Table) for node in graph) == 1
    assert sum(isinstance(node, ScaleShift) for node in graph) == affine


def test_layer_norm_over_two_axes_with_a_factor_for_each_place():
    layer = nn.LayerNorm((3, 4), bias=False)
    nn.init.normal_(layer.weight)
    graph, error = off(nn.Sequential(layer), example((2, 3, 4), count=64))
    assert error.max() < 0.08
    (scale,) = (node.scale.codes for node in graph if isinstance(node, ScaleShift))
    assert scale.shape == (24,)
    assert np.array_equal(scale[:12], scale[12:])  # the same factors for both rows


def test_attention_of_one_sequence():
    attend = nn.MultiheadAttention(8, 2, batch_first=True)
    model = Made(lambda self, x: self.attend(x, x, x)[0], attend=attend)
    graph, error = off(model, example((5, 8), count=64))
    assert error.max() < 0.05
    assert [graph.values[node.name].shape for node in graph if isinstance(node, MatMul)] == [(2, 5, 5), (2, 5, 4)]
    assert {node.origin for node in graph if isinstance(node, MatMul)} == {"attend"}


def test_attention_by_hand_is_that_of_torch():
    """The factor 1/2 is a shift of the scores by hand, and part of the factor in torch's own function."""
    parts = {"q": nn.Linear(8, 4), "k": nn.Linear(8, 4)}
    whole = Made(lambda self, x: functional.scaled_dot_product_attention(self.q(x), self.k(x), x), **parts)
    hand = Made(
        lambda self, x: torch.softmax(self.q(x) @ self.k(x).transpose(-2, -1) / 2, -1) @ x, **copy.deepcopy(parts)
    )
    batched = Made(
        lambda self, x: torch.bmm(functional.softmax(torch.bmm(self.q(x), self.k(x).mT) * 0.5, 2), x), **parts
    )
    x = example((5, 8), count=64)
    assert max(off(model, x)[1].max() for model in (whole, hand, batched)) < 0.05


def test_an_encoder_layer_trains_and_stays_exact():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    model = Made(lambda self, x: self.head(self.body(x).mean(1)), body=layer, head=nn.Linear(8, 3))
    x, y = example((4, 8), count=96), torch.arange(96) % 3
    with seeded(0):
        qmodel = quantize(model, x, activations="s8", tables="u10")
    before = functional.cross_entropy(qmodel(x), y).item()
    fit(qmodel, (x, y), (x, y), epochs=4, seed=0)
    assert functional.cross_entropy(qmodel(x), y).item() < before
    graph, codes = lower(qmodel), encode_input(qmodel, x)
    expected, actual = trace(graph, codes), simulate_torch(graph, qmodel, codes)
    assert all(np.array_equal(actual[name], value) for name, value in expected.items())
    assert sum(isinstance(node, MatMul) for node in graph) == 2


def test_adding_an_integer_to_all_exponents_changes_no_bit_of_a_softmax():
    """What reads the exponents of a model's softmax sees the same shares wherever they lie."""
    graph, _, _ = lowered(nn.Sequential(nn.Softmax(1)), example((6,), count=64), activations="s8")
    (node,) = (node for node in graph if isinstance(node, Softmax))
    value = graph.operands(node)[0]
    alone = Graph(
        "alone", (Input(name="x", shape=(6,), format=value.format), replace(node, inputs=("x",))), (node.name,)
    )
    step, rng = 1 << value.format.frac, np.random.default_rng(0)
    codes = rng.integers(-4 * step, 4 * step, (200, 6))
    (first,) = interpret(alone, codes)
    assert len(np.unique(first)) > 20
    for moved in (-20, -3, -1, 1, 2, 17, 27):
        assert np.array_equal(interpret(alone, codes + moved * step)[0], first)


@pytest.mark.parametrize("place", ["module", "function", "columns"])
def test_rows_by_their_number(place):
    x = torch.randint(0, 11, (64, 4))
    forwards = {
        "module": lambda self, x: self.fc(self.rows(x).flatten(1)),
        "function": lambda self, x: self.fc((functional.embedding(x, self.table) + self.places).flatten(1)),
        "columns": lambda self, x: self.fc(torch.cat([self.rows(x[:, :2]), self.few(x[:, 2:])], 1).flatten(1)),
    }
    parts = {"rows": nn.Embedding(11, 6), "few": nn.Embedding(30, 6), "fc": nn.Linear(24, 3)}
    tensors = {"table": nn.Parameter(torch.randn(11, 6)), "places": nn.Parameter(torch.randn(1, 4, 6))}
    graph, error = off(Made(forwards[place], **parts, **tensors), x)
    assert error.max() < 0.02
    rows = [node.rows for node in graph if isinstance(node, Lookup)]
    count = 32 if place == "columns" else 16
    assert str(graph.input.format) == f"u{count.bit_length() - 1}.0"
    assert [held.shape for held in rows] == [(count, 6)] * (2 if place == "columns" else 1)
    assert not rows[0].codes[11:].any()  # beyond the vocabulary


def test_only_the_rows_that_were_read_learn():
    x = torch.randint(0, 5, (32, 3))
    qmodel = quantize(Made(lambda self, x: self.rows(x).flatten(1), rows=nn.Embedding(11, 2)), x)
    assert [name for name, _ in qmodel.named_parameters() if "frac" in name and "input" not in name]
    qmodel.train()(x).square().sum().backward()
    grad = qmodel.layers["rows"].weight.grad
    assert grad[5:].abs().max() == 0
    assert grad[:5].abs().amax(1).min() > 0
    assert qmodel.layers["input"].quantizer.frac.grad is None


def test_constants_of_the_forward():
    """Numbers are not trained, parameters are; one for each channel stands as BatchNorm does."""
    numbers = Made(lambda self, x: (1 - 2 * x) / 4 - (-x) * 0.5 + 3)
    _, qmodel, _ = lowered(numbers, example((3, 4), count=64))
    assert not any(parameter.requires_grad for name, parameter in qmodel.named_parameters() if "frac" not in name)
    assert off(numbers, example((3, 4), count=64))[1].max() < 0.03
    scalar = Made(lambda self, x: x * self.p, p=nn.Parameter(torch.tensor(0.7)))
    lowered(scalar, example((3, 4), count=64), lengths="learned")
    parts = {"p": nn.Parameter(torch.randn(3, 1, 1)), "q": nn.Parameter(torch.randn(1, 3, 4, 5))}
    graph, error = off(Made(lambda self, x: self.p * x + self.q, **parts), example((3, 4, 5), count=64))
    assert error.max() < 0.03
    channel, place = (node for node in graph if isinstance(node, ScaleShift))
    assert (channel.scale.shape, place.shift.shape) == ((3,), (60,))


@pytest.mark.parametrize(
    ("forward", "shape"),
    [
        (lambda self, x: x.mean((2, 3)), (3, 4, 4)),
        (lambda self, x: x.mean(1), (4, 3)),
        (lambda self, x: x.mean((1, 3), keepdim=True), (3, 4, 2)),
        (lambda self, x: x.sum((1, 2)), (3, 4, 2)),
        (lambda self, x: x.sum(-1, keepdim=True), (3, 4)),
        (lambda self, x: x.amax((1, 2)), (3, 4, 2)),
    ],
)
def test_reductions(forward, shape):
    assert off(Made(forward), example(shape, count=64))[1].max() < 0.02


def test_slopes_are_trained():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.PReLU(3), nn.Flatten(), nn.Linear(48, 4), nn.PReLU())
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([-0.5, 0.25, 1.5]))
    graph, error = off(model, example((2, 6, 6), count=64))
    assert error.max() < 0.02
    _, qmodel, _ = lowered(model, example((2, 6, 6), count=64))
    qmodel.train()(example((2, 6, 6), count=64)).square().sum().backward()
    slopes = [layer.scale for name, layer in qmodel.layers.items() if name.endswith("slope")]
    assert [tuple(slope.shape) for slope in slopes] == [(3,), (1,)]
    assert all(slope.grad.abs().min() > 0 for slope in slopes)
    assert [node.scale.shape for node in graph if isinstance(node, ScaleShift)] == [(3,), (4,)]
