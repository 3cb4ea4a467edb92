"""Products of two values, attention of them, and rows by their number."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from flow.training.aten.arguments import Arguments, RefusedError, shape_of
from flow.training.aten.draft import Draft, Part, one
from flow.training.aten.softmax import softmax_parts
from flow.training.calls import Lookup, MatMul, Transpose

__all__ = ["HANDLERS"]


def _check_factors(a: fx.Node, b: fx.Node) -> None:
    left, right = shape_of(a), shape_of(b)
    if len(left) != len(right) or len(left) < 3 or left[:-2] != right[:-2]:
        raise RefusedError(
            f"samples {left[1:]} and {right[1:]} are not [.., M, K] and [.., K, N] with the same axes in front; bring "
            "both to as many axes of the same sizes"
        )


def _matmul(given: Arguments) -> Draft:
    names = ("self", "other") if given.node.target is _ATEN.matmul.default else ("self", "mat2")
    a, b = (given.value(name) for name in names)
    _check_factors(a, b)
    return one(MatMul, a, b)


def _attention(given: Arguments) -> Draft:
    """`softmax(scale * q k^T) v`; the scale is part of the factor that takes e to base 2."""
    q, k, v = (given.value(name) for name in ("query", "key", "value"))
    if given["attn_mask"] is not None or given["is_causal"]:
        raise RefusedError("it masks some of the keys; leave the mask out")
    if given["dropout_p"]:
        raise RefusedError(f"dropout_p={given['dropout_p']} is active in eval mode; pass 0.0")
    sample, keys = shape_of(q)[1:], shape_of(k)[1:]
    if len({len(shape_of(x)) for x in (q, k, v)}) > 1 or shape_of(q)[:-2] != shape_of(k)[:-2] or len(sample) < 2:
        raise RefusedError(f"samples {sample} and {keys} differ in the axes in front; bring both to the same")
    axes = tuple(range(len(keys)))
    turned = {"order": (*axes[:-2], axes[-1], axes[-2])}
    scores = (*sample[:-1], keys[-2])
    scale = 1.0 / math.sqrt(sample[-1]) if given["scale"] is None else float(given["scale"])
    shares, literals = softmax_parts(given, "scores", scores, len(scores) - 1, "shares", scale)
    parts = (
        Part(Transpose, (k,), turned, "keys", (*keys[:-2], keys[-1], keys[-2])),
        Part(MatMul, (q, "keys"), suffix="scores", shape=scores),
        *shares,
        Part(MatMul, ("shares", v)),
    )
    return Draft(q, parts, label="attention", literals=literals)


def _embedding(given: Arguments) -> Draft:
    return one(Lookup, given.value("indices"), weight=given.constant("weight"))


_ATEN = torch.ops.aten
HANDLERS: dict[Any, Callable[[Arguments], Draft]] = {
    _ATEN.matmul.default: _matmul,
    _ATEN.bmm.default: _matmul,
    _ATEN.scaled_dot_product_attention.default: _attention,
    _ATEN.embedding.default: _embedding,
}
