"""Softmax as a factor and one operator in base 2: `exp(x) = 2**(x * log2(e))`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import fx

from flow.training.aten.arguments import Arguments, shape_of
from flow.training.aten.draft import Draft, Part
from flow.training.aten.scaling import scaled_parts
from flow.training.calls import Softmax

__all__ = ["HANDLERS", "softmax_parts"]


def softmax_parts(
    given: Arguments, source: fx.Node | str, sample: tuple[int, ...], axis: int, suffix: str = "", scale: float = 1.0
) -> tuple[tuple[Part, ...], dict[str, float]]:
    """The softmax of `scale * source`, and the constants that it needs by name.

    Args:
        given: the node that it is part of.
        source: what it reads, a sample of which has the shape `sample`.
        sample: that shape.
        axis: of the sample, along which the results add up to 1.
        suffix: of the last part's name.
        scale: costs nothing, since it is part of the factor that takes e to base 2.
    """
    name = f"{given.node.name}.octaves"
    (octaves,) = scaled_parts(source, sample, (), scale=name, trained=False, role="tables")
    parts = (
        replace(octaves, suffix="octaves"),
        Part(Softmax, ("octaves",), {"axis": axis}, suffix, sample),
    )
    return parts, {name: scale * math.log2(math.e)}


def _softmax(given: Arguments) -> Draft:
    source = given.value("self")
    parts, literals = softmax_parts(given, source, shape_of(source)[1:], given.axis())
    return Draft(source, parts, label="softmax", literals=literals)


HANDLERS: dict[Any, Callable[[Arguments], Draft]] = {torch.ops.aten.softmax.int: _softmax}
