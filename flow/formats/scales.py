"""The power-of-two scale of OCP MX: eight bits of exponent and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import FormatError

__all__ = ["PowerOfTwo"]


@dataclass(frozen=True, slots=True)
class PowerOfTwo:
    """E8M0: code `c` stands for `2**(c - 127)`; code 255 is NaN; there is no zero and no sign.

    >>> PowerOfTwo().decode(np.array([125, 127, 130, 255]))
    array([0.25, 1.  , 8.  ,  nan])
    """

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return 8

    @property
    def frac(self) -> int:
        """Every scale is an integer times `2**-frac`."""
        return 127

    @property
    def highest_code(self) -> int:
        """The code of the largest scale, `2**127`."""
        return 254

    @property
    def nan_code(self) -> int:
        """The code of NaN."""
        return 255

    def __str__(self) -> str:
        return "e8m0"

    def decode(self, codes: NDArray[Any]) -> NDArray[np.float64]:
        """The scales, exactly."""
        given = self._checked(codes)
        found: NDArray[np.float64] = np.where(given == self.nan_code, np.nan, np.ldexp(1.0, given - 127))
        return found

    def integers(self, codes: NDArray[Any]) -> NDArray[Any]:
        """The scales in units of `2**-127`, as Python integers.

        Raises:
            FormatError: some code is NaN.
        """
        given = self._checked(codes)
        if (given == self.nan_code).any():
            raise FormatError("Only numbers are multiples of a step, but code 0xff of e8m0 is none; replace it.")
        one: NDArray[Any] = np.ones(given.shape, dtype=object) << given.astype(object)
        return one

    def floor(self, exponents: NDArray[Any]) -> NDArray[np.int64]:
        """Codes of `2**exponents`: clamped at `2**-127` from below, NaN above `2**127` (OCP MX)."""
        clamped = np.maximum(np.asarray(exponents) + 127, 0)
        return np.where(clamped > self.highest_code, self.nan_code, clamped).astype(np.int64)

    def _checked(self, codes: NDArray[Any]) -> NDArray[np.int64]:
        given = np.asarray(codes).astype(np.int64)
        if given.size and not (given.min() >= 0 and given.max() <= self.nan_code):
            outside = given[(given < 0) | (given > self.nan_code)].flat[0]
            raise FormatError(f"A code of e8m0 must lie in 0..255, not {outside}.")
        return given
