"""The instances of the generated top: one case per operator, all parameters and ports by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flow.exporters.verilog.layer import origin
from flow.exporters.verilog.plan import JOINS, MEETING, OUTSIDE, WIRES, Plan, Stream
from flow.exporters.verilog.routes import REDUCTIONS
from flow.formats import FloatRounding, Overflow, Rounding
from flow.ir import (
    ArgMax,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Input,
    Lookup,
    MatMul,
    MaxPool2d,
    Mul,
    Node,
    ReduceSum,
    Relu,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    ScaleShift,
    Softmax,
    Table,
)

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


def _read(plan: Plan, source: str, way: int) -> _Handshake:
    """Stream `source` as one of its readers sees it: its own way of the fork where there are several."""
    stream = plan.streams[source]
    made = _made(stream)
    if len(stream.readers) == 1:
        return made
    return _Handshake(made.data, f"{stream.name}_valid_fork[{way}]", f"{stream.name}_ready_fork[{way}]")


def _inner(stream: Stream, what: str) -> _Handshake:
    """A handshake within a node's part of the top."""
    return _Handshake(f"{stream.name}_data_{what}", f"{stream.name}_valid_{what}", f"{stream.name}_ready_{what}")


def _queued(plan: Plan, stream: Stream, number: int) -> tuple[list[Instance], _Handshake]:
    """What a node reads behind its FIFO, and the FIFO where there is one."""
    name = stream.node.name
    upstream = _read(plan, stream.node.inputs[number], plan.way(name, number))
    if (name, number) not in plan.fifos:
        return [], upstream
    what = f"fifo{plan.side(name, number)}"
    queued = _inner(stream, what)
    parameters: dict[str, int | str] = {"Width": plan.operand(name, number).width, "Depth": plan.fifos[name, number]}
    other = "while its other operands are on their way" if isinstance(stream.node, MEETING) else "while it works"
    comment = f"keeps {stream.node.inputs[number]!r} for {name!r} {other}"
    ports = {**_CLOCK, **upstream.sink(), **queued.source()}
    return [Instance("flow_fifo", f"u_{what}__{stream.name}", comment, parameters, ports)], queued


def _operand(plan: Plan, stream: Stream, number: int = 0) -> tuple[list[Instance], _Handshake]:
    """What a node reads, behind its FIFO and the memory in which beats change places, where there are such."""
    name = stream.node.name
    found, upstream = _queued(plan, stream, number)
    move = plan.moves.get((name, number))
    if move is None:
        return found, upstream
    what = f"move{plan.side(name, number)}"
    moved = _inner(stream, what)
    comment = f"{stream.node.inputs[number]!r} as {name!r} reads it: {move.walk.beats} beats in, {move.beats} out"
    ports = {**_CLOCK, **upstream.sink(), **moved.source()}
    return [*found, Instance(plan.move_module(name, number), f"u_{what}__{stream.name}", comment, {}, ports)], moved


def _windowed(plan: Plan, stream: Stream) -> tuple[list[Instance], _Handshake]:
    """What a node reads, as windows where it slides."""
    name = stream.node.name
    found, upstream = _operand(plan, stream)
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
    out = _inner(stream, "window")
    comment = f"windows of {stream.node.inputs[0]!r} for {name!r}: {windows.result[0]} x {windows.result[1]}"
    ports = {**_CLOCK, **upstream.sink(), **out.source()}
    return [*found, Instance("flow_window", f"u_window__{stream.name}", comment, parameters, ports)], out


def _pass(plan: Plan, stream: Stream) -> list[Instance]:
    """Only what stands in front: the top assigns the handshake through."""
    found, _ = _operand(plan, stream)
    return found


def _input(plan: Plan, stream: Stream) -> list[Instance]:
    axis = {f"s_axis_{port}": f"s_axis_{port.removesuffix('_i').removesuffix('_o')}" for port in _SLAVE_PORTS}
    return [
        Instance(
            "flow_axis_in",
            f"u_{stream.name}",
            f"{origin(stream.node)}: {stream.beats} beats of {stream.lanes} codes",
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
        {**_CLOCK, **_read(plan, name, stream.readers.index(OUTSIDE)).sink(), **axis},
    )


def _layer(plan: Plan, stream: Stream) -> list[Instance]:
    found, upstream = _windowed(plan, stream)
    ports = {**_CLOCK, **upstream.sink(), **_made(stream).source()}
    fold = plan.folding[stream.node.name]
    comment = f"{origin(stream.node)}: PE {fold.pe}, SIMD {fold.simd}"
    return [*found, Instance(plan.layer_module(stream.node.name), f"u_{stream.name}", comment, {}, ports)]


def _constants(plan: Plan, stream: Stream) -> list[Instance]:
    """A module of its own, generated with the constants of the node."""
    found, upstream = _operand(plan, stream)
    ports = {**_CLOCK, **upstream.sink(), **_made(stream).source()}
    return [*found, Instance(plan.layer_module(stream.node.name), f"u_{stream.name}", origin(stream.node), {}, ports)]


def _pool(plan: Plan, stream: Stream) -> list[Instance]:
    found, upstream = _windowed(plan, stream)
    node, form = stream.node, plan.operand(stream.node.name).value.format
    parameters: dict[str, int | str] = {
        "Lanes": stream.lanes,
        "Taps": plan.vector_beats(node.name),
        "Average": int(isinstance(node, AvgPool2d | ReduceSum)),
        "Scale": int(node.scale.codes) if isinstance(node, AvgPool2d) else 1,
        "InWidth": form.width,
        "InSigned": int(form.signed),
        "OutWidth": stream.value.format.width,
    }
    ports = {**_CLOCK, **upstream.sink(), **_made(stream).source()}
    return [*found, Instance("flow_pool", f"u_{stream.name}", origin(node), parameters, ports)]


def _concat(plan: Plan, stream: Stream) -> list[Instance]:
    """A module of its own, generated with the binary points and the turns of the parts."""
    name, found, ports = stream.node.name, list[Instance](), dict(_CLOCK)
    for number in range(len(stream.node.inputs)):
        queue, upstream = _operand(plan, stream, number)
        found += queue
        ports |= {f"part{number}_{port}": signal for port, signal in upstream.sink().items()}
    ports |= _made(stream).source()
    return [*found, Instance(plan.layer_module(name), f"u_{stream.name}", origin(stream.node), {}, ports)]


def _minifloat(plan: Plan, stream: Stream) -> list[Instance]:
    found, upstream = _operand(plan, stream)
    node, form = stream.node, plan.streams[stream.node.inputs[0]].value.format
    if not isinstance(node, RequantizeMinifloat):
        raise TypeError(node)
    number = node.minifloat
    # Without exponent bits the numbers are the subnormals and the first binade of a format with one: all steps alike.
    exponent, mantissa = (number.exponent, number.mantissa) if number.exponent else (1, number.mantissa - 1)
    parameters: dict[str, int | str] = {
        "Lanes": stream.lanes,
        "InWidth": form.width,
        "InSigned": int(form.signed),
        "Shift": form.frac - number.frac,
        "Exponent": exponent,
        "Mantissa": mantissa,
        "Signed": int(number.signed),
        "Rounding": list(FloatRounding).index(node.rounding),
        "Highest": number.highest_code,
        "OutWidth": stream.value.format.width,
    }
    ports = {**_CLOCK, **upstream.sink(), **_made(stream).source()}
    comment = f"{origin(node)}: {form} -> {number}"
    return [*found, Instance("flow_minifloat_stream", f"u_{stream.name}", comment, parameters, ports)]


def _join(plan: Plan, stream: Stream) -> list[Instance]:
    return _joined(plan, stream, f"u_{stream.name}", _made(stream))


def _joined(plan: Plan, stream: Stream, name: str, out: _Handshake) -> list[Instance]:
    """The sum, the difference or the products of two operands, and what stands before them."""
    node, found = stream.node, list[Instance]()
    operation = JOINS.index(Mul if isinstance(node, MatMul) else type(node))
    parameters: dict[str, int | str] = {"Lanes": stream.lanes, "Operation": operation}
    ports = dict(_CLOCK)
    for number, side in enumerate("ab"):
        before, upstream = _operand(plan, stream, number)
        found += before
        form = plan.operand(node.name, number).value.format
        shift = 0 if isinstance(node, Mul | MatMul) else stream.value.format.frac - form.frac
        parameters |= {
            f"{side.upper()}Width": form.width,
            f"{side.upper()}Signed": int(form.signed),
            f"{side.upper()}Shift": shift,
        }
        ports |= {f"{side}_{port}": signal for port, signal in upstream.sink().items()}
    parameters["OutWidth"] = stream.value.format.width
    return [*found, Instance("flow_join", name, origin(node), parameters, ports | out.source())]


def _matmul(plan: Plan, stream: Stream) -> list[Instance]:
    """The products of every result's terms, and their sum; both exact modulo what holds the sum."""
    products, form = _inner(stream, "products"), stream.value.format
    parameters: dict[str, int | str] = {
        "Lanes": stream.lanes,
        "Taps": plan.vector_beats(stream.node.name),
        "Average": 1,
        "Scale": 1,
        "InWidth": form.width,
        "InSigned": int(form.signed),
        "OutWidth": form.width,
    }
    ports = {**_CLOCK, **products.sink(), **_made(stream).source()}
    sums = Instance("flow_pool", f"u_{stream.name}", f"{origin(stream.node)}: sums", parameters, ports)
    return [*_joined(plan, stream, f"u_products__{stream.name}", products), sums]


def _relu(plan: Plan, stream: Stream) -> list[Instance]:
    found, upstream = _operand(plan, stream)
    form = plan.streams[stream.node.inputs[0]].value.format
    parameters: dict[str, int | str] = {
        "Lanes": stream.lanes,
        "InWidth": form.width,
        "InSigned": int(form.signed),
        "OutWidth": stream.value.format.width,
    }
    ports = {"data_i": upstream.data, "data_o": _made(stream).data}
    return [*found, Instance("flow_relu", f"u_{stream.name}", origin(stream.node), parameters, ports)]


def _mode(prefix: str, mode: Rounding | Overflow) -> str:
    return f"flow_pkg::{prefix}_{mode.value}"


def _requantize(plan: Plan, stream: Stream) -> list[Instance]:
    _, upstream = _operand(plan, stream)
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
    comment = f"{origin(node)}: {form} -> {node.format}"
    return [Instance("flow_quantize_stream", f"u_{stream.name}", comment, parameters, ports)]


def _argmax(plan: Plan, stream: Stream) -> list[Instance]:
    found, upstream = _operand(plan, stream)
    source = plan.streams[stream.node.inputs[0]]
    parameters: dict[str, int | str] = {
        "Count": source.value.size,
        "Lanes": source.lanes,
        "Width": source.value.format.width,
        "Signed": int(source.value.format.signed),
        "IndexWidth": stream.value.format.width,
    }
    ports = {**_CLOCK, **upstream.sink(), **_made(stream).source()}
    return [*found, Instance("flow_argmax", f"u_{stream.name}", origin(stream.node), parameters, ports)]


_CASES: dict[type[Node], Callable[[Plan, Stream], list[Instance]]] = {
    Dense: _layer,
    Conv2d: _layer,
    ScaleShift: _constants,
    Table: _constants,
    Lookup: _constants,
    Softmax: _constants,
    MatMul: _matmul,
    RequantizeEach: _constants,
    RequantizeMinifloat: _minifloat,
    Requantize: _requantize,
    MaxPool2d: _pool,
    AvgPool2d: _pool,
    ArgMax: _argmax,
    Concat: _concat,
    **dict.fromkeys(REDUCTIONS, _pool),
    **dict.fromkeys(JOINS, _join),
    **dict.fromkeys(WIRES, _pass),
    Relu: _relu,
}


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
    for stream in plan.streams.values():
        if isinstance(stream.node, Input):
            found += _input(plan, stream)
        else:
            found += _CASES[type(stream.node)](plan, stream)
        found += [_fork(stream)] if len(stream.readers) > 1 else []
    return found + [_output(plan, name) for name in plan.outputs]


def assignments(plan: Plan) -> list[tuple[str, str]]:
    """Wires that pass through: (target, source)."""
    pairs: list[tuple[str, str]] = []
    for stream in plan.streams.values():
        if isinstance(stream.node, WIRES):
            (_, upstream), made = _operand(plan, stream), _made(stream)
            pairs += [(made.valid, upstream.valid), (upstream.ready, made.ready)]
            pairs += [] if isinstance(stream.node, Relu) else [(made.data, upstream.data)]
        if not stream.readers:  # the input of a design whose outputs do not need it
            pairs.append((_made(stream).ready, "1'b1"))
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
