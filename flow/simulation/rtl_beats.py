"""Codes as beats of a stream and back, by the metadata that the Verilog exporter leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import DataError, SimulationError
from flow.exporters.lut_rows import with_rows
from flow.exporters.verilog import METADATA, Order
from flow.ir import Graph

__all__ = ["Project", "StreamRun", "StreamType", "read_project"]

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StreamRun:
    """What moved in one simulation.

    Attributes:
        codes: int64[N, *shape] by node name, for every stream that was watched; an output's are those that left.
        cycles: the clock cycle in which each beat moved, by node name; the AXI-Stream ports as `s_axis` and as the
            outputs' prefixes.
    """

    codes: dict[str, Codes]
    cycles: dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class StreamType:
    """How the codes of one node lie in the beats of its stream.

    Attributes:
        node: the node's name.
        signal: prefix of the stream's signals in the top.
        shape: of one sample.
        order: in which its codes travel.
        lanes: codes per beat.
        width: bits per code.
        signed: whether the codes are.
        beats: per sample.
    """

    node: str
    signal: str
    shape: tuple[int, ...]
    order: Order
    lanes: int
    width: int
    signed: bool
    beats: int

    @property
    def bits(self) -> int:
        """Bits per beat."""
        return self.lanes * self.width

    @property
    def beat_bytes(self) -> int:
        """Bytes per beat on AXI-Stream."""
        return -(-self.bits // 8)

    def to_beats(self, codes: Codes) -> list[int]:
        """int64[N, *shape] as N * beats numbers, lane 0 in the lowest bits."""
        mask = (1 << self.width) - 1
        return [
            sum((code & mask) << (lane * self.width) for lane, code in enumerate(row))
            for row in codes.reshape(len(codes), -1)[:, self.order.indices()].reshape(-1, self.lanes).tolist()
        ]

    def from_beats(self, beats: Sequence[int]) -> Codes:
        """N * beats numbers as int64[N, *shape]."""
        mask, half = (1 << self.width) - 1, 1 << (self.width - 1)
        rows = [[(beat >> (lane * self.width)) & mask for lane in range(self.lanes)] for beat in beats]
        raw = np.array(rows, dtype=np.int64)
        moved = np.where(raw >= half, raw - (half << 1), raw) if self.signed else raw
        codes = np.empty_like(moved).reshape(-1, self.lanes * self.beats)
        codes[:, self.order.indices()] = moved.reshape(codes.shape)
        return codes.reshape(-1, *self.shape)


@dataclass(frozen=True, slots=True)
class Project:
    """A streaming design as exported.

    Attributes:
        top: name of the top module.
        sources: relative path to text, in compile order.
        streams: by node name.
        input: the input node.
        outputs: AXI-Stream prefix by output node.
        ii_cycles: predicted cycles per sample.
        latency_cycles: predicted cycles from the first beat in to the last beat out.
        instances: of the module that stands there most often, such as a position of a convolution.
    """

    top: str
    sources: dict[str, str]
    streams: dict[str, StreamType]
    input: str
    outputs: dict[str, str]
    ii_cycles: int
    latency_cycles: int
    instances: int = 1

    def input_beats(self, codes: Codes) -> list[int]:
        """int64[N, *shape] input codes as beats.

        Raises:
            DataError: another shape, not integers, none, or codes outside the input's format.
        """
        stream = self.streams[self.input]
        if codes.shape[1:] != stream.shape or not len(codes) or not np.issubdtype(codes.dtype, np.integer):
            raise DataError(
                f"Input {self.input!r} takes integer codes of shape (N, *{stream.shape}) with N of at least 1, "
                f"not {codes.dtype}{list(codes.shape)}."
            )
        beats = stream.to_beats(codes)
        if not np.array_equal(stream.from_beats(beats), codes):
            kind = f"{'signed' if stream.signed else 'unsigned'} {stream.width}-bit"
            raise DataError(f"Input {self.input!r} takes {kind} codes, not [{codes.min()}, {codes.max()}].")
        return beats

    def codes(self, node: str, beats: Sequence[int], samples: int) -> Codes:
        """The beats that moved on a stream as int64[samples, *shape].

        Raises:
            SimulationError: more or fewer beats moved than the samples have.
        """
        stream = self.streams[node]
        if len(beats) != samples * stream.beats:
            raise SimulationError(
                f"Stream {node!r} moved {len(beats)} beats where {samples} samples have {samples * stream.beats}; "
                "export the design again."
            )
        return stream.from_beats(beats)


def _stream(entry: Mapping[str, Any]) -> StreamType:
    order = Order(tuple(entry["order"]["shape"]), tuple(entry["order"]["axes"]))
    return StreamType(
        entry["node"], entry["signal"], tuple(entry["shape"]), order, entry["lanes"], entry["width"], entry["signed"],
        entry["beats"],
    )  # fmt: skip


def read_project(graph: Graph, folder: Path) -> Project:
    """Read what the Verilog exporter wrote.

    Raises:
        SimulationError: the folder holds no streaming design, or that of another graph.
    """
    try:
        meta = json.loads((folder / METADATA).read_text())
        names = (folder / "filelist.f").read_text().split("\n")
        sources = {name: (folder / name).read_text() for name in names if name}
    except OSError as error:
        raise SimulationError(
            f"Folder {str(folder)!r} holds no streaming design ({error.strerror}: {Path(str(error.filename)).name}); "
            "export it with --to verilog first."
        ) from None
    streams = {entry["node"]: _stream(entry) for entry in meta["streams"]}
    parts = with_rows(graph)  # a streaming design shows the parts of its sums of truth tables too
    other = [name for name, stream in streams.items() if not _is_of(parts, stream)]
    if other or set(graph.outputs) != set(meta["outputs"]):
        raise SimulationError(
            f"Folder {str(folder)!r} holds another design than {graph.name!r} (node {(other or ['outputs'])[0]!r} "
            "differs); export this one again."
        )
    cycles, instances = (meta["ii_cycles"], meta["latency_cycles"]), meta.get("instances", 1)
    return Project(meta["top"], sources, streams, meta["input"], meta["outputs"], *cycles, instances)


def _is_of(graph: Graph, stream: StreamType) -> bool:
    value = graph.values.get(stream.node)
    return value is not None and (value.shape, value.format.width) == (stream.shape, stream.width)
