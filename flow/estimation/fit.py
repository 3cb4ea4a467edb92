"""Coefficients that are never negative: a part of a cell takes area or none, it never gives some back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["cross_validated", "non_negative_least_squares"]

_SETTLED = 1e-9


def non_negative_least_squares(rows: NDArray[Any], target: NDArray[Any], weight: NDArray[Any]) -> NDArray[np.float64]:
    """The `c >= 0` that minimises the sum of `((rows @ c - target) / weight)**2`.

    The active set method of Lawson and Hanson (Solving Least Squares Problems, 1974, chapter 23).

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
    a = a / unit
    found, free = np.zeros(a.shape[1]), np.zeros(a.shape[1], dtype=bool)
    for _ in range(10 * a.shape[1]):
        gain = np.where(free, -np.inf, a.T @ (b - a @ found))
        if not gain.size or gain.max() <= _SETTLED:
            break
        free[int(gain.argmax())] = True
        found = _within(a, b, found, free)
    coefficients: NDArray[np.float64] = found / unit
    return coefficients


def _within(a: NDArray[Any], b: NDArray[Any], found: NDArray[Any], free: NDArray[Any]) -> NDArray[Any]:
    """The best solution over the free coefficients; those that would turn negative are bound again, nearest first."""
    while True:
        best = np.zeros_like(found)
        best[free] = np.linalg.lstsq(a[:, free], b, rcond=None)[0]
        below = free & (best <= 0)
        if not below.any():
            return best
        step = (found[below] / np.maximum(found[below] - best[below], np.finfo(float).tiny)).min()
        found = found + min(step, 1.0) * (best - found)
        free &= ~(below & (found <= _SETTLED))
        found[~free] = 0.0


def cross_validated(
    rows: NDArray[Any], target: NDArray[Any], weight: NDArray[Any], folds: int = 5
) -> NDArray[np.float64]:
    """What a fit says about the rows that it has not seen.

    Args:
        rows: float64[N, K] features.
        target: float64[N] measured values.
        weight: float64[N] above 0.
        folds: row `i` is left out with the rows `i % folds`; with fewer rows than folds, each alone.

    Returns:
        float64[N] predictions.
    """
    place = np.arange(len(rows)) % folds
    guess = np.zeros(len(rows))
    for fold in range(min(folds, len(rows))):
        out = place == fold
        guess[out] = rows[out] @ non_negative_least_squares(rows[~out], target[~out], weight[~out])
    return guess
