"""The stream cells under test: how each is instantiated, and what it must make of the beats it takes.

Read on both sides: pytest writes the harness from it, the simulator's process computes the expected beats.
"""

from __future__ import annotations

import math

import numpy as np

from flow.exporters.verilog import Plan, export_verilog, make_plan
from flow.formats import FixedPoint, Overflow, Rounding, cast
from flow.ir import Dense, Graph, Input, Tensor, trace
from tests.rtl.bench.case import STREAM, Case, join, split
from tests.rtl.bench.moves import MOVES
from tests.rtl.bench.spatial import SPATIAL


def _same(beats: list[int]) -> list[int]:
    return beats


def _skid(width: int) -> Case:
    return Case(f"skid{width}", f"flow_skid #(.Width({width})) u_{{p}} ({STREAM});", width, width, 1, _same)


def _fifo(width: int, depth: int) -> Case:
    body = f"flow_fifo #(.Width({width}), .Depth({depth})) u_{{p}} ({STREAM});"
    return Case(f"fifo{depth}", body, width, width, 1, _same)


def _fifo_block(width: int, depth: int) -> Case:
    body = f"flow_fifo_block #(.Width({width}), .Depth({depth})) u_{{p}} ({STREAM});"
    return Case(f"fifo_block{depth}", body, width, width, 1, _same, 30)


def _width(width: int, lanes_in: int, lanes_out: int) -> Case:
    """Whole groups of beats, so that no code stays inside."""
    code, group = FixedPoint(width, 0, False), math.lcm(lanes_in, lanes_out)
    body = f"flow_width #(.Width({width}), .InLanes({lanes_in}), .OutLanes({lanes_out})) u_{{p}} ({STREAM});"

    def model(beats: list[int]) -> list[int]:
        codes = [found for beat in beats for found in split(beat, lanes_in, code)]
        return [join(codes[i : i + lanes_out], width) for i in range(0, len(codes), lanes_out)]

    name = f"width{lanes_in}to{lanes_out}"
    return Case(name, body, lanes_in * width, lanes_out * width, group // lanes_in, model)


def _table(lanes: int, code_width: int, entry_width: int, seed: int) -> Case:
    """A random table."""
    entries = np.random.default_rng(seed).integers(0, 1 << entry_width, 1 << code_width).tolist()
    table, code = join(entries, entry_width), FixedPoint(code_width, 0, False)
    parameters = (
        f".Lanes({lanes}), .InWidth({code_width}), .OutWidth({entry_width}), "
        f".Table({len(entries) * entry_width}'h{table:x})"
    )

    def model(beats: list[int]) -> list[int]:
        return [join([entries[found] for found in split(beat, lanes, code)], entry_width) for beat in beats]

    body = f"flow_table_stream #({parameters}) u_{{p}} ({STREAM});"
    return Case(f"table{lanes}x{code_width}", body, lanes * code_width, lanes * entry_width, 1, model, 40)


def _quantize(lanes: int, source: str, target: str, rounding: Rounding, mode: Overflow) -> Case:
    x, y = FixedPoint.parse(source), FixedPoint.parse(target)
    parameters = (
        f".Lanes({lanes}), .InWidth({x.width}), .InSigned({int(x.signed)}), .Shift({x.frac - y.frac}), "
        f".OutWidth({y.width}), .OutSigned({int(y.signed)}), .Rounding(flow_pkg::ROUND_{rounding.value}), "
        f".Overflow(flow_pkg::OVERFLOW_{mode.value})"
    )

    def model(beats: list[int]) -> list[int]:
        codes = np.array([split(beat, lanes, x) for beat in beats], dtype=np.int64)
        return [join(row, y.width) for row in cast(codes, x.frac, y, rounding, mode).tolist()]

    body = f"flow_quantize_stream #({parameters}) u_{{p}} ({STREAM});"
    return Case(f"quantize{lanes}", body, lanes * x.width, lanes * y.width, 1, model)


def _argmax(count: int, lanes: int, text: str) -> Case:
    form, beats = FixedPoint.parse(text), count // lanes
    index_width = max(1, (count - 1).bit_length())
    parameters = (
        f".Count({count}), .Lanes({lanes}), .Width({form.width}), .Signed({int(form.signed)}), "
        f".IndexWidth({index_width})"
    )

    def model(taken: list[int]) -> list[int]:
        codes = [code for beat in taken for code in split(beat, lanes, form)]
        vectors = [codes[i : i + count] for i in range(0, len(codes), count)]
        return [vector.index(max(vector)) for vector in vectors]

    body = f"flow_argmax #({parameters}) u_{{p}} ({STREAM});"
    return Case(f"argmax{count}x{lanes}{text[0]}", body, lanes * form.width, index_width, beats, model)


def _fork(width: int) -> Case:
    """Two ways of one fork, each behind a FIFO of its own depth, taken together again beat by beat."""
    body = (
        "logic [1:0] {p}_v, {p}_r; logic {p}_va, {p}_vb;\n"
        "  flow_fork #(.Ways(2)) u_{p} (.clk_i, .rst_ni, .valid_i({p}_valid_i), .ready_o({p}_ready_o), "
        ".valid_o({p}_v), .ready_i({p}_r));\n"
        + "".join(
            f"  flow_fifo #(.Width({width}), .Depth({depth})) u_{{p}}_{way} (.clk_i, .rst_ni, .data_i({{p}}_data_i), "
            f".valid_i({{p}}_v[{i}]), .ready_o({{p}}_r[{i}]), .data_o({{p}}_data_o[{i}*{width}+:{width}]), "
            f".valid_o({{p}}_v{way}), .ready_i({{p}}_ready_i & {{p}}_valid_o));\n"
            for i, (way, depth) in enumerate((("a", 2), ("b", 3)))
        )
        + "  assign {p}_valid_o = {p}_va & {p}_vb;"
    )
    return Case("fork", body, width, 2 * width, 1, lambda beats: [beat | beat << width for beat in beats])


def _axis_in(width: int, beats: int, wrong: int | None) -> Case:
    """TLAST above TDATA to the data, and above it the frame error as it stands when the beat has been taken.

    Args:
        width: bits of a beat.
        beats: of a sample.
        wrong: the first beat whose TLAST is not right; later ones have any. None for no such beat.
    """
    tdata, name = 8 * -(-width // 8), f"axis_in{width}x{beats}" + ("" if wrong is None else f"_{wrong}")
    body = (
        "logic {p}_error, {p}_taken_q, {p}_room, {p}_told, {p}_there;\n"
        "  always_ff @(posedge clk_i) {p}_taken_q <= rst_ni & {p}_valid_i & {p}_ready_o;\n"
        f"  flow_axis_in #(.Width({width}), .Beats({beats})) u_{{p}} (.clk_i, .rst_ni, "
        f".s_axis_tdata_i({{p}}_data_i[{tdata}-1:0]), .s_axis_tvalid_i({{p}}_valid_i), "
        ".s_axis_tready_o({p}_ready_o), "
        f".s_axis_tlast_i({{p}}_data_i[{tdata}]), .frame_error_o({{p}}_error), .data_o({{p}}_data_o[{width}-1:0]), "
        ".valid_o({p}_there), .ready_i({p}_ready_i & {p}_told));\n"
        "  flow_fifo #(.Width(1), .Depth(4)) u_{p}_errors (.clk_i, .rst_ni, .data_i({p}_error), .valid_i({p}_taken_q), "
        f".ready_o({{p}}_room), .data_o({{p}}_data_o[{width}]), .valid_o({{p}}_told), "
        ".ready_i({p}_ready_i & {p}_there));\n"
        "  assign {p}_valid_o = {p}_there & {p}_told;"
    )

    def sent(taken: list[int]) -> list[int]:
        last = [place % beats == beats - 1 for place in range(len(taken))]
        first = len(taken) if wrong is None else wrong
        framed = [beat & ((1 << tdata) - 1) | end << tdata for beat, end in zip(taken, last, strict=True)]
        return [*framed[:first], *(beat ^ (1 << tdata) for beat in framed[first : first + 1]), *taken[first + 1 :]]

    def model(taken: list[int]) -> list[int]:
        errors = [beat >> tdata != (place % beats == beats - 1) for place, beat in enumerate(taken)]
        seen = np.logical_or.accumulate(errors).tolist()
        return [beat & ((1 << width) - 1) | error << width for beat, error in zip(taken, seen, strict=True)]

    return Case(name, body, tdata + 1, width + 1, beats, model, sent=sent)


def _axis_out(width: int, beats: int) -> Case:
    """TLAST above TDATA."""
    tdata = 8 * -(-width // 8)
    body = (
        f"flow_axis_out #(.Width({width}), .Beats({beats})) u_{{p}} (.clk_i, .rst_ni, .data_i({{p}}_data_i), "
        f".valid_i({{p}}_valid_i), .ready_o({{p}}_ready_o), .m_axis_tdata_o({{p}}_data_o[{tdata}-1:0]), "
        f".m_axis_tvalid_o({{p}}_valid_o), .m_axis_tready_i({{p}}_ready_i), .m_axis_tlast_o({{p}}_data_o[{tdata}]));"
    )

    def model(taken: list[int]) -> list[int]:
        return [beat | (place % beats == beats - 1) << tdata for place, beat in enumerate(taken)]

    return Case(f"axis_out{width}x{beats}", body, width, tdata + 1, beats, model)


def _accumulate(lanes: int, width: int, shift: int, steps: int) -> Case:
    """Behind a register of operands: products in the low bits of a beat, the bias above them."""
    side, count = lanes * width, max(1, (steps - 1).bit_length())
    body = (
        f"logic [{count}-1:0] {{p}}_step_q; logic [{2 * side}-1:0] {{p}}_kept_q; logic {{p}}_stall;\n"
        "  assign {p}_ready_o = ~{p}_stall;\n"
        "  always_ff @(posedge clk_i) begin\n    if (!{p}_stall) {p}_kept_q <= {p}_data_i;\n"
        "    if (!rst_ni) {p}_step_q <= '0;\n"
        f"    else if ({{p}}_valid_i & ~{{p}}_stall) {{p}}_step_q <= ({{p}}_step_q == {count}'({steps - 1})) ? '0 : "
        "{p}_step_q + 1'b1;\n  end\n"
        f"  flow_accumulate #(.Lanes({lanes}), .Width({width}), .ProductShift({shift})) u_{{p}} (.clk_i, .rst_ni, "
        f".step_i({{p}}_valid_i & ~{{p}}_stall), .first_i({{p}}_step_q == '0), .last_i({{p}}_step_q == "
        f"{count}'({steps - 1})), .stall_o({{p}}_stall), .product_i({{p}}_kept_q[{side}-1:0]), "
        f".bias_i({{p}}_kept_q[{2 * side}-1:{side}]), .data_o({{p}}_data_o), .valid_o({{p}}_valid_o), "
        ".ready_i({p}_ready_i));"
    )
    code = FixedPoint(width, 0, False)

    def model(beats: list[int]) -> list[int]:
        rows = np.array([split(beat, 2 * lanes, code) for beat in beats]).reshape(-1, steps, 2, lanes)
        return [join(row, width) for row in ((rows[:, :, 0].sum(axis=1) << shift) + rows[:, 0, 1]).tolist()]

    return Case(f"accumulate{lanes}x{steps}", body, 2 * side, side, steps, model)


def _delay(width: int, cycles: int) -> Case:
    """Beside as many registers of valid, all of which stand still while the last one waits."""
    shift = f"{{{{p}}_valid_q[{cycles - 1}:1], {{p}}_valid_i}}" if cycles > 1 else "{p}_valid_i"
    body = (
        f"logic [{cycles}:1] {{p}}_valid_q;\n"
        "  always_ff @(posedge clk_i) begin\n    if (!rst_ni) {p}_valid_q <= '0;\n"
        f"    else if ({{p}}_ready_o) {{p}}_valid_q <= {shift};\n  end\n"
        f"  assign {{p}}_valid_o = {{p}}_valid_q[{cycles}];\n  assign {{p}}_ready_o = {{p}}_ready_i | ~{{p}}_valid_o;\n"
        f"  flow_delay #(.Width({width}), .Cycles({cycles})) u_{{p}} (.clk_i, .advance_i({{p}}_ready_o), "
        ".data_i({p}_data_i), .data_o({p}_data_o));"
    )
    return Case(f"delay{width}x{cycles}", body, width, width, 1, _same)


def dense_graph(name: str, inputs: int, outputs: int, source: str, weight: str, bias: str | None, seed: int) -> Graph:
    """One Dense with random constants, its first row all lowest codes and its last all highest."""
    rng, w = np.random.default_rng(seed), FixedPoint.parse(weight)
    codes = rng.integers(w.low, w.high, (outputs, inputs), endpoint=True)
    codes[0], codes[-1] = w.low, w.high
    b = None if bias is None else FixedPoint.parse(bias)
    constant = None if b is None else Tensor(rng.integers(b.low, b.high, outputs, endpoint=True), b)
    layer = Dense(name="fc", inputs=("x",), weight=Tensor(codes, w), bias=constant)
    return Graph(name, (Input(name="x", shape=(inputs,), format=FixedPoint.parse(source)), layer), ("fc",))


# Inputs, outputs, PE, SIMD, formats: every kind of folding, signs on both sides, product shifts, one-bit codes.
DENSE = {
    "d0": (dense_graph("d0", 8, 6, "u4.2", "s4.3", "s5.9", 0), (2, 4)),
    "d1": (dense_graph("d1", 8, 6, "s4.2", "s3.1", "s5.1", 1), (6, 8)),
    "d2": (dense_graph("d2", 6, 4, "s5.0", "u3.0", None, 2), (1, 1)),
    "d3": (dense_graph("d3", 5, 3, "u1.0", "s2.0", "s4.2", 3), (3, 1)),
    "d4": (dense_graph("d4", 7, 5, "u6.1", "u2.3", "u4.0", 4), (1, 7)),
    "d5": (dense_graph("d5", 1, 1, "s6.3", "s6.3", "s6.6", 5), (1, 1)),
    "d6": (dense_graph("d6", 12, 10, "u6.5", "s6.6", "s6.5", 6), (5, 3)),
}


def dense_plan(name: str) -> Plan:
    """The plan of one of the Dense cases."""
    graph, fold = DENSE[name]
    return make_plan(graph, {"fc": fold})


def dense_sources(name: str) -> dict[str, str]:
    """Its generated files, the top left out."""
    graph, fold = DENSE[name]
    files = export_verilog(graph, {"fc": fold})
    return {path: str(text) for path, text in files.items() if path.endswith(".sv") and "_top" not in path}


def _dense(name: str) -> Case:
    plan, (graph, _) = dense_plan(name), DENSE[name]
    source, result = plan.streams["x"], plan.streams["fc"]

    def model(beats: list[int]) -> list[int]:
        codes = np.array([code for beat in beats for code in split(beat, source.lanes, source.value.format)])
        rows = trace(graph, codes.reshape(-1, source.value.size))["fc"].reshape(-1, result.lanes)
        return [join(row, result.value.format.width) for row in rows.tolist()]

    body = f"{plan.layer_module('fc')} u_{{p}} ({STREAM});"
    return Case(name, body, source.width, result.width, source.beats, model)


CASES: tuple[Case, ...] = (
    _skid(1),
    _skid(9),
    _fifo(3, 2),
    _fifo(8, 5),
    _fifo_block(5, 4),
    _fifo_block(9, 2),
    *(_width(*shape) for shape in ((3, 2, 3), (2, 3, 2), (4, 6, 4), (5, 1, 4), (5, 4, 1), (7, 3, 3), (1, 5, 2))),
    _table(2, 4, 3, 0),
    _table(1, 7, 5, 1),
    _quantize(1, "s7.3", "u3.1", Rounding.RND_CONV, Overflow.SAT),
    _quantize(3, "u5.2", "s6.4", Rounding.TRN, Overflow.WRAP),
    _argmax(6, 2, "s3.0"),
    _argmax(5, 1, "u2.0"),
    _argmax(4, 4, "s4.0"),
    _argmax(1, 1, "u4.0"),
    _fork(5),
    *(_axis_in(*shape) for shape in ((8, 1, None), (5, 3, None), (11, 1, 7), (3, 4, 14), (16, 4, 15))),
    *(_axis_out(*shape) for shape in ((5, 1), (8, 3), (11, 4))),
    *(_delay(*shape) for shape in ((1, 1), (7, 2), (3, 5))),
    *(_accumulate(*shape) for shape in ((2, 6, 1, 3), (1, 5, 0, 1))),
    *(_dense(name) for name in DENSE),
    *SPATIAL,
    *MOVES,
)


def harness() -> str:
    """A top with every case side by side."""
    ports, bodies = ["input logic clk_i", "input logic rst_ni"], []
    for case in CASES:
        p = case.name
        ports += [
            f"input logic [{case.in_width}-1:0] {p}_data_i",
            f"input logic {p}_valid_i",
            f"output logic {p}_ready_o",
            f"output logic [{case.out_width}-1:0] {p}_data_o",
            f"output logic {p}_valid_o",
            f"input logic {p}_ready_i",
        ]
        bodies.append("  " + case.body.replace("{p}", p))
    listed = ",\n    ".join(ports)
    return f"module harness (\n    {listed}\n);\n" + "\n".join(bodies) + "\nendmodule\n"
