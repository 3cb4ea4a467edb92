"""Coefficients that are never negative: a part of a cell takes area or none, it never gives some back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["non_negative_least_squares"]

_SWEEPS = 20_000
_SETTLED = 1e-10


def non_negative_least_squares(rows: NDArray[Any], target: NDArray[Any], weight: NDArray[Any]) -> NDArray[np.float64]:
    """The `c >= 0` that minimises the sum of `((rows @ c - target) / weight)**2`.

    Cyclic coordinate descent on the normal equations: each step solves for one coefficient exactly and clips it at
    zero, which converges for this convex problem (Franc, Hlavac, Navara 2005).

    Args:
        rows: float64[N, K] features, each at least 0, K a handful.
        target: float64[N] measured values.
        weight: float64[N] above 0; the measured totals make the error relative.

    >>> rows, target = np.array([[1, 1], [2, 1], [3, 1.0]]), np.array([5, 7, 9.0])
    >>> non_negative_least_squares(rows, target, weight=target).round(6).tolist()
    [2.0, 3.0]
    """
    a, b = rows / weight[:, None], target / weight
    unit = np.maximum(np.sqrt((a * a).sum(axis=0)), np.finfo(float).tiny)
    gram, projected = (a / unit).T @ (a / unit), (a / unit).T @ b
    found = np.zeros(rows.shape[1])
    for _ in range(_SWEEPS):
        before = found.copy()
        for k in np.flatnonzero(np.diag(gram) > 0):
            found[k] = max(0.0, found[k] + (projected[k] - gram[k] @ found) / gram[k, k])
        if np.abs(found - before).max() < _SETTLED:
            break
    coefficients: NDArray[np.float64] = found / unit
    return coefficients
