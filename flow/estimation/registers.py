"""Flip-flops of every cell, counted from its text."""

from __future__ import annotations

from collections.abc import Mapping

from flow.estimation.forms import folds, shared_rows
from flow.estimation.forms_dsp import CASCADE, lanes_of, uses_dsps
from flow.estimation.forms_parts import bits_of
from flow.estimation.memory import Place, place_of_ram
from flow.estimation.rom import RomShape
from flow.synthesis import Family

__all__ = ["argmax", "axis_in", "axis_out", "dense", "depthwise", "fifo", "fork", "quantize"]

Parameters = Mapping[str, int]


def axis_in(p: Parameters, family: Family) -> int:
    """Two beats with their valid bits, the frame error, the beat counter."""
    return 2 * p["Width"] + 3 + bits_of(p["Beats"]) + _lone(p, family)


def axis_out(p: Parameters, family: Family) -> int:
    """Two beats with their valid bits, the beat counter."""
    return 2 * p["Width"] + 2 + bits_of(p["Beats"]) + _lone(p, family)


def _lone(p: Parameters, family: Family) -> int:
    """A counter over one beat: Yosys removes it for Xilinx only."""
    return int(p["Beats"] == 1 and family not in (Family.XC7, Family.XCUP))


def fifo(p: Parameters, family: Family) -> int:
    """The count and both addresses; the beats, or the read address once more beside LUT memory, or beside block RAM a
    fresh beat and whether it is one.
    """
    width, address = p["Width"], bits_of(p["Depth"])
    kept = {Place.REGISTERS: width * p["Depth"] + address, Place.LUTS: address, Place.BLOCKS: width + 1}
    return bits_of(p["Depth"] + 1) + 2 * address + kept[place_of_ram(width, p["Depth"], family)]


def fork(p: Parameters, family: Family) -> int:
    """A bit a way."""
    return p["Ways"]


def quantize(p: Parameters, family: Family) -> int:
    """A beat and its valid bit; a code narrower than its format leaves bits constant."""
    bits = max(p["InWidth"] - max(p["Shift"], 0), 0) + max(-p["Shift"], 0) + int(p["Rounding"] != 0 and p["Shift"] > 0)
    return p["Lanes"] * min(p["OutWidth"], bits) + 1


def argmax(p: Parameters, family: Family) -> int:
    """The best code; its index, the base and the result; the beat counter; valid."""
    return p["Width"] + 3 * p["IndexWidth"] + bits_of(p["Count"] // p["Lanes"]) + 1


def depthwise(p: Parameters, roms: tuple[RomShape, ...], family: Family) -> int:
    """Operands, weights and biases, products, results, accumulators, counters, control."""
    lines = bits_of(p["Groups"] * p["Taps"]) + 2 * bits_of(p["Groups"]) + bits_of(p["Taps"])
    product = p["XWidth"] + min(p["AccWidth"], p["XWidth"] + p["WWidth"])
    if family is Family.XC7 and uses_dsps(p):
        product = 0  # registers of the DSP48E1, as in `dense`
    lanes = p["Lanes"] * (product + 2 * p["AccWidth"])
    return lanes + sum(rom.columns for rom in roms) + lines + 7


def dense(p: Parameters, roms: tuple[RomShape, ...], family: Family) -> int:
    """Operands, weights and biases, dot products, results, accumulators, counters, control.

    With one input fold nothing is accumulated, and the marks of the first and last step are constant.
    """
    weights, biases = roms
    in_folds, out_folds = folds(p)
    operands, sums = p["Simd"] * p["XWidth"], p["Pe"] * p["AccWidth"]
    products = _products(p)
    counters = bits_of(in_folds * out_folds) + bits_of(in_folds) + bits_of(out_folds)
    buffered = out_folds > 1
    held = in_folds == 1 or place_of_ram(operands, in_folds, family) is Place.REGISTERS
    kept = in_folds * operands if buffered and held else 0
    read_address = bits_of(in_folds) if buffered else 0
    accumulated = sums if in_folds > 1 else 0
    control = 7 if in_folds > 1 else 3
    memories = weights.columns + biases.columns + bits_of(out_folds)
    if family is Family.XC7 and lanes_of(p).single == p["Pe"]:
        operands = 0  # registers of the DSP48E1; Yosys packs none into a DSP48E2
        products *= p["Simd"] > CASCADE  # those behind carry chains
    return operands + memories + products + sums + accumulated + counters + read_address + kept + control


def _products(p: Parameters) -> int:
    """Bits of all dot products: just what a sum needs, and of lanes that share a DSP, what taking off offsets adds."""
    lanes, simd = lanes_of(p), p["Simd"]
    pairs = shared_rows(p) if lanes.logic else 0
    cascaded = lanes.single and simd > CASCADE
    more = bits_of(CASCADE) + bits_of(-(-simd // CASCADE)) if cascaded else bits_of(simd - pairs)
    own, shared = p["XWidth"] + p["WWidth"] + min(pairs, 1) + more, p["XWidth"] + p["WWidth"] + bits_of(simd)
    lower, top = (p["AccWidth"], shared + 1) if p["XSigned"] else (shared + 1, shared)
    sizes = ((own, p["Pe"] - lanes.shared), (lower, lanes.shared - lanes.groups), (top, lanes.groups))
    return sum(count * min(p["AccWidth"], size) for size, count in sizes)
