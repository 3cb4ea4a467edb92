"""The trainable minifloat: its gradients by their formulas, where its point starts and ends, and its codes."""

import math
import re

import numpy as np
import pytest
import torch

from flow.errors import DataError, UnsupportedError
from flow.formats import FloatRounding, Minifloat, encode_minifloat
from flow.training import Granularity, calibrating, freeze_points
from flow.training.minifloats import MinifloatQuantizer
from flow.training.words import MinifloatWord

SHAPE = (5, 60)


def made(text, frac=None, shape=(), granularity=Granularity.TENSOR, rounding=FloatRounding.NEAREST_EVEN):
    word = MinifloatWord.parse(text)
    quantizer = MinifloatQuantizer(word, shape, granularity, rounding, "fc.weight")
    with torch.no_grad():
        quantizer.frac.add_(0.0 if frac is None else frac - word.form.frac)
    return quantizer


def drawn(seed, shape=SHAPE, scale=1.0):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, scale, shape))


@pytest.mark.parametrize("rounding", list(FloatRounding))
@pytest.mark.parametrize("text", ["e4m3", "e2m1", "e3m0", "ue2m2", "e4m3fn"])
def test_gradients_follow_the_formulas(text, rounding):
    """dy/dx = 1 and dy/df = ln2 * (x - y) between the lowest and the highest number, 0 and -ln2 * y outside."""
    quantizer = made(text, rounding=rounding).double()
    form = quantizer.minifloat
    x, upstream = drawn(1, scale=float(form.high) / 1.5), drawn(2)
    given = x.clone().requires_grad_()
    y = quantizer(given)
    y.backward(upstream)
    y = y.detach()
    expected = torch.from_numpy(form.decode(encode_minifloat(x.numpy(), form, rounding)))
    low = -float(form.high) if form.signed else 0.0
    inside = (x >= low) & (x <= float(form.high))
    assert torch.equal(y, expected) and bool(inside.any()) and not bool(inside.all())
    assert torch.equal(given.grad, upstream * inside)
    by_frac = math.log(2) * float((upstream * torch.where(inside, x - y, -y)).sum())
    # A sum of 300 doubles in another order: equal up to the last bits, which is what the allowance covers.
    assert quantizer.frac.grad.item() == pytest.approx(by_frac, rel=1e-12)


def test_where_nothing_saturates_the_gradient_passes_unchanged():
    quantizer, upstream = made("e4m3").double(), drawn(2)
    x = drawn(1).requires_grad_()
    y = quantizer(x)
    y.backward(upstream)
    assert torch.equal(x.grad, upstream)
    expected = math.log(2) * float((upstream * (x - y)).detach().sum())
    assert quantizer.frac.grad.item() == pytest.approx(expected, rel=1e-12)


def test_points_of_channels_are_tensors_of_their_own():
    quantizer = made("e2m1", shape=SHAPE, granularity=Granularity.CHANNEL).double()
    offsets = torch.arange(-2.0, 3.0, dtype=torch.float64).view(5, 1)
    with torch.no_grad():
        quantizer.frac.add_(offsets)
    x, upstream = drawn(3, scale=3.0), drawn(4)
    y = quantizer(x)
    y.backward(upstream)
    for row in range(5):
        single = made("e2m1", 1 + float(offsets[row])).double()
        alone = single(x[row])
        alone.backward(upstream[row])
        assert torch.equal(y[row], alone)
        assert quantizer.frac.grad[row].item() == pytest.approx(single.frac.grad.item(), rel=1e-12)


def test_the_point_moves_the_bias():
    assert str(made("e4m3", 9).minifloat) == "e4m3"
    assert str(made("e4m3", 11.4).minifloat) == "e4m3b9"
    assert made("e4m3", 10)(torch.tensor([1e9])).item() == float(Minifloat.parse("e4m3").high) / 2


@pytest.mark.parametrize("text", ["e4m3", "e3m2", "e2m1", "e5m2", "ue3m2", "e0m4", "e3m0"])
def test_codes_are_the_values_in_the_fixed_point_format(text):
    for shape, granularity in (((), Granularity.TENSOR), (SHAPE, Granularity.CHANNEL)):
        quantizer = made(text, shape=shape, granularity=granularity)
        x = (drawn(5).abs() if text.startswith("u") else drawn(5)).float()
        x *= torch.tensor([1.0, 0.3, 8.0, 1e-3, 1.0]).view(5, 1)
        with calibrating(quantizer):
            values = quantizer(x).detach().double().numpy()
        codes, form = quantizer.codes(x), quantizer.format
        assert codes.dtype == np.int64 and codes.shape == SHAPE
        assert np.array_equal(np.ldexp(codes.astype(np.float64), -form.frac), values)
        assert form.holds(int(codes.min()), int(codes.max()))
    assert made(text).format == Minifloat.parse(text).fixed_point


@pytest.mark.parametrize("text", ["e4m3", "e3m2", "e2m1", "e2m3", "ue2m2"])
def test_calibration_finds_the_position_that_loses_least(text):
    word, found = MinifloatWord.parse(text), []
    for seed, scale in enumerate((0.01, 1.0, 40.0)):
        x = drawn(seed, scale=scale) if word.signed else drawn(seed, scale=scale).abs()
        errors = {}
        for frac in range(word.form.frac - 20, word.form.frac + 21):
            form = word.at(frac)
            errors[frac] = float(np.square(form.decode(encode_minifloat(x.numpy(), form)) - x.numpy()).sum())
        quantizer = made(text).double()
        with calibrating(quantizer):
            quantizer(x)
        found.append(quantizer.frac.item())
        assert errors[found[-1]] == min(errors.values())
    assert found[0] > found[1] > found[2]


def test_calibration_of_zeros_and_of_constants():
    quantizer = made("e3m2")
    with calibrating(quantizer):
        assert quantizer(torch.zeros(4)).tolist() == [0.0] * 4
        assert quantizer(torch.full((3,), 28.0)).tolist() == [28.0] * 3


@pytest.mark.parametrize("text", ["e2m1", "e2m2", "e3m1"])
def test_a_point_two_off_trains_back_to_the_best_position_or_one_beside(text):
    x = drawn(0, (300,), 0.7)
    quantizer = made(text).double()
    with calibrating(quantizer):
        quantizer(x)
    best, least = quantizer.frac.item(), float((quantizer(x) - x).detach().square().sum())
    for off in (-2, 2):
        trained = made(text, best + off).double()
        optimizer = torch.optim.Adam([trained.frac], lr=0.1)
        for step in range(120):
            optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / 120)
            optimizer.zero_grad()
            (trained(x) - x).square().sum().backward()
            optimizer.step()
        loss = float((trained(x) - x).detach().square().sum())
        assert abs(trained.positions().item() - best) <= 1 or loss <= 1.05 * least


def test_frozen_points_are_whole_and_get_no_gradient():
    quantizer = made("e4m3", 10.6)
    freeze_points(quantizer)
    x = torch.ones(3, requires_grad=True)
    quantizer(x).sum().backward()
    assert quantizer.frac.item() == 11.0
    assert quantizer.frac.grad is None


def test_chance_is_for_training_only():
    quantizer, x = made("e2m1"), torch.full((1000,), 1.2)
    quantizer.stochastic = True
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert set(quantizer.train()(x).tolist()) == {1.0, 1.5}
        assert set(quantizer.eval()(x).tolist()) == {1.0}
        assert set(np.unique(quantizer.train().codes(x))) == {2}
        with calibrating(quantizer):
            assert len(set(quantizer(x).tolist())) == 1


def test_a_code_wider_than_62_bits_is_refused():
    message = (
        "A constant has at most 62 bits in fixed point, but e6m1 needs 65 for 'fc.weight'; choose fewer exponent bits."
    )
    with pytest.raises(UnsupportedError, match=f"^{re.escape(message)}$"):
        made("e6m1").codes(torch.ones(2))


def test_nan_has_no_code():
    message = "A minifloat holds finite numbers only, but 'fc.weight' holds NaN or infinity."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        made("e4m3").codes(torch.tensor([1.0, float("nan")]))
