"""Softmax: a factor that takes e to base 2, and our own operator, of which no code is the real one's by definition.

The factor has 16 significant bits, what it gives is rounded to steps of 2**-10, powers and sums have 16 bits: a share
is the real one to about 2**-10 of itself, and a Quant of ten bits or more behind it may give a neighbouring code.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from flow.formats import FixedPoint
from flow.ir import Requantize, Softmax
from flow.lowering.from_onnx.draft import ONE, Draft
from flow.lowering.from_onnx.exact import dyadic_tensor, nearest_dyadic
from flow.lowering.from_onnx.file import Call
from flow.lowering.from_onnx.linear import signal
from flow.lowering.from_onnx.tracked import RefusedError, Signal, Tracked

__all__ = ["softmax"]

_FACTOR_BITS, _FRACTION, _MANTISSA = 16, 10, 16
_ONE_AXIS = 13  # the version from which the operator works along one axis, not along all from there on


def softmax(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Softmax along an axis behind the batch."""
    x = signal(operands)
    rank = len(d.value(x).shape) + 1
    axis = call.attributes.get("axis", -1 if call.version >= _ONE_AXIS else 1) % rank
    if not axis:
        raise RefusedError("it shares the whole among the batch; name an axis behind it")
    if call.version < _ONE_AXIS and axis < rank - 1:
        raise RefusedError(f"before opset {_ONE_AXIS} it shares the whole among all axes from {axis} on; flatten them")
    if x.unit.size > 1:
        raise RefusedError("it compares values with a scale per channel; quantise per tensor")
    octaves = nearest_dyadic(Fraction(math.log2(math.e)) * x.unit.reshape(()).item(), _FACTOR_BITS)
    factor = dyadic_tensor(np.array(octaves, dtype=object), _FACTOR_BITS)
    node = _rounded(d, d.affine(x.node, factor, None))
    return Signal(d.emit(Softmax, node, axis=axis - 1, mantissa=_MANTISSA), ONE)


def _rounded(d: Draft, node: str) -> str:
    """The same values in steps that address a table; as many integer bits as their range takes."""
    value = d.types[node]
    drop = value.format.frac - _FRACTION
    if drop <= 0:
        return node
    form = FixedPoint.holding((value.low >> drop), (value.high >> drop) + 1, _FRACTION)
    return d.emit(Requantize, node, format=form)
