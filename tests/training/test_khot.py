"""K-hot constants: the projection against the format's own, straight-through gradients, and digits in the graph."""

import itertools
import math
import re

import numpy as np
import pytest
import torch
from torch import nn

from flow.errors import RecipeError
from flow.formats.khot import KHot, digit_count
from flow.lowering import encode_input, lower
from flow.training import Granularity, Spec, Word, quantize
from flow.training.constants import ConstantQuantizer
from flow.training.khot import DigitProjection
from tests.lowering.test_from_torch import compare
from tests.training.models import DIGIT_NETS, example, randomized
from tests.training.test_constants import DATA, trained
from tests.training.test_grid import samples


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("k", "signed_digits"), list(itertools.product((1, 2, 3), (True, False))))
def test_projection_equals_the_format(k, signed_digits, dtype):
    compared, rng = 0, np.random.default_rng(k)
    for width in (1, 2, 4, 6, 9):
        x = samples(Word(width, True), 0, rng)
        expected = KHot(k, width, 0, signed_digits).encode(x)
        found = DigitProjection(Word(width, True), k, signed_digits)(torch.from_numpy(x).to(dtype))
        assert found.dtype == dtype
        assert np.array_equal(found.numpy(), expected)
        compared += expected.size
    assert compared > 10_000


@pytest.mark.parametrize(("k", "signed_digits"), list(itertools.product((1, 2), (True, False))))
def test_unsigned_projection_is_the_nearest_legal_code(k, signed_digits):
    legal = [code for code in range(32) if int(digit_count(np.array([code]), signed_digits)[0]) <= k]
    v = np.arange(-80, 300) / 8
    expected = [min(legal, key=lambda code, x=x: (abs(code - x), code)) for x in v]
    found = DigitProjection(Word(5, False), k, signed_digits)(torch.from_numpy(v))
    assert found.tolist() == expected
    assert len(expected) == 380


def test_what_is_beyond_the_word_or_no_number_still_has_a_code():
    found = DigitProjection(Word(6, True), 2, True)(torch.tensor([1e30, -1e30, math.inf, -math.inf, math.nan]))
    assert found[:4].tolist() == [31.0, -32.0, 31.0, -32.0]  # 31 is 32 - 1
    assert math.isfinite(found[4].item())


def test_gradients_pass_the_projection_straight_through():
    """Codes of 13, 7 and 40 at a step of 1/4: with one digit 16, 8 (of 8 and 6 no other is legal) and 31's word end."""
    quantizer = ConstantQuantizer(Word(6, True), (3,), project=DigitProjection(Word(6, True), 1, False)).double()
    with torch.no_grad():
        quantizer.frac.fill_(2.0)
    x = torch.tensor([13 / 4, 7 / 4, 10.0], dtype=torch.float64, requires_grad=True)
    y = quantizer(x)
    assert y.tolist() == [4.0, 2.0, 4.0]
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 0.0]
    by_frac = math.log(2) * ((13 / 4 - 4) + (7 / 4 - 2) - 4)
    assert quantizer.frac.grad.item() == pytest.approx(by_frac, rel=1e-12)  # one rounding of the product


CASES = [(1, True, "tensor"), (2, True, "channel"), (2, False, "element"), (3, False, "tensor")]


@pytest.mark.parametrize(("name", "case"), list(itertools.product(DIGIT_NETS, CASES)))
def test_trained_nets_keep_to_their_digits_bit_by_bit(name, case):
    k, signed_digits, granularity = case
    qmodel, before = trained(name, khot=k, signed_digits=signed_digits, granularity=granularity, scales="s8")
    graph, counted = lower(qmodel), 0
    for node in graph.nodes:
        tensor = node.weight if node.op in ("dense", "conv2d") else getattr(node, "scale", None)
        if tensor is not None:
            digits = digit_count(tensor.codes, signed_digits)
            assert int(digits.max()) <= k
            counted += digits.size
    assert counted > 1000
    assert compare(graph, qmodel, encode_input(qmodel, DATA.test_x[:30])) == 30 * sum(
        value.size for value in graph.values.values()
    )
    weight = "layers.fc.weight" if name == "digits_resnet" else "layers.fc1.weight"
    assert not torch.equal(qmodel.state_dict()[weight], before[weight])


def test_the_constant_of_an_average_keeps_to_its_digits():
    """1/9 in six bits is 57/512, NAF 64 - 8 + 1; two digits of either sign allow 7/64 = 56/512 and no nearer one."""
    model = randomized(nn.Sequential(nn.Conv2d(1, 2, 1), nn.AvgPool2d(3), nn.Flatten(), nn.Linear(2, 2)), 0)
    scales = {}
    for k in (None, 2):
        graph = lower(quantize(model, example((1, 3, 3)), khot=k))
        tensor = next(node for node in graph.nodes if node.op == "avg_pool2d").scale
        scales[k] = int(tensor.codes) * 2.0**-tensor.format.frac
    assert scales == {None: 57 / 512, 2: 7 / 64}


def test_every_channel_is_calibrated_through_the_projection():
    x = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (6, 50)))
    quantizer = ConstantQuantizer(
        Word(6, True), (6, 50), Granularity.CHANNEL, project=DigitProjection(Word(6, True), 1, True)
    ).double()
    with torch.no_grad():
        quantizer.move_to_best(x)
    for row, frac in zip(x.numpy(), quantizer.frac.flatten().tolist(), strict=True):
        errors = {f: np.square(KHot(1, 6, f).encode(row) * 2.0**-f - row).sum() for f in range(-2, 13)}
        assert errors[int(frac)] == min(errors.values())


@pytest.mark.parametrize("khot", [0, -1, 1.5, "2", True])
def test_a_bad_number_of_digits_is_refused(khot):
    message = f"khot is a number of digits from 1, or None for any, not {khot!r}."
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        Spec(khot=khot)


def test_a_word_too_long_for_the_table_is_refused():
    message = "Words with khot=2 have at most 16 bits, not scales='s17'; shorten the word."
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        Spec(khot=2, scales="s17")
