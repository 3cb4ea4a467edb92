"""The small glyphs: the same samples in the same order, averaged and stretched by hand."""

import numpy as np

from flow.datasets import load


def test_they_are_the_glyphs_averaged_and_stretched():
    large, small = load("glyphs"), load("glyphs_8x8")
    assert (small.shape, small.classes) == ((1, 8, 8), 62)
    assert (small.train_x.shape, small.test_x.shape) == ((8060, 1, 8, 8), (1860, 1, 8, 8))
    assert small.train_x.dtype == np.float32
    assert np.array_equal(small.train_y, large.train_y) and np.array_equal(small.test_y, large.test_y)
    both = np.concatenate([small.train_x, small.test_x])
    assert np.array_equal(both.min((1, 2, 3)), np.zeros(len(both)))
    assert np.array_equal(both.max((1, 2, 3)), np.ones(len(both)))
    means = np.array([[large.test_x[5, 0, 2 + 3 * r : 5 + 3 * r, 2 + 3 * c : 5 + 3 * c].mean(dtype=np.float64)
                       for c in range(8)] for r in range(8)])  # fmt: skip
    stretched = 255 * (means - means.min()) / np.ptp(means)
    assert np.array_equal(np.round(small.test_x[5, 0] * 255), np.round(stretched))
