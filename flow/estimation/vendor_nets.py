"""Stand-ins for published networks: graphs of the same shapes and word lengths, their constants drawn from a seed.

The trained weights of a publication are not here. Where its shapes, widths and pace are, a graph with random constants
can be estimated in its place; where the share of zeros is not, two stand-ins bound it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from flow.estimation.boards import load_board
from flow.estimation.cost import Cost
from flow.estimation.estimate import estimate
from flow.exporters.verilog import alive, choose_folding
from flow.formats import FixedPoint, Overflow, Rounding
from flow.ir import (
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Input,
    Node,
    Relu,
    Requantize,
    ScaleShift,
    Tensor,
)

__all__ = ["STAND_INS", "StandIn", "fracbnn", "mlp"]

_JETS = (16, 64, 32, 32, 5)  # features, hidden layers, classes of the jets' MLP
_FEATURE, _PARAMETER = "s16.7", "s12.8"  # FracBNN's ap_fixed<16,9> and ap_fixed<12,4>
_FRACBNN_CYCLES = int(250e6 / 2806.9)  # of an image, at its clock and its frames a second


@dataclass(frozen=True, slots=True)
class StandIn:
    """One network in place of a published one.

    Attributes:
        words: what was chosen where the publication leaves it open.
        make: the graph.
        board: on which it is estimated.
        cycles: of a sample at most, for a streaming design; None for a spatial one.
        dsp: whether products may become DSPs.
    """

    words: str
    make: Callable[[], Graph]
    board: str
    cycles: int | None = None
    dsp: bool = False

    def cost(self) -> Cost:
        """The estimate; a streaming design is folded as little as its pace asks for."""
        graph, board = self.make(), load_board(self.board)
        if self.cycles is None:
            return estimate(graph, board, architecture="spatial")
        folds = choose_folding(alive(graph), self.cycles)
        return estimate(graph, board, folding={name: (f.pe, f.simd) for name, f in folds.items()}, dsp=self.dsp)


def _codes(rng: np.random.Generator, shape: tuple[int, ...], text: str, density: float = 1.0) -> Tensor:
    """Every code as likely as any other, but for exactly `1 - density` of them, which are 0."""
    form = FixedPoint.parse(text)
    codes = rng.integers(form.low, form.high, shape, endpoint=True)
    codes.flat[rng.permutation(codes.size)[round(density * codes.size) :]] = 0
    return Tensor(codes, form)


def mlp(bits: int, density: float, sizes: tuple[int, ...] = _JETS, activations: int | None = None) -> Graph:
    """Dense, ReLU and a cast, weights and activations of so many bits; the logits are exact sums.

    Args:
        bits: of the weights and biases, and of the activations where `activations` is None.
        density: share of weights that are drawn; the others are 0.
        sizes: inputs, hidden layers, outputs.
        activations: bits of the input and of every activation.
    """
    rng, a = np.random.default_rng(0), activations or bits
    nodes: list[Node] = [Input(name="x", shape=sizes[:1], format=FixedPoint.parse(f"s{a}.{a - 1}"))]
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        weight = _codes(rng, (fan_out, fan_in), f"s{bits}.{bits - 1}", density)
        bias = _codes(rng, (fan_out,), f"s{bits}.{bits - 1}")
        nodes.append(Dense(name=f"fc{i}", inputs=(nodes[-1].name,), weight=weight, bias=bias))
        if i < len(sizes) - 2:
            nodes.append(Relu(name=f"relu{i}", inputs=(nodes[-1].name,)))
            nodes.append(_cast(f"cast{i}", nodes[-1].name, f"u{a}.{a - 2}"))
    return Graph("mlp", tuple(nodes), (nodes[-1].name,))


def _cast(name: str, source: str, text: str) -> Requantize:
    form = FixedPoint.parse(text)
    return Requantize(name=name, inputs=(source,), format=form, rounding=Rounding.RND, overflow=Overflow.SAT)


@dataclass(slots=True)
class _Chain:
    """FracBNN, node by node; each method returns the name of what it added last."""

    rng: np.random.Generator
    nodes: list[Node] = field(default_factory=list)

    def add(self, node: Node) -> str:
        self.nodes.append(node)
        return node.name

    def feature(self, name: str, source: str) -> str:
        """Stored back into the 16-bit type."""
        return self.add(_cast(name, source, _FEATURE))

    def norm(self, name: str, source: str, channels: int) -> str:
        scale, shift = (_codes(self.rng, (channels,), _PARAMETER) for _ in "st")
        return self.feature(f"{name}.cast", self.add(ScaleShift(name=name, inputs=(source,), scale=scale, shift=shift)))

    def conv(self, name: str, source: str, fan: int, channels: int, stride: int = 1) -> str:
        """3 x 3, one bit a weight: +1 or -1."""
        weight = Tensor(self.rng.choice([-1, 1], (channels, fan, 3, 3)), FixedPoint.parse("s2.0"))
        padded = Conv2d(name=name, inputs=(source,), weight=weight, stride=(stride, stride), padding=(1, 1))
        return self.norm(f"{name}.bn", self.add(padded), channels)

    def prelu(self, name: str, source: str, channels: int) -> str:
        """`max(x, 0) + slope * max(shift - x, 0)`, then a shift, which the slope's node adds."""
        minus = Tensor(np.full(channels, -1), FixedPoint.parse("s2.0"))
        shift = _codes(self.rng, (channels,), _PARAMETER)
        flipped = self.add(ScaleShift(name=f"{name}.flip", inputs=(source,), scale=minus, shift=shift))
        below = self.norm(f"{name}.slope", self.add(Relu(name=f"{name}.neg", inputs=(flipped,))), channels)
        above = self.add(Relu(name=f"{name}.pos", inputs=(source,)))
        return self.feature(f"{name}.out", self.add(Add(name=f"{name}.sum", inputs=(above, below))))

    def half(self, name: str, source: str, fan: int, channels: int) -> str:
        """Quantise to 2 bits, convolve, normalise, PReLU, add the shortcut, normalise."""
        stride = channels // fan
        found = self.conv(name, self.add(_cast(f"{name}.q", source, "u2.1")), fan, channels, stride)
        found = self.prelu(f"{name}.act", found, channels)
        short = source if stride == 1 else self.shrink(f"{name}.pool", source)
        added = self.feature(f"{name}.add", self.add(Add(name=f"{name}.join", inputs=(found, short))))
        return self.norm(f"{name}.bn2", added, channels)

    def shrink(self, name: str, source: str) -> str:
        """The shortcut between stages: an average of 2 x 2, each channel twice."""
        small = self.feature(f"{name}.cast", self.average(name, source, 2))
        return self.add(Concat(name=f"{name}.twice", inputs=(small, small), axis=0))

    def average(self, name: str, source: str, size: int) -> str:
        scale, window = Tensor(np.array(1), FixedPoint.parse(f"u1.{(size * size).bit_length() - 1}")), (size, size)
        return self.add(AvgPool2d(name=name, inputs=(source,), kernel=window, stride=window, scale=scale))


def fracbnn() -> Graph:
    """The CIFAR-10 net of FracBNN: ResNet-20's shape, 96 one-bit input channels, 1-bit weights, 2-bit activations.

    Both bits of an activation are computed always, in one convolution, where FracBNN gates the second one.
    """
    chain = _Chain(np.random.default_rng(0))
    chain.add(Input(name="x", shape=(96, 32, 32), format=FixedPoint.parse("u1.0")))
    found, fan = chain.conv("stem", "x", 96, 16), 16
    for stage, channels in enumerate((16, 32, 64)):
        for half in range(6):
            found, fan = chain.half(f"conv{stage}.{half}", found, fan, channels), channels
    found = chain.feature("mean", chain.average("pool", found, 8))
    found = chain.add(Flatten(name="flat", inputs=(found,)))
    weight, bias = _codes(chain.rng, (10, 64), _PARAMETER), _codes(chain.rng, (10,), _PARAMETER)
    chain.add(Dense(name="fc", inputs=(found,), weight=weight, bias=bias))
    return Graph("fracbnn", tuple(chain.nodes), ("fc",))


# By the name that `data/vendor.json` gives them.
STAND_INS: Mapping[str, tuple[StandIn, ...]] = {
    "jets_6_bits": (
        StandIn("half the weights 0", partial(mlp, 6, 0.5), "vcu118"),
        StandIn("no weight 0 but by chance", partial(mlp, 6, 1.0), "vcu118"),
    ),
    "fracbnn": (
        StandIn("DSPs wherever a product fits one", fracbnn, "ultra96_v2", _FRACBNN_CYCLES, dsp=True),
        StandIn("no DSP", fracbnn, "ultra96_v2", _FRACBNN_CYCLES),
    ),
}
