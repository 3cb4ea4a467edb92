"""What handlers return: the calls that one node of an exported program becomes, without their names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import fx

from flow.ir.kernels import Spread
from flow.training.aten.arguments import RefusedError, shape_of
from flow.training.calls import Call, Pad, Reshape

__all__ = ["Draft", "Part", "Piece", "in_plane", "one", "padded_shape", "passed_on", "planar"]


@dataclass(frozen=True, slots=True)
class Part:
    """One of the calls that a node becomes.

    Attributes:
        kind: the class of the call.
        inputs: nodes, or suffixes of earlier parts.
        fields: the rest of the class's arguments.
        suffix: of its name; the part without one is called as the node is.
        shape: of one sample of its result; None where that is the node's own.
        prepares: whether it only brings a node's value into shape: a cast after it belongs to that value.
    """

    kind: type[Call]
    inputs: tuple[fx.Node | str, ...]
    fields: dict[str, Any] = field(default_factory=dict)
    suffix: str = ""
    shape: tuple[int, ...] | None = None
    prepares: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows from `first` to before `last` of the sum of some constants of the model."""

    names: tuple[str, ...]
    first: int
    last: int


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
        literals: numbers of the forward by the names of the constants that they become.
        transposed: groups of the transposed convolution that this was, whose kernel is then turned; 0 for all else.
        results: suffixes of the parts that make the node's results where it has several; a tuple of them for a result
            that stacks values along its first axis.
        pieces: constants that are made of the model's, by name.
    """

    source: fx.Node
    parts: tuple[Part, ...] = ()
    label: str = ""
    shares: bool = False
    in_place: bool = False
    transposed: int = 0
    literals: dict[str, float] = field(default_factory=dict)
    results: tuple[str | tuple[str, ...], ...] = ()
    pieces: dict[str, Piece] = field(default_factory=dict)

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


def planar(source: fx.Node, node: fx.Node, kind: type[Call], spread: Spread | None = None, **fields: Any) -> Draft:
    """A layer on [C, H, W]; one on [C, L] becomes that on [C, 1, L], between two reshapes.

    Args:
        source: what the layer reads, [B, C, H, W] or [B, C, L].
        node: the layer itself, of as many axes.
        kind: of the call in two dimensions.
        spread: zeros around and between the inputs, for both axes of the plane, where they are not the layer's own.
        fields: its arguments.
    """
    flat = len(shape_of(source)) == 3
    plane, result = (_plane(shape_of(each)[1:]) for each in (source, node))
    parts: list[Part] = []
    if flat:
        parts.append(Part(Reshape, (source,), suffix="plane", shape=plane, prepares=True))
    if spread is not None:
        parts.append(_padded(parts[-1].suffix if parts else source, plane, spread))
    parts.append(Part(kind, (parts[-1].suffix if parts else source,), fields, shape=result))
    if flat:
        parts.append(Part(Reshape, ("",), suffix="line"))
    return Draft(source, tuple(parts))


def in_plane(sizes: tuple[int, ...], height: int) -> tuple[int, ...]:
    """Sizes for both axes of a plane, which has no height where a line stands for it."""
    return sizes if len(sizes) == 2 else (height, *sizes)


def _plane(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape


def _padded(source: fx.Node | str, plane: tuple[int, ...], spread: Spread) -> Part:
    fields = {"before": (0, *spread.before), "after": (0, *spread.after), "interior": (0, *spread.interior)}
    return Part(Pad, (source,), fields, suffix="pad", shape=padded_shape(plane, **fields), prepares=True)


def padded_shape(
    shape: tuple[int, ...], before: tuple[int, ...], after: tuple[int, ...], interior: tuple[int, ...]
) -> tuple[int, ...]:
    """The shape of a padded sample.

    Raises:
        RefusedError: negative amounts leave nothing of it.
    """
    spread = [(size - 1) * (more + 1) + 1 for size, more in zip(shape, interior, strict=True)]
    ends = list(zip(spread, before, after, strict=True))
    if any(size + min(first, 0) + min(last, 0) < 1 for size, first, last in ends):
        raise RefusedError(f"it crops all of a sample of {shape}; keep some of it")
    return tuple(map(sum, ends))
