"""What stands in the generated top: instances, wires and what is assigned through."""

from __future__ import annotations

from dataclasses import dataclass

from flow.exporters.verilog.cases import CASES
from flow.exporters.verilog.handshakes import CLOCK, Instance, consumed, operand, produced
from flow.exporters.verilog.layer import origin
from flow.exporters.verilog.plan import OUTSIDE, WIRES, Plan, Stream
from flow.ir import Input, MatMul, Relu

__all__ = ["Wire", "assignments", "instances", "wires"]


@dataclass(frozen=True, slots=True)
class Wire:
    """A declaration in the top: `logic [width-1:0] name`."""

    name: str
    width: int


def _input(plan: Plan, stream: Stream) -> list[Instance]:
    axis = {f"s_axis_{port}": f"s_axis_{port.removesuffix('_i').removesuffix('_o')}" for port in _SLAVE_PORTS}
    return [
        Instance(
            "flow_axis_in",
            f"u_{stream.name}",
            f"{origin(stream.node)}: {stream.beats} beats of {stream.lanes} codes",
            {"Width": stream.width, "Beats": stream.beats},
            {**CLOCK, **axis, "frame_error_o": "frame_error_o", **produced(stream).source()},
        )
    ]


_SLAVE_PORTS = ("tdata_i", "tvalid_i", "tready_o", "tlast_i")
_MASTER_PORTS = ("tdata_o", "tvalid_o", "tready_i", "tlast_o")


def _output(plan: Plan, name: str) -> Instance:
    stream, prefix = plan.streams[name], plan.axis(name)
    axis = {f"m_axis_{port}": f"{prefix}_{port.removesuffix('_i').removesuffix('_o')}" for port in _MASTER_PORTS}
    return Instance(
        "flow_axis_out",
        f"u_axis_out__{stream.name}",
        f"output {name!r}: {stream.beats} beats of {stream.lanes} codes",
        {"Width": stream.width, "Beats": stream.beats},
        {**CLOCK, **consumed(plan, name, stream.readers.index(OUTSIDE)).sink(), **axis},
    )


def _fork(stream: Stream) -> Instance:
    made = produced(stream)
    ports = {
        **CLOCK,
        "valid_i": made.valid,
        "ready_o": made.ready,
        "valid_o": f"{stream.name}_valid_fork",
        "ready_i": f"{stream.name}_ready_fork",
    }
    comment = f"{len(stream.readers)} readers of {stream.node.name!r}"
    return Instance("flow_fork", f"u_fork__{stream.name}", comment, {"Ways": len(stream.readers)}, ports)


def instances(plan: Plan) -> list[Instance]:
    """Every instance of the top, from the input to the outputs."""
    found: list[Instance] = []
    for stream in plan.streams.values():
        if isinstance(stream.node, Input):
            found += _input(plan, stream)
        else:
            found += CASES[type(stream.node)](plan, stream)
        found += [_fork(stream)] if len(stream.readers) > 1 else []
    return found + [_output(plan, name) for name in plan.outputs]


def assignments(plan: Plan) -> list[tuple[str, str]]:
    """Wires that pass through: (target, source)."""
    pairs: list[tuple[str, str]] = []
    for stream in plan.streams.values():
        if isinstance(stream.node, WIRES):
            (_, upstream), made = operand(plan, stream), produced(stream)
            pairs += [(made.valid, upstream.valid), (upstream.ready, made.ready)]
            pairs += [] if isinstance(stream.node, Relu) else [(made.data, upstream.data)]
        if not stream.readers:  # the input of a design whose outputs do not need it
            pairs.append((produced(stream).ready, "1'b1"))
    return pairs


def wires(plan: Plan) -> list[Wire]:
    """Every declaration of the top."""
    found: list[Wire] = []
    for name, stream in plan.streams.items():
        found += [Wire(f"{stream.name}_{signal}", width) for signal, width in _signals(stream.width)]
        if len(stream.readers) > 1:
            found += [Wire(f"{stream.name}_{signal}_fork", len(stream.readers)) for signal in ("valid", "ready")]
        inner = {f"fifo{plan.side(name, n)}": plan.operand(name, n) for at, n in plan.fifos if at == name}
        inner |= {f"move{plan.side(name, n)}": plan.operand(name, n) for at, n in plan.moves if at == name}
        inner |= {"window": plan.operand(name)} if name in plan.rings else {}
        inner |= {"products": stream} if isinstance(stream.node, MatMul) else {}
        for what, source in inner.items():
            found += [Wire(f"{stream.name}_{signal}_{what}", bits) for signal, bits in _signals(source.width)]
    return found


def _signals(width: int) -> tuple[tuple[str, int], ...]:
    return ("data", width), ("valid", 1), ("ready", 1)
