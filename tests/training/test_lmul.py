"""Networks that multiply by L-Mul: the very products of `flow.formats.lmul_packed`, summed; gradients of exact ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from flow.errors import UnsupportedError
from flow.formats import encode_integers, lmul_packed
from flow.studies.compare.entries import Kind, all_entries
from flow.training import QuantizedModel, quantize, seeded
from flow.training.layers import FixedConv2d, FixedDense
from flow.training.lmul import LMulProducts, best_bias, by_lmul

ENTRIES = [entry for entry in all_entries() if entry.kind is Kind.LMUL]
OPTIONS = {"biases": "s16", "sums": "s16", "granularity": "channel"}


def model_of(net: nn.Module, entry, x: torch.Tensor) -> QuantizedModel:
    word = f"e{entry.exponent}m{entry.mantissa}"
    return quantize(net, x, weights=word, activations=word, **OPTIONS)


def product_step(model: QuantizedModel) -> int:
    """The step that multiplies; the one before is the cast of its input."""
    kinds = (FixedDense, FixedConv2d, LMulProducts)
    (found,) = (at for at, step in enumerate(model.steps) if isinstance(model.layers[step.layer], kinds))
    return found


def operands(model: QuantizedModel, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int]:
    """What the layer multiplies, what it makes of it, and the fractional bits of the former."""
    at = product_step(model)
    values = model.values(x)
    return values[at - 1].detach(), values[at], model.points()[model.steps[at - 1].name]


def products_of(entry, bias, x, frac, weight, fracs):
    """Sum of L-Mul's products, by its definition on codes: float[N, I], float[O, I] -> float[N, O]."""
    form = replace(entry.form, bias=bias)
    codes = [
        encode_integers(np.ldexp(values, at).astype(np.int64), form.frac, form)
        for values, at in ((x[:, None, :], frac), (weight[None], fracs[None, :, None]))
    ]
    numbers = form.integers(lmul_packed(*codes, form, entry.offset)).sum(axis=-1)
    return np.ldexp(numbers.astype(float), form.frac - frac - fracs)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_sums_are_those_of_the_packed_adder(entry):
    with seeded(1):
        x = torch.randn(40, 12)
        model = model_of(nn.Sequential(nn.Linear(12, 5)), entry, x).eval()
    bias = (1 << entry.exponent) - 2
    made = by_lmul(model, entry.form, entry.offset, bias).eval()
    cast, sums, frac = operands(made, x)
    layer = model.layers[model.steps[product_step(model)].layer]
    points = layer.weight_quantizer.positions().flatten().numpy()
    weight = layer.weight_quantizer(layer.weight).detach().double().numpy()
    expected = products_of(entry, bias, cast.double().numpy(), frac, weight, points)
    added = layer.bias_quantizer(layer.bias).detach().numpy()
    np.testing.assert_array_equal(sums.detach().numpy(), expected.astype(np.float32) + added)
    assert len(np.unique(expected)) > 50
    exact = operands(model, x)[1].detach()
    assert 0 < float((sums.detach() - exact).abs().mean()) < float(exact.abs().mean()) / 2


def test_a_convolution_is_that_of_its_windows():
    entry = next(entry for entry in ENTRIES if entry.name == "lmul_e3m2")
    with seeded(2):
        x = torch.randn(6, 3, 7, 5)
        conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        images = model_of(nn.Sequential(conv), entry, x).eval()
        made = by_lmul(images, entry.form, entry.offset, 4).eval()
    layer = made.layers[made.steps[product_step(made)].layer]
    assert isinstance(layer, LMulProducts)
    cast, sums, frac = operands(made, x)
    windows = nn.functional.unfold(cast, 3, padding=1, stride=2).transpose(1, 2)
    dense = nn.Linear(27, 4)
    dense.weight.data, dense.bias.data = conv.weight.data.flatten(1), conv.bias.data
    rows = model_of(nn.Sequential(dense), entry, windows.flatten(0, 1))
    flat = rows.layers[rows.steps[product_step(rows)].layer]
    state = layer.layer.state_dict()
    flat.load_state_dict({name: value.flatten(1) if value.ndim == 4 else value for name, value in state.items()})
    expected = LMulProducts(flat, entry.form, entry.offset, 4)(windows.flatten(0, 1), frac)
    torch.testing.assert_close(sums.flatten(2).transpose(1, 2).flatten(0, 1), expected, rtol=0, atol=0)


def test_gradients_are_those_of_exact_products_and_training_moves_weights():
    entry = ENTRIES[-1]
    with seeded(3):
        x = torch.randn(16, 8)
        model = model_of(nn.Sequential(nn.Linear(8, 3)), entry, x)
    made = by_lmul(model, entry.form, entry.offset, entry.form.bias)
    slopes = []
    for each in (model, made):
        each.train()
        operands(each, x)[1].sum().backward()
        slopes.append([p.grad for p in each.parameters() if p.grad is not None])
    assert len(slopes[0]) == len(slopes[1]) > 1
    for one, other in zip(*slopes, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_the_bias_is_that_of_least_loss():
    entry = next(entry for entry in ENTRIES if entry.name == "lmul_e2m1")
    with seeded(4):
        x = torch.randn(200, 8)
        net = nn.Sequential(nn.Linear(8, 4))
        y = net(x).argmax(1)
        model = model_of(net, entry, x)
    found = [by_lmul(model, entry.form, entry.offset, bias).eval()(x).detach().double() for bias in range(4)]
    losses = [float(nn.functional.cross_entropy(each, y)) for each in found]
    assert len(set(losses)) > 1
    assert best_bias(model.eval(), entry.form, entry.offset, (x, y)) == losses.index(min(losses))


def test_groups_are_refused():
    with seeded(5):
        x = torch.randn(4, 4, 6, 6)
        model = model_of(nn.Sequential(nn.Conv2d(4, 4, 3, groups=2)), ENTRIES[0], x)
    with pytest.raises(UnsupportedError, match=r"^L-Mul is for convolutions of one group, not of 2; leave"):
        by_lmul(model, ENTRIES[0].form, ENTRIES[0].offset, 1)
