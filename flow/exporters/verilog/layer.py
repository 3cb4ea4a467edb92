"""The module of one Dense layer: its weights and biases as ROM lines, and its parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.exporters.verilog.plan import Plan
from flow.ir import Dense

__all__ = ["Rom", "layer_context", "pack"]


@dataclass(frozen=True, slots=True)
class Rom:
    """A read-only memory.

    Attributes:
        name: prefix of its signals.
        width: bits per line.
        lines: hexadecimal contents.
    """

    name: str
    width: int
    lines: tuple[str, ...]

    @property
    def address_width(self) -> int:
        """Bits of the address, at least one."""
        return max(1, (len(self.lines) - 1).bit_length())


def pack(codes: Iterable[int], width: int) -> int:
    """Codes side by side as one number, the first in the lowest bits, negative ones in two's complement.

    >>> hex(pack([1, -1, 2], 4))
    '0x2f1'
    """
    mask = (1 << width) - 1
    return sum((int(code) & mask) << (place * width) for place, code in enumerate(codes))


def _rom(name: str, codes: NDArray[np.int64], width: int) -> Rom:
    """A ROM of int64[lines, lanes] codes of `width` bits."""
    bits = codes.shape[1] * width
    digits = -(-bits // 4)
    return Rom(name, bits, tuple(f"{pack(line.tolist(), width):0{digits}x}" for line in codes))


def _weight_lines(weight: NDArray[np.int64], pe: int, simd: int) -> NDArray[np.int64]:
    """int64[O, I] as int64[(O/PE) * (I/SIMD), PE * SIMD]: line n*(I/SIMD)+s holds w[n*PE+p, s*SIMD+i] at p*SIMD+i."""
    outputs, inputs = weight.shape
    folds = weight.reshape(outputs // pe, pe, inputs // simd, simd).transpose(0, 2, 1, 3)
    return folds.reshape(-1, pe * simd)


def layer_context(plan: Plan, layer: Dense, dsp: bool) -> dict[str, Any]:
    """What the template of a layer is filled with."""
    source, stream, fold = plan.streams[layer.inputs[0]], plan.streams[layer.name], plan.folding[layer.name]
    outputs, inputs = layer.weight.shape
    x, weight, sums = source.value.format, layer.weight.format, stream.value.format
    parameters = {
        "Inputs": inputs,
        "Outputs": outputs,
        "Pe": fold.pe,
        "Simd": fold.simd,
        "XWidth": x.width,
        "XSigned": int(x.signed),
        "WWidth": weight.width,
        "WSigned": int(weight.signed),
        "AccWidth": sums.width,
        "ProductShift": layer.product_shift(source.value),
        "UseDsp": int(dsp),
    }
    lines = _weight_lines(layer.weight.codes, fold.pe, fold.simd)
    return {
        "module": plan.layer_module(layer.name),
        "rom_module": plan.rom_module(layer.name),
        "origin": f"dense {layer.name!r}" + (f", from {layer.origin!r}" if layer.origin else ""),
        "outputs": outputs,
        "inputs": inputs,
        "weight_format": weight,
        "input_format": x,
        "sum_format": sums,
        "fold": fold,
        "cycles": fold.cycles(layer),
        "parameters": parameters,
        "weight": _rom("weight", lines, weight.width),
        "bias": _rom("bias", layer.bias_codes(source.value).reshape(-1, fold.pe), sums.width),
    }
