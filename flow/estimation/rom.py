"""What a read-only memory of a layer is to synthesis: how many of its columns are worth a LUT and a flip-flop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


def rom_shape(codes: NDArray[np.int64], width: int) -> RomShape:
    """The shape of a ROM of int64[lines, lanes] codes of `width` bits.

    >>> rom_shape(np.array([[7], [1], [7]]), 4)
    RomShape(depth=3, width=4, columns=1)
    """
    planes = np.stack([(codes >> min(bit, 63) & 1).astype(np.uint8) for bit in range(width)])
    columns = np.packbits(planes, axis=1).transpose(0, 2, 1).reshape(codes.shape[1] * width, -1)
    constant = {bytes(columns.shape[1]), np.packbits(np.ones(len(codes), dtype=np.uint8)).tobytes()}
    return RomShape(len(codes), codes.shape[1] * width, len({column.tobytes() for column in columns} - constant))
