"""Binary points by maximum and percentile against brute force, and on whole models."""

import itertools
import re

import numpy as np
import pytest
import torch
from torch import nn

from flow.errors import RecipeError
from flow.formats import FixedPoint, Overflow, Rounding, encode
from flow.training import Quantizer, Word, quantize
from flow.training.ptq.ranges import RangeMethod, calibrate_ranges, max_position, percentile_position
from flow.training.ptq.reference import step_values
from flow.training.quantizer import quantizers
from tests.training.models import DIGIT_NETS
from tests.training.ptq.common import BATCH, assert_same_bits, assert_untouched, quantised, state_of


def brute_force(x, word, rounding, mode):
    """The most fractional bits with which saturating changes nothing."""
    wide = {frac: encode(x, FixedPoint(56, frac), rounding, Overflow.SAT) for frac in range(-12, 20)}
    low = -word_high(word) if mode is Overflow.SAT_SYM and word.signed else FixedPoint(word.width, 0, word.signed).low
    fits = [frac for frac, codes in wide.items() if codes.min() >= low and codes.max() <= word_high(word)]
    return max(fits)


def word_high(word):
    return FixedPoint(word.width, 0, word.signed).high


MODES = (Overflow.SAT, Overflow.SAT_SYM), (Rounding.RND, Rounding.TRN)
CASES = list(itertools.product((3, 4, 8), (True, False), *MODES))


@pytest.mark.parametrize(("width", "signed", "mode", "rounding"), CASES)
def test_max_keeps_every_value_and_no_more(width, signed, mode, rounding):
    word, count = Word(width, signed), 0
    quantizer = Quantizer(word, rounding, mode)
    for seed, scale in itertools.product(range(2), (0.02, 30.0)):
        x = np.random.default_rng(seed).normal(0, scale, 50)
        x = x if signed else np.abs(x)
        for given in (x, np.append(x, 2.0 ** np.ceil(np.log2(np.abs(x).max()))), -np.abs(x) if signed else x):
            assert max_position(torch.from_numpy(given), quantizer) == brute_force(given, word, rounding, mode)
            count += 1
    assert count == 12


def test_max_of_a_negative_power_of_two_uses_the_lowest_code():
    assert max_position(torch.tensor([-1.0, 0.4]), Quantizer(Word(4, True))) == 3
    assert max_position(torch.tensor([1.0, 0.4]), Quantizer(Word(4, True))) == 2
    assert max_position(torch.zeros(3), Quantizer(Word(4, True))) == 3
    assert max_position(torch.tensor([-5.0, 0.4]), Quantizer(Word(4, False))) == 5


def test_percentile_leaves_out_the_largest():
    x = torch.cat([torch.linspace(-1, 1, 999), torch.tensor([100.0])])
    quantizer = Quantizer(Word(8, True))
    assert percentile_position(x, quantizer, 100.0) == max_position(x, quantizer) == 0
    assert percentile_position(x, quantizer, 99.9) == max_position(x[:-1], quantizer) == 6
    assert percentile_position(torch.zeros(0), quantizer, 50.0) == 7


@pytest.mark.parametrize("net", DIGIT_NETS)
def test_models_lower_to_the_same_bits(net):
    model, _ = quantised(net)
    before, points = state_of(model), {}
    for method in RangeMethod:
        result = calibrate_ranges(model, BATCH, method, percentile=90.0)
        points[method] = [form.frac for form in result.formats().values()]
        assert assert_same_bits(result) > 0
    assert_untouched(model, before)
    assert points[RangeMethod.MSE] == [form.frac for form in model.formats().values()]
    assert all(a <= b for a, b in zip(points[RangeMethod.MAX], points[RangeMethod.MSE], strict=True))
    assert points[RangeMethod.MAX] != points[RangeMethod.PERCENTILE]
    assert points[RangeMethod.MAX] != points[RangeMethod.MSE]


@pytest.mark.parametrize("granularity", ["channel", "element"])
def test_points_of_constants_are_set_channel_by_channel(granularity):
    model, _ = quantised("digits_resnet", granularity=granularity)
    best = calibrate_ranges(model, BATCH, RangeMethod.MSE)
    assert_untouched(model, state_of(best))
    result = calibrate_ranges(model, BATCH, RangeMethod.MAX)
    assert assert_same_bits(result) > 0
    layer = result.layers["block_conv1"]
    quantizer = layer.weight_quantizer
    rows = layer.weight.detach() if granularity == "channel" else layer.weight.detach().flatten().unsqueeze(0)
    expected = [brute_force(row.double().numpy(), Word(4, True), Rounding.RND, Overflow.SAT) for row in rows]
    points = (
        quantizer.frac.detach().flatten().unique().tolist()
        if granularity == "element"
        else quantizer.frac.flatten().tolist()
    )
    assert points == expected
    assert len(points) == (8 if granularity == "channel" else 1)


@pytest.mark.parametrize("granularity", ["channel", "element"])
@pytest.mark.parametrize("lengths", ["fixed", "learned"])
def test_points_of_casts_are_set_group_by_group_and_no_value_saturates(granularity, lengths):
    """As many samples as channels, so that a mistaken axis would fit; a channel of zeros widens nothing."""
    model = nn.Sequential(nn.Conv2d(4, 4, 1, groups=4, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3))
    batch = torch.rand((4, 4, 3, 3), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, 0.2, 0.04, -1.0]).view(4, 1, 1, 1))
    qmodel = quantize(model, batch, weights="s12", cast_granularity=granularity, lengths=lengths)
    with torch.no_grad():
        for quantizer in quantizers(qmodel).values():
            quantizer.frac.add_(3)
    ranged = calibrate_ranges(qmodel, batch, RangeMethod.MAX)
    values, cast = step_values(ranged, batch), ranged.layers["0_out"].quantizer
    largest, at = values["0.relu"].amax(0), cast.positions().expand(4, 3, 3)
    for place in itertools.product(range(3), range(3), range(3)):
        within = largest[place] if granularity == "element" else largest[place[0]].max()
        assert round(float(within) * 2.0 ** int(at[place])) <= 63 < round(float(within) * 2.0 ** (int(at[place]) + 1))
    assert bool((at[3] == at[0].min()).all())
    assert bool((cast.bits() == 6).all())
    assert bool((quantizers(ranged)["layers.0.weight_quantizer"].bits() == 12).all())


@pytest.mark.parametrize("percentile", [0.0, 100.5])
def test_a_percentile_out_of_range_is_refused(percentile):
    message = f"A range percentile must lie above 0 and at most at 100, not at {percentile}."
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        calibrate_ranges(quantised("digits_mlp")[0], BATCH, RangeMethod.PERCENTILE, percentile)
