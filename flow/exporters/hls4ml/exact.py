"""Which layers hls4ml cannot compute bit for bit, and why; all of them in one message."""

from __future__ import annotations

import math
from collections.abc import Callable

from flow.errors import ExportError
from flow.formats import Overflow
from flow.ir import (
    Graph,
    Input,
    MatMul,
    Node,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    Softmax,
    Upsample,
    Value,
)

__all__ = ["ABSENT", "DOUBLE_BITS", "check", "reasons"]

DOUBLE_BITS = 53  # hls4ml reads weights as decimals through a double, and the host's inputs and outputs as doubles
_TABLE = 1 << 16
_COPIES = 1 << 16
_RESIZE_BITS = 16

Found = str | None


def _cast(node: Requantize | RequantizeEach, types: tuple[Value, ...]) -> Found:
    formats = node.formats() if isinstance(node, RequantizeEach) else (node.format,)
    if node.overflow is Overflow.WRAP_SM:
        return "hls4ml has no overflow mode WRAP_SM"
    if node.overflow is Overflow.SAT_SYM and any(form.signed and form.width == 1 for form in formats):
        return "ap_fixed lets -1 through under SAT_SYM where one signed bit has the code 0 only"
    apart = max((form.frac for form in formats), default=0) - min((form.frac for form in formats), default=0)
    if apart > DOUBLE_BITS:
        return f"its binary points lie {apart} bits apart, and factors of hls4ml hold {DOUBLE_BITS}"
    return None


def _minifloat(node: RequantizeMinifloat, types: tuple[Value, ...]) -> Found:
    (x,) = types
    count = x.high - x.low + 1
    return f"a table over its {count:,} input codes would exceed {_TABLE:,} entries" if count > _TABLE else None


def _upsample(node: Upsample, types: tuple[Value, ...]) -> Found:
    """hls4ml takes place `j * ratio >> 16` of the input, in 32 bits, where the ratio is a little too high."""
    shape = types[0].shape
    behind = [(math.prod(shape[axis + 1 :]), 1) for axis, factor in enumerate(node.factors) if factor > 1]
    for size, factor in [*zip(shape, node.factors, strict=True), *behind]:
        last, ratio = size * factor - 1, (1 << _RESIZE_BITS) // factor + 1
        if last * ratio >> _RESIZE_BITS != size - 1 or last * ratio >= 1 << 31:
            return (
                f"hls4ml finds neighbours with {_RESIZE_BITS} fractional bits, too few for {size} codes {factor} times"
            )
    return None


def _matmul(node: MatMul, types: tuple[Value, ...]) -> Found:
    """hls4ml multiplies two values place by place: each is copied to its places by a matrix of zeros and ones."""
    (a, b), columns = types, types[1].shape[-1]
    copies = a.size * columns * max(a.size, b.size)
    if copies <= _COPIES:
        return None
    return f"hls4ml has no product of two matrices, and copies for one would take {copies:,} weights, over {_COPIES:,}"


# Operators that no layers of hls4ml make up, and why.
ABSENT: dict[type[Node], str] = {
    Softmax: "hls4ml's softmax reads ten bits of a logit, and nothing else of it adds numbers of different exponents"
}
_RULES: dict[type[Node], Callable[..., Found]] = {
    Requantize: _cast,
    RequantizeEach: _cast,
    RequantizeMinifloat: _minifloat,
    Upsample: _upsample,
    MatMul: _matmul,
}


def _wide_constant(node: Node) -> Found:
    for name, tensor in node.tensors().items():
        bits = max(abs(int(tensor.codes.min())), abs(int(tensor.codes.max()))).bit_length()
        if bits > DOUBLE_BITS:
            return f"its {name} needs {bits} bits, and hls4ml reads constants as doubles, which hold {DOUBLE_BITS}"
    return None


def _wide_port(graph: Graph, node: Node) -> Found:
    width = graph.values[node.name].format.width
    if width > DOUBLE_BITS and (isinstance(node, Input) or node.name in graph.outputs):
        return f"it needs {width} bits, and hls4ml's host passes doubles, which hold {DOUBLE_BITS}"
    return None


def _none(node: Node, types: tuple[Value, ...]) -> Found:
    return None


def _reason(graph: Graph, node: Node) -> Found:
    against = ABSENT.get(type(node)) or _RULES.get(type(node), _none)(node, graph.operands(node))
    return against or _wide_constant(node) or _wide_port(graph, node)


def reasons(graph: Graph) -> dict[str, str]:
    """By the name of the node, why hls4ml cannot compute it; empty where the whole design is exact."""
    found = ((node.name, _reason(graph, node)) for node in graph)
    return {name: reason for name, reason in found if reason is not None}


def check(graph: Graph) -> None:
    """Refuse what cannot be exact.

    Raises:
        ExportError: with every such layer and its reason.
    """
    against = reasons(graph)
    if not against:
        return
    listed = []
    for name, reason in against.items():
        origin = graph[name].origin
        listed.append(f"{name!r} ({graph[name].op}{f', module {origin}' if origin else ''}): {reason}")
    raise ExportError(
        f"hls4ml cannot compute {len(against)} of the {len(graph)} nodes of design {graph.name!r} bit for bit - "
        f"{'; '.join(listed)} - so change them, or export without hls4ml."
    )
