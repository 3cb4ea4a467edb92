"""Accumulators of bounded width: their format, both modes, their slopes, and that training finds its way back."""

import copy
import re

import numpy as np
import pytest
import torch
from torch import nn

from flow.datasets import load
from flow.errors import RecipeError
from flow.formats import FixedPoint, Overflow
from flow.ir import Requantize
from flow.lowering import lower
from flow.training import NETS, Spec, accumulator_excess, accuracy, fit, quantize, seeded
from flow.training.accumulators import FixedAccumulator
from flow.training.ptq.reference import float_twin
from flow.training.words import Word
from tests.training.models import Functional, example, randomized
from tests.training.test_tables import assert_same_bits

DATA = load("digits")


@pytest.mark.parametrize("mode", ["WRAP", "SAT"])
@pytest.mark.parametrize("width", [1, 5, 9, 24])
def test_every_sum_has_the_width_and_its_own_point(mode, width):
    qmodel = quantize(
        randomized(Functional(), 0), example((2, 6, 6)), accumulators=f"s{width}", accumulator_overflow=mode
    )
    graph = assert_same_bits(qmodel, (2, 6, 6))
    held = [node for node in graph if node.name.endswith(".acc") or ".acc_" in node.name]
    sums = [node for node in graph if node.op in ("conv2d", "dense")]
    assert [node.inputs for node in held] == [(node.name,) for node in sums]
    assert len(held) == 7
    for node in held:
        assert isinstance(node, Requantize)
        assert node.overflow is Overflow(mode)
        assert node.format == FixedPoint(width, graph.values[node.inputs[0]].format.frac)
        assert qmodel.formats()[node.name] == node.format


def test_a_layer_has_an_accumulator_of_its_own():
    model = randomized(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)), 0)
    graph = lower(quantize(model, example((4,)), layers={"0": {"accumulators": "s9", "accumulator_overflow": "SAT"}}))
    assert [node.name for node in graph] == ["input", "0", "0.acc", "0.relu", "0.out", "2"]


def test_slopes_are_those_of_saturation():
    for mode in (Overflow.WRAP, Overflow.SAT):
        x = torch.tensor([-9.0, -8.0, 0.5, 7.5, 8.0, 20.0], requires_grad=True)
        y = FixedAccumulator(Word(5, True), mode)(x, 1)
        assert y.tolist() == ([7.0, -8.0, 0.5, 7.5, -8.0, 4.0] if mode is Overflow.WRAP else
                              [-8.0, -8.0, 0.5, 7.5, 7.5, 7.5])  # fmt: skip
        y.sum().backward()
        assert x.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]


def test_the_excess_counts_what_comes_near_or_leaves():
    layer = FixedAccumulator(Word(5, True), Overflow.WRAP).train()
    x = torch.tensor([[6.0, -15.0], [30.0, 1.0]], requires_grad=True)
    layer(x, 1)
    assert float(layer.excess.detach()) == pytest.approx((1.1 + 3.1) / 2)  # 7.5 is the highest, 0.9 of it free
    layer.excess.backward()
    assert [[bool(slope) for slope in row] for row in x.grad] == [[False, True], [True, False]]
    assert copy.deepcopy(layer).excess is None


def test_without_quantisers_nothing_is_bounded():
    model = randomized(nn.Sequential(nn.Linear(4, 4), nn.SiLU(), nn.Linear(4, 2)), 0)
    batch = example((4,))
    qmodel = quantize(model, batch, accumulators="s3")
    assert not torch.allclose(qmodel(batch), model(batch), atol=0.5)
    assert torch.allclose(float_twin(qmodel)(batch), model(batch), atol=1e-5)


@pytest.mark.parametrize(("mode", "width", "lost", "kept"), [("WRAP", 13, 0.5, 0.75), ("SAT", 11, 0.8, 0.9)])
def test_training_with_narrow_accumulators_recovers(mode, width, lost, kept):
    """The sums of this net reach 15 bits; 360 test images."""
    with seeded(0):
        model = NETS["digits_mlp"]()
    fit(model, DATA.train, DATA.test, epochs=10, seed=0)
    qmodel = quantize(model, DATA.train_x[:256], accumulators=f"s{width}", accumulator_overflow=mode)
    before = accuracy(qmodel, DATA.test)
    cost = accumulator_excess if mode == "WRAP" else None
    after = fit(qmodel, DATA.train, DATA.test, epochs=8, seed=0, cost=cost).accuracy
    assert before < lost
    assert after > kept
    graph = lower(qmodel)
    assert np.all([graph[f"{name}.acc"].format.width == width for name in ("fc1", "fc2", "fc3")])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"accumulators": "u8"},
            "An accumulator is a signed fixed-point word like s16, or None, not accumulators='u8'.",
        ),
        (
            {"accumulators": "s8", "accumulator_overflow": "SAT_SYM"},
            "accumulator_overflow is WRAP or SAT, as adders are built, not 'SAT_SYM'; choose one of the two.",
        ),
        (
            {"tables": "s13"},
            "A table is addressed by a fixed-point word of at most 12 bits like u8, not tables='s13'.",
        ),
    ],
)
def test_options_without_meaning_are_refused(options, message):
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        Spec(**options)
