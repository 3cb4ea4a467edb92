"""The built-in nets: their layers and shapes; of ResNet-20 also torch == interpreter on every node."""

import numpy as np
import pytest
import torch
from torch import nn

from flow.ir import Add, AvgPool2d, Conv2d
from flow.lowering import encode_input, lower
from flow.training import (
    NETS,
    digits_attention,
    digits_autoencoder,
    digits_branches,
    digits_conv1d,
    digits_luts,
    glyph_mlp,
    jet_mlp,
    lenet,
    mobilenet,
    quantize,
    resnet8,
    resnet20,
)
from tests.lowering.test_from_torch import compare
from tests.training.models import randomized


def samples(count, seed):
    return np.random.default_rng(seed).uniform(0, 1, (count, 1, 28, 28)).astype(np.float32)


def test_it_has_twenty_layers_with_weights_and_two_shortcuts_of_its_own():
    convolutions = [module for module in resnet20().modules() if isinstance(module, nn.Conv2d)]
    threes = [module for module in convolutions if module.kernel_size == (3, 3)]
    ones = [module for module in convolutions if module.kernel_size == (1, 1)]
    assert (len(threes) + 1, len(convolutions)) == (20, len(threes) + len(ones))
    shapes = [(module.in_channels, module.out_channels, module.stride) for module in ones]
    assert shapes == [(16, 32, (2, 2)), (32, 64, (2, 2))]


@pytest.mark.parametrize(
    ("make", "parameters", "sample"),
    [
        (jet_mlp, 4389, (16,)),  # as arXiv 1804.06913 counts them
        (lenet, 61706, (1, 28, 28)),  # LeNet-5 with all connections between its convolutions
        (lambda: resnet8(channels=3), 78042, (3, 32, 32)),
        (mobilenet, 2858, (1, 8, 8)),
        (digits_conv1d, 1530, (1, 8, 8)),
        (NETS["digits_cnn"], 16 * 9 + 32 * 16 * 9 + 32 * 32 * 9 + 2 * (16 + 32 + 32) + 512 * 10 + 10, (1, 8, 8)),
        (glyph_mlp, 2048 + 1024 + 1984 + 2 * 126, (1, 8, 8)),
        (digits_luts, (1 + 3 * 4) * (640 + 100), (1, 8, 8)),
        (NETS["digits_luts16"], (1 + 3 * 4) * (1024 + 160), (1, 8, 8)),
        (digits_attention, 144 + 128 + 816 + 272 + 544 + 528 + 64 + 170, (1, 8, 8)),
    ],
)
def test_parameters_and_answers(make, parameters, sample):
    model = make()
    assert sum(each.numel() for each in model.parameters()) == parameters
    assert model(torch.zeros(2, *sample)).shape == (2, {jet_mlp: 5, glyph_mlp: 62}.get(make, 10))


def test_the_branches_answer_twice():
    model = digits_branches()
    assert sum(each.numel() for each in model.parameters()) == 4 + 36 + 8 + 100 + 8 + 2576 + 170 + 34
    assert [tuple(answer.shape) for answer in model(torch.zeros(2, 1, 8, 8))] == [(2, 10), (2, 2)]


def test_the_depthwise_net_has_three_depthwise_convolutions():
    grouped = [module for module in mobilenet().modules() if isinstance(module, nn.Conv2d) and module.groups > 1]
    assert [(module.groups, module.stride) for module in grouped] == [(8, (1, 1)), (16, (2, 2)), (32, (1, 1))]


def test_the_autoencoder_makes_pictures():
    model = digits_autoencoder()
    assert sum(each.numel() for each in model.parameters()) == 40 + 296 + 264 + 288 + 512 + 8 + 37
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 1, 8, 8)


@pytest.mark.parametrize("options", [{}, {"width": 4, "channels": 3, "classes": 7, "stem_stride": 2}])
def test_shapes(options):
    x = torch.zeros(2, options.get("channels", 1), 32, 32)
    assert resnet20(**options)(x).shape == (2, options.get("classes", 10))


WORDS = {"weights": "s4", "activations": "u4", "scales": "s4", "biases": "s6", "sums": "s6", "shifts": "s6"}
CASES = [("glyph_resnet20", WORDS), ("glyph_resnet20", {**WORDS, "khot": 1}), ("wide", {})]


@pytest.mark.parametrize(("name", "words"), CASES)
def test_it_lowers_to_the_same_bits(name, words):
    # Without a stride in the stem the average is over 7 x 7, no power of two.
    model = randomized(NETS[name]() if name in NETS else resnet20(2, classes=5), 3)
    qmodel = quantize(model, samples(16, 0), **words)
    graph = lower(qmodel, argmax=True)
    kinds = [type(node) for node in graph]
    assert (kinds.count(Conv2d), kinds.count(Add), kinds.count(AvgPool2d)) == (21, 9, 1)
    codes = encode_input(qmodel, samples(3, 1))
    assert compare(graph, qmodel, codes) == 3 * sum(value.size for value in graph.values.values())
