"""What the tests of the methods share: the two networks trained a little, once, and the comparison of every node."""

from functools import cache

import numpy as np
import torch

from flow.datasets import load
from flow.ir import trace
from flow.lowering import encode_input, lower, simulate_torch
from flow.training import NETS, fit, quantize, seeded
from flow.training.ptq.reference import float_twin

DATA = load("digits")
BATCH = torch.as_tensor(DATA.train[0])[:96]


@cache
def trained(name):
    with seeded(0):
        model = NETS[name]()
    fit(model, DATA.train, DATA.test, epochs=3, seed=0)
    return model


def quantised(name, width=4, **options):
    """A new quantised model and its float twin."""
    model = quantize(trained(name), BATCH, weights=f"s{width}", activations=f"u{width}", **options)
    return model, float_twin(model)


def assert_same_bits(model, samples=None):
    """torch == interpreter in every code of every node; how many codes that were."""
    graph = lower(model)
    codes = encode_input(model, DATA.test[0][:16] if samples is None else samples)
    expected, found = trace(graph, codes), simulate_torch(graph, model, codes)
    assert expected.keys() == found.keys() == {node.name for node in graph}
    for name, value in expected.items():
        assert np.array_equal(value, found[name]), name
    compared = sum(value.size for value in expected.values())
    assert compared > 100 * len(codes)
    return compared


def state_of(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_untouched(model, before):
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert before
    assert all(torch.equal(after[name], before[name]) for name in before)
