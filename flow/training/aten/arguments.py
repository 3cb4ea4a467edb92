"""The arguments of one node of an exported program, as handlers ask for them."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from torch import fx

__all__ = ["Arguments", "RefusedError", "shape_of"]


class RefusedError(Exception):
    """Why one node cannot be expressed; the importer collects them into one UnsupportedError."""


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """The shape of a node's result, the batch included."""
    return tuple(int(size) for size in node.meta["val"].shape)


class Arguments:
    """The arguments of a node by the names of its operator's schema, defaults filled in."""

    def __init__(self, node: fx.Node, constants: Mapping[str, str]) -> None:
        self.node, self.constants = node, constants
        if node.target is operator.getitem:  # one of the results of a node that has several
            self._held: dict[str, Any] = dict(zip(("self", "index"), node.args, strict=True))
            return
        schema = node.target._schema.arguments  # type: ignore[union-attr]  # an OpOverload, as export promises
        self._held = {entry.name: entry.default_value for entry in schema}
        self._held.update(zip((entry.name for entry in schema), node.args, strict=False))
        self._held.update(node.kwargs)

    def __getitem__(self, name: str) -> Any:
        return self._held[name]

    def value(self, name: str) -> fx.Node:
        """A tensor that depends on the model's input."""
        return self._value(name, self._held[name])

    def values(self, name: str) -> tuple[fx.Node, ...]:
        """Tensors that all depend on the model's input."""
        return tuple(self._value(f"{name}[{place}]", found) for place, found in enumerate(self._held[name]))

    def _value(self, name: str, found: Any) -> fx.Node:
        if not isinstance(found, fx.Node):
            raise RefusedError(f"{name}={found} is a constant")
        if found.name in self.constants:
            raise RefusedError(f"{name} is the constant {self.constants[found.name]!r}")
        return found

    def axis(self, name: str = "dim", rank: int | None = None) -> int:
        """The axis of a sample that a number names, counted from 0 without the batch.

        Args:
            name: of the argument.
            rank: how many axes there are with the batch; those of the result where None.

        Raises:
            RefusedError: it is that of the batch.
        """
        axis = self._held[name] % (len(shape_of(self.node)) if rank is None else rank)
        if axis == 0:
            raise RefusedError(f"{name}={self._held[name]} is that of the batch; choose another one")
        return int(axis) - 1

    def constant(self, name: str) -> str:
        """The name of a parameter or buffer of the user's model."""
        found = self._held[name]
        if not isinstance(found, fx.Node) or found.name not in self.constants:
            raise RefusedError(f"{name} is not a parameter or buffer of the model")
        return self.constants[found.name]

    def constant_or_none(self, name: str) -> str | None:
        """As `constant`, for what may be absent."""
        return None if self._held[name] is None else self.constant(name)

    def pair(self, name: str) -> tuple[int, int]:
        """One or two numbers as height and width."""
        found = self._held[name]
        pair = tuple(found) if isinstance(found, (list, tuple)) else (found, found)
        return (pair[0], pair[0]) if len(pair) == 1 else (pair[0], pair[1])

    def single(self, name: str) -> int:
        """The one number of what slides along one axis."""
        return self.pair(name)[0]
