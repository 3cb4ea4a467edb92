"""The closed form of a whole spatial design, over what its inventory counts."""

from __future__ import annotations

from collections.abc import Mapping

from flow.estimation.forms import Form
from flow.estimation.memory import rom_bits_per_lut
from flow.synthesis import Family

__all__ = ["SPATIAL_FORMS", "spatial_counted"]


def _spatial(p: Mapping[str, int], family: Family) -> dict[str, float]:
    """LUTs by kind of operation: of sums, the places at which both summands have a bit and those at which one has."""
    return {
        "adders": p["Adders"], "copied": p["Copied"], "lookups": p["LookedUp"],
        "casts": p["Casts"], "overflow": p["Cut"] / 5, "rectifiers": p["Rectified"],
        "comparators": p["Compared"], "choices": p["Chosen"], "ports": p["Outputs"], "control": p["Control"],
    }  # fmt: skip


def spatial_counted(p: Mapping[str, int], family: Family) -> dict[str, float]:
    """What is counted, because the small designs have none of it: tables a LUT for so many entries, cells by the bits
    that they read and make.
    """
    return {"tables": p["Entries"] / rom_bits_per_lut(family), "cells": p["Cells"] / 2}


SPATIAL_FORMS: Mapping[str, Form] = {"spatial": Form("spatial", _spatial, floor=100.0, bound=20.0)}
