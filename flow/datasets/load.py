"""Data sets by name."""

from __future__ import annotations

from collections.abc import Callable

from flow.datasets.dataset import Dataset
from flow.datasets.digits import digits
from flow.datasets.glyphs import glyphs
from flow.datasets.small_glyphs import small_glyphs
from flow.errors import DataError

__all__ = ["DATASETS", "load"]

# Name -> what loads it, given the seed of the split or of the distortions.
DATASETS: dict[str, Callable[[int], Dataset]] = {
    "digits": digits,
    "glyphs": glyphs,
    "glyphs_8x8": small_glyphs,
}


def load(name: str, seed: int = 0, shape: tuple[int, ...] | None = None) -> Dataset:
    """The data set of that name.

    Args:
        name: one of `DATASETS`.
        seed: of the split into training and test, or of what is drawn.
        shape: of one sample, where another than the data set's own is wanted.

    Raises:
        DataError: an unknown name, or a shape of another size.
    """
    if name not in DATASETS:
        raise DataError(f"There is no data set {name!r}; known are {', '.join(sorted(DATASETS))}.")
    found = DATASETS[name](seed)
    return found if shape is None else found.reshaped(shape)
