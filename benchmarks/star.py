"""An MLP as a designer writes it without thinking of area: every product a `*`, every cast the project's own cell."""

from __future__ import annotations

from synthesised import Design

from flow.exporters.verilog.files import needed_cells
from flow.formats import FixedPoint, Overflow, Rounding
from flow.ir import Dense, Graph, Relu, Requantize

__all__ = ["star"]

_ROUNDINGS, _OVERFLOWS = list(Rounding), list(Overflow)  # in the order of rtl/flow_pkg.sv


def _declared(name: str, form: FixedPoint, text: str) -> str:
    return f"  logic {'signed ' if form.signed else ''}[{form.width - 1}:0] {name};\n  assign {name} = {text};\n"


def _signed(name: str, form: FixedPoint) -> str:
    return name if form.signed else f"$signed({{1'b0, {name}}})"


def _dense(graph: Graph, node: Dense) -> str:
    (source,), result = graph.operands(node), graph.values[node.name].format
    shift, bias = node.product_shift(source), node.bias_codes(source).tolist()
    text = ""
    for row, weights in enumerate(node.weight.codes.tolist()):
        terms = [f"{_signed(f'{node.inputs[0]}_{i}', source.format)} * ({w << shift})" for i, w in enumerate(weights)]
        text += _declared(f"{node.name}_{row}", result, " + ".join([*terms, f"({bias[row]})"]))
    return text


def _relu(graph: Graph, node: Relu) -> str:
    (source,), result = graph.operands(node), graph.values[node.name].format
    names = [(f"{node.name}_{i}", f"{node.inputs[0]}_{i}") for i in range(source.size)]
    return "".join(_declared(own, result, f"{x} < 0 ? '0 : {result.width}'({x})") for own, x in names)


def _requantize(graph: Graph, node: Requantize) -> str:
    (source,), form, text = graph.operands(node), node.format, ""
    parameters = {
        "InWidth": source.format.width, "InSigned": int(source.format.signed), "Shift": source.format.frac - form.frac,
        "OutWidth": form.width, "OutSigned": int(form.signed),
        "Rounding": _ROUNDINGS.index(node.rounding), "Overflow": _OVERFLOWS.index(node.overflow),
    }  # fmt: skip
    given = ", ".join(f".{key}({value})" for key, value in parameters.items())
    for i in range(source.size):
        own = f"{node.name}_{i}"
        text += f"  logic {'signed ' if form.signed else ''}[{form.width - 1}:0] {own};\n"
        text += f"  flow_requantize #({given}) u_{own} (.data_i({node.inputs[0]}_{i}), .data_o({own}));\n"
    return text


_WRITERS = {Dense: _dense, Relu: _relu, Requantize: _requantize}


def star(graph: Graph) -> Design:
    """Combinational, codes side by side on `x_i` and `y_o`, the first in the lowest bits."""
    source, result = graph.values[graph.input.name], graph.values[graph.outputs[0]]
    width, name = source.format.width, graph.input.name
    body = "".join(_declared(f"{name}_{i}", source.format, f"x_i[{i * width}+:{width}]") for i in range(source.size))
    body += "".join(_WRITERS[type(node)](graph, node) for node in graph.nodes[1:])
    outputs = ", ".join(f"{graph.outputs[0]}_{i}" for i in reversed(range(result.size)))
    buses = source.size * width, result.size * result.format.width
    ports = f"input logic [{buses[0] - 1}:0] x_i, output logic [{buses[1] - 1}:0] y_o"
    text = f'(* use_dsp = "no" *)\nmodule star ({ports});\n{body}  assign y_o = {{{outputs}}};\nendmodule\n'
    return Design({**needed_cells([text]), "star.sv": text}, "star")
