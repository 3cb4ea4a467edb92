"""torch == interpreter, code by code, on every node; and what lowering refuses."""

import itertools
import re

import numpy as np
import pytest
import torch
from torch import nn

from flow.datasets import load
from flow.errors import DataError, SimulationError, UnsupportedError
from flow.formats import Overflow, Rounding
from flow.ir import ArgMax, dump, to_text, trace
from flow.ir import load as load_graph
from flow.lowering import encode_input, lower, simulate_torch
from flow.training import NETS, fit, quantize, seeded
from tests.graphs import random_codes
from tests.training.models import DIGIT_NETS, Functional, Random, example, randomized

DATA = load("digits")


def compare(graph, qmodel, codes):
    """How many codes were compared; every one of every node must be equal."""
    expected, found = trace(graph, codes), simulate_torch(graph, qmodel, codes)
    assert expected.keys() == found.keys() == {node.name for node in graph}
    for name, value in expected.items():
        assert found[name].dtype == np.int64
        assert np.array_equal(value, found[name]), name
    return sum(value.size for value in expected.values())


def built_in(name, seed=0):
    with seeded(seed):
        return NETS[name]()


SPECS = [
    {},
    {"batchnorm": "folded"},
    {"weights": "s3", "activations": "u3", "biases": "s5", "sums": "s4", "scales": "s3", "shifts": "s4"},
    {"weights": "s8", "activations": "s8", "rounding": Rounding.RND_CONV},
    {"weights": "s4", "activations": "u5", "rounding": "TRN", "overflow": "WRAP"},
    {"activations": "s6", "rounding": "RND_MIN_INF", "overflow": "WRAP_SM"},
    {"weights": "s7", "rounding": "RND_INF", "overflow": "SAT_SYM", "batchnorm": "folded"},
    {"weights": "s5", "activations": "u4", "rounding": "TRN_ZERO", "overflow": Overflow.SAT_ZERO},
    {"weights": "s12", "activations": "u12", "sums": "s16", "rounding": "RND_ZERO"},
]


@pytest.mark.parametrize(("name", "spec"), list(itertools.product(DIGIT_NETS, SPECS)))
def test_untrained_nets_equal_the_interpreter_on_every_node(name, spec):
    qmodel = quantize(randomized(built_in(name), 3), DATA.train_x[:64], **spec)
    graph = lower(qmodel, DATA.test_x, argmax=True)
    compared = compare(graph, qmodel, encode_input(qmodel, DATA.test_x[:40]))
    compared += compare(graph, qmodel, random_codes(graph, 20))
    assert compared == 60 * sum(value.size for value in graph.values.values())


@pytest.mark.parametrize(("name", "spec"), [("digits_mlp", {}), ("digits_resnet", {}), ("digits_resnet", SPECS[2])])
def test_trained_nets_equal_the_interpreter_on_every_node(name, spec):
    model = built_in(name)
    fit(model, DATA.train, DATA.test, epochs=2, seed=0)
    qmodel = quantize(model, DATA.train_x[:128], **spec)
    before = dict(qmodel.formats())
    fit(qmodel, DATA.train, DATA.test, epochs=2, seed=0, point_lr=5e-2)
    assert qmodel.formats() != before
    graph = lower(qmodel)
    codes = encode_input(qmodel, DATA.test_x)
    assert compare(graph, qmodel, codes) == 360 * sum(value.size for value in graph.values.values())


@pytest.mark.parametrize("seed", range(30))
def test_random_nets_equal_the_interpreter_on_every_node(seed):
    rng = np.random.default_rng(seed)
    model = randomized(Random(seed), seed)
    widths = {key: f"s{rng.integers(3, 9)}" for key in ("weights", "biases", "sums", "scales", "shifts")}
    spec = {**widths, "activations": f"{'us'[rng.integers(2)]}{rng.integers(3, 9)}"}
    qmodel = quantize(
        model, example(model.shape, seed, signed=bool(seed % 2)), rounding=list(Rounding)[seed % 7], **spec
    )
    graph = lower(qmodel, argmax=bool(seed % 3))
    assert compare(graph, qmodel, random_codes(graph, 12, seed)) == 12 * sum(v.size for v in graph.values.values())
    assert to_text(load_graph(dump(graph))) == to_text(graph)


def test_functional_forms_and_shared_layers():
    model = randomized(Functional(), 1)
    qmodel = quantize(model, example((2, 6, 6)))
    graph = lower(qmodel)
    assert compare(graph, qmodel, random_codes(graph, 25)) == 25 * sum(v.size for v in graph.values.values())
    assert graph["twice"].weight == graph["twice_2"].weight
    assert graph["fc"].weight == graph["fc_2"].weight
    assert graph["twice.out"].format != graph["twice_2.out"].format
    assert [graph[name].origin for name in ("twice", "twice_2", "tail.0", "keys")] == [
        "twice",
        "twice",
        "tail.0",
        "keys",
    ]


def test_the_graph_reads_as_the_model_does():
    graph = lower(quantize(randomized(built_in("digits_resnet"), 0), DATA.train_x[:64]), argmax=True)
    assert [f"{node.name} {node.op}" for node in graph] == [
        "input input", "stem.0 conv2d", "stem.0.out requantize", "stem.1 scale_shift", "stem.1.relu relu",
        "stem.1.out requantize", "block.conv1 conv2d", "block.conv1.out requantize", "block.bn1 scale_shift",
        "block.bn1.relu relu", "block.bn1.out requantize", "block.conv2 conv2d", "block.conv2.out requantize",
        "block.bn2 scale_shift", "block.bn2.out requantize", "block.add add", "block.add.relu relu",
        "block.add.out requantize", "down max_pool2d", "head.0 conv2d", "head.0.out requantize", "head.1 scale_shift",
        "head.1.relu relu", "head.1.out requantize", "pool avg_pool2d", "pool.out requantize", "flatten flatten",
        "fc dense", "class argmax",
    ]  # fmt: skip
    assert graph.outputs == ("fc", "class")
    assert {node.name: node.origin for node in graph if node.name in ("stem.1.relu", "block.add", "class")} == {
        "stem.1.relu": "stem.2",
        "block.add": "block",
        "class": "",
    }
    words = {name: f"{value.format}"[:2] for name, value in graph.values.items()}
    assert words["input"] == words["stem.1.out"] == words["block.add.out"] == words["pool.out"] == "u6"
    assert words["stem.0.out"] == words["block.bn2.out"] == words["head.0.out"] == "s8"


def test_the_class_gets_a_free_name():
    model = nn.Sequential()
    model.add_module("class", nn.Linear(3, 2))
    graph = lower(quantize(model, example((3,))), argmax=True)
    assert [node.name for node in graph] == ["input", "class", "class_"]
    assert isinstance(graph["class_"], ArgMax)


def test_wide_words_need_double_precision_and_get_it():
    model = randomized(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)), 0)
    words = dict.fromkeys(("weights", "biases"), "s20")
    qmodel = quantize(model, example((8,)), activations="u20", **words)
    graph = lower(qmodel)
    assert max(value.format.width for value in graph.values.values()) > 24
    assert compare(graph, qmodel, random_codes(graph, 50)) == 50 * sum(v.size for v in graph.values.values())


def test_wider_words_than_doubles_carry_are_refused():
    model = randomized(nn.Sequential(nn.Linear(8, 8)), 0)
    qmodel = quantize(model, example((8,)), activations="s28", weights="s28")
    graph = lower(qmodel)
    message = r"^The torch rung carries 53 bits, but node '0' needs 5\d; shorten the words of its layer\.$"
    with pytest.raises(SimulationError, match=message):
        simulate_torch(graph, qmodel, random_codes(graph, 2))


def test_a_graph_of_another_model_is_refused():
    first = quantize(randomized(nn.Sequential(nn.Linear(8, 8)), 0), example((8,)))
    second = quantize(randomized(nn.Sequential(nn.Linear(8, 8), nn.ReLU()), 0), example((8,)))
    message = r"^Graph and model differ at '0.relu'; pass the model that the graph was lowered from\.$"
    with pytest.raises(SimulationError, match=message):
        simulate_torch(lower(first), second, np.zeros((1, 8), dtype=np.int64))


def test_a_model_that_moved_on_is_refused():
    qmodel = quantize(randomized(nn.Sequential(nn.Linear(8, 8)), 0), example((8,)))
    graph = lower(qmodel)
    with torch.no_grad():
        qmodel.layers["0"].weight_quantizer.frac.add_(2)
        qmodel.layers["0"].weight.mul_(0.1)
    message = r"^The torch rung's value '0' is not a multiple of 2\*\*-\d+; lower the model again\.$"
    with pytest.raises(SimulationError, match=message):
        simulate_torch(graph, qmodel, random_codes(graph, 5))


def test_a_float_model_is_refused():
    message = "Linear is a float model without fixed-point formats; call flow.quantize(model, example) first."
    with pytest.raises(UnsupportedError, match=f"^{re.escape(message)}$"):
        lower(nn.Linear(3, 2))


def test_nan_in_the_trained_model_is_refused():
    qmodel = quantize(randomized(nn.Sequential(nn.Linear(3, 2)), 0), example((3,)))
    with torch.no_grad():
        qmodel.layers["0"].weight[1, 2] = float("nan")
    message = (
        "Fixed point holds finite numbers only, but parameter 'layers.0.weight' contains nan; train it again or repair "
        "it first."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        lower(qmodel)


def test_an_example_of_another_shape_is_refused():
    qmodel = quantize(randomized(nn.Sequential(nn.Linear(3, 2)), 0), example((3,)))
    with pytest.raises(DataError, match=r"^The model takes samples \[3\], not \[4\]\.$"):
        lower(qmodel, example((4,)))
    with pytest.raises(DataError, match=r"^The model takes samples \[3\], not \[4\]\.$"):
        qmodel(example((4,)))
