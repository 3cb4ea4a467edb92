"""What the cost of a spatial design grows with, from the list of its operations and registers."""

from __future__ import annotations

from collections.abc import Iterable

from flow.exporters.verilog.spatial import Spatial
from flow.exporters.verilog.spatial.flat import Flat, flattened
from flow.exporters.verilog.spatial.inventory import ADDERS, COMPARISONS, Item, inventory
from flow.exporters.verilog.spatial.registers import Registers, inverted_bits, registers, skid_bits

__all__ = ["KEYS", "block_features", "dsp_features", "port_features", "spatial_features"]

Features = dict[str, int]
_ONE_LUT = 64  # entries that a LUT holds for each bit of theirs, and those that one of four inputs does
_ONE_LUT4 = 16
_OPERATIONS = ("Adders", "Copied", "LookedUp", "LookedUp4", "Passed", "Clipped", "Limited", "Compared", "Chosen",
               "Entries", "Cells")  # fmt: skip
KEYS = (*_OPERATIONS, "Inverted", "Skid", "Control")


def _sizes(item: Item) -> Features:
    """What an operation adds to every feature that it has a part in: bits, or 1 for a word."""
    if item.kind in ("plus", "less"):  # a constant inverts bits of the sum around it
        return {}
    if item.kind in ADDERS:
        return {"Adders": item.shared, "Copied": item.carries - item.shared}
    if item.kind == "looked_up":
        return {**_table(item.shared, len(item.numbers) - 1), "Passed": item.carries - item.shared}
    if item.kind == "saturated":
        both = item.numbers[0] == 0 and item.signed[0] and item.reads[0] > item.bits + 1
        return {"Clipped": 1} if both else {"Limited": 1}
    if item.kind == "relu":
        return {"Limited": 1}
    if item.kind in COMPARISONS:
        return {"Compared": item.carries, "Chosen": item.bits if item.kind == "larger" else 0}
    if item.kind == "chosen":
        return {"Chosen": item.bits}
    if item.kind == "shifted":  # a choice of two for every bit of the distance
        return {"Chosen": item.reads[0] * item.reads[1]}
    if item.kind == "entry" and len(item.numbers) <= _ONE_LUT:
        return _table(item.bits, len(item.numbers))
    if item.kind == "entry":
        return {"Entries": item.bits * len(item.numbers)}
    if item.kind in ("cell", "minifloat"):
        return {"Cells": item.bits + sum(item.reads)}
    if item.kind == "times":
        return {"Adders": -(-min(item.reads) // 2) * (max(item.reads) + 2)}
    return {}


def _table(bits: int, entries: int) -> Features:
    return {"LookedUp": bits, "LookedUp4": bits * -(-entries // _ONE_LUT4)}


def operation_features(items: Iterable[Item]) -> Features:
    """Bits and words by kind of operation."""
    found = dict.fromkeys(_OPERATIONS, 0)
    for item in items:
        for key, size in _sizes(item).items():
            found[key] += size
    return found


def block_features(flat: Flat, items: Iterable[Item]) -> dict[str, Features]:
    """By the name of a block what its logic grows with; `items` are the inventory of the design."""
    held: dict[str, list[Item]] = {part.block.name: [] for part in flat.parts}
    for item in items:
        held[item.block].append(item)
    inverted = {part.block.name: inverted_bits(part) for part in flat.parts}
    return {name: {**operation_features(found), "Inverted": inverted[name]} for name, found in held.items()}


def dsp_features(flat: Flat, items: Iterable[Item], *, adds: bool) -> dict[str, tuple[int, Features]]:
    """By the name of a block its DSPs, and what the logic outside grows with.

    Args:
        flat: the design.
        items: its inventory.
        adds: whether the sums beside products are in the DSPs as well.
    """
    found = {part.block.name: (0, dict[str, int]()) for part in flat.parts}
    for item in (item for item in items if item.kind == "multiplied"):
        count, features = found[item.block]
        more = {} if adds else {"Adders": item.shared, "Copied": item.carries - item.shared}
        found[item.block] = count + 1, {key: features.get(key, 0) + size for key, size in more.items()}
    return found


def port_features(flat: Flat, held: Registers) -> Features:
    """What the ports and the pipeline's control grow with; `held` are the registers of the design."""
    return {"Skid": skid_bits(flat), "Control": held.control}


def spatial_features(plan: Spatial) -> Features:
    """Of a whole design, ports included."""
    flat = flattened(plan)
    found = [*block_features(flat, inventory(flat)).values(), port_features(flat, registers(flat))]
    return {key: sum(features.get(key, 0) for features in found) for key in KEYS}
