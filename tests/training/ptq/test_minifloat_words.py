"""The methods on models whose words are minifloats or blocks from the start."""

import re

import numpy as np
import pytest
import torch

from flow.datasets import load
from flow.errors import UnsupportedError
from flow.formats import encode_minifloat
from flow.lowering import encode_input, lower
from flow.training.block_words import BlockQuantizer
from flow.training.minifloats import MinifloatQuantizer
from flow.training.ptq import apply
from flow.training.ptq.ranges import max_position
from flow.training.words import MinifloatWord
from tests.lowering.test_from_torch import built_in, compare
from tests.training.models import randomized

DATA = load("digits")


@pytest.mark.parametrize("text", ["e4m3", "e2m1", "e3m2", "ue2m2", "e4m3fn", "e3m0"])
def test_the_most_fractional_bits_that_saturate_nothing(text):
    rng, word, compared = np.random.default_rng(0), MinifloatWord.parse(text), 0
    for scale in (1e-3, 1.0, 40.0):
        x = np.abs(rng.normal(0, scale, 50)) if text.startswith("u") else rng.normal(0, scale, 50)
        found = max_position(torch.from_numpy(x), MinifloatQuantizer(word))
        high = [float(word.at(found + more).high) for more in (0, 1)]
        assert high[0] >= np.abs(x).max() > high[1]
        compared += 1
    exact = torch.tensor([float(word.at(7).high)])
    assert max_position(exact, MinifloatQuantizer(word)) == 7 and compared == 3


def kept(qmodel, chosen):
    """How many rows were looked at: each layer's words are minifloats, and where chosen so are the weights."""
    compared = 0
    for step in qmodel.steps:
        layer = qmodel.layers[step.layer]
        if not hasattr(layer, "weight_quantizer"):
            continue
        assert isinstance(layer.weight_quantizer, MinifloatQuantizer)
        rows, at = layer.weight.detach().double().flatten(1), layer.weight_quantizer.positions()
        for row, frac in zip(rows, at.flatten().expand(len(rows)).tolist(), strict=True):
            form = layer.weight_quantizer.word.at(frac)
            assert not chosen or np.array_equal(row.numpy(), form.decode(encode_minifloat(row.numpy(), form)))
            compared += 1
    return compared


TENSOR, CHANNEL = {"weights": "e2m1"}, {"weights": "e3m2", "granularity": "channel"}


@pytest.mark.parametrize(
    ("net", "methods", "rows", "words"),
    [
        ("digits_resnet", ["range_max", "bias_correction"], 50, TENSOR),
        ("digits_resnet", ["range_percentile", "gptq"], 50, TENSOR),
        ("digits_resnet", ["range_max", "gptq"], 50, CHANNEL),
        ("digits_mlp", ["learned_rounding"], 74, CHANNEL),
    ],
)
def test_methods_keep_minifloats_minifloats_and_the_bits_of_the_graph(net, methods, rows, words):
    model = randomized(built_in(net), 0)
    qmodel = apply(model, DATA.train_x[:24], methods, activations="e3m2", **words)
    graph = lower(qmodel)
    assert compare(graph, qmodel, encode_input(qmodel, DATA.test_x[:5])) > 0
    assert kept(qmodel, chosen=bool({"gptq", "learned_rounding"} & set(methods))) == rows


def test_what_chooses_widths_or_formats_refuses_minifloats():
    model = randomized(built_in("digits_mlp"), 0)
    for method in ("mixed_precision", "minifloat"):
        message = (
            "Choosing codes after training needs a fixed word, a binary point a tensor or channel and no limit of "
            "digits, but 'fc1.weight' is e3m2 with a point a tensor in s10."
        )
        with pytest.raises(UnsupportedError, match=f"^{re.escape(message)}"):
            apply(model, DATA.train_x[:16], [method], weights="e3m2")


def test_blocks_have_no_range_to_set_and_no_codes_to_choose():
    model = randomized(built_in("digits_mlp"), 0)
    ranged = apply(model, DATA.train_x[:16], ["range_max"], weights="mxfp4")
    assert isinstance(ranged.layers["fc1"].weight_quantizer, BlockQuantizer)
    with pytest.raises(UnsupportedError, match=r"but 'fc1\.weight' is mxe2m1b32 in s\d+\.-?\d+; set granularity"):
        apply(model, DATA.train_x[:16], ["gptq"], weights="mxfp4")
