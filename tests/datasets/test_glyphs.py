"""The glyphs: sizes, balance, what the split keeps apart, and what is said where the fonts are not there."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest

from flow.datasets import load
from flow.datasets.glyphs import CHARACTERS, TEST_FACES, TRAIN_FACES, _part, glyphs
from flow.errors import DataError


@pytest.fixture(scope="module")
def data():
    return load("glyphs")


def test_sizes_and_balance(data):
    assert (data.shape, data.classes, len(CHARACTERS)) == ((1, 28, 28), 62, 62)
    assert (data.train_x.shape, data.test_x.shape) == ((8060, 1, 28, 28), (1860, 1, 28, 28))
    assert (data.train_x.dtype, data.train_y.dtype) == (np.float32, np.int64)
    assert np.array_equal(np.bincount(data.train_y), np.full(62, 130))
    assert np.array_equal(np.bincount(data.test_y), np.full(62, 30))
    assert len(np.unique(data.train_y[:512])) == 62  # what calibrates sees every class


def test_pixels_are_whole_codes_of_eight_bits(data):
    both = np.concatenate([data.train_x, data.test_x])
    assert np.array_equal(both, (np.round(both * 255.0) / 255.0).astype(np.float32))
    assert (both.min(), both.max()) == (0.0, 1.0)
    # A stroke stands out from its ground in every picture.
    assert np.ptp(both, axis=(1, 2, 3)).min() > 0.25


def test_nothing_leaks(data):
    assert not set(TRAIN_FACES) & set(TEST_FACES)
    assert (len(set(TRAIN_FACES)), len(set(TEST_FACES))) == (18, 3)
    both = np.concatenate([data.train_x, data.test_x]).reshape(-1, 784)
    assert len(np.unique(both, axis=0)) == 8060 + 1860


def test_the_seed_decides(data):
    assert load("glyphs") is data  # kept in memory
    again = glyphs.__wrapped__(0)
    for name in ("train_x", "train_y", "test_x", "test_y"):
        assert np.array_equal(getattr(again, name), getattr(data, name))
    draws = [np.random.default_rng([seed, 1]) for seed in (0, 1)]
    first, other = (_part(("cmr10",), 1, draw)[0] for draw in draws)
    assert not np.array_equal(first, other)


def test_missing_fonts_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = r"^The glyphs need the fonts of matplotlib, which is not installed; pip install matplotlib\.$"
    with pytest.raises(DataError, match=message):
        load("glyphs", seed=2)
    found = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    message = r"^The glyphs need matplotlib's font 'DejaVuSans\.ttf', which is missing; reinstall matplotlib\.$"
    with pytest.raises(DataError, match=message):
        load("glyphs", seed=2)
