"""Every operator once more, on real numbers: Fractions in, Fractions out, one element at a time."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache

import numpy as np

from flow.formats import FixedPoint, FloatRounding, Minifloat
from flow.ir import (
    Add,
    ArgMax,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Lookup,
    LutDense,
    MatMul,
    MaxPool2d,
    Mul,
    Node,
    Pad,
    ReduceMax,
    ReduceSum,
    Relu,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    Reshape,
    ScaleShift,
    Slice,
    Softmax,
    Sub,
    Table,
    Tensor,
    Transpose,
    Upsample,
)
from tests.formats.oracle import HALF, overflowed, rounded

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


def _broadcast(a: Real, b: Real, function: Callable[[Fraction, Fraction], Fraction]) -> Real:
    result = np.empty([max(m, n) for m, n in zip(a.shape, b.shape, strict=True)], dtype=object)
    for place in np.ndindex(result.shape):
        first, second = (x[tuple(i % n for i, n in zip(place, x.shape, strict=True))] for x in (a, b))
        result[place] = function(first, second)
    return result


def _sub(node: Sub, a: Real, b: Real) -> Real:
    return _broadcast(a, b, lambda first, second: first - second)


def _mul(node: Mul, a: Real, b: Real) -> Real:
    return _broadcast(a, b, lambda first, second: first * second)


def _each(x: Real, function: Callable[..., Fraction]) -> Real:
    """`function(value, place)` at every place."""
    result = np.empty(x.shape, dtype=object)
    for place in np.ndindex(x.shape):
        result[place] = function(x[place], place)
    return result


def _table(node: Table, steps: Real) -> Real:
    """Alone among the operators a table reads codes: `steps` are the values divided by the step of their format."""
    listed = {Fraction(node.first + i): value for i, value in enumerate(_constant(node.entries))}
    return _each(steps, lambda value, place: listed[value])


def _lookup(node: Lookup, x: Real) -> Real:
    rows = {Fraction(number): row for number, row in enumerate(_constant(node.rows))}
    result = np.empty((*x.shape, node.rows.shape[1]), dtype=object)
    for place in np.ndindex(x.shape):
        result[place] = rows[x[place]]
    return result


def _lut_dense(node: LutDense, steps: Real) -> Real:
    """As a table it reads codes; the address is made of their bits, one by one."""
    tables, width = _constant(node.tables), node.tables.shape[2].bit_length() - 1
    result = np.full((*steps.shape[:-1], len(tables)), Fraction(0), dtype=object)
    for place in np.ndindex(steps.shape):
        shift = int(node.shifts.codes[place[-1]])
        bits = [math.floor(steps[place] / 2 ** (shift + bit)) % 2 for bit in range(width)]
        address = sum(bit << number for number, bit in enumerate(bits))
        for o, rows in enumerate(tables):
            result[(*place[:-1], o)] += rows[place[-1]][address]
    return result


def _matmul(node: MatMul, a: Real, b: Real) -> Real:
    result = np.empty((*a.shape[:-1], b.shape[-1]), dtype=object)
    for *front, m, n in np.ndindex(result.shape):
        result[(*front, m, n)] = sum((a[(*front, m, k)] * b[(*front, k, n)] for k in range(a.shape[-1])), Fraction(0))
    return result


def _reduced(node: ReduceMax | ReduceSum, x: Real, reduce: Callable[[list[Fraction]], Fraction]) -> Real:
    lines = np.moveaxis(x, node.axis, -1)
    result = np.empty((*lines.shape[:-1], 1), dtype=object)
    for place in np.ndindex(lines.shape[:-1]):
        result[(*place, 0)] = reduce([lines[(*place, i)] for i in range(lines.shape[-1])])
    return np.moveaxis(result, -1, node.axis)


def _reduce_max(node: ReduceMax, x: Real) -> Real:
    return _reduced(node, x, max)


def _reduce_sum(node: ReduceSum, x: Real) -> Real:
    return _reduced(node, x, sum)


def _reshape(node: Reshape, x: Real) -> Real:
    result = np.empty(node.shape, dtype=object)
    for place, source in zip(np.ndindex(node.shape), np.ndindex(x.shape), strict=True):
        result[place] = x[source]
    return result


def _concat(node: Concat, *parts: Real) -> Real:
    """Place by place: the part whose turn it is along the axis."""
    owners = [(part, i) for part in parts for i in range(part.shape[node.axis])]
    shape = (*parts[0].shape[: node.axis], len(owners), *parts[0].shape[node.axis + 1 :])
    result = np.empty(shape, dtype=object)
    for place in np.ndindex(shape):
        part, i = owners[place[node.axis]]
        result[place] = part[(*place[: node.axis], i, *place[node.axis + 1 :])]
    return result


def _pad(node: Pad, x: Real) -> Real:
    axes = list(zip(x.shape, node.before, node.after, node.interior, strict=True))
    result = np.full([b + n + (n - 1) * more + a for n, b, a, more in axes], Fraction(0), dtype=object)
    for place in np.ndindex(x.shape):
        moved = tuple(b + i * (more + 1) for i, (_, b, _, more) in zip(place, axes, strict=True))
        if all(0 <= i < size for i, size in zip(moved, result.shape, strict=True)):
            result[moved] = x[place]
    return result


def _upsample(node: Upsample, x: Real) -> Real:
    result = np.empty([size * factor for size, factor in zip(x.shape, node.factors, strict=True)], dtype=object)
    for place in np.ndindex(result.shape):
        result[place] = x[tuple(i // factor for i, factor in zip(place, node.factors, strict=True))]
    return result


def _slice(node: Slice, x: Real) -> Real:
    axes = [range(n)[a:b:c] for n, a, b, c in zip(x.shape, node.starts, node.stops, node.steps, strict=True)]
    picked = [x[place] for place in itertools.product(*axes)]
    result = np.empty(len(picked), dtype=object)
    result[:] = picked
    return result.reshape([len(axis) for axis in axes])


def _transpose(node: Transpose, x: Real) -> Real:
    result = np.empty([x.shape[axis] for axis in node.order], dtype=object)
    for place in np.ndindex(result.shape):
        source = dict(zip(node.order, place, strict=True))
        result[place] = x[tuple(source[axis] for axis in range(x.ndim))]
    return result


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


def _cast(node: Requantize | RequantizeEach, value: Fraction, target: FixedPoint) -> Fraction:
    return overflowed(rounded(value / target.step, node.rounding), target, node.overflow) * target.step


def _requantize(node: Requantize, x: Real) -> Real:
    return _each(x, lambda value, place: _cast(node, value, node.format))


def _requantize_each(node: RequantizeEach, x: Real) -> Real:
    def cast(value: Fraction, place: tuple[int, ...]) -> Fraction:
        at = tuple(i % n for i, n in zip(place, node.widths.shape, strict=True))
        width, frac = int(node.widths.codes[at]), int(node.fracs.codes[at])
        return _cast(node, value, FixedPoint(width, frac, node.signed)) if width else Fraction(0)

    return _each(x, cast)


@cache
def _numbers(form: Minifloat) -> list[Fraction]:
    """Every number of a minifloat from zero up; the index is the code."""
    return [form.value(code) for code in range(form.highest_code + 1)]


def _neighbour(form: Minifloat, rounding: FloatRounding, value: Fraction) -> Fraction:
    """The number next to `value`, found among all of them: sign, then magnitude; beyond the last one, the last one."""
    if value < 0:
        mirror = {FloatRounding.UP: FloatRounding.DOWN, FloatRounding.DOWN: FloatRounding.UP}
        return -_neighbour(form, mirror.get(rounding, rounding), -value) if form.signed else Fraction(0)
    numbers = _numbers(form)
    if value >= numbers[-1]:
        return numbers[-1]
    code = bisect.bisect_right(numbers, value) - 1
    rest = (value - numbers[code]) / (numbers[code + 1] - numbers[code])
    raised = {
        FloatRounding.NEAREST_EVEN: rest > HALF or (rest == HALF and code % 2 == 1),
        FloatRounding.NEAREST_AWAY: rest >= HALF,
        FloatRounding.TOWARD_ZERO: False,
        FloatRounding.UP: rest > 0,
        FloatRounding.DOWN: False,
    }[rounding]
    return numbers[code + raised]


def _requantize_minifloat(node: RequantizeMinifloat, x: Real) -> Real:
    return _each(x, lambda value, place: _neighbour(node.minifloat, node.rounding, value))


def _power(fraction: Fraction, bits: int) -> Fraction:
    """`2**fraction` in [1, 2) with so many fractional bits, rounded to nearest."""
    with localcontext(prec=60):
        scaled = Decimal(2) ** (bits + Decimal(fraction.numerator) / Decimal(fraction.denominator))
        return min(Fraction(int(scaled.to_integral_value())), Fraction(2 ** (bits + 1) - 1)) / 2**bits


def _shares(row: list[Fraction], bits: int) -> list[Fraction]:
    """Two passes over pairs of a mantissa in [1, 2) and an exponent; every mantissa is cut after so many bits."""

    def cut(value: Fraction, exponent: int) -> Fraction:
        return Fraction(value * 2**bits / Fraction(2) ** exponent // 1) / 2**bits * Fraction(2) ** exponent

    pairs = [(_power(x - x // 1, bits) * Fraction(2) ** (x // 1), x // 1) for x in row]
    total, top = pairs[0]
    for power, exponent in pairs[1:]:
        top = max(top, exponent)
        total = cut(total, top) + cut(power, top)
        while total >= Fraction(2) ** (top + 1):
            top += 1
            total = cut(total, top)
    mantissa = total / Fraction(2) ** top
    reciprocal = Fraction(2 ** (bits + 1) / mantissa // 1) / 2 ** (bits + 1)
    return [cut(power * reciprocal / Fraction(2) ** top, 0) for power, _ in pairs]


def _softmax(node: Softmax, x: Real) -> Real:
    lines = np.moveaxis(x, node.axis, -1)
    result = np.empty(lines.shape, dtype=object)
    for place in np.ndindex(lines.shape[:-1]):
        result[place] = _shares(list(lines[place]), node.mantissa)
    return np.moveaxis(result, -1, node.axis)


def _argmax(node: ArgMax, x: Real) -> Real:
    values = list(x)
    return np.array([Fraction(values.index(max(values)))], dtype=object)


REFERENCE: dict[type[Node], Callable[..., Real]] = {
    Dense: _dense,
    Conv2d: _conv2d,
    ScaleShift: _scale_shift,
    Relu: _relu,
    Add: _add,
    Sub: _sub,
    Mul: _mul,
    Table: _table,
    Lookup: _lookup,
    LutDense: _lut_dense,
    MatMul: _matmul,
    MaxPool2d: _max_pool,
    AvgPool2d: _avg_pool,
    ReduceMax: _reduce_max,
    ReduceSum: _reduce_sum,
    Flatten: _flatten,
    Reshape: _reshape,
    Concat: _concat,
    Pad: _pad,
    Upsample: _upsample,
    Slice: _slice,
    Transpose: _transpose,
    Requantize: _requantize,
    RequantizeEach: _requantize_each,
    RequantizeMinifloat: _requantize_minifloat,
    ArgMax: _argmax,
    Softmax: _softmax,
}


def expected(graph: Graph, node: Node, *operands: Real) -> Real:
    """What `node` makes of one sample of its inputs."""
    if isinstance(node, Table | LutDense):
        (x,) = operands
        operands = (x / graph.operands(node)[0].format.step,)
    return REFERENCE[type(node)](node, *operands)
