"""The built-in nets as their recipes have them, six bits everywhere, for what takes minutes a net."""

from __future__ import annotations

from typing import Any

import numpy as np

from flow.training import NETS
from flow.training.nets import digits_autoencoder, digits_branches
from tests.graphs import random_codes
from tests.nets import NETS as SMALL
from tests.nets import Design, Net, Samples, digits, glyphs, made, sixteen_features

__all__ = ["FULL", "full_design"]

_WORDS: dict[str, Any] = {"weights": "s6", "activations": "u6"}
_NORMED = {**_WORDS, "batchnorm": "fixed"}
_SIGNED = {**_WORDS, "activations": "s6"}  # tanh and attention have negative codes


def _net(name: str, options: dict[str, Any], samples: Any = digits) -> Net:
    return Net(NETS[name], NETS[name], samples, options)


def _all_glyphs() -> Samples:
    return glyphs(62)


def _like(name: str, make: Any, options: dict[str, Any]) -> Net:
    """Trained with the loss of a small net, because its answers are no classes or several."""
    return Net(make, make, digits, options, SMALL[name].loss, SMALL[name].argmax)


FULL: dict[str, Net] = {
    "digits_mlp": _net("digits_mlp", _WORDS),
    "jet_mlp": _net("jet_mlp", _WORDS, sixteen_features),
    "digits_resnet": _net("digits_resnet", _NORMED),
    "digits_resnet8": _net("digits_resnet8", _NORMED),
    "glyph_lenet": _net("glyph_lenet", _SIGNED, _all_glyphs),
    "digits_mobilenet": _net("digits_mobilenet", _NORMED),
    "digits_conv1d": _net("digits_conv1d", _NORMED),
    "digits_branches": _like("branches", digits_branches, _NORMED),
    "digits_autoencoder": _like("autoencoder", digits_autoencoder, _NORMED),
    "digits_attention": _net("digits_attention", _SIGNED),
}


def full_design(name: str, count: int) -> Design:
    """One of `FULL`, trained for seconds; `count` samples it has not seen, then random codes where those are few."""
    found = made(name, FULL[name], count)
    missing = count - len(found.codes)
    if missing <= 0:
        return found
    codes = np.concatenate([found.codes, random_codes(found.graph, missing)])
    return Design(found.model, found.graph, codes, found.moved)
