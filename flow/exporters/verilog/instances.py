"""The instances of the generated top: one case per operator, all parameters and ports by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flow.exporters.verilog.plan import OUTSIDE, Plan, Stream
from flow.formats import Overflow, Rounding
from flow.ir import ArgMax, Dense, Flatten, Input, Node, Relu, Requantize

__all__ = ["Instance", "Wire", "assignments", "instances", "wires"]


@dataclass(frozen=True, slots=True)
class Wire:
    """A declaration in the top: `logic [width-1:0] name`."""

    name: str
    width: int


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
class _Handshake:
    """The signals of one stream as one reader sees them."""

    data: str
    valid: str
    ready: str

    def source(self) -> dict[str, str]:
        return {"data_o": self.data, "valid_o": self.valid, "ready_i": self.ready}

    def sink(self) -> dict[str, str]:
        return {"data_i": self.data, "valid_i": self.valid, "ready_o": self.ready}


_CLOCK = {"clk_i": "clk_i", "rst_ni": "rst_ni"}


def _made(stream: Stream) -> _Handshake:
    return _Handshake(f"{stream.name}_data", f"{stream.name}_valid", f"{stream.name}_ready")


def _read(plan: Plan, source: str, reader: str) -> _Handshake:
    """Stream `source` as `reader` sees it: its own way of the fork where there are several readers."""
    stream = plan.streams[source]
    made = _made(stream)
    if len(stream.readers) == 1:
        return made
    way = stream.readers.index(reader)
    return _Handshake(made.data, f"{stream.name}_valid_fork[{way}]", f"{stream.name}_ready_fork[{way}]")


def _origin(node: Node) -> str:
    return f"{node.op} {node.name!r}" + (f", from {node.origin!r}" if node.origin else "")


def _pass(plan: Plan, stream: Stream, upstream: _Handshake) -> list[Instance]:
    """Nothing: the top assigns the handshake through."""
    return []


def _input(plan: Plan, stream: Stream) -> list[Instance]:
    axis = {f"s_axis_{port}": f"s_axis_{port.removesuffix('_i').removesuffix('_o')}" for port in _SLAVE_PORTS}
    return [
        Instance(
            "flow_axis_in",
            f"u_{stream.name}",
            f"{_origin(stream.node)}: {stream.beats} beats of {stream.lanes} codes",
            {"Width": stream.width, "Beats": stream.beats},
            {**_CLOCK, **axis, "frame_error_o": "frame_error_o", **_made(stream).source()},
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
        {**_CLOCK, **_read(plan, name, OUTSIDE).sink(), **axis},
    )


def _dense(plan: Plan, stream: Stream, upstream: _Handshake) -> list[Instance]:
    name, found = stream.node.name, []
    if name in plan.fifos:
        queued = _Handshake(f"{stream.name}_data_fifo", f"{stream.name}_valid_fifo", f"{stream.name}_ready_fifo")
        width = plan.streams[stream.node.inputs[0]].width
        ports = {**_CLOCK, **upstream.sink(), **queued.source()}
        comment = f"keeps a vector for {name!r} while it works on the one before"
        parameters: dict[str, int | str] = {"Width": width, "Depth": plan.fifos[name]}
        found.append(Instance("flow_fifo", f"u_fifo__{stream.name}", comment, parameters, ports))
        upstream = queued
    ports = {**_CLOCK, **upstream.sink(), **_made(stream).source()}
    fold = plan.folding[name]
    comment = f"{_origin(stream.node)}: PE {fold.pe}, SIMD {fold.simd}"
    return [*found, Instance(plan.layer_module(name), f"u_{stream.name}", comment, {}, ports)]


def _relu(plan: Plan, stream: Stream, upstream: _Handshake) -> list[Instance]:
    form = plan.streams[stream.node.inputs[0]].value.format
    parameters: dict[str, int | str] = {
        "Lanes": stream.lanes,
        "InWidth": form.width,
        "InSigned": int(form.signed),
        "OutWidth": stream.value.format.width,
    }
    ports = {"data_i": upstream.data, "data_o": _made(stream).data}
    return [Instance("flow_relu", f"u_{stream.name}", _origin(stream.node), parameters, ports)]


def _mode(prefix: str, mode: Rounding | Overflow) -> str:
    return f"flow_pkg::{prefix}_{mode.value}"


def _requantize(plan: Plan, stream: Stream, upstream: _Handshake) -> list[Instance]:
    node, form = stream.node, plan.streams[stream.node.inputs[0]].value.format
    if not isinstance(node, Requantize):
        raise TypeError(node)
    parameters: dict[str, int | str] = {
        "Lanes": stream.lanes,
        "InWidth": form.width,
        "InSigned": int(form.signed),
        "Shift": form.frac - node.format.frac,
        "OutWidth": node.format.width,
        "OutSigned": int(node.format.signed),
        "Rounding": _mode("ROUND", node.rounding),
        "Overflow": _mode("OVERFLOW", node.overflow),
    }
    ports = {**_CLOCK, **upstream.sink(), **_made(stream).source()}
    comment = f"{_origin(node)}: {form} -> {node.format}"
    return [Instance("flow_quantize_stream", f"u_{stream.name}", comment, parameters, ports)]


def _argmax(plan: Plan, stream: Stream, upstream: _Handshake) -> list[Instance]:
    source = plan.streams[stream.node.inputs[0]]
    parameters: dict[str, int | str] = {
        "Count": source.value.size,
        "Lanes": source.lanes,
        "Width": source.value.format.width,
        "Signed": int(source.value.format.signed),
        "IndexWidth": stream.value.format.width,
    }
    ports = {**_CLOCK, **upstream.sink(), **_made(stream).source()}
    return [Instance("flow_argmax", f"u_{stream.name}", _origin(stream.node), parameters, ports)]


_CASES: dict[type[Node], Callable[[Plan, Stream, _Handshake], list[Instance]]] = {
    Dense: _dense,
    Relu: _relu,
    Requantize: _requantize,
    ArgMax: _argmax,
    Flatten: _pass,
}
# Operators without a register: valid and ready of their operand are assigned through.
_TRANSPARENT = (Relu, Flatten)


def _fork(stream: Stream) -> Instance:
    made = _made(stream)
    ports = {
        **_CLOCK,
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
    for name, stream in plan.streams.items():
        if isinstance(stream.node, Input):
            found += _input(plan, stream)
        else:
            found += _CASES[type(stream.node)](plan, stream, _read(plan, stream.node.inputs[0], name))
        found += [_fork(stream)] if len(stream.readers) > 1 else []
    return found + [_output(plan, name) for name in plan.outputs]


def assignments(plan: Plan) -> list[tuple[str, str]]:
    """Wires that pass through: (target, source)."""
    pairs: list[tuple[str, str]] = []
    for name, stream in plan.streams.items():
        if isinstance(stream.node, _TRANSPARENT):
            upstream, made = _read(plan, stream.node.inputs[0], name), _made(stream)
            pairs += [(made.valid, upstream.valid), (upstream.ready, made.ready)]
            pairs += [(made.data, upstream.data)] if isinstance(stream.node, Flatten) else []
    return pairs


def wires(plan: Plan) -> list[Wire]:
    """Every declaration of the top."""
    found: list[Wire] = []
    for name, stream in plan.streams.items():
        found += [Wire(f"{stream.name}_{signal}", width) for signal, width in _signals(stream.width)]
        if len(stream.readers) > 1:
            found += [Wire(f"{stream.name}_{signal}_fork", len(stream.readers)) for signal in ("valid", "ready")]
        if name in plan.fifos:
            width = plan.streams[stream.node.inputs[0]].width
            found += [Wire(f"{stream.name}_{signal}_fifo", bits) for signal, bits in _signals(width)]
    return found


def _signals(width: int) -> tuple[tuple[str, int], ...]:
    return ("data", width), ("valid", 1), ("ready", 1)
