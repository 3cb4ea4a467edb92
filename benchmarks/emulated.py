"""The nets of benchmarks/emulation.py: the jets' MLP with three kinds of constants, and two with convolutions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import nn

import flow
from flow.formats import FixedPoint, Overflow, Rounding
from flow.ir import Dense, Graph, Input, Node, Relu, Requantize, Tensor
from flow.training.nets import digits_resnet

__all__ = ["CONVOLUTIONS", "MLPS", "mlp"]

SIZES = (16, 64, 32, 32, 5)  # the jets': features, three hidden layers, classes
MIXED_WEIGHTS = ("s4.3", "s7.5", "s5.6", "s9.7")
PLAIN = ("u8.4", Rounding.RND, Overflow.SAT)
MIXED = (
    ("s9.5", Rounding.TRN, Overflow.SAT_SYM),
    ("u7.3", Rounding.RND, Overflow.WRAP),
    ("u11.6", Rounding.TRN, Overflow.SAT),
)


def _tensor(codes: np.ndarray, text: str) -> Tensor:
    form = FixedPoint.parse(text)
    return Tensor(np.clip(codes, form.low, form.high), form)


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], text: str) -> Tensor:
    form = FixedPoint.parse(text)
    return _tensor(rng.integers(form.low, form.high, shape, endpoint=True), text)


def _half_zero(rng: np.random.Generator, shape: tuple[int, ...], text: str) -> Tensor:
    """Laplace-distributed, as trained weights are: about half of the codes are 0."""
    return _tensor(np.trunc(rng.laplace(scale=1.4, size=shape)).astype(np.int64), text)


def mlp(
    name: str,
    constants: Callable[..., Tensor] = _uniform,
    source: str = "s8.4",
    weights: tuple[str, ...] = ("s6.5",) * 4,
    casts: tuple[tuple[str, Rounding, Overflow], ...] = (PLAIN,) * 3,
    sizes: tuple[int, ...] = SIZES,
) -> Graph:
    """Dense, ReLU where the format has no sign, cast; the logits are exact sums."""
    rng = np.random.default_rng(0)
    nodes: list[Node] = [Input(name="x", shape=sizes[:1], format=FixedPoint.parse(source))]
    for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        weight, bias = constants(rng, (fan_out, fan_in), weights[layer]), _uniform(rng, (fan_out,), "s8.6")
        nodes.append(Dense(name=f"fc{layer}", inputs=(nodes[-1].name,), weight=weight, bias=bias))
        for text, rounding, overflow in casts[layer : layer + 1] if layer < len(sizes) - 2 else ():
            form = FixedPoint.parse(text)
            if not form.signed:
                nodes.append(Relu(name=f"relu{layer}", inputs=(nodes[-1].name,)))
            nodes.append(
                Requantize(
                    name=f"cast{layer}", inputs=(nodes[-1].name,), format=form, rounding=rounding, overflow=overflow
                )
            )
    return Graph(name, tuple(nodes), (nodes[-1].name,))


def _lowered(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> Graph:
    """An untrained net in eight bits."""
    torch.manual_seed(0)
    example = torch.rand(16, *shape)
    return flow.lower(flow.quantize(make().eval(), example, weights="s8", activations="u8").eval(), example)


def _lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


MLPS: dict[str, Callable[[], Graph]] = {
    "jets": partial(mlp, "jets"),
    "jets, half the weights 0": partial(mlp, "jets_sparse", _half_zero),
    "jets, mixed formats": partial(mlp, "jets_mixed", source="s10.5", weights=MIXED_WEIGHTS, casts=MIXED),
}
CONVOLUTIONS: dict[str, Callable[[], Graph]] = {
    "digits_resnet": partial(_lowered, digits_resnet, (1, 8, 8)),
    "LeNet on 28x28": partial(_lowered, _lenet, (1, 28, 28)),
}
