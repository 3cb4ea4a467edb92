"""Hadamard rotation: the same function in real numbers, the same bits in the graph, and where it cannot be."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from flow.datasets import load
from flow.errors import RecipeError
from flow.lowering import encode_input, lower
from flow.training import quantize
from flow.training.rotation import hadamard_signs
from tests.graphs import random_codes
from tests.lowering.test_from_torch import built_in, compare
from tests.training.models import Functional, example, randomized
from tests.training.test_model import identity_of

DATA = load("digits")


@pytest.mark.parametrize("size", [4, 16, 64])
def test_the_matrix_is_its_own_inverse_but_for_a_power_of_two(size):
    signs = hadamard_signs(size)
    assert torch.equal(signs @ signs, size * torch.eye(size))
    assert torch.equal(signs, signs.mT)
    assert set(signs.flatten().tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize("batchnorm", ["fixed", "folded"])
@pytest.mark.parametrize(("name", "size"), [("digits_mlp", 64), ("digits_mlp", 4), ("digits_resnet", 4)])
def test_without_casts_it_is_the_float_model(name, size, batchnorm):
    """Float sums in another order: equal to 1e-9 of the largest value, in double precision."""
    model = randomized(built_in(name), 0).double().eval()
    batch = torch.from_numpy(DATA.train_x[:8]).double()
    qmodel = quantize(model, batch, hadamard=size, batchnorm=batchnorm)
    assert any(step.name.endswith(".hadamard") for step in qmodel.steps)
    expected, found = model(batch).detach(), identity_of(qmodel)(batch).detach()
    assert float((found - expected).abs().max()) <= 1e-9 * float(expected.abs().max())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("digits_mlp", {"hadamard": 4, "weights": "s4", "activations": "u4"}),
        ("digits_mlp", {"hadamard": 16, "weights": "e2m1", "activations": "e2m1"}),
        ("digits_mlp", {"hadamard": 64, "weights": "mxfp4", "input": "u5"}),
        ("digits_resnet", {"hadamard": 4, "weights": "s4", "activations": "u4"}),
        ("digits_resnet", {"hadamard": 16, "batchnorm": "folded", "activations": "e3m2"}),
    ],
)
def test_nets_equal_the_interpreter_on_every_node(name, options):
    qmodel = quantize(randomized(built_in(name), 3), DATA.train_x[:64], **options)
    graph = lower(qmodel)
    assert any(node.name.endswith(".hadamard") for node in graph)
    compared = compare(graph, qmodel, encode_input(qmodel, DATA.test_x[:20]))
    compared += compare(graph, qmodel, random_codes(graph, 10))
    assert compared == 30 * sum(value.size for value in graph.values.values())


def test_groups_and_shared_layers():
    """Two groups of four channels are turned one by one; a layer used twice has one weight and two rotations."""
    first = randomized(nn.Sequential(nn.Conv2d(8, 8, 3, groups=2), nn.ReLU(), nn.Flatten()), 0)
    for model, shape in ((first, (8, 5, 5)), (randomized(Functional(), 1), (2, 6, 6))):
        batch = example(shape)
        qmodel = quantize(model, batch, hadamard=4)
        graph = lower(qmodel)
        assert compare(graph, qmodel, random_codes(graph, 12)) == 12 * sum(v.size for v in graph.values.values())
        expected = model.double().eval()(batch.double()).detach()
        found = identity_of(qmodel)(batch.double()).detach()
        assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())  # float32 reciprocals


def test_the_cast_follows_the_turn():
    model = randomized(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)), 0)
    graph = lower(quantize(model, example((8,), signed=False), activations="u5", hadamard=4))
    words = [(node.name, node.op, f"{graph.values[node.name].format}".split(".")[0]) for node in graph]
    casts = [(name, word) for name, op, word in words if op in ("input", "requantize")]
    assert casts == [
        ("input", "u16"),
        ("0.hadamard.out", "s5"),
        ("2.hadamard.out", "s5"),
        ("4.hadamard.out", "s5"),
    ]
    turn = graph["2.hadamard"]
    assert turn.weight.format.frac == 1
    assert np.array_equal(turn.weight.codes, np.kron(np.eye(2), hadamard_signs(4).numpy()))


def test_the_cast_behind_a_turn_keeps_its_granularity():
    model = randomized(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)), 0)
    qmodel = quantize(model, example((8,)), hadamard=4, cast_granularity="channel")
    graph = lower(qmodel)
    assert [(node.name, node.fracs.shape) for node in graph if node.op == "requantize_each"] == [
        ("2.hadamard.out", (8,))
    ]
    assert compare(graph, qmodel, random_codes(graph, 12)) == 12 * sum(v.size for v in graph.values.values())


def test_one_turn_serves_all_that_read_a_value_and_others_read_it_as_it_was():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            y = torch.relu(self.a(x))
            return self.b(y) + self.c(y) + y

    graph = lower(quantize(randomized(Branches(), 0), example((4,)), hadamard=4))
    assert [node.name for node in graph if node.op == "dense"] == ["a.hadamard", "a", "b.hadamard", "b", "c"]
    assert graph["b"].inputs == graph["c"].inputs == ("b.hadamard.out",)
    assert graph["b.hadamard"].inputs == ("a.out",)


def test_an_input_that_is_given_stays_and_layers_choose_for_themselves():
    model = randomized(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)), 0)
    batch = example((8,))
    assert f"{lower(quantize(model, batch, hadamard=4, input='s7')).input.format}".startswith("s7.")
    graph = lower(quantize(model, batch, layers={"2": {"hadamard": 4}}))
    assert [node.name for node in graph if node.name.endswith("hadamard")] == ["2.hadamard"]
    assert f"{graph.input.format}".startswith("s6.")


@pytest.mark.parametrize("size", [0, 1, 8, 32, True, "16"])
def test_other_sizes_are_refused(size):
    message = f"hadamard is 4, 16, 64, or None for no turn, not {size!r}."
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        quantize(nn.Linear(8, 2), example((8,)), hadamard=size)


def test_a_turn_that_no_layer_can_have_is_refused():
    message = (
        "hadamard=16 turns nothing, since no Linear and no group of a convolution has a multiple of as many inputs; "
        "choose 4 or leave it out."
    )
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        quantize(nn.Linear(8, 2), example((8,)), hadamard=16)


def test_layers_that_share_a_weight_turn_it_alike():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    message = (
        "Layers that share a weight turn it alike, but '2' has hadamard=None and the layer before that shares its "
        "weight has 4; name both alike."
    )
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        quantize(model, example((4,)), layers={"0": {"hadamard": 4}})
