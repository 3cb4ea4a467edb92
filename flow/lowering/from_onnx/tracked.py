"""What is known of a value of the file: a constant, a node of our graph with its unit, or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Constant", "Lost", "Pending", "Raw", "RefusedError", "Signal", "Tracked"]


class RefusedError(Exception):
    """A node that has no form in our graph; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Real numbers, and the grid that a Quant put them on.

    Attributes:
        values: float64, exact.
        scale: float64 steps of the same shape, or None where nothing quantised them.
        width: bits of a code, None as `scale`.
        signed: whether codes are signed.
    """

    values: NDArray[Any]
    scale: NDArray[np.float64] | None = None
    width: int | None = None
    signed: bool = True

    def mapped(self, move: Callable[[NDArray[Any]], NDArray[Any]]) -> Constant:
        """The same numbers after `move`, which changes order or shape only."""
        return replace(self, values=move(self.values), scale=None if self.scale is None else move(self.scale))


@dataclass(frozen=True, slots=True)
class Signal:
    """A value of our graph: the file's value is `unit` times that of the node.

    Attributes:
        node: its name.
        unit: positive Fractions, shape () or (C,) along the first axis of a sample; 1 with power-of-two scales.
    """

    node: str
    unit: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Pending:
    """A function of a signal that becomes a table once a Quant says how its results are rounded."""

    signal: Signal
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Raw:
    """Real numbers that no Quant has put on a grid yet.

    Attributes:
        name: the value.
        moves: the nodes that gave the network's input this shape, with their operands; None where a node computed.
    """

    name: str
    moves: tuple[tuple[Any, tuple[Any, ...]], ...] | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The result of a node that was refused; what reads it is not looked at."""


Tracked = Constant | Signal | Pending | Raw | Lost
