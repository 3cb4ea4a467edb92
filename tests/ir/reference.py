"""Every operator once more, on real numbers: Fractions in, Fractions out, one element at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from flow.formats import FixedPoint
from flow.ir import (
    Add,
    ArgMax,
    AvgPool2d,
    Conv2d,
    Dense,
    Flatten,
    MaxPool2d,
    Node,
    Relu,
    Requantize,
    ScaleShift,
    Tensor,
)
from tests.formats.oracle import overflowed, rounded

Real = np.ndarray  # of Fractions


def real(codes: np.ndarray, form: FixedPoint) -> Real:
    """What the codes stand for."""
    values = np.empty(codes.shape, dtype=object)
    for place in np.ndindex(codes.shape):
        values[place] = Fraction(int(codes[place])) * form.step
    return values


def _constant(tensor: Tensor) -> Real:
    return real(tensor.codes, tensor.format)


def _dense(node: Dense, x: Real) -> Real:
    weight = _constant(node.weight)
    rows = [sum((weight[o, i] * x[i] for i in range(len(x))), Fraction(0)) for o in range(len(weight))]
    return np.array(rows, dtype=object) + (0 if node.bias is None else _constant(node.bias))


def _conv2d(node: Conv2d, x: Real) -> Real:
    weight, (ph, pw), (sh, sw) = _constant(node.weight), node.padding, node.stride
    out, fan, kh, kw = weight.shape
    height, width = x.shape[1:]
    rows, lines = range(-ph, height + ph - kh + 1, sh), range(-pw, width + pw - kw + 1, sw)
    result = np.empty((out, len(rows), len(lines)), dtype=object)
    for o, (i, top), (j, left) in itertools.product(range(out), enumerate(rows), enumerate(lines)):
        first = o // (out // node.groups) * fan
        total = Fraction(0) if node.bias is None else _constant(node.bias)[o]
        for c, dy, dx in itertools.product(range(fan), range(kh), range(kw)):
            if 0 <= top + dy < height and 0 <= left + dx < width:
                total += weight[o, c, dy, dx] * x[first + c, top + dy, left + dx]
        result[o, i, j] = total
    return result


def _scale_shift(node: ScaleShift, x: Real) -> Real:
    scale, shift = _constant(node.scale), _constant(node.shift)
    return np.stack([scale[c] * x[c] + shift[c] for c in range(len(x))])


def _relu(node: Relu, x: Real) -> Real:
    return np.where(x > 0, x, Fraction(0))


def _add(node: Add, a: Real, b: Real) -> Real:
    return a + b


def _pooled(node: MaxPool2d | AvgPool2d, x: Real, reduce: Callable[[list[Fraction]], Fraction]) -> Real:
    (kh, kw), (sh, sw), (channels, height, width) = node.kernel, node.stride, x.shape
    tops, lefts = range(0, height - kh + 1, sh), range(0, width - kw + 1, sw)
    result = np.empty((channels, len(tops), len(lefts)), dtype=object)
    for c, (i, top), (j, left) in itertools.product(range(channels), enumerate(tops), enumerate(lefts)):
        result[c, i, j] = reduce([x[c, top + dy, left + dx] for dy in range(kh) for dx in range(kw)])
    return result


def _max_pool(node: MaxPool2d, x: Real) -> Real:
    return _pooled(node, x, max)


def _avg_pool(node: AvgPool2d, x: Real) -> Real:
    return _pooled(node, x, sum) * Fraction(int(node.scale.codes)) * node.scale.format.step


def _flatten(node: Flatten, x: Real) -> Real:
    return np.array([x[place] for place in itertools.product(*map(range, x.shape))], dtype=object)


def _requantize(node: Requantize, x: Real) -> Real:
    step, target = node.format.step, node.format
    codes = [overflowed(rounded(value / step, node.rounding), target, node.overflow) for value in x.ravel()]
    return np.array([code * step for code in codes], dtype=object).reshape(x.shape)


def _argmax(node: ArgMax, x: Real) -> Real:
    values = list(x)
    return np.array([Fraction(values.index(max(values)))], dtype=object)


REFERENCE: dict[type[Node], Callable[..., Real]] = {
    Dense: _dense,
    Conv2d: _conv2d,
    ScaleShift: _scale_shift,
    Relu: _relu,
    Add: _add,
    MaxPool2d: _max_pool,
    AvgPool2d: _avg_pool,
    Flatten: _flatten,
    Requantize: _requantize,
    ArgMax: _argmax,
}
