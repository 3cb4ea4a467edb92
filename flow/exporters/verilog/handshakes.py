"""Module instances, and what of a node's operands stands in front of it: forks, FIFOs, memories, windows."""

from __future__ import annotations

from dataclasses import dataclass

from flow.exporters.verilog.plan import MEETING, Plan, Stream

__all__ = ["CLOCK", "Handshake", "Instance", "consumed", "operand", "produced", "windowed", "within"]


@dataclass(frozen=True, slots=True)
class Instance:
    """A module instance.

    Attributes:
        module: what is instantiated.
        name: of the instance. Identifiers of nodes hold no double underscore, so a name with one is free.
        comment: where it comes from.
        parameters: by name.
        ports: by name, what is connected.
    """

    module: str
    name: str
    comment: str
    parameters: dict[str, int | str]
    ports: dict[str, str]


@dataclass(frozen=True, slots=True)
class Handshake:
    """The signals of one stream as one reader sees them."""

    data: str
    valid: str
    ready: str

    def source(self) -> dict[str, str]:
        return {"data_o": self.data, "valid_o": self.valid, "ready_i": self.ready}

    def sink(self) -> dict[str, str]:
        return {"data_i": self.data, "valid_i": self.valid, "ready_o": self.ready}


CLOCK = {"clk_i": "clk_i", "rst_ni": "rst_ni"}


def produced(stream: Stream) -> Handshake:
    """A stream as what makes it sees it."""
    return Handshake(f"{stream.name}_data", f"{stream.name}_valid", f"{stream.name}_ready")


def consumed(plan: Plan, source: str, way: int) -> Handshake:
    """Stream `source` as one of its readers sees it: its own way of the fork where there are several."""
    stream = plan.streams[source]
    made = produced(stream)
    if len(stream.readers) == 1:
        return made
    return Handshake(made.data, f"{stream.name}_valid_fork[{way}]", f"{stream.name}_ready_fork[{way}]")


def within(stream: Stream, what: str) -> Handshake:
    """A handshake within a node's part of the top."""
    return Handshake(f"{stream.name}_data_{what}", f"{stream.name}_valid_{what}", f"{stream.name}_ready_{what}")


def _queued(plan: Plan, stream: Stream, number: int) -> tuple[list[Instance], Handshake]:
    """What a node reads behind its FIFO, and the FIFO where there is one."""
    name = stream.node.name
    upstream = consumed(plan, stream.node.inputs[number], plan.way(name, number))
    if (name, number) not in plan.fifos:
        return [], upstream
    what = f"fifo{plan.side(name, number)}"
    queued = within(stream, what)
    parameters: dict[str, int | str] = {"Width": plan.operand(name, number).width, "Depth": plan.fifos[name, number]}
    other = "while its other operands are on their way" if isinstance(stream.node, MEETING) else "while it works"
    comment = f"keeps {stream.node.inputs[number]!r} for {name!r} {other}"
    ports = {**CLOCK, **upstream.sink(), **queued.source()}
    return [Instance("flow_fifo", f"u_{what}__{stream.name}", comment, parameters, ports)], queued


def operand(plan: Plan, stream: Stream, number: int = 0) -> tuple[list[Instance], Handshake]:
    """What a node reads, behind its FIFO and the memory in which beats change places, where there are such."""
    name = stream.node.name
    found, upstream = _queued(plan, stream, number)
    move = plan.moves.get((name, number))
    if move is None:
        return found, upstream
    what = f"move{plan.side(name, number)}"
    moved = within(stream, what)
    comment = f"{stream.node.inputs[number]!r} as {name!r} reads it: {move.walk.beats} beats in, {move.beats} out"
    ports = {**CLOCK, **upstream.sink(), **moved.source()}
    return [*found, Instance(plan.move_module(name, number), f"u_{what}__{stream.name}", comment, {}, ports)], moved


def windowed(plan: Plan, stream: Stream) -> tuple[list[Instance], Handshake]:
    """What a node reads, as windows where it slides."""
    name = stream.node.name
    found, upstream = operand(plan, stream)
    windows = plan.windows(name)
    if windows is None:
        return found, upstream
    parameters: dict[str, int | str] = {
        "Width": plan.operand(name).width,
        "PixelBeats": plan.pixel_beats(name),
        "Groups": plan.window_groups(name),
        "Height": windows.size[0],
        "ImageWidth": windows.size[1],
        "KernelH": windows.kernel[0],
        "KernelW": windows.kernel[1],
        "StrideH": windows.stride[0],
        "StrideW": windows.stride[1],
        "PadH": windows.pad[0],
        "PadW": windows.pad[1],
        "Depth": plan.rings[name],
    }
    out = within(stream, "window")
    comment = f"windows of {stream.node.inputs[0]!r} for {name!r}: {windows.result[0]} x {windows.result[1]}"
    ports = {**CLOCK, **upstream.sink(), **out.source()}
    return [*found, Instance("flow_window", f"u_window__{stream.name}", comment, parameters, ports)], out
