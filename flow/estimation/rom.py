"""What a read-only memory of a layer is to synthesis: how many of its columns are worth a LUT and a flip-flop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["RomShape", "rom_shape"]


@dataclass(frozen=True, slots=True)
class RomShape:
    """A memory as synthesis sees it.

    Attributes:
        depth: lines.
        width: bits per line.
        columns: bits of a line that are neither constant over all lines nor a copy of another bit.
    """

    depth: int
    width: int
    columns: int


def rom_shape(lines: Sequence[str], width: int) -> RomShape:
    """The shape of a ROM from its lines in hexadecimal, as the exporter writes them.

    >>> rom_shape(["7", "1", "7"], 4)
    RomShape(depth=3, width=4, columns=1)
    """
    digits = 2 * -(-width // 8)
    raw = np.array([np.frombuffer(bytes.fromhex(line.zfill(digits)), dtype=np.uint8) for line in lines])
    bits = np.unpackbits(raw, axis=1)
    changing = bits[:, (bits != bits[0]).any(axis=0)]
    return RomShape(len(lines), width, len({column.tobytes() for column in np.ascontiguousarray(changing.T)}))
