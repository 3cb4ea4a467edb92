"""Minifloats and blocks all the way: torch == interpreter on every node, and what has no operator is refused."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from flow.datasets import load
from flow.errors import UnsupportedError
from flow.formats import Rounding
from flow.ir import RequantizeMinifloat, dump, to_text
from flow.ir import load as load_graph
from flow.lowering import encode_input, lower
from flow.training import NETS, QuantizedModel, fit, quantize, seeded
from flow.training.minifloats import MinifloatQuantizer
from tests.graphs import random_codes
from tests.lowering.test_from_torch import built_in, compare
from tests.training.models import Functional, Random, example, randomized

DATA = load("digits")
WORDS = {
    "e2m1": {"weights": "e2m1", "activations": "e2m1", "sums": "e3m2"},
    "e3m2": {"weights": "e3m2", "activations": "ue3m3", "biases": "e4m3", "scales": "e2m3", "shifts": "e3m2"},
    "e4m3": {"weights": "e4m3", "activations": "e4m3", "granularity": "channel"},
    "mixed": {"weights": "e4m3fn", "activations": "u6", "sums": "e3m4", "batchnorm": "folded"},
    "input": {"weights": "s6", "activations": "u6", "input": "e3m2"},
    "truncated": {"weights": "e3m2", "activations": "e3m2", "rounding": "TRN"},
    "blocks": {"weights": "mxfp4"},
    "bytes": {"weights": "mxint8", "activations": "e3m2"},
    "nvidia": {"weights": "nvfp4", "activations": "e2m3"},
}


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("name", ["digits_mlp", "digits_resnet"])
def test_built_in_nets_equal_the_interpreter_on_every_node(name, words):
    qmodel = quantize(randomized(built_in(name), 3), DATA.train_x[:64], **WORDS[words])
    graph = lower(qmodel, argmax=True)
    compared = compare(graph, qmodel, encode_input(qmodel, DATA.test_x[:20]))
    compared += compare(graph, qmodel, random_codes(graph, 10))
    assert compared == 30 * sum(value.size for value in graph.values.values())
    assert to_text(load_graph(dump(graph))) == to_text(graph)


def test_a_trained_net_equals_the_interpreter_on_every_node():
    with seeded(0):
        model = NETS["digits_mlp"]()
    fit(model, DATA.train, DATA.test, epochs=1, seed=0)
    qmodel = quantize(model, DATA.train_x[:128], weights="e2m1", activations="e3m2", stochastic=True)
    before = dict(qmodel.formats())
    fit(qmodel, DATA.train, DATA.test, epochs=2, seed=0, point_lr=5e-2)
    assert qmodel.formats() != before
    graph = lower(qmodel)
    assert sum(isinstance(node, RequantizeMinifloat) for node in graph) == 3
    codes = encode_input(qmodel, DATA.test_x)
    assert compare(graph, qmodel, codes) == 360 * sum(value.size for value in graph.values.values())


@pytest.mark.parametrize("seed", range(8))
def test_random_nets_equal_the_interpreter_on_every_node(seed):
    rng, texts = np.random.default_rng(seed), ["e2m1", "e3m2", "e2m3", "e4m3", "e3m1", "s5", "e3m0", "e1m3"]
    spec = {role: str(rng.choice(texts)) for role in ("weights", "activations", "sums", "biases", "scales", "shifts")}
    modes = [Rounding.RND, Rounding.RND_CONV, Rounding.RND_INF, Rounding.TRN, Rounding.TRN_ZERO]
    model = randomized(Random(seed), seed)
    qmodel = quantize(model, example(model.shape, seed, signed=bool(seed % 2)), rounding=modes[seed % 5], **spec)
    graph = lower(qmodel)
    assert compare(graph, qmodel, random_codes(graph, 12, seed)) == 12 * sum(v.size for v in graph.values.values())


def test_shared_layers_and_functions():
    qmodel = quantize(randomized(Functional(), 1), example((2, 6, 6)), weights="e3m2", activations="e4m3", sums="e4m3")
    graph = lower(qmodel)
    assert compare(graph, qmodel, random_codes(graph, 15)) == 15 * sum(v.size for v in graph.values.values())


def test_the_host_sends_fixed_point_and_the_design_makes_the_minifloat():
    model = randomized(nn.Sequential(nn.Linear(4, 3)), 0)
    graph = lower(quantize(model, example((4,), signed=False), weights="s4", activations="e2m1"))
    assert [f"{node.name} {node.op}" for node in graph] == [
        "input input",
        "input.out requantize_minifloat",
        "0 dense",
    ]
    assert str(graph.input.format).startswith("u16.")
    assert graph["input.out"].minifloat.mantissa == 1


def test_the_point_of_a_cast_is_the_bias_of_its_minifloat():
    qmodel = quantize(randomized(nn.Sequential(nn.Linear(4, 3)), 0), example((4,)), activations="e4m3")
    held = qmodel.layers["input_out"].quantizer
    assert isinstance(held, MinifloatQuantizer)
    graph = lower(qmodel)
    assert graph.values["input.out"].format == held.format
    assert graph["input.out"].minifloat.frac == held.format.frac == round(held.frac.item())


def test_wide_minifloats_need_double_precision_and_get_it():
    model = randomized(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)), 0)
    qmodel = quantize(model, example((8,)), weights="e5m2", activations="e2m3", biases="s8")
    graph = lower(qmodel)
    assert graph["0"].weight.format.width == 34
    assert compare(graph, qmodel, random_codes(graph, 50)) == 50 * sum(v.size for v in graph.values.values())


def test_an_average_takes_the_significand_of_a_minifloat_of_scales():
    model = nn.Sequential(nn.AvgPool2d(3), nn.Flatten(), nn.Linear(4, 2))
    graph = lower(quantize(randomized(model, 0), example((1, 6, 6)), scales="e4m3"))
    scale = graph["0"].scale
    assert (int(scale.codes), scale.format.frac) == (7, 6)  # the nearest to 1 / 9 with 4 bits of significand


def test_blocks_of_activations_train_and_are_refused_by_the_graph():
    model = randomized(nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)), 0)
    batch = example((2, 6, 6))
    qmodel = quantize(model, batch, weights="mxfp4", activations="mxfp8_e4m3", input="s8")
    assert isinstance(qmodel, QuantizedModel)
    nn.functional.cross_entropy(qmodel.train()(batch), torch.arange(16) % 3).backward()
    assert all(bool((p.grad != 0).any()) for n, p in qmodel.named_parameters() if n.endswith("weight"))
    message = (
        "The graph has no operator for scales that depend on the data, but the cast '0.out' makes blocks of "
        "mxe4m3fnb32; give activations a fixed-point word like u8 or a minifloat like e4m3."
    )
    with pytest.raises(UnsupportedError, match=f"^{re.escape(message)}$"):
        lower(qmodel)
