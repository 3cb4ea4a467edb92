"""What a user may choose about an HLS project; nothing here changes a bit of any result."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, TypeVar

from flow.errors import ExportError, did_you_mean
from flow.ir import Conv2d, Dense, Graph, Node, ScaleShift

__all__ = ["Form", "LayerOptions", "Multiplier", "Options", "Storage", "chosen"]

_Choice = TypeVar("_Choice", bound=Enum)


class Form(Enum):
    """How values travel between the layers: whole samples in arrays, or beats through `hls::stream`."""

    PARALLEL = "parallel"
    STREAM = "stream"


class Multiplier(Enum):
    """What makes the products of a layer with stored weights."""

    TOOL = "tool"
    DSP = "dsp"
    FABRIC = "fabric"
    SHIFT_ADD = "shift_add"


class Storage(Enum):
    """Which memory holds the constants of a layer."""

    TOOL = "tool"
    BLOCK = "block"
    DISTRIBUTED = "distributed"


def chosen(kind: type[_Choice], value: Any, what: str) -> _Choice:
    """The choice of that text.

    Raises:
        ExportError: there is none.
    """
    try:
        return kind(value)
    except ValueError:
        legal = ", ".join(str(item.value) for item in kind)
        raise ExportError(f"The {what} of an HLS project is one of {legal}, not {value!r}.") from None


@dataclass(frozen=True, slots=True)
class LayerOptions:
    """The choices for one layer.

    Attributes:
        pe: results of Dense or Conv2d (channels of a position) made at once; divides the outputs.
        simd: products of one sum made at once; divides the terms of a sum: the inputs of Dense, the window
            of Conv2d times the channels of a group.
        multiplier: what makes the products.
        storage: where the constants are.
    """

    pe: int
    simd: int
    multiplier: Multiplier = Multiplier.TOOL
    storage: Storage = Storage.TOOL


_KEYS = tuple(item.name for item in fields(LayerOptions))
_FOLDED, _MULTIPLYING = (Dense, Conv2d), (Dense, Conv2d, ScaleShift)


@dataclass(frozen=True, slots=True)
class Options:
    """The choices for a project.

    Attributes:
        form: how values travel between the layers.
        part: FPGA, as the vendor writes it.
        clock_ns: clock period in nanoseconds.
        reuse: products that one multiplier makes for one sum of Dense, or for one position of the window of Conv2d,
            where a layer has no `simd` of its own.
        multiplier: of every layer without a choice of its own.
        storage: of every layer without a choice of its own.
        layers: `pe`, `simd`, `multiplier` and `storage` by node name; what is left out is as for all.

    Raises:
        ExportError: a choice that does not exist or cannot be.
    """

    form: Form = Form.PARALLEL
    part: str = "xczu3eg-sbva484-1-e"
    clock_ns: float = 5.0
    reuse: int = 1
    multiplier: Multiplier = Multiplier.TOOL
    storage: Storage = Storage.TOOL
    layers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.layers, Mapping) or not all(isinstance(item, Mapping) for item in self.layers.values()):
            raise ExportError(
                f"The layers of an HLS project are choices by name, as {{'fc1': {{'pe': 4}}}}, not {self.layers!r}."
            )
        if not isinstance(self.part, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", self.part):
            raise ExportError(
                f"A part is letters, digits and dashes, not {self.part!r}; give one like xczu3eg-sbva484-1-e."
            )
        if not isinstance(self.clock_ns, (int, float)) or not self.clock_ns > 0:
            raise ExportError(
                f"A clock period is a positive number of nanoseconds, not {self.clock_ns!r}; give one like 5.0."
            )
        if not isinstance(self.reuse, int) or self.reuse < 1:
            raise ExportError(
                f"A reuse factor is at least 1, not {self.reuse!r}; 1 gives every product its own multiplier."
            )

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Options:
        """Options from texts and numbers, as a recipe has them.

        Raises:
            ExportError: an option that does not exist, or a choice that cannot be.
        """
        known = [item.name for item in fields(cls)]
        for name in given:
            if name not in known:
                raise ExportError(
                    f"An HLS project has no option {name!r}; {did_you_mean(name, known, 'the options are')}"
                )
        kinds = {"form": Form, "multiplier": Multiplier, "storage": Storage}
        return cls(
            **{name: chosen(kinds[name], value, name) if name in kinds else value for name, value in given.items()}
        )

    def check(self, graph: Graph) -> None:
        """Refuse choices for layers that are not there, or that a layer does not have.

        Raises:
            ExportError: such a choice, with the layer's name.
        """
        for name, given in self.layers.items():
            if name not in graph.values:
                raise ExportError(
                    f"Design {graph.name!r} has no layer {name!r} to choose for; "
                    f"{did_you_mean(name, graph.values, 'its layers:')}"
                )
            _check_layer(graph, graph[name], given)

    def of(self, node: Node) -> LayerOptions:
        """What holds for one layer."""
        given = self.layers.get(node.name, {})
        default = -(-_slice(node) // self.reuse) if isinstance(node, _FOLDED) else 1
        return LayerOptions(
            given.get("pe", 1), given.get("simd", default),
            chosen(Multiplier, given.get("multiplier", self.multiplier), "multiplier"),
            chosen(Storage, given.get("storage", self.storage), "storage"),
        )  # fmt: skip


def _slice(node: Dense | Conv2d) -> int:
    """Inputs of Dense; channels of a group of Conv2d."""
    return node.weight.shape[1]


def _check_layer(graph: Graph, node: Node, given: Mapping[str, Any]) -> None:
    place = f"{type(node).__name__} {node.name!r}" + (f" (from {node.origin!r})" if node.origin else "")
    for key in given:
        if key not in _KEYS:
            raise ExportError(f"{place} has no choice {key!r}; {did_you_mean(key, _KEYS, 'known choices:')}")
    for key, kinds in (("pe", _FOLDED), ("simd", _FOLDED), ("multiplier", _MULTIPLYING)):
        if key in given and not isinstance(node, kinds):
            words = ", ".join(kind.__name__ for kind in kinds)
            raise ExportError(f"{place} cannot choose {key!r}, which only {words} have; leave it out.")
    if isinstance(node, (Dense, Conv2d)):
        terms = node.weight.codes[0].size
        for key, whole, what in (("pe", node.weight.shape[0], "outputs"), ("simd", terms, "terms of a sum")):
            value = given.get(key, 1)
            if not isinstance(value, int) or value < 1 or whole % value:
                raise ExportError(
                    f"{place} cannot have {key.upper()} {value!r}: it must be a whole number that divides the {whole} "
                    f"{what}."
                )
    chosen(Multiplier, given.get("multiplier", Multiplier.TOOL), f"multiplier of layer {node.name!r}")
    chosen(Storage, given.get("storage", Storage.TOOL), f"storage of layer {node.name!r}")
