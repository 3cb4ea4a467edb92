"""The two-pass softmax on int64 codes: a Scan along the axis sums the powers, what follows is one division a row.

No number on the way is negative but exponents, so that Div, which truncates, is a floor; a shift is a division by an
entry of a table of powers of two, which ends where nothing is left of what is shifted.
"""

from __future__ import annotations

import numpy as np
from onnx import GraphProto, TensorProto, helper

from flow.exporters.onnx_builder import Builder, Operand
from flow.formats import TwoPassSoftmax
from flow.ir import Softmax, Value

__all__ = ["softmax", "softmax_of_values"]

Shape = tuple[int, ...]


def softmax(b: Builder, node: Softmax, types: tuple[Value, ...], x: str) -> str:
    """Codes of the shares from the codes `x`."""
    (value,), held = types, node.arithmetic(types[0])
    shape, rows = value.shape, _without(value.shape, node.axis)
    single = (*shape[: node.axis], 1, *shape[node.axis + 1 :])
    if value.format.frac < 0:
        x = _whole(b, "Mul", shape, x, 1 << -value.format.frac)
    address = _whole(b, "Mod", shape, x, 1 << held.address)
    exponents = _whole(b, "Div", shape, _whole(b, "Sub", shape, x, address), 1 << held.address)
    powers = _whole(b, "Gather", shape, held.table(), address, axis=0)
    total, top = _sums(b, held, node.axis + 1, rows, powers, exponents)
    reciprocal = _whole(b, "Div", rows, 2 << 2 * node.mantissa, total)
    factor, behind = (_whole(b, "Unsqueeze", single, part, np.array([node.axis + 1])) for part in (reciprocal, top))
    products = _whole(b, "Mul", shape, powers, factor)
    bits = _whole(b, "Add", shape, _whole(b, "Sub", shape, behind, exponents), node.mantissa + 1)
    return _shifted(b, shape, products, bits, 2 * node.mantissa + 2)


def softmax_of_values(b: Builder, node: Softmax, types: tuple[Value, ...], x: str) -> str:
    """The same from and to float32 values on the grids of their formats."""
    (value,) = types
    scaled = b.op("Mul", x, np.float32(2.0**value.format.frac))
    shares = softmax(b, node, types, _whole(b, "Cast", value.shape, scaled, to=TensorProto.INT64))
    return b.op("Mul", b.op("Cast", shares, to=TensorProto.FLOAT), np.float32(2.0**-node.mantissa))


def _without(shape: Shape, axis: int) -> Shape:
    return (*shape[:axis], *shape[axis + 1 :])


def _whole(b: Builder, kind: str, shape: Shape, *operands: Operand, **attributes: object) -> str:
    """One operation whose result is int64 of the sample's `shape`."""
    return b.integer(b.shaped(kind, shape, *operands, **attributes))


def _shifted(b: Builder, shape: Shape, x: str, bits: str, most: int) -> str:
    """`x >> max(bits, 0)` of numbers below `2**most`."""
    near = _whole(b, "Clip", shape, bits, 0, most)
    return _whole(b, "Div", shape, x, _whole(b, "Gather", shape, 1 << np.arange(most + 1), near, axis=0))


def _sums(b: Builder, held: TwoPassSoftmax, axis: int, rows: Shape, powers: str, exponents: str) -> tuple[str, str]:
    """The mantissa and the exponent of the sum along `axis`, which is counted with the batch."""
    first = _whole(b, "Gather", rows, exponents, 0, axis=axis)
    zero = _whole(b, "Mul", rows, first, 0)
    total, top = b.several(
        "Scan", 2, zero, first, powers, exponents, body=_step(b, held.mantissa, rows), num_scan_inputs=2,
        scan_input_axes=[axis, axis],
    )  # fmt: skip
    for name in (total, top):
        b.shapes[b.integer(name)] = rows
    return total, top


def _step(outer: Builder, mantissa: int, rows: Shape) -> GraphProto:
    """One addition: total, top, power, exponent -> total, top; int64[N, *rows] each."""
    b, most = outer.inner(), mantissa + 1
    total, top, power, exponent = names = [b.fresh(f"{name}_before") for name in ("total", "top", "power", "exponent")]
    ahead = b.op("Sub", exponent, top)
    kept = _shifted(b, rows, total, ahead, most)
    added = b.op("Add", kept, _shifted(b, rows, power, b.op("Neg", ahead), most))
    carry = b.op("Div", added, 1 << most)
    ends = b.op("Div", added, b.op("Add", carry, 1)), b.op("Add", b.op("Max", top, exponent), carry)
    infos = [[helper.make_tensor_value_info(n, TensorProto.INT64, None) for n in part] for part in (names, ends)]
    return helper.make_graph(b.nodes, "step", *infos, b.initialisers)
