"""Softmax in base 2: what it becomes, how near it is to the float one, its slope, its binary points."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from flow.formats import FixedPoint, Overflow, Rounding, TwoPassSoftmax
from flow.training import quantize
from flow.training.shares import FixedSoftmax, PowerQuantizer, mantissa_of, power_word
from flow.training.words import Word
from tests.training.models import example, randomized
from tests.training.test_importer import Made
from tests.training.test_tables import assert_same_bits

SOFTMAX = {"sums": "s10", "activations": "u10", "weights": "s10", "tables": "u11"}


@pytest.mark.parametrize("form", [nn.Softmax(1), lambda x: functional.softmax(x, -1), lambda x: x.softmax(1)])
def test_softmax_is_near_the_float_one(form):
    """Within 1/128 of the float one of the same inputs, with words of 11 bits; in every form of writing it."""
    qmodel = quantize(Made(lambda self, x: form(x)), example((7,), count=200), **SOFTMAX)
    x = qmodel.layers["input"](example((7,), count=200)).detach()
    assert float((qmodel(x) - form(x)).detach().abs().max()) < 1 / 128
    assert_same_bits(qmodel, (7,), argmax=True)


def test_softmax_as_operators():
    graph = assert_same_bits(quantize(randomized(nn.Sequential(nn.Linear(6, 3), nn.Softmax(1), nn.Linear(3, 2)), 0),
                                      example((6,))), (6,))  # fmt: skip
    assert [f"{node.name} {node.op}" for node in graph][2:] == [
        "0.out requantize", "1.octaves scale_shift", "1.in requantize", "1 softmax", "1.out requantize", "2 dense",
    ]  # fmt: skip
    words = {name: str(value.format).split(".")[0] for name, value in graph.values.items()}
    assert [words[name] for name in ("1.in", "1", "1.out")] == ["s12", "u13", "u6"]
    assert str(graph["1.octaves"].scale.format) == "u8.7"  # log2(e)
    assert graph["1.octaves"].scale.codes.tolist() == [round(128 * math.log2(math.e))] * 3
    assert {node.origin for node in graph if node.name.startswith("1")} == {"1"}


def test_softmax_over_another_axis_and_of_wrapping_casts():
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Softmax(1), nn.Conv2d(3, 2, 2), nn.Softmax(-1), nn.Flatten())
    graph = assert_same_bits(quantize(randomized(model, 0), example((1, 6, 6)), overflow="WRAP"), (1, 6, 6))
    assert graph["1.in"].overflow.value == graph["3.in"].overflow.value == "SAT"
    assert graph["0.out"].overflow.value == "WRAP"
    assert (graph["1"].axis, graph["3"].axis) == (0, 2)


def test_a_softmax_of_equal_and_of_far_values():
    qmodel = quantize(nn.Softmax(1), torch.tensor([[-8.0, 8.0, 0.0, 0.0]]).repeat(4, 1), **SOFTMAX)
    even = qmodel(torch.zeros(1, 4)).detach()
    assert torch.allclose(even, torch.full((1, 4), 0.25), atol=1 / 256)
    far = qmodel(torch.tensor([[-8.0, -8.0, 8.0, -8.0]])).detach()
    assert float(far[0, 2]) > 1 - 1 / 128
    assert math.isclose(float(far.sum()), 1.0, abs_tol=1 / 128)


@pytest.mark.parametrize("axis", [0, 1])
def test_the_slope_is_that_of_the_exact_softmax(axis: int):
    layer, x = FixedSoftmax(axis, Word(12, signed=True), 12), torch.randn(5, 4, 3).mul(64).round().div(64)
    hard, soft = x.clone().requires_grad_(), x.clone().requires_grad_()
    upstream = torch.randn(5, 4, 3)
    found = layer(hard, 6)
    exact = torch.softmax(soft * math.log(2.0), axis + 1)
    found.backward(upstream)
    exact.backward(upstream)
    assert torch.equal(hard.grad, soft.grad)
    assert float((found - exact).detach().abs().max()) < 16 * 2.0**-12
    codes = x.mul(64).long().movedim(axis + 1, -1).numpy()
    want = TwoPassSoftmax(FixedPoint(12, 6), 12)(codes)
    assert np.array_equal(found.detach().mul(4096).long().movedim(axis + 1, -1).numpy(), want)
    assert torch.equal(layer(x, None), exact.detach())


def test_nan_is_passed_on_so_that_training_names_it():
    found = FixedSoftmax(0, Word(8, signed=True), 8)(torch.tensor([[float("nan"), 0.0], [0.0, 0.0]]), 4)
    assert found[0].isnan().any()
    assert not found[1].isnan().any()


@pytest.mark.parametrize(("scale", "frac"), [(1e-4, 6), (1.0, 6), (100.0, 3), (1e5, 0)])
def test_the_binary_point_of_exponents_keeps_to_the_table(scale: float, frac: int):
    word, most = power_word(Word(8, signed=True))
    quantizer = PowerQuantizer(word, Rounding.RND, Overflow.SAT, "x", most)
    quantizer.calibrate = True
    x = scale * torch.linspace(-1.5, 1.5, 8)
    quantizer(x)
    assert quantizer.format == FixedPoint(12, frac)
    quantizer.calibrate = False
    quantizer.frac.data.fill_(9.0 if frac else -9.0)
    found = quantizer(x)
    assert quantizer.frac.item() == (6.0 if frac else 0.0)
    assert torch.equal(found, torch.from_numpy(quantizer.codes(x)) * float(quantizer.format.step))


def test_a_mantissa_is_as_long_as_its_row_takes():
    assert [mantissa_of(Word(8, False), length) for length in (1, 16, 17, 64, 1000)] == [12, 12, 13, 14, 18]
    assert mantissa_of(Word(12, False), 10**4) == 20
