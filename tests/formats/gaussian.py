"""Mean square errors of grids under N(0, 1) in closed form, and a search for the best scale."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np


def _moments(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integrals of 1, x and x**2 times the density over each cell [low, high]."""

    def density(x: np.ndarray) -> np.ndarray:
        return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)

    def above(x: np.ndarray) -> np.ndarray:
        return np.array([math.erfc(each / math.sqrt(2)) / 2 for each in x])

    def edge(x: np.ndarray) -> np.ndarray:
        return np.where(np.isinf(x), 0.0, np.where(np.isinf(x), 0.0, x) * density(x))

    mass = above(low) - above(high)
    return mass, density(low) - density(high), mass + edge(low) - edge(high)


def grid_mse(levels: np.ndarray, edges: np.ndarray | None = None) -> float:
    """MSE of N(0, 1) on the levels `levels` (0 first, rising) and their negatives.

    `edges` are the ends of the cells, by default the midpoints: rounding to the nearest.
    """
    middle = (levels[1:] + levels[:-1]) / 2 if edges is None else edges
    mass, first, second = _moments(np.concatenate([[0.0], middle]), np.concatenate([middle, [np.inf]]))
    return float(2 * (second - 2 * levels * first + levels**2 * mass).sum())


def any_grid_mse(levels: np.ndarray) -> float:
    """MSE of N(0, 1) on levels that need not be symmetric, rounded to the nearest."""
    middle = (levels[1:] + levels[:-1]) / 2
    mass, first, second = _moments(np.concatenate([[-np.inf], middle]), np.concatenate([middle, [np.inf]]))
    return float((second - 2 * levels * first + levels**2 * mass).sum())


def best(error: Callable[[float], float], low: float, high: float, points: int = 41) -> tuple[float, float]:
    """The argument in [low, high] with the least error, and that error: a grid, narrowed five times."""
    for _ in range(5):
        tried = np.linspace(low, high, points)
        errors = [error(float(each)) for each in tried]
        i = int(np.argmin(errors))
        low, high = tried[max(i - 1, 0)], tried[min(i + 1, points - 1)]
        points = 9
    return float(tried[i]), float(errors[i])
