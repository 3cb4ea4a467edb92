"""The kernels against their eager twins: the same bits forward and to `x`, and to the points where sums are exact."""

import itertools
import math

import pytest
import torch

from flow.errors import DataError
from flow.formats import FloatRounding, Overflow, Rounding
from flow.training import Granularity, Quantizer, Word
from flow.training.constants import ConstantQuantizer
from flow.training.kernels import cast_operator
from flow.training.minifloats import MinifloatQuantizer
from flow.training.widths import LearnedCast, LearnedConstant
from flow.training.words import parse_word
from tests.training.test_grid import MODES, samples

GRANULARITIES = list(Granularity)
FUSED = "torch::autograd::CppNode<(anonymous namespace)::Cast>"


def run(made, cast, x, upstream):
    """The result of one cast and the gradients to `x` and to the points."""
    given = x.clone().requires_grad_()
    made.zero_grad()
    y = cast(given)
    y.backward(upstream)
    return y, given.grad, [point.grad for point in made.points()]


def assert_twins(made, x, upstream):
    """All bits, those of slopes too: the values are such that no sum is rounded before its factor ln2."""
    found, expected = run(made, made, x, upstream), run(made, made.eager, x, upstream)
    assert found[0].grad_fn.name() == FUSED
    assert expected[0].grad_fn.name() != FUSED
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])
    assert len(found[2]) == len(expected[2]) > 0
    for mine, its in zip(found[2], expected[2], strict=True):
        assert torch.equal(mine, its)
    return found[0].numel()


def dyadic(shape, generator, scale=4.0):
    """Values of few digits, so that every sum of their products is exact in float32."""
    return torch.randint(-160, 161, shape, generator=generator) / 32 * scale / 4


def ones(shape, generator):
    return torch.randint(-2, 3, shape, generator=generator).float()


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def set_points(made, generator, low=-1, high=4):
    with torch.no_grad():
        for point in made.points():
            point.copy_(torch.rand(point.shape, generator=generator) * (high - low) + low)
    return made


def test_the_kernels_are_there():
    assert cast_operator() is not None


@pytest.mark.parametrize(("rounding", "mode", "signed"), MODES)
def test_fixed_words(rounding, mode, signed, generator):
    compared = 0
    for width, frac in itertools.product((1, 2, 4, 8, 23), (-3, 0, 2)):
        made = Quantizer(Word(width, signed), rounding, mode)
        with torch.no_grad():
            made.frac.fill_(frac)
        x = dyadic((501,), generator, scale=2.0 ** (3 - frac))
        compared += assert_twins(made, x, ones(x.shape, generator))
    assert compared == 15 * 501


@pytest.mark.parametrize(("rounding", "mode", "signed"), MODES)
def test_fixed_words_at_every_tie_and_its_neighbours(rounding, mode, signed):
    import numpy as np

    compared = 0
    for width, frac in itertools.product((1, 4), (-3, 9)):
        made = Quantizer(Word(width, signed), rounding, mode)
        with torch.no_grad():
            made.frac.fill_(frac)
            x = torch.from_numpy(samples(Word(width, signed), frac, np.random.default_rng(0)))
            edges = torch.tensor([1e-40, -1e-40, 3e38, -3e38, 8388607.5, -8388607.5, -0.0])
            x = x if mode in (Overflow.WRAP, Overflow.WRAP_SM) else torch.cat([x, edges])
            assert torch.equal(made(x), made.eager(x))
        compared += x.numel()
    assert compared > 2_000


@pytest.mark.parametrize("kind", [ConstantQuantizer, LearnedConstant])
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("signed", [True, False])
def test_constants(kind, granularity, signed, generator):
    for shape, width in itertools.product([(5, 7), (4, 3, 3, 3), (9,)], (2, 5, 8)):
        made = set_points(kind(Word(width, signed), shape, granularity), generator)
        assert_twins(made, dyadic(shape, generator), ones(shape, generator))


def test_points_that_lie_far_apart(generator):
    for kind in (ConstantQuantizer, LearnedConstant):
        made = set_points(kind(Word(6, signed=True), (300,), Granularity.ELEMENT), generator, -40, 40)
        x = torch.randn(300, generator=generator)
        with torch.no_grad():
            assert torch.equal(made(x), made.eager(x))


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("mode", [Overflow.SAT, Overflow.SAT_SYM])
@pytest.mark.parametrize("signed", [True, False])
def test_learned_casts(rounding, mode, signed, generator):
    for _ in range(6):
        made = set_points(LearnedCast(Word(6, signed), rounding, mode, "x"), generator)
        x = dyadic((300,), generator, scale=16.0)
        assert_twins(made, x, ones(x.shape, generator))


@pytest.mark.parametrize("mode", [Overflow.WRAP, Overflow.SAT_ZERO])
def test_two_casts_before_one_gradient(mode, generator):
    """What follows the values changes with each cast; the gradient of the first is still there."""
    for made in (LearnedCast(Word(6, signed=True), Rounding.RND, mode, "x"),
                 LearnedConstant(Word(6, signed=True), (8,), trained=False)):  # fmt: skip
        x = torch.randn(8, generator=generator)
        (made(x) + made(2 * x)).sum().backward()
        assert made.frac.grad.isfinite()


@pytest.mark.parametrize("text", "e4m3 e5m2 e2m1 e3m2 e4m3fn ue4m4 e1m4".split())
@pytest.mark.parametrize("granularity", [Granularity.TENSOR, Granularity.CHANNEL])
def test_minifloats(text, granularity, generator):
    word = parse_word(text)
    for offset in (-3, 0, 5):
        made = MinifloatQuantizer(word, (6, 40), granularity)
        with torch.no_grad():
            made.frac.add_(offset)
        scale = 2.0 ** -round(made.frac.detach().flatten()[0].item()) * word.form.highest_integer / 16
        x = dyadic((6, 40), generator) * scale
        assert_twins(made, x, ones(x.shape, generator))
        with torch.no_grad():
            wide = torch.randn(4000, 40, generator=generator) * scale
            assert granularity is Granularity.CHANNEL or torch.equal(made(wide), made.eager(wide))


def rectifying(generator):
    """Every kind of cast, each with what scales its input."""
    for rounding, mode, signed in MODES:
        yield set_points(Quantizer(Word(4, signed), rounding, mode), generator), 4.0
    for mode in (Overflow.SAT, Overflow.SAT_SYM):
        yield set_points(LearnedCast(Word(6, signed=False), Rounding.RND_CONV, mode, "x"), generator), 16.0
    yield MinifloatQuantizer(parse_word("ue4m4")), 2.0**-6
    yield set_points(ConstantQuantizer(Word(5, signed=True), (30, 10), Granularity.CHANNEL), generator), 4.0


def test_a_relu_before_the_cast(generator):
    compared = 0
    for made, scale in rectifying(generator):
        x = dyadic((30, 10), generator, scale)
        x[:, 0], upstream = 0.0, ones(x.shape, generator)
        found = run(made, made.rectified, x, upstream)
        expected = run(made, lambda value, made=made: made.eager(torch.relu(value)), x, upstream)
        assert found[0].grad_fn.name() == FUSED
        assert all(torch.equal(mine, its) for mine, its in zip(found[:2], expected[:2], strict=True))
        assert all(torch.equal(mine, its) for mine, its in zip(found[2], expected[2], strict=True))
        assert expected[1].count_nonzero() > 0
        compared += 1
    assert compared == len(MODES) + 4


def test_a_gradient_of_a_gradient_through_a_relu(generator):
    for made in (Quantizer(Word(4, signed=True)), LearnedCast(Word(4, signed=False), Rounding.RND, Overflow.SAT, "x")):
        x, upstream = dyadic((50,), generator, scale=16.0), ones((50,), generator)
        found = twice(made.rectified, made.points(), x, upstream)
        expected = twice(lambda value, made=made: made.eager(torch.relu(value)), made.points(), x, upstream)
        assert found[-1].abs().sum() > 0
        assert all(torch.equal(mine, its) for mine, its in zip(found, expected, strict=True))


def test_the_kernel_is_told_of_modes_that_change(generator):
    x = torch.randn(100, generator=generator)
    made = Quantizer(Word(4, signed=True), Rounding.TRN, Overflow.SAT)
    before = made(x)
    made.rounding, made.overflow, made.word = Rounding.RND_CONV, Overflow.WRAP, Word(2, signed=False)
    assert not torch.equal(made(x), before)
    assert torch.equal(made(x), made.eager(x))


def run_on(threads, made, x, upstream):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return run(made, made, x, upstream)
    finally:
        torch.set_num_threads(before)


def test_large_tensors_are_the_same_on_any_number_of_threads(generator):
    made = Quantizer(Word(8, signed=True))
    with torch.no_grad():
        made.frac.fill_(5)
    x, upstream = torch.randn(200_003, generator=generator), torch.randn(200_003, generator=generator)
    y, by_x, (by_frac,) = run_on(1, made, x, upstream)
    others = run_on(2, made, x, upstream)
    assert all(torch.equal(mine, its) for mine, its in zip((y, by_x, by_frac), (*others[:2], *others[2]), strict=True))
    assert torch.equal(y, made.eager(x))
    inside = (x * 32 + 0.5).floor().clamp(-128, 127) == (x * 32 + 0.5).floor()
    assert torch.equal(by_x, upstream * inside)
    terms = upstream.double() * (torch.where(inside, x, 0.0).double() - y.detach().double())
    # Nine roundings a term at most: its own and those of its block by halves; then float's of the result and of ln2.
    bound = 11 * 2.0**-24 * terms.abs().sum().item()
    assert abs(by_frac.item() - math.log(2) * math.fsum(terms.tolist())) <= bound


def test_where_no_kernel_runs_the_twin_does(generator, monkeypatch):
    made = Quantizer(Word(8, signed=True))
    x = torch.randn(4, 6, generator=generator, requires_grad=True)
    assert made(x).grad_fn.name() == FUSED
    assert made(x.t()).grad_fn.name() == "_FakeQuantizeBackward"
    assert made(x.double()).grad_fn.name() == "_FakeQuantizeBackward"
    assert made(x[:0]).shape == (0, 6)
    coarse = MinifloatQuantizer(parse_word("e4m3"), rounding=FloatRounding.TOWARD_ZERO)
    assert coarse(x).grad_fn.name() == "_ToMinifloatBackward"
    monkeypatch.setattr("flow.training.kernels.autograd.cast_operator", lambda: None)
    assert made(x).grad_fn.name() == "_FakeQuantizeBackward"


def twice(cast, points, x, upstream):
    """Gradients to `x` and to the points, and what a second gradient, of all of them, gives their upstream."""
    given, weight = x.clone().requires_grad_(), upstream.clone().requires_grad_()
    first = torch.autograd.grad((cast(given) * weight).sum(), (given, *points), create_graph=True)
    return *first, *torch.autograd.grad(sum((part * (at + 1)).sum() for at, part in enumerate(first)), (weight,))


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_a_gradient_of_a_gradient_is_the_twins(granularity, generator):
    word, shape = Word(4, signed=True), (4, 6)
    kinds = [
        ConstantQuantizer(word, shape, granularity),
        LearnedConstant(word, shape, granularity),
        Quantizer(word, Rounding.TRN, Overflow.WRAP),
        LearnedCast(word, Rounding.RND_CONV, Overflow.SAT, "x"),
    ]
    if granularity is not Granularity.ELEMENT:
        kinds.append(MinifloatQuantizer(parse_word("e2m1"), shape, granularity))
    for made in kinds:
        set_points(made, generator)
        x, upstream = dyadic(shape, generator, scale=8.0), ones(shape, generator)
        found, expected = (twice(cast, made.points(), x, upstream) for cast in (made, made.eager))
        assert len(found) == len(expected) == 2 + len(made.points())
        assert found[-1].abs().sum() > 0
        assert all(torch.equal(mine, its) for mine, its in zip(found, expected, strict=True))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_point_that_diverged_is_named(bad):
    made = ConstantQuantizer(Word(6, signed=True), (3,), Granularity.ELEMENT, "fc.weight")
    with torch.no_grad():
        made.frac[1] = bad
    message = f"^The binary point of 'fc\\.weight' is {bad}; the training diverged, lower its rate\\.$"
    with pytest.raises(DataError, match=message):
        made(torch.ones(3))
