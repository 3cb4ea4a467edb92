"""Whole nets for the ladder: each with real samples, a task, and options; trained for seconds, so that points move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import flow
from flow.datasets import load
from flow.exporters.writer import write_tree
from flow.ir import Graph
from flow.lowering import encode_input, lower
from flow.simulation.ladder import FOLDERS, Context, RungResult, climb
from flow.training import (
    QuantizedModel,
    bit_operations,
    digits_attention,
    digits_autoencoder,
    digits_branches,
    digits_conv1d,
    jet_mlp,
    lenet,
    mobilenet,
    quantize,
    resnet8,
    seeded,
)
from flow.training.quantizer import quantizers

Loss = Callable[[Any, Tensor, Tensor], Tensor]  # of the answer, the samples and their labels


@dataclass(frozen=True)
class Samples:
    """float32[N, ...] to train with labels int64[N], and float32[M, ...] that training does not see."""

    x: Tensor
    y: Tensor
    unseen: Tensor


@cache
def digits() -> Samples:
    data = load("digits")
    return Samples(torch.from_numpy(data.train_x), torch.from_numpy(data.train_y), torch.from_numpy(data.test_x))


@cache
def sixteen_features() -> Samples:
    """The jets are no part of the repository: in their place the means of 2 x 2 pixels of a digit, and five classes."""
    held = digits()
    train, unseen = (functional.avg_pool2d(x, 2).flatten(1) for x in (held.x, held.unseen))
    return Samples(train, held.y // 2, unseen)


@cache
def glyphs(classes: int = 10) -> Samples:
    """The ten digits among the glyphs, 28 x 28, or more of them."""
    data = load("glyphs")
    kept = data.train_y < classes
    shown = data.test_x[data.test_y < classes]
    return Samples(*map(torch.from_numpy, (data.train_x[kept], data.train_y[kept], shown)))


@dataclass(frozen=True)
class Net:
    """A net in two sizes.

    Attributes:
        small: as every test run has it.
        full: as users have it.
        samples: what it is trained on.
        options: of `flow.quantize`, for the small one.
        loss: what training lowers.
        argmax: whether the design ends with the index of the highest output.
        epochs: of training once quantised, enough that points move.
    """

    small: Callable[[], nn.Module]
    full: Callable[[], nn.Module]
    samples: Callable[[], Samples]
    options: Mapping[str, Any]
    loss: Loss = lambda answer, x, y: functional.cross_entropy(answer, y)
    argmax: bool = True
    epochs: int = 2


def _probable(model: nn.Module) -> nn.Module:
    """Shares of the classes in place of logits."""
    return nn.Sequential(model, nn.Softmax(1))


def _log_loss(shares: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return functional.nll_loss((shares.clamp_min(0) + 0.01).log(), y)


def _two_losses(answers: tuple[Tensor, Tensor], x: Tensor, y: Tensor) -> Tensor:
    digit, odd = answers
    return functional.cross_entropy(digit, y) + functional.cross_entropy(odd, y % 2)


def _difference(pictures: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return functional.mse_loss(pictures, x)


NETS: dict[str, Net] = {
    "jet_mlp": Net(jet_mlp, jet_mlp, sixteen_features, {"khot": 2}, epochs=8),
    "lenet": Net(
        lambda: _probable(lenet((2, 4), (12, 10))), lambda: _probable(lenet()), glyphs,
        {"granularity": "channel", "activations": "s6"}, loss=_log_loss,
    ),
    "resnet8": Net(lambda: resnet8(4), lambda: resnet8(16), digits, {"lengths": "learned"}),
    "mobilenet": Net(
        lambda: mobilenet(4), mobilenet, digits,
        {"accumulators": "s14", "granularity": "channel", "cast_granularity": "channel"},
    ),
    "conv1d": Net(digits_conv1d, digits_conv1d, digits, {"weights": "e2m1", "rounding": "RND_CONV"}),
    "branches": Net(
        digits_branches, digits_branches, digits, {"weights": "mxfp4", "batchnorm": "folded"}, loss=_two_losses
    ),
    "autoencoder": Net(
        digits_autoencoder, lambda: digits_autoencoder(8), digits, {"weights": "s5", "activations": "u5"},
        loss=_difference, argmax=False,
    ),
    "attention": Net(lambda: digits_attention(8), digits_attention, digits, {"activations": "s8", "tables": "u10"}),
}  # fmt: skip

# What every net must bear; `khot` and learned lengths exclude each other and minifloats.
OPTIONS: dict[str, dict[str, Any]] = {
    "channels": {"granularity": "channel", "cast_granularity": "channel"},
    "elements": {"granularity": "element", "rounding": "TRN", "overflow": "SAT_SYM", "activations": "s5"},
    "khot": {"khot": 1, "signed_digits": False, "weights": "s8"},
    "learned": {"lengths": "learned", "granularity": "channel"},
    "wrapping": {"accumulators": "s13", "overflow": "WRAP", "activations": "s8"},
    "saturating": {"accumulators": "s11", "accumulator_overflow": "SAT", "rounding": "RND_ZERO"},
    "minifloats": {"weights": "e3m2", "activations": "e4m3", "sums": "e4m3"},
    "blocks": {"weights": "mxfp4", "batchnorm": "folded"},
    "turned": {"hadamard": 4, "stochastic": True, "rounding": "RND_CONV"},
}


def _teach(model: nn.Module, net: Net, epochs: int, lr: float, cost: float = 0.0) -> None:
    """A user's own loop: Adam over batches of 64, binary points in longer steps than weights."""
    held, points = net.samples(), [point for each in quantizers(model).values() for point in each.points()]
    weights = [each for each in model.parameters() if not any(each is point for point in points)]
    optimizer = torch.optim.Adam([{"params": weights, "lr": lr}, {"params": points, "lr": 10 * lr}])
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(held.x)).split(64):
            optimizer.zero_grad()
            loss = net.loss(model(held.x[rows]), held.x[rows], held.y[rows])
            (loss + cost * bit_operations(model) if cost else loss).backward()
            optimizer.step()
    model.eval()


@dataclass(frozen=True)
class Design:
    """What the rungs run: the trained model, its graph, codes of samples that training has not seen."""

    model: QuantizedModel
    graph: Graph
    codes: np.ndarray = field(repr=False)
    moved: int


def design(name: str, count: int, options: Mapping[str, Any] | None = None, full: bool = False) -> Design:
    """One of `NETS`, made; with other options than its own where given."""
    net = NETS[name]
    return made(name, net if options is None else replace(net, options=options), count, full)


def made(name: str, net: Net, count: int, full: bool = False) -> Design:
    """Trained in float, quantised, trained again, lowered; `moved` counts the quantisers whose points that changed."""
    with seeded(0):
        model = (net.full if full else net.small)()
        _teach(model, net, 4, 5e-3)
        qmodel = quantize(model, net.samples().x[:128], **net.options)
        before = qmodel.formats()
        _teach(qmodel, net, net.epochs, 2e-3, cost=1e-7 if net.options.get("lengths") == "learned" else 0.0)
    after, graph = qmodel.formats(), lower(qmodel, name=name, argmax=net.argmax)
    codes = encode_input(qmodel, net.samples().unseen[:count])
    return Design(qmodel, graph, codes, sum(after[place] != form for place, form in before.items()))


def climbed(made: Design, folder: Path, rungs: tuple[str, ...]) -> list[RungResult]:
    """The ladder on a design, whose exports are written to `folder` first.

    Raises:
        ExportError: a form of the design that its exporter refuses.
    """
    exporters = {"onnx": "onnx", "hls": "hls", "hls4ml": "hls4ml", "rtl": "verilog"}
    for needed in sorted({FOLDERS[rung] for rung in rungs if rung in FOLDERS}):
        write_tree(folder / needed, flow.export(made.graph, exporters[needed]))
    return list(climb(Context(made.graph, made.codes, folder, made.model), rungs))
