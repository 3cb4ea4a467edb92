"""The closed form of a whole spatial design, over what its inventory counts."""

from __future__ import annotations

from collections.abc import Mapping

from flow.estimation.forms import Form
from flow.estimation.memory import rom_bits_per_lut
from flow.synthesis import Family

__all__ = ["SPATIAL_FORMS", "spatial_counted"]

_WIDE = (Family.XC7, Family.XCUP)  # a LUT of six inputs holds a place of a sum and a table of five


def _spatial(p: Mapping[str, int], family: Family) -> dict[str, float]:
    """LUTs by kind of operation: of sums, the places at which both summands have a bit and those at which one has, the
    same of additions with a table inside; of casts, words that are cut off at both ends or at one.
    """
    lookups = {"lookups": p["LookedUp"]} if family in _WIDE else {"lookups": p["LookedUp"], "tables4": p["LookedUp4"]}
    return {
        "adders": p["Adders"], "copied": p["Copied"], **lookups, "passed": p["Passed"],
        "casts": p["Clipped"], "ends": p["Limited"], "comparators": p["Compared"] + p["Chosen"],
        "inverters": p["Inverted"], "control": p["Control"],
    }  # fmt: skip


def _skid(p: Mapping[str, int], family: Family, resource: str) -> float:
    """A choice between two registers for each bit that passes the skid buffer."""
    return p["Skid"] if resource == "lut" else 0.0


def spatial_counted(p: Mapping[str, int], family: Family) -> dict[str, float]:
    """What is counted: the skid buffer, and what the small designs have none of, tables a LUT for so many entries and
    cells by the bits that they read and make.
    """
    tables = p["Entries"] / rom_bits_per_lut(family)
    return {"skid": _skid(p, family, "lut"), "tables": tables, "cells": p["Cells"] / 2}


SPATIAL_FORMS: Mapping[str, Form] = {"spatial": Form("spatial", _spatial, _skid, floor=100.0, bound=10.0)}
