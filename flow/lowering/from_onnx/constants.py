"""Nodes whose inputs are all constants, computed when the file is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.lowering.from_onnx.file import Call
from flow.lowering.from_onnx.tracked import Constant, RefusedError

__all__ = ["FOLDED", "fold"]

Array = NDArray[Any]


def _axes(call: Call, operands: tuple[Constant, ...]) -> list[int]:
    given = call.attributes.get("axes")
    return list(given) if given is not None else operands[1].values.reshape(-1).astype(int).tolist()


def _unsqueezed(array: Array, axes: list[int]) -> Array:
    return np.expand_dims(array, tuple(axes))


def _squeezed(array: Array, axes: list[int]) -> Array:
    return np.squeeze(array, tuple(axes))


def _reshaped(array: Array, shape: Array) -> Array:
    sizes = [array.shape[i] if n == 0 else int(n) for i, n in enumerate(shape.reshape(-1).tolist())]
    return array.reshape(sizes)


# Those that change order or shape only keep the grid of a Quant.
_MOVES: dict[str, Callable[[Call, tuple[Constant, ...]], Callable[[Array], Array]]] = {
    "Identity": lambda call, x: lambda array: array,
    "Dropout": lambda call, x: lambda array: array,
    "Transpose": lambda call, x: lambda array: np.transpose(array, call.attributes.get("perm")),
    "Reshape": lambda call, x: lambda array: _reshaped(array, x[1].values),
    "Flatten": lambda call, x: lambda array: array.reshape(int(np.prod(array.shape[: call.attributes["axis"]])), -1),
    "Unsqueeze": lambda call, x: lambda array: _unsqueezed(array, _axes(call, x)),
    "Squeeze": lambda call, x: lambda array: _squeezed(array, _axes(call, x)),
}
_SUMS: dict[str, Callable[..., Array]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Neg": np.negative,
    "Sqrt": np.sqrt,
    "Abs": np.abs,
    "Ceil": np.ceil,
    "Floor": np.floor,
    "Log": np.log,
    "Pow": np.power,
}
FOLDED = frozenset((*_MOVES, *_SUMS, "Cast", "Concat"))


def _cast(call: Call, x: Constant) -> Constant:
    """Integers lose what stands behind the point; floats are taken as exact."""
    number = call.attributes["to"]
    return Constant(x.values.astype(number)) if number.kind in "iu" else x


def fold(call: Call, operands: tuple[Constant, ...]) -> Constant:
    """The result, which keeps its grid where only order or shape change.

    Raises:
        RefusedError: arithmetic on quantised constants, whose grid would be lost, or arrays that do not fit.
    """
    try:
        if call.kind in _MOVES:
            return operands[0].mapped(_MOVES[call.kind](call, operands))
        if call.kind == "Cast":
            return _cast(call, operands[0])
        if call.kind == "Concat":
            return Constant(np.concatenate([x.values for x in operands], axis=call.attributes["axis"]))
        return Constant(np.asarray(_SUMS[call.kind](*(x.values for x in operands))))
    except (ValueError, KeyError) as error:
        raise RefusedError(f"its constants do not fit ({error})") from None
