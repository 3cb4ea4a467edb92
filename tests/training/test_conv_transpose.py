"""Transposed convolutions: the calls they become, torch's own values, and the same bits everywhere."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from flow.ir import interpret
from flow.lowering import lower
from flow.training import quantize
from flow.training.calls import Conv2d, Pad
from flow.training.importer import import_network
from flow.training.ptq.apply import apply
from flow.training.ptq.reference import float_twin
from tests.training.models import example, randomized
from tests.training.test_importer import Made, refused
from tests.training.test_model import identity_of
from tests.training.test_tables import assert_same_bits

UP = nn.ConvTranspose2d
LAYERS = {
    "plain": UP(2, 3, 3),
    "doubling": UP(2, 3, 3, stride=2, padding=1, output_padding=1),
    "even": UP(2, 3, 4, stride=2, padding=1, bias=False),
    "touching": UP(2, 3, 2, stride=2),
    "oblong": UP(2, 3, (3, 2), stride=(2, 3), padding=(0, 1), output_padding=(1, 2)),
    "dilated": UP(2, 3, (3, 2), stride=2, padding=1, output_padding=1, dilation=(2, 3)),
    "grouped": UP(4, 6, 3, stride=2, padding=1, groups=2),
    "depthwise": UP(4, 4, 4, stride=2, padding=1, groups=4, bias=False),
    "cropped": UP(2, 3, 2, stride=3, padding=2),
    "point": UP(2, 3, 1, stride=2),
}
LINES = {
    "plain": nn.ConvTranspose1d(2, 3, 3),
    "doubling": nn.ConvTranspose1d(2, 3, 4, stride=2, padding=1, bias=False),
    "grouped": nn.ConvTranspose1d(4, 2, 3, stride=3, padding=1, output_padding=2, groups=2, dilation=2),
}


def shape_for(layer):
    return (layer.in_channels, *((5, 4) if isinstance(layer, UP) else (6,)))


def whole(layer, seed):
    """The layer with whole numbers below 8 as weights and biases, which words of four bits hold."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in layer.parameters():
            tensor.copy_(torch.randint(-8, 8, tensor.shape, generator=generator))
    return layer


@pytest.mark.parametrize("layer", [*LAYERS.values(), *LINES.values()], ids=str)
def test_wide_words_give_torchs_own_values(layer):
    """Whole numbers, so that torch rounds nothing either: every value equal."""
    shape = shape_for(whole(layer, 1))
    batch = torch.randint(-128, 128, (8, *shape), generator=torch.Generator().manual_seed(2)).float()
    qmodel = quantize(layer, batch, weights="s8", biases="s8", input="s8")
    assert torch.equal(qmodel(batch), layer(batch).detach())
    graph = assert_same_bits(qmodel, shape)
    assert graph.values[graph.outputs[0]].shape == tuple(layer(batch).shape[1:])


@pytest.mark.parametrize("layer", [*LAYERS.values(), *LINES.values()], ids=str)
def test_without_casts_it_is_the_float_layer(layer):
    """Float sums in another order: equal to 1e-9 of the largest value, in double precision."""
    model, batch = randomized(layer, 3).double(), example(shape_for(layer)).double()
    expected, found = model(batch).detach(), identity_of(quantize(model, batch))(batch).detach()
    assert float((found - expected).abs().max()) <= 1e-9 * float(expected.abs().max())
    layer.float()


@pytest.mark.parametrize("seed", range(20))
def test_random_layers_give_torchs_own_values(seed):
    """Any stride, padding, output padding, dilation and groups that torch takes, all on whole numbers."""
    rng = np.random.default_rng(seed)
    kernel, stride, dilation, size = (tuple(rng.integers(1, most, 2).tolist()) for most in (5, 4, 4, 6))
    groups, per_group, each = rng.integers(1, 3, 3).tolist()
    full = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(size, stride, dilation, kernel, strict=True)]
    padding = tuple(int(rng.integers(0, (n - 1) // 2 + 1)) for n in full)
    more = tuple(int(rng.integers(0, max(pair))) for pair in zip(stride, dilation, strict=True))
    layer = whole(UP(groups * per_group, groups * each, kernel, stride, padding, more, groups, True, dilation), seed)
    shape = (groups * per_group, *size)
    batch = torch.randint(-128, 128, (4, *shape), generator=torch.Generator().manual_seed(seed)).float()
    graph = lower(quantize(layer, batch, weights="s8", biases="s8", input="s8"))
    (found,) = interpret(graph, batch.numpy().astype(np.int64) << graph.input.format.frac)
    assert np.array_equal(np.ldexp(found, -graph.values[graph.outputs[0]].format.frac), layer(batch).detach().numpy())


def decoder():
    """Layers as an autoencoder stacks them; the strides are those of `LAYERS`."""
    return randomized(
        nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ReLU(),
            UP(4, 8, 4, stride=2, padding=1, groups=2, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
            UP(8, 1, 3, stride=2, padding=1, output_padding=1), nn.Sigmoid(),
        ), 5,
    ).eval()  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        {}, {"batchnorm": "folded"}, {"granularity": "channel", "cast_granularity": "channel"},
        {"granularity": "element"}, {"accumulators": "s10"}, {"weights": "e2m1"}, {"hadamard": 4, "activations": "s6"},
        {"khot": 2}, {"lengths": "learned", "granularity": "channel"},
    ],
    ids=str,
)  # fmt: skip
def test_the_same_bits_on_every_rung(options):
    assert_same_bits(quantize(decoder(), example((1, 6, 4)), **options), (1, 6, 4))


def test_a_binary_point_per_channel_is_one_per_output():
    qmodel = quantize(decoder(), example((1, 6, 4)), granularity="channel")
    held = [qmodel.layers[key] for key in ("2", "5")]
    assert [tuple(layer.weight.shape) for layer in held] == [(8, 2, 4, 4), (1, 8, 3, 3)]
    assert [tuple(layer.weight_quantizer.frac.shape) for layer in held] == [(8, 1, 1, 1), (1, 1, 1, 1)]


def test_folding_a_batchnorm_scales_the_outputs():
    graph = lower(quantize(decoder(), example((1, 6, 4)), batchnorm="folded"))
    assert "scale_shift" not in {node.op for node in graph}
    assert graph["2"].bias is not None


def test_one_layer_is_two_calls():
    network = import_network(nn.Sequential(LAYERS["doubling"]), example((2, 5, 4)))
    assert network.calls == (
        Pad(name="0.pad", inputs=("input",), origin="0", base="input", before=(0, 0, 0), after=(0, 1, 1),
            interior=(0, 1, 1)),
        Conv2d(name="0", inputs=("0.pad",), origin="0", weight="0.weight", bias="0.bias", padding=(1, 1)),
    )  # fmt: skip
    assert [call.shape for call in network.calls] == [(2, 10, 8), (3, 10, 8)]
    assert [call.name for call in import_network(nn.Sequential(LAYERS["plain"]), example((2, 5, 4))).calls] == ["0"]


@pytest.mark.parametrize("method", ["equalise", "smooth", "gptq", "learned_rounding", "bias_correction"])
def test_methods_keep_the_bits(method):
    batch = example((1, 6, 4), count=32)
    better = apply(decoder(), batch, (method,), weights="s4", activations="u6")
    assert_same_bits(better, (1, 6, 4))
    assert not torch.equal(quantize(decoder(), batch, weights="s4", activations="u6")(batch), better(batch))


def test_the_float_twin_is_the_float_net():
    """The twin's float sums run in another order: equal to 1e-5 of the largest value."""
    batch = example((1, 6, 4), count=32)
    found, expected = float_twin(quantize(decoder(), batch))(batch).detach(), decoder()(batch).detach()
    assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


def test_gradients_reach_the_kernel():
    qmodel = quantize(decoder(), example((1, 6, 4))).train()
    qmodel(example((1, 6, 4))).square().sum().backward()
    grads = [qmodel.layers[key].weight.grad for key in ("0", "2", "5")]
    assert all(float(grad.abs().sum()) > 0 and bool(torch.isfinite(grad).all()) for grad in grads)


def test_a_kernel_that_serves_both_ways_is_refused():
    model = Made(lambda self, x: functional.conv_transpose2d(self.down(x), self.down.weight), down=nn.Conv2d(1, 2, 3))
    refused(
        model, example((1, 5, 5)),
        "aten.conv_transpose2d.input in the model's own forward (its weight 'down.weight' serves another layer the "
        "other way round; give each a weight of its own)",
    )  # fmt: skip
