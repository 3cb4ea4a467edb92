"""The rounding names of QONNX: as functions of floats for constants, as modes of our casts for signals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from flow.formats import QONNX_ROUNDING, Rounding
from flow.lowering.from_onnx.tracked import RefusedError

__all__ = ["NEAREST_EVEN", "rounding_function", "rounding_mode"]

NEAREST_EVEN = "ROUND"
_ALIASES = {"HALF_EVEN": "ROUND"}
_MODES = {name: mode for mode, name in QONNX_ROUNDING.items()}

Floats = NDArray[np.floating]

_FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "ROUND": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "DOWN": np.trunc,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
}


def _known(name: str) -> str:
    upper = _ALIASES.get(name.upper(), name.upper())
    if upper not in _FUNCTIONS:
        raise RefusedError(f"QONNX has no rounding mode {name!r}; choose among {', '.join(_FUNCTIONS)}")
    return upper


def rounding_function(name: str) -> Callable[[Floats], Floats]:
    """The mode as QONNX's executor computes it, on floats."""
    return _FUNCTIONS[_known(name)]


def rounding_mode(name: str, low: int, high: int) -> tuple[Rounding, bool]:
    """Our mode for codes in `low..high`, and whether everything but the last place must first be added: CEIL.

    The ceiling of `c / 2**s` is the floor of `(c + 2**s - 1) / 2**s`.

    Raises:
        RefusedError: UP on codes of both signs, which no cast of ap_fixed is.
    """
    known = _known(name)
    if known == "UP" and low < 0 < high:
        raise RefusedError("rounding mode UP has no counterpart in ap_fixed for values of both signs; use HALF_UP")
    if known == "UP":
        known = "CEIL" if low >= 0 else "FLOOR"
    return (Rounding.TRN, True) if known == "CEIL" else (_MODES[known], False)
