"""The module of one layer with weights: its weights and biases as ROM lines, and its parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.exporters.verilog.folding import layer_cycles, matrix_shape
from flow.exporters.verilog.plan import Plan
from flow.exporters.verilog.products import Dsp, dsp_of, dsp_parameters
from flow.exporters.verilog.windows import is_depthwise
from flow.ir import Conv2d, Linear, Node

__all__ = ["Rom", "layer_context", "matrix_of", "origin", "pack", "weight_lines"]


@dataclass(frozen=True, slots=True)
class Rom:
    """A read-only memory.

    Attributes:
        name: prefix of its signals.
        codes: int64[lines, lanes].
        code_width: bits of a code.
    """

    name: str
    codes: NDArray[np.int64]
    code_width: int

    @property
    def width(self) -> int:
        """Bits per line."""
        return self.codes.shape[1] * self.code_width

    @property
    def lines(self) -> tuple[str, ...]:
        """Hexadecimal contents."""
        digits = -(-self.width // 4)
        return tuple(f"{pack(line, self.code_width):0{digits}x}" for line in self.codes.tolist())

    @property
    def address_width(self) -> int:
        """Bits of the address, at least one."""
        return max(1, (len(self.codes) - 1).bit_length())


def pack(codes: Iterable[int], width: int) -> int:
    """Codes side by side as one number, the first in the lowest bits, negative ones in two's complement.

    >>> hex(pack([1, -1, 2], 4))
    '0x2f1'
    """
    mask = (1 << width) - 1
    return sum((int(code) & mask) << (place * width) for place, code in enumerate(codes))


def weight_lines(weight: NDArray[np.int64], pe: int, simd: int) -> NDArray[np.int64]:
    """int64[O, I] as int64[(O/PE) * (I/SIMD), PE * SIMD]: line n*(I/SIMD)+s holds w[n*PE+p, s*SIMD+i] at p*SIMD+i."""
    outputs, inputs = weight.shape
    folds = weight.reshape(outputs // pe, pe, inputs // simd, simd).transpose(0, 2, 1, 3)
    return folds.reshape(-1, pe * simd)


def _full(weight: NDArray[np.int64], groups: int) -> NDArray[np.int64]:
    """A grouped kernel int64[O, I/G, kh, kw] as int64[O, I, kh, kw], zero between the groups."""
    outputs, inputs = weight.shape[:2]
    full = np.zeros((outputs, inputs * groups, *weight.shape[2:]), dtype=np.int64)
    for group, rows in enumerate(np.split(np.arange(outputs), groups)):
        full[rows, group * inputs : (group + 1) * inputs] = weight[rows]
    return full


def matrix_of(plan: Plan, layer: Linear) -> NDArray[np.int64]:
    """The weights as int64[O, I], the columns in the order in which the codes arrive."""
    if isinstance(layer, Conv2d):
        full = _full(layer.weight.codes, layer.groups)
        return full.transpose(0, 2, 3, 1).reshape(len(full), -1)
    return layer.weight.codes[:, plan.operand(layer.name).order.indices()]


def _depthwise_lines(layer: Linear, lanes: int) -> NDArray[np.int64]:
    """int64[C, 1, kh, kw] as int64[(C/lanes) * kh*kw, lanes]: line g*T+t holds w[g*lanes+i, t] at i."""
    channels = layer.weight.shape[0]
    return layer.weight.codes.reshape(channels // lanes, lanes, -1).transpose(0, 2, 1).reshape(-1, lanes)


def _formats(plan: Plan, layer: Linear, dsp: Dsp) -> dict[str, int]:
    """Parameters that flow_dense and flow_depthwise share."""
    source = plan.operand(layer.name).value
    x, weight, sums = source.format, layer.weight.format, plan.streams[layer.name].value.format
    return {
        "XWidth": x.width,
        "XSigned": int(x.signed),
        "WWidth": weight.width,
        "WSigned": int(weight.signed),
        "AccWidth": sums.width,
        "ProductShift": layer.product_shift(source),
        **dsp_parameters(dsp_of(dsp, layer.name), packs=not is_depthwise(layer)),
    }


def origin(node: Node) -> str:
    """Where a module comes from, in words."""
    return f"{node.op} {node.name!r}" + (f", from {node.origin!r}" if node.origin else "")


def layer_context(plan: Plan, layer: Linear, dsp: Dsp) -> dict[str, Any]:
    """What the template of a layer is filled with."""
    source, stream, fold = plan.operand(layer.name), plan.streams[layer.name], plan.folding[layer.name]
    outputs, inputs = matrix_shape(layer)
    x, weight, sums = source.value.format, layer.weight.format, stream.value.format
    if is_depthwise(layer):
        cell, lines = "flow_depthwise", _depthwise_lines(layer, fold.pe)
        shape = {"Lanes": fold.pe, "Groups": outputs // fold.pe, "Taps": inputs}
    else:
        cell, lines = "flow_dense", weight_lines(matrix_of(plan, layer), fold.pe, fold.simd)
        shape = {"Inputs": inputs, "Outputs": outputs, "Pe": fold.pe, "Simd": fold.simd}
    return {
        "module": plan.layer_module(layer.name),
        "rom_module": plan.rom_module(layer.name),
        "cell": cell,
        "origin": origin(layer),
        "outputs": outputs,
        "inputs": inputs,
        "weight_format": weight,
        "input_format": x,
        "sum_format": sums,
        "fold": fold,
        "cycles": layer_cycles(plan.graph, layer, fold),
        "parameters": shape | _formats(plan, layer, dsp),
        "input_width": source.width,
        "weight": Rom("weight", lines, weight.width),
        "bias": Rom("bias", layer.bias_codes(source.value).reshape(-1, fold.pe), sums.width),
    }
