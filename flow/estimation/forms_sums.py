"""The closed forms of what sums products and of what hands codes on; widths as in the localparams of their texts."""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd

from flow.estimation.forms import Form, product_features
from flow.estimation.forms_dsp import cascade_features, packed_features
from flow.estimation.forms_numbers import encode_features, minifloat_dot_features
from flow.estimation.forms_parts import bits_of, tree_bits, wraps
from flow.synthesis import Family

__all__ = ["SUM_FORMS"]

Parameters = Mapping[str, int]
Features = dict[str, float]

_SIX, _THREE = 6, 3  # words that a level of flow_compressor takes at once
_SHIFTED = 32  # bits of a shift register in a LUT


def _adder_tree(p: Parameters, family: Family) -> Features:
    """Bits of the sums, whose highest one is a LUT more on an iCE40 where words have signs."""
    return {"sums": tree_bits(p["Terms"], p["Width"]), "signs": p["Signed"] * (p["Terms"] - 1)}


def _counters(words: list[range], signed: int) -> tuple[list[range], int]:
    """The words that six words become, or two or three, as the places of their bits; and how many LUTs that takes: one
    for every bit of the number of ones in a column where more than one word has a bit of its own. Columns of signs
    alone repeat the one below.
    """
    low, high = min(word.start for word in words), max(word.stop for word in words)
    live = [
        sum(word.start <= column < (high if signed else word.stop) for word in words) for column in range(low, high)
    ]
    bits = len(words).bit_length()
    luts = sum(bits_of(count + 1) for count in live if count > 1)
    return [range(low + place, high + place) for place in range(bits)], luts


def _compressor(p: Parameters, family: Family) -> Features:
    """LUTs of the counters, level by level, and the sum of the last two words."""
    words, sixes, threes = [range(p["Width"])] * p["Terms"], 0, 0
    while len(words) > 2:
        six, rest = len(words) // _SIX * _SIX, len(words) % _SIX
        found: list[range] = []
        for first in range(0, six, _SIX):
            made, luts = _counters(words[first : first + _SIX], p["Signed"])
            found, sixes = found + made, sixes + luts
        if rest >= _THREE:
            made, luts = _counters(words[six : six + _THREE], p["Signed"])
            found, threes, six = found + made, threes + luts, six + _THREE
        words = found + words[six:]
    both = max(words[0].start, words[-1].start)
    return {"sixes": sixes, "threes": threes, "sum": p["OutWidth"] - both}


def _packed(p: Parameters, family: Family) -> Features:
    lanes, wanted = p["Lanes"], (p["Lanes"] - 1) * (p["XWidth"] + p["WWidth"]) + p["WWidth"]
    return packed_features({**p, "AccWidth": p["OutWidth"]}, lanes, 1, wanted > p["DspWidth"])


def _block_floats(p: Parameters, family: Family) -> Features:
    """A dot product of minifloats, and beside it the sum of two scales and whether one of them is NaN."""
    return {**minifloat_dot_features({**p, "Simd": p["Block"]}, family), "scales": 1}


def _block_integers(p: Parameters, family: Family) -> Features:
    width = p["AMantissa"] + 1
    shape = {"Simd": p["Block"], "XWidth": width, "XSigned": 1, "WWidth": p["BMantissa"] + 1}
    return {**product_features(shape, family), "scales": 1}


def _dot_encode(p: Parameters, family: Family) -> Features:
    """A dot product, and the way back of its sum."""
    places = (1 << p["AExponent"]) + (1 << p["BExponent"]) - 2
    width = places + p["AMantissa"] + p["BMantissa"] + 1 + bits_of(p["Simd"])
    back = encode_features({**p, "InWidth": width}, family)
    return {**minifloat_dot_features(p, family), **{f"{name} back": size for name, size in back.items()}}


def _width(p: Parameters, family: Family) -> Features:
    """What a step of the buffer takes: that of another step, when a beat leaves, or one of a beat that comes, which
    goes above those that stay.
    """
    step = gcd(p["InLanes"], p["OutLanes"])
    into, out, bits = p["InLanes"] // step, p["OutLanes"] // step, step * p["Width"]
    return {"moved": (into - 1) * bits, "written": into * out * bits, "fill": bits_of(into + out), "control": 1}


def _register(p: Parameters, family: Family) -> Features:
    return {"control": 1}


def _delay(p: Parameters, family: Family) -> Features:
    """A LUT is a shift register of 32 bits on Xilinx; one bit more is a flip-flop."""
    rows, rest = divmod(p["Cycles"], _SHIFTED)
    return {"shift registers": p["Width"] * (rows + (rest > 1))}


def _fifo_block(p: Parameters, family: Family) -> Features:
    """Addresses and the count, and where LUTs have four inputs the way around a memory that is written and read at
    once.
    """
    bits = bits_of(p["Depth"])
    return {
        "control": 1,
        "counters": bits,
        "wraps": wraps(p["Depth"]),
        "around": p["Width"],
        "beyond": max(bits - 8, 0),
    }


SUM_FORMS: Mapping[str, Form] = {
    "flow_adder_tree": Form("flow_adder_tree", _adder_tree),
    "flow_compressor": Form("flow_compressor", _compressor, bound=15.0),
    "flow_dot_packed": Form("flow_dot_packed", _packed, bound=15.0),
    "flow_dot_dsp": Form("flow_dot_dsp", cascade_features, bound=15.0),
    "flow_mx_dot, minifloats": Form("flow_mx_dot", _block_floats, covers=lambda p, f: p["AExponent"] > 0, bound=15.0),
    "flow_mx_dot, integers": Form("flow_mx_dot", _block_integers, covers=lambda p, f: p["AExponent"] == 0, bound=15.0),
    "flow_minifloat_dot_encode": Form("flow_minifloat_dot_encode", _dot_encode, bound=20.0),
    "flow_width": Form("flow_width", _width, bound=20.0),
    "flow_register": Form("flow_register", _register, floor=16.0),
    "flow_delay": Form("flow_delay", _delay),
    "flow_fifo_block": Form("flow_fifo_block", _fifo_block, bound=15.0),
}
