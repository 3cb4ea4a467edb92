"""Activations that become a table: which function of which arguments each overload is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from flow.training.aten.arguments import Arguments
from flow.training.aten.draft import Draft, Part
from flow.training.calls import Relu, Table
from flow.training.functions import Function

__all__ = ["HANDLERS", "NAMES"]


@dataclass(frozen=True, slots=True)
class _Activation:
    """A function, and the arguments of its operator that are the function's own."""

    name: str
    arguments: tuple[str, ...] = ()


_ATEN = torch.ops.aten
_OVERLOADS: dict[Any, _Activation] = {
    _ATEN.sigmoid: _Activation("sigmoid"),
    _ATEN.tanh: _Activation("tanh"),
    _ATEN.silu: _Activation("silu"),
    _ATEN.gelu: _Activation("gelu", ("approximate",)),
    _ATEN.mish: _Activation("mish"),
    _ATEN.hardtanh: _Activation("hardtanh", ("min_val", "max_val")),
    _ATEN.relu6: _Activation("relu6"),
    _ATEN.hardsigmoid: _Activation("hardsigmoid"),
    _ATEN.hardswish: _Activation("hardswish"),
    _ATEN.leaky_relu: _Activation("leaky_relu", ("negative_slope",)),
    _ATEN.elu: _Activation("elu", ("alpha", "scale", "input_scale")),
    _ATEN.celu: _Activation("celu", ("alpha",)),
    _ATEN.selu: _Activation("selu"),
    _ATEN.softplus: _Activation("softplus", ("beta", "threshold")),
}
NAMES = (
    "Sigmoid", "Tanh", "SiLU", "GELU", "Mish", "Hardtanh", "ReLU6", "Hardsigmoid", "Hardswish", "LeakyReLU", "ELU",
    "CELU", "SELU", "Softplus",
)  # fmt: skip


def _handler(held: _Activation, in_place: bool) -> Callable[[Arguments], Draft]:
    def handle(given: Arguments) -> Draft:
        source = given.value("self")
        values = tuple(given[name] if name == "approximate" else float(given[name]) for name in held.arguments)
        part = Part(Table, (source,), {"function": Function(held.name, values)})
        return Draft(source, (part,), label=held.name, shares=in_place, in_place=in_place)

    return handle


def _handlers() -> dict[Any, Callable[[Arguments], Draft]]:
    """Both forms of each overload, the one that copies and the one that changes its input."""
    found = {packet.default: _handler(held, in_place=False) for packet, held in _OVERLOADS.items()}
    for held in _OVERLOADS.values():
        packet = getattr(_ATEN, f"{held.name}_", None)
        if packet is not None:
            found[packet.default] = _handler(held, in_place=True)
    return found


def _clamp(given: Arguments) -> Draft:
    """Numbers as ends: from 0 up a ReLU, else the table of a Hardtanh."""
    source, low, high = given.value("self"), given["min"], given["max"]
    if low == 0 and high is None:
        return Draft(source, (Part(Relu, (source,)),))
    ends = (-math.inf if low is None else float(low), math.inf if high is None else float(high))
    return Draft(source, (Part(Table, (source,), {"function": Function("hardtanh", ends)}),), label="clamp")


HANDLERS = {**_handlers(), _ATEN.clamp.default: _clamp}
