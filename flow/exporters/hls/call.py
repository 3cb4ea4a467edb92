"""One instance of a template of `hls_templates/`, and the constants that it reads."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flow.formats import FixedPoint
from flow.ir import Tensor

__all__ = ["Call", "Constant", "constant"]


@dataclass(frozen=True, slots=True)
class Constant:
    """Codes as the template reads them.

    Attributes:
        name: field of the node, unique in the layer.
        letter: name of the constant's type among the template's parameters.
        codes: int64 of any shape, written in row-major order.
        format: what the codes mean.
        axes: the order of the axes, in words.
        stored: the format of the words in the ROM, where they are not the codes themselves.
    """

    name: str
    letter: str
    codes: NDArray[np.int64]
    format: FixedPoint
    axes: str
    stored: FixedPoint | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One instance of a template.

    Attributes:
        header: file of `hls_templates/`.
        function: name of the template.
        inputs: letters of the input types, one for every input that it reads.
        constants: the constant arguments.
        sizes: integer parameters by name, in the template's order.
        inner: further types by letter: one of the template's other letters where it is the same, else the C++ type.
        first: the first of the node's inputs that it reads.
    """

    header: str
    function: str
    inputs: tuple[str, ...] = ("X",)
    constants: tuple[Constant, ...] = ()
    sizes: dict[str, int] = field(default_factory=dict)
    inner: dict[str, str] = field(default_factory=dict)
    first: int = 0


def constant(name: str, letter: str, tensor: Tensor, axes: str) -> Constant:
    """The codes of a tensor as they are."""
    return Constant(name, letter, tensor.codes, tensor.format, axes)
