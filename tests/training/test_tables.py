"""Activations as tables: entries against torch's functions in double precision, slopes, the same bits everywhere."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from flow.formats import FixedPoint
from flow.ir import Table
from flow.lowering import encode_input, lower
from flow.training import quantize
from flow.training.functions import Function
from flow.training.quantizer import Quantizer
from flow.training.tables import FixedTable
from flow.training.words import Word
from tests.graphs import random_codes
from tests.lowering.test_from_torch import compare
from tests.training.models import example, randomized
from tests.training.test_importer import Made

MODULES = [
    nn.Sigmoid(), nn.Tanh(), nn.SiLU(), nn.GELU(), nn.GELU("tanh"), nn.Mish(), nn.Hardtanh(), nn.Hardtanh(0.0, 3.0),
    nn.ReLU6(), nn.Hardsigmoid(), nn.Hardswish(), nn.LeakyReLU(0.2), nn.ELU(0.7), nn.CELU(1.5), nn.SELU(),
    nn.Softplus(), nn.Softplus(2.0, 3.0),
]  # fmt: skip
IN_PLACE = [nn.SiLU(True), nn.ReLU6(True), nn.LeakyReLU(0.1, True), nn.Hardswish(True), nn.ELU(inplace=True)]


def described(module):
    return repr(module)


def net(activation):
    return randomized(nn.Sequential(nn.Linear(6, 5), activation, nn.Linear(5, 3)), 1).eval()


def assert_same_bits(qmodel, shape, **options):
    graph = lower(qmodel, **options)
    codes = np.concatenate([random_codes(graph, 20), encode_input(qmodel, 3 * example(shape, 7))])
    assert compare(graph, qmodel, codes) == len(codes) * sum(value.size for value in graph.values.values())
    return graph


@pytest.mark.parametrize("module", MODULES + IN_PLACE, ids=described)
def test_entries_are_the_function_of_their_codes(module):
    """Within half a step and the error of torch's doubles, for every code, clipped to the word."""
    graph = assert_same_bits(quantize(net(module), example((6,)), activations="u9", tables="u10"), (6,))
    (table,) = [node for node in graph if isinstance(node, Table)]
    source, form = graph.values[table.inputs[0]].format, table.entries.format
    codes = np.arange(source.low, source.high + 1)
    assert (table.first, len(table.entries.codes)) == (source.low, 1 << 10)
    exact = module(torch.from_numpy(np.ldexp(codes.astype(float), -source.frac))).numpy()
    exact = np.clip(exact, form.low * 2.0**-form.frac, form.high * 2.0**-form.frac)
    assert (
        np.abs(np.ldexp(table.entries.codes.astype(float), -form.frac) - exact).max() <= (0.5 + 1e-9) * 2.0**-form.frac
    )


@pytest.mark.parametrize("module", MODULES, ids=described)
def test_the_slope_is_that_of_the_function(module):
    """Through a table of 12 bits: the gradient of torch's function at the values of the codes, to 1e-12."""
    qmodel = quantize(module, example((5,)), activations="s12", tables="s12", input="s12").double()
    x = qmodel.layers["input"](example((5,), 3).double()).detach().clamp(-2, 2).requires_grad_()
    qmodel(x).sum().backward()
    y = qmodel.values(x)[1].detach().requires_grad_()
    module(y).sum().backward()
    inside = (qmodel(x).abs() < 0.99 * qmodel(x).abs().max()).detach()
    assert inside.sum() > 20
    assert float((x.grad - y.grad)[inside].abs().max()) <= 1e-12


def test_both_binary_points_and_the_layer_before_are_trained():
    qmodel = quantize(net(nn.SiLU()), example((6,))).train()
    qmodel(example((6,))).square().sum().backward()
    moved = [name for name, parameter in qmodel.named_parameters() if parameter.grad.abs().sum() > 0]
    assert {"layers.1_in.quantizer.frac", "layers.1.quantizer.frac", "layers.0.weight"} <= set(moved)


def test_non_negative_functions_have_unsigned_entries():
    def word(module):
        return str(lower(quantize(net(module), example((6,)))).values["1"].format).split(".")[0]

    assert [word(module) for module in (nn.Sigmoid(), nn.Softplus(), nn.ReLU6(), nn.Hardtanh(0.0, 1.0))] == ["u6"] * 4
    assert [word(module) for module in (nn.Tanh(), nn.SiLU(), nn.Hardtanh())] == ["s6"] * 3


def test_a_value_that_others_read_too_is_cast_twice():
    model = Made(lambda self, x: self.b((y := self.a(x)) * torch.sigmoid(y)), a=nn.Linear(6, 5), b=nn.Linear(5, 2))
    graph = assert_same_bits(quantize(randomized(model, 0), example((6,))), (6,))
    assert [(node.name, node.inputs) for node in graph][2:6] == [
        ("a.out", ("a",)),
        ("sigmoid.in", ("a.out",)),
        ("sigmoid", ("sigmoid.in",)),
        ("mul", ("a.out", "sigmoid")),
    ]


def test_tables_in_other_modes():
    """Wrapping addresses, learned lengths, minifloat entries, and a table as the first and the last node."""
    for options in (
        {"overflow": "WRAP", "rounding": "TRN"},
        {"lengths": "learned"},
        {"activations": "e4m3"},
        {"tables": "s3"},
        {"accumulators": "s9"},
    ):
        assert_same_bits(quantize(net(nn.Tanh()), example((6,)), **options), (6,), argmax=True)
    assert_same_bits(quantize(nn.Sigmoid(), example((6,))), (6,))
    assert_same_bits(quantize(nn.Sigmoid(), example((6,), signed=False)), (6,))


def test_a_table_follows_its_binary_points():
    qmodel = quantize(net(nn.Sigmoid()), example((6,)))
    first = lower(qmodel)["1"]
    with torch.no_grad():
        qmodel.layers["1_in"].quantizer.frac.sub_(1)
    qmodel(example((6,)))
    second = assert_same_bits(qmodel, (6,))["1"]
    assert np.array_equal(second.entries.codes[64:192], first.entries.codes[::2])
    with torch.no_grad():
        qmodel.layers["1"].quantizer.frac.sub_(1)
    third = assert_same_bits(qmodel, (6,))["1"]
    assert third.entries.format.frac == second.entries.format.frac - 1


def test_extremes_of_the_functions_are_numbers():
    wide = FixedPoint(12, -30)
    for name, arguments in (
        ("sigmoid", ()), ("tanh", ()), ("silu", ()), ("gelu", ("none",)), ("gelu", ("tanh",)), ("mish", ()),
        ("softplus", (1.0, 20.0)), ("elu", (1.0, 1.0, 1.0)), ("celu", (1.0,)), ("selu", ()), ("hardswish", ()),
    ):  # fmt: skip
        values = Function(name, arguments).values(wide)
        assert np.isfinite(values).all(), name


def test_the_reciprocal_of_a_root_has_a_value_at_zero():
    values = Function("rsqrt", (1.0, 0.0)).values(FixedPoint(8, 4, signed=False))
    assert values[0] == values[1] == 4.0
    assert values[16:].tolist() == [1.0 / math.sqrt(code / 16) for code in range(16, 256)]


def test_nan_goes_on_so_that_training_names_it():
    table = FixedTable(Function("sigmoid"), Word(6, True), Quantizer(Word(8, False)))
    found = table(torch.tensor([float("nan"), 0.0]), 3)
    assert found.isnan().tolist() == [True, False]
