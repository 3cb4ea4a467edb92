"""Products in DSPs: how many a cell takes, and the closed forms of what is left around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flow.estimation.forms import Form, buffer_luts, dense_features, measured_dot
from flow.estimation.forms_images import depthwise_features, scale_shift_features
from flow.estimation.forms_parts import bits_of, tree_bits
from flow.synthesis import Family

__all__ = [
    "CASCADE",
    "DSP_FORMS",
    "Lanes",
    "cascade_features",
    "dsps_of",
    "lanes_of",
    "packed_features",
    "too_narrow",
    "uses_dsps",
]

Parameters = Mapping[str, int]
Features = dict[str, float]

_DSP_PRODUCT = 9  # bits of the narrowest product that flow_dot leaves to DSPs, as synth_xilinx and synth_lattice do
_ICE40_PRODUCT = 11  # the same of synth_ice40
CASCADE = 4  # products that flow_dot_dsp adds one behind the other
_NARROW_PORT = 17  # bits of an unsigned code in the other port


def uses_dsps(p: Parameters) -> bool:
    """Whether a product of `XWidth` by `WWidth` bits is one operator, since it may be a DSP and is wide enough."""
    return bool(p["UseDsp"]) and p["XWidth"] + p["WWidth"] >= _DSP_PRODUCT


def too_narrow(p: Parameters, family: Family) -> bool:
    """Whether Yosys makes logic of such an operator all the same."""
    return family is Family.ICE40 and uses_dsps(p) and p["XWidth"] + p["WWidth"] < _ICE40_PRODUCT


def dsps_of(p: Parameters, products: int, family: Family) -> int:
    """DSPs of so many products that share none."""
    return products if uses_dsps(p) and not too_narrow(p, family) else 0


@dataclass(frozen=True, slots=True)
class Lanes:
    """How the Pe lanes of a flow_dense multiply.

    Attributes:
        groups: of lanes that share DSPs, Simd of them each.
        shared: lanes in those groups.
        single: lanes with DSPs of their own, Simd of them each.
        logic: lanes in logic.
        misses: whether the wide port lacks the highest bit of the highest lane's weight.
    """

    groups: int = 0
    shared: int = 0
    single: int = 0
    logic: int = 0
    misses: bool = False

    def dsps(self, simd: int) -> int:
        """DSPs of all lanes."""
        return simd * (self.groups + self.single)


def _room(p: Parameters) -> int:
    """Lanes that a DSP has room for, as flow_dense says."""
    free = p["DspWidth"] - p["WWidth"] + (1 if p["WSigned"] else -1)
    packs = p["UseDsp"] == 2 and p["XWidth"] <= _NARROW_PORT and p["WWidth"] > 1 and free > 0
    return free // (p["XWidth"] + p["WWidth"]) + 1 if packs else 1


def lanes_of(p: Parameters) -> Lanes:
    """How the lanes of a flow_dense multiply.

    >>> layer = {"Pe": 5, "XWidth": 8, "WWidth": 8, "WSigned": 1, "UseDsp": 2, "DspWidth": 27}
    >>> lanes_of(layer), lanes_of(layer).dsps(simd=2)
    (Lanes(groups=2, shared=4, single=1, logic=0, misses=False), 6)
    """
    pe, room = p["Pe"], _room(p) if p["UseDsp"] == 2 else 1
    shared = 0 if room == 1 else pe - pe % room if pe % room < 2 else pe
    alone = {"single": pe - shared} if uses_dsps(p) else {"logic": pe - shared}
    groups = -(-shared // room) if shared else 0
    pitch, own = p["XWidth"] + p["WWidth"], p["WWidth"] + (0 if p["WSigned"] else 1)
    misses = groups > 0 and (min(room, pe) - 1) * pitch + own > p["DspWidth"]
    return Lanes(groups, shared, **alone, misses=misses)


def cascade_features(p: Parameters, family: Family) -> Features:
    """Bits of the sums of a flow_dot_dsp: those in its cascades that the family's DSPs do not add themselves, where a
    DSP48E1 adds all of them and an SB_MAC16 the first; and of the chains behind them.
    """
    inside = {Family.XC7: CASCADE, Family.ICE40: 2}.get(family, 1)
    simd, product = p["Simd"], p["XWidth"] + p["WWidth"]
    counts = [min(simd - first, CASCADE) for first in range(0, simd, CASCADE)]
    within = sum(product + bits_of(place) for count in counts for place in range(inside, count))
    return {"cascades": within, "adders": tree_bits(len(counts), product + bits_of(counts[0]))}


def packed_features(p: Parameters, lanes: int, groups: int, misses: bool) -> Features:
    """Bits of the sums of flow_dot_packeds: of products, of the codes that all lanes of one share, of weights where
    codes have signs, and what takes offsets off or gives a missing bit back.
    """
    simd, x, w = p["Simd"], p["XWidth"], p["WWidth"]
    return {
        "adders": lanes * tree_bits(simd, x + w),
        "code sums": groups * tree_bits(simd, x),
        "offsets": (lanes - groups) * (p["AccWidth"] - w + 1),
        "weight sums": p["XSigned"] * lanes * (tree_bits(simd, w) + p["AccWidth"] - x),
        "missing bits": misses * groups * simd * (x + w),
    }


def _dense(p: Parameters, family: Family) -> Features:
    """As without DSPs, and the sums of products."""
    lanes = lanes_of(p)
    alone, shared = cascade_features(p, family), packed_features(p, lanes.shared, lanes.groups, lanes.misses)
    return {
        **dense_features(p, family),
        "cascades": lanes.single * alone["cascades"],
        **shared,
        "adders": lanes.single * alone["adders"] + shared["adders"],
        **_in_logic(p, lanes.single * p["Simd"], family),
    }


def _in_logic(p: Parameters, count: int, family: Family) -> Features:
    """Bits of operators that are no DSPs; only where the family has such."""
    if family is not Family.ICE40:
        return {}
    return {"operators": count * p["XWidth"] * p["WWidth"] if too_narrow(p, family) else 0}


def _depthwise(p: Parameters, family: Family) -> Features:
    return {**depthwise_features(p, family), **_in_logic(p, p["Lanes"], family)}


def _scale_shift(p: Parameters, family: Family) -> Features:
    return {**scale_shift_features(p, family), **_in_logic({**p, "WWidth": p["SWidth"]}, p["Lanes"], family)}


def _dense_known(p: Parameters, family: Family, resource: str) -> float:
    return buffer_luts(p, family, resource) + lanes_of(p).logic * measured_dot(p, family, resource)


DSP_FORMS: Mapping[str, Form] = {
    "flow_dense, dsp": Form("flow_dense+dsp", _dense, _dense_known, bound=15.0),
    "flow_depthwise, dsp": Form("flow_depthwise+dsp", _depthwise, bound=25.0),
    "flow_scale_shift, dsp": Form("flow_scale_shift+dsp", _scale_shift, floor=16.0, bound=25.0),
}
