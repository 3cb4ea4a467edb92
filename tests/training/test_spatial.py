"""Padding, upsampling, and what convolutions make of them: torch's own values, and the same bits everywhere."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from flow.lowering import lower
from flow.training import quantize
from flow.training.calls import Conv2d, Pad, Upsample
from flow.training.importer import import_network
from flow.training.ptq.pairs import scalable_pairs
from tests.training.models import example, randomized
from tests.training.test_importer import Made
from tests.training.test_model import identity_of
from tests.training.test_tables import assert_same_bits

MOVES = {
    "line": (lambda self, x: functional.pad(x, (2, 1)), (5,)),
    "ends of a line": (lambda self, x: functional.pad(x, (-1, 2)), (5,)),
    "ZeroPad1d": (nn.ZeroPad1d((0, 2)), (2, 5)),
    "ZeroPad2d": (nn.ZeroPad2d((1, 0, 2, 3)), (2, 3, 4)),
    "channels": (lambda self, x: functional.pad(x, (0, 0, 0, 0, 1, 2)), (2, 3, 4)),
    "ConstantPad2d": (nn.ConstantPad2d(1, 0.0), (2, 3, 4)),
    "cropping": (lambda self, x: functional.pad(x, (-1, 1, 0, -2)), (2, 3, 4)),
    "Upsample": (nn.Upsample(scale_factor=2), (2, 3, 4)),
    "Upsample of a line": (nn.Upsample(scale_factor=3), (2, 5)),
    "UpsamplingNearest2d": (nn.UpsamplingNearest2d(size=(6, 4)), (2, 3, 4)),
    "interpolate": (lambda self, x: functional.interpolate(x, scale_factor=(1, 3)), (2, 3, 4)),
    "nearest-exact": (lambda self, x: functional.interpolate(x, scale_factor=2.0, mode="nearest-exact"), (2, 3, 4)),
}


def module_of(name):
    forward, shape = MOVES[name]
    return (forward if isinstance(forward, nn.Module) else Made(forward)), shape


@pytest.mark.parametrize("name", MOVES)
def test_values_move_as_torch_moves_them(name):
    model, shape = module_of(name)
    batch = torch.randint(-128, 128, (8, *shape), generator=torch.Generator().manual_seed(2)).float()
    qmodel = quantize(model, batch, input="s8")
    assert torch.equal(qmodel(batch), model(batch))
    assert_same_bits(qmodel, shape)


NETS = {
    "resize and convolve": lambda: nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Upsample(scale_factor=2), nn.ZeroPad2d((1, 1, 2, 0)),
        nn.Conv2d(3, 2, 3), nn.Upsample(scale_factor=(2, 1)), nn.BatchNorm2d(2), nn.ReLU(),
    ),
    "same": lambda: nn.Sequential(
        nn.Conv2d(2, 3, (2, 4), padding="same"), nn.ReLU(), nn.Conv2d(3, 3, 3, padding="same", dilation=2, groups=3),
    ),
    "dilated": lambda: nn.Sequential(
        nn.Conv2d(2, 4, (3, 2), dilation=(2, 3), padding=(2, 0), stride=2), nn.ReLU(),
        nn.Conv2d(4, 1, 2, dilation=(1, 2)),
    ),
    "padded pools": lambda: nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1), nn.AvgPool2d((2, 4), padding=(1, 2)),
        nn.ReLU(inplace=True), nn.MaxPool2d((1, 2), padding=(0, 1)),
    ),
}  # fmt: skip
LINES = {
    "lines": lambda: nn.Sequential(
        nn.Conv1d(2, 3, 4, padding="same", dilation=3), nn.ReLU(), nn.Upsample(scale_factor=2),
        nn.Conv1d(3, 2, 2, dilation=5, stride=2), nn.ConstantPad1d((1, 2), 0.0), nn.SiLU(),
    ),
    "padded pools of lines": lambda: nn.Sequential(
        nn.Conv1d(2, 3, 3), nn.ReLU(), nn.MaxPool1d(3, 2, padding=1), nn.AvgPool1d(4, 3, padding=2),
    ),
}  # fmt: skip
ALL = [(made, (2, 7, 8)) for made in NETS.values()] + [(made, (2, 9)) for made in LINES.values()]
quietly = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")


@quietly
@pytest.mark.parametrize(("made", "shape"), ALL, ids=[*NETS, *LINES])
def test_the_same_bits_on_every_rung(made, shape):
    for options in ({}, {"batchnorm": "folded"}, {"granularity": "element", "cast_granularity": "channel"}):
        assert_same_bits(quantize(randomized(made(), 3).eval(), example(shape), **options), shape)


@quietly
@pytest.mark.parametrize("batchnorm", ["fixed", "folded"])
@pytest.mark.parametrize(("made", "shape"), ALL, ids=[*NETS, *LINES])
def test_without_casts_it_is_the_float_model(made, shape, batchnorm):
    """Float sums in another order: equal to 1e-9 of the largest value, in double precision."""
    model, batch = randomized(made(), 3).eval().double(), example(shape).double()
    expected, found = model(batch).detach(), identity_of(quantize(model, batch, batchnorm=batchnorm))(batch).detach()
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) <= 1e-9 * float(expected.abs().max())


@quietly
def test_only_the_odd_zero_is_padded_by_itself():
    calls = import_network(NETS["same"](), example((2, 7, 8))).calls
    assert calls[:2] == (
        Pad(name="0.pad", inputs=("input",), origin="0", base="input", before=(0, 0, 0), after=(0, 1, 1),
            interior=(0, 0, 0)),
        Conv2d(name="0", inputs=("0.pad",), origin="0", weight="0.weight", bias="0.bias", padding=(0, 1)),
    )  # fmt: skip
    assert [type(call) for call in calls].count(Pad) == 1
    assert calls[-1].dilation == (2, 2)


def test_codes_are_cast_before_they_are_repeated():
    graph = lower(quantize(randomized(NETS["resize and convolve"](), 3).eval(), example((2, 7, 8))))
    assert [node.op for node in graph][5:9] == ["requantize", "upsample", "pad", "conv2d"]
    assert str(graph.values["4"].format)[:2] == "u6"


def test_exact_sums_leave_through_padding_and_upsampling():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Upsample(scale_factor=2), nn.ZeroPad2d(1))
    graph = assert_same_bits(quantize(randomized(model, 3).eval(), example((2, 5, 5))), (2, 5, 5))
    assert [node.op for node in graph] == ["input", "conv2d", "upsample", "pad"]
    assert graph.values[graph.outputs[0]].format == graph.values["0"].format


def test_what_is_turned_is_cast_once_behind_padding_and_upsampling():
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.Upsample(scale_factor=2), nn.ZeroPad2d((1, 0, 0, 1)), nn.Conv2d(4, 3, 2),
    )  # fmt: skip
    graph = assert_same_bits(quantize(randomized(model, 3).eval(), example((2, 5, 5)), hadamard=4), (2, 5, 5))
    assert [node.op for node in graph][1:] == ["conv2d", "upsample", "pad", "conv2d", "requantize", "conv2d"]


def test_factors_move_through_padding_and_upsampling():
    network = import_network(NETS["resize and convolve"](), example((2, 7, 8)))
    assert [(pair.producer.name, pair.consumer.name) for pair in scalable_pairs(network)] == [
        ("0", "1"), ("1", "5"), ("5", "7"),
    ]  # fmt: skip
    padded = Made(lambda self, x: self.b(functional.pad(self.a(x), (0, 0, 0, 0, 0, 2))),
                  a=nn.Conv2d(1, 2, 1), b=nn.Conv2d(4, 2, 1))  # fmt: skip
    assert scalable_pairs(import_network(padded, example((1, 3, 3)))) == ()


def test_gradients_pass():
    qmodel = quantize(randomized(NETS["resize and convolve"](), 3).eval(), example((2, 7, 8))).train()
    x = example((2, 7, 8)).requires_grad_()
    qmodel(x).square().sum().backward()
    assert float(x.grad.abs().sum()) > 0
    assert type(import_network(NETS["resize and convolve"](), example((2, 7, 8))).calls[3]) is Upsample
