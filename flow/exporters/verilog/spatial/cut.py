"""Where the skid buffer of a spatial design stands: across the fewest bits.

It takes a LUT and two flip-flops a bit, and samples may pass it anywhere in the pipeline. What is before it stops by a
register; what is behind it, by the ready of the outputs, which so reaches clock enables, never a port.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from flow.exporters.verilog.spatial.blocks import Block, Ranges
from flow.exporters.verilog.spatial.moves import Move
from flow.formats import FixedPoint

__all__ = ["code_bits", "skid_place", "start"]


def code_bits(low: int, high: int) -> int:
    """Bits of a code of that range, none of a constant."""
    return 0 if low == high else FixedPoint.holding(low, high, 0).width


def start(part: Block | Move, times: Mapping[str, int]) -> int:
    """The cycle in which a part reads."""
    return times[part.name] - (part.body.cycles if isinstance(part, Block) else 0)


def _crossing(
    parts: Sequence[Block | Move], times: Mapping[str, int], outputs: Iterable[str], place: int
) -> Iterable[str]:
    """The values from before a cycle that something behind it reads, or that leave."""
    read = {*outputs, *(name for part in parts if times[part.name] > place for name in part.reads)}
    return (name for name in read if times[name] <= place)


def skid_place(
    parts: Sequence[Block | Move], times: Mapping[str, int], outputs: Iterable[str], ranges: Mapping[str, Ranges]
) -> int:
    """The cycle behind which the buffer stands: where the fewest bits cross and no block has begun, of equals the last.

    Args:
        parts: of a design.
        times: by value, the cycle in which it is there.
        outputs: the values that leave.
        ranges: of every code by value.
    """
    wanted = tuple(outputs)
    latest = max(times[name] for name in wanted)
    inside = {cycle for part in parts for cycle in range(start(part, times) + 1, times[part.name])}
    bits = {name: sum(code_bits(*ends) for ends in ranges[name]) for name in times}
    places = [place for place in range(latest, -1, -1) if place not in inside]
    return min(places, key=lambda place: sum(bits[name] for name in _crossing(parts, times, wanted, place)))
