"""The table of methods: each alone, all together, in one order, and names that do not exist."""

import re

import pytest
import torch

from flow.errors import RecipeError
from flow.formats import Rounding
from flow.training import accuracy, quantize
from flow.training.ptq import Method, apply
from flow.training.ptq.reference import float_twin, layer_problems, weighted_layers
from tests.training.models import DIGIT_NETS, Functional, example, randomized
from tests.training.ptq.common import BATCH, DATA, assert_same_bits, assert_untouched, state_of, trained

WORDS = {"weights": "s4", "activations": "u4"}
EXCLUSIVE = {Method.RANGE_MAX, Method.RANGE_PERCENTILE}
ALL = [method for method in Method if method is not Method.RANGE_MAX]


@pytest.mark.parametrize("net", DIGIT_NETS)
def test_without_methods_it_is_quantize(net):
    made, expected = apply(trained(net), BATCH, **WORDS), quantize(trained(net), BATCH, **WORDS)
    assert_untouched(made, state_of(expected))
    assert made.spec == expected.spec


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("net", DIGIT_NETS)
def test_each_method_lowers_to_the_same_bits(net, method):
    before, plain = state_of(trained(net)), quantize(trained(net), BATCH, **WORDS)
    made = apply(trained(net), BATCH.numpy(), [method], **WORDS)
    assert_untouched(trained(net), before)
    assert any(not torch.equal(value, plain.state_dict()[name]) for name, value in made.state_dict().items())
    assert assert_same_bits(made) > 0
    assert accuracy(made, DATA.test) > 0.5


@pytest.mark.parametrize("net", DIGIT_NETS)
def test_all_methods_together_in_any_order(net):
    options = {**WORDS, "rounding": Rounding.TRN, "batchnorm": "folded"}
    made = apply(trained(net), BATCH, ALL, **options)
    assert assert_same_bits(made) > 0
    if net == "digits_mlp":  # once is enough for an order, and learned rounding takes seconds
        again = apply(trained(net), BATCH, [method.value for method in reversed(ALL)], **options)
        assert_untouched(made, state_of(again))


@pytest.mark.parametrize("net", DIGIT_NETS)
def test_points_a_channel(net):
    """Every method that chooses codes or widths, on the grids of its rows."""
    methods = ["mixed_precision", "gptq", "bias_correction"]
    made = apply(trained(net), BATCH, methods, **WORDS, granularity="channel")
    plain = quantize(trained(net), BATCH, **WORDS, granularity="channel")
    assert any(not torch.equal(value, plain.state_dict()[name]) for name, value in made.state_dict().items())
    for layer in weighted_layers(made).values():
        assert layer.weight_quantizer.frac.numel() == len(layer.weight)
        assert torch.equal(layer.weight_quantizer(layer.weight), layer.weight)
    assert assert_same_bits(made) > 0


def test_grouped_convolutions_have_problems_of_their_own():
    model, batch = randomized(Functional(), 0), example((2, 6, 6))
    for granularity in ("tensor", "channel"):
        options = {**WORDS, "granularity": granularity}
        plain, made = (apply(model, batch, methods, **options) for methods in ((), ("gptq", "learned_rounding")))
        assert plain.layers["twice"].groups == 2
        fits = layer_problems(plain, float_twin(plain), "twice", batch)
        assert len(fits.groups) == 2
        for layer in weighted_layers(made).values():
            assert torch.equal(layer.weight_quantizer(layer.weight), layer.weight)
        assert assert_same_bits(made, batch) > 0


def test_minifloats_take_widths_that_they_have():
    made = apply(trained("digits_mlp"), BATCH, ("mixed_precision", "minifloat"), weights="s3", activations="u4")
    assert assert_same_bits(made) > 0


def test_unknown_methods_are_named_together():
    message = (
        "Post-training quantisation has no method 'gptx', 'adaround'; the methods are equalise, smooth, "
        "channel_exponents, range_max, range_percentile, mixed_precision, minifloat, gptq, learned_rounding, "
        "bias_correction, in this order."
    )
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        apply(trained("digits_mlp"), BATCH, ("gptx", "gptq", "adaround", "gptx"))


def test_two_range_methods_are_refused():
    message = "Methods range_max and range_percentile both set every binary point; keep one of them."
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        apply(trained("digits_mlp"), BATCH, EXCLUSIVE)
