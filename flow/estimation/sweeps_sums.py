"""The sweeps of what sums products and of what hands codes on: cells that designs hold inside others, or not at all."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping

from flow.estimation.sweeps_dsp import WIDE_PORT
from flow.synthesis import Family

__all__ = ["BY_FAMILY", "SUM_SWEEPS"]

Parameters = dict[str, int]
Sweep = Callable[[Family], Iterator[Parameters]]

# Cells that 7-series and UltraScale+ take different resources for.
BY_FAMILY = frozenset({"flow_dot_packed", "flow_dot_dsp", "flow_fifo_block"})

_TERMS = ((2, 8), (3, 6), (4, 8), (5, 10), (6, 6), (8, 8), (9, 4), (12, 8), (16, 8), (20, 6), (32, 12), (32, 5))


def _sum(family: Family) -> Iterator[Parameters]:
    """2 to 32 words of 4 to 12 bits."""
    for number, (terms, width) in enumerate(_TERMS):
        yield {"Terms": terms, "Width": width, "Signed": number % 2, "OutWidth": width + (terms - 1).bit_length()}


def _packed(family: Family) -> Iterator[Parameters]:
    """Lanes that share DSPs, where a family's have a wide port."""
    for simd, lanes, x, w, signed in (
        (1, 2, 8, 8, 0), (2, 2, 8, 8, 1), (4, 2, 8, 8, 0), (8, 2, 8, 8, 1), (1, 3, 4, 4, 1), (2, 3, 4, 4, 0),
        (4, 3, 4, 4, 1), (3, 2, 6, 6, 0), (5, 2, 7, 5, 1), (16, 2, 6, 6, 0), (6, 3, 5, 3, 0), (2, 4, 3, 3, 0),
    ) if family in WIDE_PORT else ():  # fmt: skip
        yield {"Simd": simd, "Lanes": lanes, "XWidth": x, "XSigned": signed, "WWidth": w, "WSigned": 1,
               "OutWidth": x + w + (simd - 1).bit_length(), "DspWidth": WIDE_PORT[family]}  # fmt: skip


def _in_dsps(family: Family) -> Iterator[Parameters]:
    for simd, width in itertools.product((1, 2, 3, 4, 6, 8, 16), (6, 8)):
        yield {"Simd": simd, "XWidth": width, "XSigned": 0, "WWidth": width, "WSigned": 1,
               "OutWidth": 2 * width + (simd - 1).bit_length()}  # fmt: skip


def _block_dot(family: Family) -> Iterator[Parameters]:
    """Elements of OCP MX and of NVFP4, integers too, in blocks of 4 to 32."""
    for block, (exponent, mantissa) in itertools.product((4, 8, 16, 32), ((2, 1), (2, 3), (3, 2), (0, 7), (0, 3))):
        yield {"Block": block, "AExponent": exponent, "AMantissa": mantissa, "BExponent": exponent,
               "BMantissa": mantissa}  # fmt: skip


def _dot_encode(family: Family) -> Iterator[Parameters]:
    """Sums that go back into the format of their factors."""
    for simd, (exponent, mantissa) in itertools.product((2, 4, 8), ((2, 1), (2, 2), (2, 3), (3, 2))):
        yield {"Simd": simd, "AExponent": exponent, "AMantissa": mantissa, "BExponent": exponent,
               "BMantissa": mantissa, "Shift": mantissa, "Exponent": exponent, "Mantissa": mantissa,
               "Rounding": 2}  # fmt: skip


def _width(family: Family) -> Iterator[Parameters]:
    for width, (lanes_in, lanes_out) in itertools.product((4, 8), ((1, 2), (1, 4), (4, 1), (2, 3), (3, 2), (4, 6))):
        yield {"Width": width, "InLanes": lanes_in, "OutLanes": lanes_out}


def _register(family: Family) -> Iterator[Parameters]:
    for width in (1, 2, 6, 12, 24):
        yield {"Width": width}


def _delay(family: Family) -> Iterator[Parameters]:
    for width, cycles in (
        (1, 3),
        (4, 4),
        (6, 8),
        (3, 16),
        (4, 17),
        (8, 31),
        (2, 32),
        (5, 33),
        (3, 34),
        (2, 66),
        (1, 100),
    ):
        yield {"Width": width, "Cycles": cycles}


def _fifo_block(family: Family) -> Iterator[Parameters]:
    for width, depth in itertools.product((4, 12), (4, 16, 64, 100, 256, 512, 1000)):
        yield {"Width": width, "Depth": depth}


SUM_SWEEPS: Mapping[str, Sweep] = {
    "flow_adder_tree": _sum,
    "flow_compressor": _sum,
    "flow_dot_packed": _packed,
    "flow_dot_dsp": _in_dsps,
    "flow_mx_dot": _block_dot,
    "flow_minifloat_dot_encode": _dot_encode,
    "flow_width": _width,
    "flow_register": _register,
    "flow_delay": _delay,
    "flow_fifo_block": _fifo_block,
}
