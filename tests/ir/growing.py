"""A graph that grows by random operators, in formats that many graphs share."""

from __future__ import annotations

import itertools

import numpy as np

from flow.formats import FixedPoint, Overflow, Rounding
from flow.ir import Flatten, Input, Node, Requantize, Reshape, Tensor, Value

__all__ = ["LONG", "SHARING", "Growing"]

SHARING = 50  # seeds in a row with one palette
_MODES = list(itertools.product(Rounding, Overflow))
_MINIFLOATS = ("e2m1", "e3m2", "e4m3fn", "e0m3", "e3m0", "e2m3", "ue3m2", "e5m2ieee", "ue4m0", "e4m3fnuz", "e1m4")
_SHAPES = ((2, 4, 3), (3, 3, 4), (1, 4, 4), (6,), (2, 3), (4, 1, 2), (9,))
_SHORT, LONG = 12, 30  # bits of an operand: of most graphs, and of each third


class Palette:
    """The formats of one stretch of seeds: three of inputs and constants, six casts with modes, two minifloats."""

    def __init__(self, number: int) -> None:
        rng = np.random.default_rng([11, number])
        self.inputs = [_format(rng, 3, 9) for _ in range(3)]
        self.constants = [_format(rng, 2, 6) for _ in range(3)]
        modes = [_MODES[(6 * number + i) % len(_MODES)] for i in range(6)]
        self.casts = [(_format(rng, 1, 9, signed=mode is Overflow.WRAP_SM), cut, mode) for cut, mode in modes]
        self.minifloats = [_MINIFLOATS[(2 * number + i) % len(_MINIFLOATS)] for i in range(2)]


def _format(rng: np.random.Generator, least: int, most: int, signed: bool = False) -> FixedPoint:
    return FixedPoint(int(rng.integers(least, most + 1)), int(rng.integers(-2, 8)), signed or bool(rng.integers(2)))


class Growing:
    """A graph while it grows; what an operator cannot take is brought into shape by nodes before it."""

    def __init__(self, seed: int) -> None:
        self.rng, self.palette = np.random.default_rng([12, seed]), Palette(seed // SHARING)
        self.most = LONG if seed % 3 == 2 else _SHORT
        self.nodes: list[Node] = []
        self.count = 0
        self.values: dict[str, Value] = {}
        self.add(Input(name="x", shape=self.one_of(_SHAPES), format=self.one_of(self.palette.inputs)))

    def one_of(self, choices):
        return choices[int(self.rng.integers(len(choices)))]

    def pair(self, low: int, high: int) -> tuple[int, int]:
        first, second = self.rng.integers(low, high + 1, 2).tolist()
        return first, second

    def add(self, node: Node) -> str:
        self.values[node.name] = node.infer(*(self.values[name] for name in node.inputs))
        self.nodes.append(node)
        return node.name

    def free(self, part: str = "n") -> str:
        self.count += 1
        return f"{part}{self.count}"

    def constant(self, *shape: int) -> Tensor:
        form = self.one_of(self.palette.constants)
        return Tensor(self.rng.integers(form.low, form.high, shape, endpoint=True), form)

    def cast(self, source: str) -> str:
        form, rounding, overflow = self.one_of(self.palette.casts)
        return self.add(
            Requantize(name=self.free("c"), inputs=(source,), format=form, rounding=rounding, overflow=overflow)
        )

    def any(self, axes: tuple[int, ...] = (1, 2, 3), most: int | None = None) -> str:
        """A value of so many axes and at most so many bits; the latest ones are the likeliest."""
        names = [name for name in self.values if len(self.values[name].shape) in axes]
        name = names[-1 - min(int(self.rng.geometric(0.5)) - 1, len(names) - 1)] if names else self._shaped(axes)
        return self.cast(name) if self.values[name].format.width > (most or self.most) else name

    def _shaped(self, axes: tuple[int, ...]) -> str:
        source = list(self.values)[-1]
        size = self.values[source].size
        if axes == (1,):
            return self.add(Flatten(name=self.free(), inputs=(source,)))
        rows = max(divisor for divisor in (1, 2, 3) if size % divisor == 0)
        return self.add(Reshape(name=self.free(), inputs=(source,), shape=(1, rows, size // rows)))

    def mate(self, name: str) -> str:
        """A value of the same shape as `name`: another one, or a cast of it."""
        value = self.values[name]
        others = [other for other, held in self.values.items() if held.shape == value.shape and other != name]
        return self.one_of(others) if others and self.rng.integers(3) else self.cast(name)
