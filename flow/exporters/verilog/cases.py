"""One case per operator: the instances that compute a node, all parameters and ports by name."""

from __future__ import annotations

from collections.abc import Callable

from flow.exporters.verilog.handshakes import CLOCK, Handshake, Instance, operand, produced, windowed, within
from flow.exporters.verilog.layer import origin
from flow.exporters.verilog.plan import JOINS, WIRES, Plan, Stream
from flow.exporters.verilog.routes import REDUCTIONS
from flow.formats import FloatRounding, Overflow, Rounding
from flow.ir import (
    ArgMax,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
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

__all__ = ["CASES"]


def _pass(plan: Plan, stream: Stream) -> list[Instance]:
    """Only what stands in front: the top assigns the handshake through."""
    found, _ = operand(plan, stream)
    return found


def _layer(plan: Plan, stream: Stream) -> list[Instance]:
    found, upstream = windowed(plan, stream)
    ports = {**CLOCK, **upstream.sink(), **produced(stream).source()}
    fold = plan.folding[stream.node.name]
    comment = f"{origin(stream.node)}: PE {fold.pe}, SIMD {fold.simd}"
    return [*found, Instance(plan.layer_module(stream.node.name), f"u_{stream.name}", comment, {}, ports)]


def _constants(plan: Plan, stream: Stream) -> list[Instance]:
    """A module of its own, generated with the constants of the node."""
    found, upstream = operand(plan, stream)
    ports = {**CLOCK, **upstream.sink(), **produced(stream).source()}
    return [*found, Instance(plan.layer_module(stream.node.name), f"u_{stream.name}", origin(stream.node), {}, ports)]


def _pool(plan: Plan, stream: Stream) -> list[Instance]:
    found, upstream = windowed(plan, stream)
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
    ports = {**CLOCK, **upstream.sink(), **produced(stream).source()}
    return [*found, Instance("flow_pool", f"u_{stream.name}", origin(node), parameters, ports)]


def _concat(plan: Plan, stream: Stream) -> list[Instance]:
    """A module of its own, generated with the binary points and the turns of the parts."""
    name, found, ports = stream.node.name, list[Instance](), dict(CLOCK)
    for number in range(len(stream.node.inputs)):
        queue, upstream = operand(plan, stream, number)
        found += queue
        ports |= {f"part{number}_{port}": signal for port, signal in upstream.sink().items()}
    ports |= produced(stream).source()
    return [*found, Instance(plan.layer_module(name), f"u_{stream.name}", origin(stream.node), {}, ports)]


def _minifloat(plan: Plan, stream: Stream) -> list[Instance]:
    found, upstream = operand(plan, stream)
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
    ports = {**CLOCK, **upstream.sink(), **produced(stream).source()}
    comment = f"{origin(node)}: {form} -> {number}"
    return [*found, Instance("flow_minifloat_stream", f"u_{stream.name}", comment, parameters, ports)]


def _join(plan: Plan, stream: Stream) -> list[Instance]:
    return _joined(plan, stream, f"u_{stream.name}", produced(stream))


def _joined(plan: Plan, stream: Stream, name: str, out: Handshake) -> list[Instance]:
    """The sum, the difference or the products of two operands, and what stands before them."""
    node, found = stream.node, list[Instance]()
    operation = JOINS.index(Mul if isinstance(node, MatMul) else type(node))
    parameters: dict[str, int | str] = {"Lanes": stream.lanes, "Operation": operation}
    ports = dict(CLOCK)
    for number, side in enumerate("ab"):
        before, upstream = operand(plan, stream, number)
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
    products, form = within(stream, "products"), stream.value.format
    parameters: dict[str, int | str] = {
        "Lanes": stream.lanes,
        "Taps": plan.vector_beats(stream.node.name),
        "Average": 1,
        "Scale": 1,
        "InWidth": form.width,
        "InSigned": int(form.signed),
        "OutWidth": form.width,
    }
    ports = {**CLOCK, **products.sink(), **produced(stream).source()}
    sums = Instance("flow_pool", f"u_{stream.name}", f"{origin(stream.node)}: sums", parameters, ports)
    return [*_joined(plan, stream, f"u_products__{stream.name}", products), sums]


def _relu(plan: Plan, stream: Stream) -> list[Instance]:
    found, upstream = operand(plan, stream)
    form = plan.streams[stream.node.inputs[0]].value.format
    parameters: dict[str, int | str] = {
        "Lanes": stream.lanes,
        "InWidth": form.width,
        "InSigned": int(form.signed),
        "OutWidth": stream.value.format.width,
    }
    ports = {"data_i": upstream.data, "data_o": produced(stream).data}
    return [*found, Instance("flow_relu", f"u_{stream.name}", origin(stream.node), parameters, ports)]


def _mode(prefix: str, mode: Rounding | Overflow) -> str:
    return f"flow_pkg::{prefix}_{mode.value}"


def _requantize(plan: Plan, stream: Stream) -> list[Instance]:
    _, upstream = operand(plan, stream)
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
    ports = {**CLOCK, **upstream.sink(), **produced(stream).source()}
    comment = f"{origin(node)}: {form} -> {node.format}"
    return [Instance("flow_quantize_stream", f"u_{stream.name}", comment, parameters, ports)]


def _argmax(plan: Plan, stream: Stream) -> list[Instance]:
    found, upstream = operand(plan, stream)
    source = plan.streams[stream.node.inputs[0]]
    parameters: dict[str, int | str] = {
        "Count": source.value.size,
        "Lanes": source.lanes,
        "Width": source.value.format.width,
        "Signed": int(source.value.format.signed),
        "IndexWidth": stream.value.format.width,
    }
    ports = {**CLOCK, **upstream.sink(), **produced(stream).source()}
    return [*found, Instance("flow_argmax", f"u_{stream.name}", origin(stream.node), parameters, ports)]


CASES: dict[type[Node], Callable[[Plan, Stream], list[Instance]]] = {
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
