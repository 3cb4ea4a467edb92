"""Words that buy their digits, against the minimum over all codes."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import flow
from flow.errors import DataError, RecipeError
from flow.formats.khot import KHot, digit_count
from flow.ir import interpret
from flow.training import Word, quantize
from flow.training.priced import PricedConstant
from tests.training.models import example


def priced(values, price, width=6, most=3, signed_digits=True):
    made = PricedConstant(Word(width, True), tuple(values.shape), "w", most, signed_digits)
    made.frac.fill_(3)
    made.price.copy_(price)
    return made


def cheapest(v, price, width, most, signed_digits):
    """The least of error and price over all codes of a word, and the code that has it."""
    codes = np.arange(-(1 << (width - 1)), 1 << (width - 1))
    digits = digit_count(codes, signed_digits)
    legal = digits <= most
    losses = (codes - v) ** 2 + digits * price
    return losses[legal].min(), dict(zip(codes[legal].tolist(), losses[legal].tolist(), strict=True))


@pytest.mark.parametrize("signed_digits", [True, False])
def test_no_code_costs_less(signed_digits):
    rng = np.random.default_rng(0)
    values = torch.from_numpy(rng.normal(0, 1.8, 600).astype(np.float32))
    prices = torch.from_numpy((10 ** rng.uniform(-4, 1, 600)).astype(np.float32))
    held = priced(values, prices, signed_digits=signed_digits)
    codes, digits = held.encoded(values)
    compared = 0
    for v, p, code, count in zip(values.tolist(), prices.tolist(), codes.tolist(), digits.tolist(), strict=True):
        least, losses = cheapest(v * 8, p * 64, 6, 3, signed_digits)
        assert losses[int(code)] == pytest.approx(least, abs=1e-9)
        assert count == digit_count(np.array([int(code)]), signed_digits)[0]
        compared += 1
    assert compared == 600
    assert {0, 1, 2, 3} == set(digits.tolist())


def test_without_a_price_it_is_khot():
    values = torch.linspace(-5, 5, 801) + 0.0009  # of two equally near codes one may have fewer digits
    held = priced(values, torch.zeros(801), most=2)
    expected = KHot(2, 6, 3).encode(values.double().numpy())
    assert np.array_equal(held.codes(values), expected)


def test_a_price_above_the_square_prunes_and_gradients_pass():
    values = torch.tensor([0.5, -1.0, 2.0, 9.0], requires_grad=True)
    held = priced(values.detach(), torch.tensor([0.2501, 1.001, 0.0, 0.0]))
    y = held(values)
    y.sum().backward()
    assert y.tolist() == [0.0, 0.0, 2.0, 3.875]
    assert values.grad.tolist() == [1.0, 1.0, 1.0, 0.0]
    assert held.bought.tolist() == [0, 0, 1, 2]  # 31 = 32 - 1


def test_the_point_leaves_a_bit_of_headroom():
    held = PricedConstant(Word(8, True), (3,), "w")
    held.move_to_best(torch.tensor([0.1, -0.9, 0.3]))
    assert held.format.high * math.ldexp(1.0, -held.format.frac) == 2 - 2**-6
    held.move_to_best(torch.zeros(3))
    assert held.format.frac == 6


def test_the_graph_has_the_codes_of_training():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    qmodel = quantize(model, example((6,)), weights="s8", biases="s8", priced=True)
    for values, held in qmodel.constants():
        held.price.copy_(torch.rand(values.shape) * 0.05)
    qmodel.eval()
    graph = flow.lower(qmodel)
    x = example((6,))
    codes = np.clip(
        np.floor(x.numpy() * 2.0**graph.input.format.frac + 0.5), graph.input.format.low, graph.input.format.high
    )
    (found,) = interpret(graph, codes.astype(np.int64))
    frac = graph.values[graph.outputs[0]].format.frac
    assert np.array_equal(found, np.round(qmodel(x).detach().double().numpy() * 2.0**frac).astype(np.int64))
    assert found.size == 3 * len(x)


def test_what_is_not_finite_is_refused():
    held = priced(torch.ones(2), torch.zeros(2))
    with pytest.raises(DataError) as caught:
        held.codes(torch.tensor([1.0, math.nan]))
    assert str(caught.value) == "Fixed point holds finite numbers only, but 'w' holds NaN or infinity."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"priced": "yes"}, "priced is true or false, not 'yes'."),
        (
            {"priced": True, "stochastic": True},
            "priced=True chooses digits by their price, not by chance; leave out stochastic=True.",
        ),
        (
            {"priced": True, "weights": "s20"},
            "Digits have a price in signed fixed-point words of at most 16 bits like s8, not in weights='s20'.",
        ),
        (
            {"priced": True, "biases": "e4m3"},
            "Digits have a price in signed fixed-point words of at most 16 bits like s8, not in biases='e4m3'.",
        ),
        (
            {"layers": {"0": {"priced": True}}},
            "In layers['0']: Option 'priced' holds for the whole model; give it outside of layers.",
        ),
    ],
)
def test_wrong_options_are_told_why(options, message):
    with pytest.raises(RecipeError) as caught:
        quantize(nn.Sequential(nn.Linear(6, 3)), example((6,)), **options)
    assert str(caught.value) == message
