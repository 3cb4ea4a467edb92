"""Casts with a point or a word for each channel or element: the same bits, slopes, lengths and formats."""

import numpy as np
import pytest
import torch
from torch import nn

from flow.formats import FixedPoint, Overflow, Rounding
from flow.ir import RequantizeEach
from flow.lowering import encode_input, lower
from flow.training import Granularity, Word, calibrating, freeze_points, quantize
from flow.training.cast_points import GroupedCast
from flow.training.quantizer import Quantizer
from flow.training.widths import LearnedCast
from tests.lowering.test_from_torch import compare
from tests.training.models import Functional, example, randomized

MODES = [(rounding, Overflow.SAT) for rounding in Rounding] + [(Rounding.RND, mode) for mode in Overflow]


def grouped(shape=(3, 4), granularity=Granularity.CHANNEL, learned=False, **changed):
    held = {"word": Word(5, True), "rounding": Rounding.RND, "overflow": Overflow.SAT, **changed}
    return GroupedCast(place="x", shape=shape, granularity=granularity, learned=learned, **held)


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("granularity", ["channel", "element"])
@pytest.mark.parametrize("overflow", list(Overflow))
def test_the_same_bits_on_every_rung(granularity, learned, overflow):
    spec = {"cast_granularity": granularity, "lengths": "learned" if learned else "fixed", "overflow": overflow}
    qmodel = quantize(randomized(Functional(), 1), example((2, 6, 6)), activations="s6", **spec)
    graph = lower(qmodel)
    codes = encode_input(qmodel, 3 * example((2, 6, 6), 5))
    assert compare(graph, qmodel, codes) == len(codes) * sum(value.size for value in graph.values.values())
    casts = [node for node in graph if isinstance(node, RequantizeEach)]
    assert len(casts) == 15
    formats = qmodel.formats()
    for node in casts:
        assert formats[node.name] == graph.values[node.name].format
        shape = graph.values[node.name].shape
        assert node.fracs.shape == (shape if granularity == "element" else (shape[0], *([1] * (len(shape) - 1))))


@pytest.mark.parametrize(("rounding", "overflow"), MODES)
def test_a_group_alone_is_cast_and_trained_as_a_tensor_is(rounding, overflow):
    """One channel: value, slope of x and slope of the point of the plain quantiser."""
    plain, fine = Quantizer(Word(5, True), rounding, overflow), grouped((1, 4), rounding=rounding, overflow=overflow)
    x = example((1, 4), 2, count=50)
    for cast in (plain, fine):
        with calibrating(nn.ModuleList([cast])):
            cast(x)
        with torch.no_grad():
            cast.frac.add_(1)
    assert fine.frac.flatten().tolist() == [plain.frac.item()]
    first, second = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, z = plain(first), fine(second)
    assert torch.equal(y, z)
    weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    (y * weight).sum().backward()
    (z * weight).sum().backward()
    assert torch.equal(first.grad, second.grad)
    assert fine.frac.grad.item() == pytest.approx(plain.frac.grad.item(), rel=1e-5)


def test_a_learned_group_alone_is_cast_as_a_tensor_is():
    plain = LearnedCast(Word(5, True), Rounding.RND, Overflow.SAT, "x")
    fine = grouped((1, 4), learned=True)
    x = example((1, 4), 2, count=50)
    for cast in (plain, fine):
        with torch.no_grad():
            cast.frac.fill_(2)
            cast.integer.fill_(1)
    y, z = plain(x), fine(x)
    assert torch.equal(y, z)
    y.square().sum().backward()
    z.square().sum().backward()
    for name in ("frac", "integer"):
        assert getattr(fine, name).grad.item() == pytest.approx(getattr(plain, name).grad.item(), rel=1e-5)


def test_each_channel_takes_its_own_best_point_and_the_leftmost_bounds_the_spread():
    cast = grouped((3, 4))
    x = example((3, 4), 1, count=64) * torch.tensor([1.0, 2.0**-3, 2.0**-20]).view(1, 3, 1)
    with calibrating(nn.ModuleList([cast])):
        cast(x)
    at = cast.positions().flatten().tolist()
    assert at[1] - at[0] in (2, 3, 4)
    assert at[2] == at[0] + 8
    assert cast.format == FixedPoint(5 + 8, at[2])


def test_codes_are_the_values_and_a_pruned_channel_is_zero():
    cast = grouped((3, 4), learned=True).eval()
    with torch.no_grad():
        cast.frac.copy_(torch.tensor([2.0, 4.0, 6.0]).view(3, 1))
        cast.integer.copy_(torch.tensor([2.0, 1.0, -6.0]).view(3, 1))
    x = example((3, 4), 4)
    assert cast.format == FixedPoint(7, 4)
    assert cast.widths().flatten().tolist() == cast.bits().flatten().tolist() == [5, 6, 0]
    assert np.array_equal(cast.codes(x), (cast(x).detach() * 16).numpy())
    assert not cast.codes(x)[:, 2].any()
    freeze_points(nn.ModuleList([cast]))
    assert not cast.frac.requires_grad


def test_a_channel_point_loses_less_than_one_for_all():
    torch.manual_seed(0)  # the model's weights
    batch = example((4, 6, 6), 0, count=64) * torch.tensor([1.0, 0.1, 0.02, 3.0]).view(1, 4, 1, 1)
    model = nn.Sequential(nn.Conv2d(4, 4, 1, groups=4, bias=False), nn.Flatten(), nn.Linear(144, 3))

    def error(granularity):
        qmodel = quantize(model, batch, input="s16", weights="s12", activations="s5", cast_granularity=granularity)
        values = dict(zip((step.name for step in qmodel.steps), qmodel.values(batch), strict=True))
        missed = (values["0.out"] - values["0"]).detach().square().mean(dim=(0, 2, 3))
        return float((missed / values["0"].detach().square().mean(dim=(0, 2, 3))).max())

    assert error("channel") < 0.05 * error("tensor")
