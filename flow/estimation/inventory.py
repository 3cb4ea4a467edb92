"""What the cost of a spatial design grows with, from the list of its operations and registers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flow.exporters.verilog.spatial import Spatial
from flow.exporters.verilog.spatial.inventory import ADDERS, COMPARISONS, Item, inventory, registers

__all__ = ["KEYS", "input_shares", "operation_features", "output_bits", "spatial_features"]

Features = dict[str, int]
_ONE_LUT = 64  # entries that a LUT holds for each bit of theirs
_ADDED = ("Adders", "Copied")
_OPERATIONS = (*_ADDED, "LookedUp", "Casts", "Cut", "Rectified", "Compared", "Chosen", "Entries", "Cells")
KEYS = (*_OPERATIONS, "Ports", "Outputs", "Waits", "Control")


def operation_features(items: Iterable[Item], shares: Mapping[str, float]) -> Features:
    """Bits by kind of operation, all instances.

    Args:
        items: operations.
        shares: by block, how many of an instance's inputs are there; at the border of an image some are zeros, and
            synthesis leaves out what would add them.
    """
    found = dict.fromkeys(_OPERATIONS, 0.0)
    for item in items:
        for key, size in _sizes(item).items():
            found[key] += item.instances * size * (shares[item.block] if key in _ADDED else 1)
    return {key: round(size) for key, size in found.items()}


def input_shares(plan: Spatial) -> dict[str, float]:
    """Of every block, the share of its instances' inputs that are no zeros."""
    found = {}
    for block in plan.blocks:
        taps = [tap >= 0 for place in block.taps or () for tap in place]
        found[block.name] = sum(taps) / len(taps) if taps else 1.0
    return found


def _sizes(item: Item) -> Features:
    if item.kind in ("plus", "less"):  # a constant inverts bits of the sum around it
        return {}
    if item.kind in ADDERS:
        return {"Adders": item.shared, "Copied": item.carries - item.shared}
    if item.kind == "looked_up":
        return {"LookedUp": item.shared}
    if item.kind == "saturated":
        return {"Casts": item.bits, "Cut": max(item.reads[0] - item.bits, 0)}
    if item.kind == "relu":
        return {"Rectified": item.bits}
    if item.kind in COMPARISONS:
        return {"Compared": item.carries, "Chosen": item.bits if item.kind == "larger" else 0}
    if item.kind == "chosen":
        return {"Chosen": item.bits}
    if item.kind == "entry" and len(item.numbers) <= _ONE_LUT:
        return {"LookedUp": item.bits}
    if item.kind == "shifted":  # a choice of two for every bit of the distance
        return {"Chosen": item.reads[0] * item.reads[1]}
    if item.kind == "entry":
        return {"Entries": item.bits * len(item.numbers)}
    if item.kind in ("cell", "minifloat"):
        return {"Cells": item.bits + sum(item.reads)}
    if item.kind == "times":
        return {"Adders": -(-min(item.reads) // 2) * (max(item.reads) + 2)}
    return {}


def output_bits(plan: Spatial) -> int:
    """Bits of the words that leave the design."""
    return sum(plan.bits(name) for name in plan.graph.outputs)


def spatial_features(plan: Spatial) -> Features:
    """Of a whole design, ports and waiting values included."""
    held = registers(plan)
    rest = {
        "Ports": held.ports,
        "Outputs": output_bits(plan),
        "Waits": sum(held.waits.values()),
        "Control": held.control,
    }
    return operation_features(inventory(plan), input_shares(plan)) | rest
