"""Mean square errors of E2M1 blocks of N(0, 1) by integration over the largest magnitude of a block.

Given the largest magnitude m, the other n - 1 are Gaussians cut to [-m, m] whose error on a grid has a closed form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from flow.formats import Minifloat

LEVELS = Minifloat.parse("e2m1").decode(np.arange(8))
MIDDLE = (LEVELS[1:] + LEVELS[:-1]) / 2
# A fine table instead of an error function for arrays, which numpy lacks.
_X = np.linspace(0.0, 9.0, 20_001)
_INSIDE = np.array([math.erf(x / math.sqrt(2)) for x in _X])
Scale = Callable[[np.ndarray], np.ndarray]


def _density(x: np.ndarray) -> np.ndarray:
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _moments(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mass = (np.interp(high, _X, _INSIDE) - np.interp(low, _X, _INSIDE)) / 2
    return mass, _density(low) - _density(high), mass + low * _density(low) - high * _density(high)


def _nearest(m: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The squared error of rounding to nearest: summed over |x| < m, and at m."""
    edges, total = np.concatenate([[0.0], MIDDLE, [1e9]]), np.zeros_like(m)
    for k, level in enumerate(LEVELS):
        mass, first, second = _moments(np.minimum(edges[k] * s, m), np.minimum(edges[k + 1] * s, m))
        total += 2 * (second - 2 * level * s * first + (level * s) ** 2 * mass)
    return total, (LEVELS[np.searchsorted(MIDDLE, m / s)] * s - m) ** 2


def _stochastic(m: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same for stochastic rounding, whose expected square is (x - below) * (above - x)."""
    total = np.zeros_like(m)
    for below, above in pairwise(LEVELS):
        mass, first, second = _moments(np.minimum(below * s, m), np.minimum(above * s, m))
        total += 2 * (-second + (below + above) * s * first - below * above * s * s * mass)
    mass, first, second = _moments(np.minimum(6 * s, m), m)
    total += 2 * (second - 12 * s * first + 36 * s * s * mass)
    i = np.minimum(np.searchsorted(LEVELS, m / s, side="right"), 7)
    inside = (m / s - LEVELS[i - 1]) * (LEVELS[i] - m / s)
    return total, np.where(m > 6 * s, (m / s - 6) ** 2, inside) * s * s


def block_mse(scale: Scale, count: int, stochastic: bool = False) -> float:
    """MSE of blocks of `count` values whose scale is a function of the largest magnitude."""
    m, inside = _X[1:], _INSIDE[1:]
    below, at = (_stochastic if stochastic else _nearest)(m, scale(m))
    weight = 2 * count * inside ** (count - 1) * _density(m)
    return float(np.trapezoid(weight * ((count - 1) * below / inside + at) / count, m))


def over_an_octave(scale: Callable[[np.ndarray], np.ndarray], count: int, stochastic: bool = False) -> float:
    """The mean of `block_mse` when all values are scaled by 1 to 2, uniformly on a logarithmic axis."""
    sizes = 2.0 ** ((np.arange(32) + 0.5) / 32)
    return float(np.mean([block_mse(lambda m, k=k: scale(m * k) / k, count, stochastic) for k in sizes]))
