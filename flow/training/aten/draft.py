"""What handlers return: the calls that one node of an exported program becomes, without their names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import fx

from flow.training.aten.arguments import shape_of
from flow.training.calls import Call, Reshape

__all__ = ["Draft", "Part", "one", "passed_on", "planar"]


@dataclass(frozen=True, slots=True)
class Part:
    """One of the calls that a node becomes.

    Attributes:
        kind: the class of the call.
        inputs: nodes, or suffixes of earlier parts.
        fields: the rest of the class's arguments.
        suffix: of its name; the part without one is called as the node is.
        shape: of one sample of its result; None where that is the node's own.
        prepares: whether it only brings the source into shape: a cast after it belongs to the source.
    """

    kind: type[Call]
    inputs: tuple[fx.Node | str, ...]
    fields: dict[str, Any] = field(default_factory=dict)
    suffix: str = ""
    shape: tuple[int, ...] | None = None
    prepares: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """What one node becomes.

    Attributes:
        source: its first input.
        parts: calls in the order of computation, the last of which makes the node's value; none where `source` passes
            unchanged.
        label: the name of a call that no module names; empty means the class of the part without a suffix.
        shares: whether the result lies in the memory of `source`.
        in_place: whether the node also changes `source`.
    """

    source: fx.Node
    parts: tuple[Part, ...] = ()
    label: str = ""
    shares: bool = False
    in_place: bool = False

    @property
    def main(self) -> Part:
        """The part after which the node is named."""
        return next(part for part in self.parts if not part.suffix)


def one(kind: type[Call], *inputs: fx.Node, **fields: Any) -> Draft:
    """A node that is one call."""
    return Draft(inputs[0], (Part(kind, inputs, fields),))


def passed_on(source: fx.Node, shares: bool = True) -> Draft:
    """A node that changes nothing."""
    return Draft(source, shares=shares)


def planar(source: fx.Node, node: fx.Node, kind: type[Call], **fields: Any) -> Draft:
    """A layer on [C, L] as the one on [C, 1, L], between two reshapes.

    Args:
        source: what the layer reads, [B, C, L].
        node: the layer itself, [B, C', L'].
        kind: of the call in two dimensions.
        fields: its arguments.
    """
    plane, result = (((held := shape_of(each))[1], 1, held[2]) for each in (source, node))
    parts = (
        Part(Reshape, (source,), suffix="plane", shape=plane, prepares=True),
        Part(kind, ("plane",), fields, shape=result),
        Part(Reshape, ("",), suffix="line"),
    )
    return Draft(source, parts)
