"""Layers of functions that become truth tables: what they compute, learn and cost; floats and integers agree."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from flow.errors import RecipeError
from flow.ir import LutDense as Node
from flow.ir import trace
from flow.lowering import encode_input, lower, simulate_torch
from flow.training import LutDense, Pricing, SpatialCost, Word, accuracy, fit, quantize, seeded
from flow.training.priced_tables import PricedTables
from tests.training.models import example

OPTIONS = [
    {"granularity": "tensor"},
    {"granularity": "channel", "addresses": "s4", "weights": "s5"},
    {"granularity": "element", "rounding": "TRN", "addresses": "u2"},
    {"granularity": "element", "lengths": "learned", "overflow": "WRAP"},
    {"priced": True, "addresses": "u1", "input": "u2"},
]


def net(*sizes, hidden=3, seed=0):
    with seeded(seed):
        return nn.Sequential(*(LutDense(*pair, hidden) for pair in pairwise(sizes)))


def assert_same_bits(qmodel, x):
    """The torch rung against the interpreter, every node; returns the graph."""
    graph, codes = lower(qmodel, x), encode_input(qmodel, x)
    expected, actual = trace(graph, codes), simulate_torch(graph, qmodel, codes)
    assert list(actual) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, err_msg=name)
    return graph


def test_the_float_layer_is_its_formula_and_so_are_its_gradients():
    layer, x = net(3, 2)[0].double(), torch.randn(4, 5, 3, dtype=torch.double, requires_grad=True)
    units = torch.tanh(layer.slopes * x[..., None, None, :] + layer.offsets) * layer.heights
    expected = (layer.weight * x[..., None, :] + units.sum(-3)).sum(-1)
    torch.testing.assert_close(layer(x), expected)
    held = (x, *layer.parameters())
    assert torch.autograd.gradcheck(lambda *given: torch.ops.flow.lut_dense(*given), held)
    found, wanted = (torch.autograd.grad(y.square().sum(), held) for y in (layer(x), expected))
    assert len(found) == 5
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))
@pytest.mark.parametrize("shape", [(6,), (2, 6)])
def test_floats_and_integers_agree(shape, options):
    x = example(shape, count=40)
    qmodel = quantize(net(6, 4, 3), x, **options)
    graph = assert_same_bits(qmodel, x)
    sums = [node for node in graph if isinstance(node, Node)]
    assert [node.tables.shape[:2] for node in sums] == [(4, 6), (3, 4)]
    assert all(node.address == Word.parse(options.get("addresses", "u3")).width for node in sums)
    assert [node.name for node in sums] == [node.origin for node in sums] == ["0", "1"]


def test_beside_other_layers_and_after_training():
    x = example((6,), count=60)
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), LutDense(5, 4, 2), nn.ReLU(), nn.Linear(4, 3))
    qmodel = quantize(model, x, granularity="element", layers={"2": {"addresses": "u2", "weights": "s4"}})
    data = (x, x[:, :3].argmax(1))
    state = fit(qmodel, data, data, epochs=2, seed=0).state
    graph = assert_same_bits(qmodel, x)
    again = copy.deepcopy(qmodel)
    assert lower(again, x) == graph
    assert again.layers["2"].address is again.layers["2_in"].quantizer
    other = quantize(model, x, granularity="element", layers={"2": {"addresses": "u2", "weights": "s4"}})
    other.load_state_dict(qmodel.state_dict())
    assert lower(other, x) == graph
    resumed = fit(other, data, data, epochs=3, seed=0, resume_state=state)
    assert len(resumed.epochs) == 3
    assert_same_bits(other, x)


def test_a_sum_of_tables_learns_what_no_line_divides():
    """Points within a circle or clearly outside, by one layer; every label is learned."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.integers(0, 16, (40, 2)).astype(np.float32) / 16)
    distance = (x - 0.5).square().sum(1)
    x, distance = (held[(distance - 0.12).abs() > 0.03] for held in (x, distance))
    data = (x, (distance > 0.12).long())
    assert len(x) > 25
    qmodel = quantize(net(2, 2, hidden=8), x, granularity="element", input="u4", addresses="u4", weights="s8")
    fit(qmodel, data, data, epochs=150, seed=0, batch=40, lr=0.05)
    assert accuracy(qmodel, data) == 1.0
    assert_same_bits(qmodel, x)


def test_slopes_reach_the_layer_before():
    """In the middle of a smooth table the gradient is that of the float layer."""
    x = torch.full((1, 1), 0.5)
    model = net(1, 1)
    qmodel = quantize(model, example((1,), count=200), input="u8", addresses="u6", weights="s12")
    layer = next(layer for layer in qmodel.layers.values() if hasattr(layer, "address"))
    given = x.clone().requires_grad_()
    layer(given).sum().backward()
    wanted = x.clone().requires_grad_()
    model(wanted).sum().backward()
    assert given.grad.item() == pytest.approx(wanted.grad.item(), rel=0.05)


def forms(v, width, price):
    """Loss and adder bits of every shorter form of one table float[2**w], by plain loops."""
    low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
    address = len(v).bit_length() - 1
    for bits in range(address + 1):
        for drop in range(width) if bits else (0,):
            runs = v.reshape(1 << bits, -1)
            weights = (1 / price).reshape(1 << bits, -1)
            means = (runs * weights).sum(1) / weights.sum(1)
            codes = np.clip(np.floor(means / 2**drop + 0.5), -(-low // 2**drop), high // 2**drop)
            span = int(codes.max() - codes.min()).bit_length()
            taken = bits / 3 * (span + 1) if span else 0.0
            yield ((runs - codes[:, None] * 2**drop) ** 2 * weights).sum() + taken, taken


def test_no_form_of_a_table_costs_less():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1.5, (12, 9, 8))
    prices = 10 ** rng.uniform(-3, 1, (12, 9, 1)) * rng.uniform(0.5, 2, (12, 9, 8))
    held = PricedTables(Word(6, True), (12, 9, 8), "t")
    held.frac.fill_(3)
    held.price.copy_(torch.from_numpy(prices))
    prices = held.price.double().numpy() * 64
    codes, taken = (found.numpy() for found in held.encoded(torch.from_numpy(values)))
    seen = set()
    for place in np.ndindex(12, 9):
        least = min(forms(values[place] * 8, 6, prices[place]))
        loss = ((codes[place] - values[place] * 8) ** 2 / prices[place]).sum() + taken[place]
        assert loss == pytest.approx(least[0], rel=1e-9)
        seen.add(round(float(taken[place]), 6))
    assert len(seen) >= 8
    assert 0.0 in seen


def test_a_price_brings_a_net_to_its_target():
    x = example((8,), count=200)
    data = (x, (x[:, :4].sum(1) > x[:, 4:].sum(1)).long())
    qmodel = quantize(net(8, 8, 2), x, priced=True, rounding="TRN", addresses="u2", input="u2")
    target = 0.7 * float(SpatialCost(qmodel)().detach())
    fit(qmodel, data, data, epochs=14, seed=0, batch=8, pricing=Pricing(target))
    assert float(SpatialCost(qmodel)().detach()) == pytest.approx(target, rel=0.1)
    assert accuracy(qmodel, data) > 0.8
    assert_same_bits(qmodel, x)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"addresses": "u7"},
            "A truth table is addressed by a fixed-point word of at most 6 bits like u3, not addresses='u7'.",
        ),
        (
            {"addresses": "e2m1"},
            "A truth table is addressed by a fixed-point word of at most 6 bits like u3, not addresses='e2m1'.",
        ),
        (
            {"weights": "e4m3"},
            "Truth tables have fixed-point entries like s6, but '0.tables' has e4m3; give such weights.",
        ),
        (
            {"layers": {"0": {"biases": "s4"}}},
            "Options in layers do nothing: what '0' names has addresses, rounding, overflow, stochastic, weights, "
            "granularity, lengths, but no biases; leave them out.",
        ),
    ],
)
def test_words_that_truth_tables_do_not_have(options, text):
    with pytest.raises(RecipeError) as caught:
        quantize(net(3, 2), example((3,)), **options)
    assert str(caught.value) == text


def test_sizes_that_no_layer_has():
    with pytest.raises(RecipeError) as caught:
        LutDense(0, 2, hidden=-1)
    assert str(caught.value) == (
        "LutDense needs inputs and outputs from 1 on and hidden units from 0 on, not in_features=0, out_features=2, "
        "hidden=-1; give such numbers."
    )
