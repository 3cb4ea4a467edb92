"""The HLS project as text: what is in it, that it is the same twice, and what it refuses. tests/simulation runs it."""

import re

import numpy as np
import pytest

from flow.errors import ExportError
from flow.exporters.hls import export_hls
from flow.exporters.hls.wiring import WIRES
from flow.exporters.vectors import export_vectors
from flow.formats import Overflow, Rounding
from flow.ir import OPERATORS, Add, Dense, Flatten, Graph, Input, Relu, Requantize
from flow.resources import folder
from tests.graphs import fmt, mlp_graph, random_codes, random_tensor, resnet_graph

LAYER = """\
// Layer fc2 (dense, module fc2 of the model).
#include "layers.h"
#include "flow_dense.h"
#include "weights/fc2.h"

namespace mlp_layers {

void fc2(const mlp_types::fc1_out x[32], mlp_types::fc2 y[32]) {
    ::flow::dense<
        mlp_types::fc1_out, // X
        mlp_weights::fc2_weight_t, // W
        mlp_weights::fc2_bias_t, // B
        ::flow::multiply_by_tool, // MULTIPLY
        mlp_types::fc2, // Y
        32, // INPUTS
        32, // OUTPUTS
        1, // PE
        8> // SIMD
        (x, mlp_weights::fc2_weight, mlp_weights::fc2_bias, y);
}

} // namespace mlp_layers
"""

WEIGHTS = """\
// Constants of layer fc (dense, module head.fc of the model), as integer codes: value = code * 2^-frac.
#ifndef TINY_WEIGHTS_FC_H
#define TINY_WEIGHTS_FC_H

#include "flow_fixed.h"

namespace tiny_weights {

// weight s6.6, [2, 1, 1, 3]: outputs / PE, steps, PE, SIMD
typedef ap_fixed<6, 0> fc_weight_t;
static const ::flow::code<6, true>::type fc_weight[6] = {
    22, 8, 0, -15, -13, -30
};

// bias u1.5, [2]: outputs, no bias in the model
typedef ap_ufixed<1, -4> fc_bias_t;
static const ::flow::code<1, false>::type fc_bias[2] = {
    0, 0
};

} // namespace tiny_weights

#endif
"""


def tiny_graph() -> Graph:
    weight = random_tensor(np.random.default_rng(0), (2, 3), "s6.6")
    nodes = (
        Input(name="x", shape=(3,), format=fmt("s4.-1")),
        Dense(name="fc", inputs=("x",), weight=weight, origin="head.fc"),
        Requantize(name="y", inputs=("fc",), format=fmt("s4.3"), rounding=Rounding.RND_CONV, overflow=Overflow.SAT_SYM),
        Relu(name="z", inputs=("y",)),
        Add(name="sum", inputs=("y", "z")),
    )
    return Graph("tiny", nodes, ("sum", "y"))


def test_files_of_a_project():
    graph = resnet_graph()
    codes = random_codes(graph, 3)
    files = export_hls(graph, codes)
    names = {name for name in files if "/" not in name}
    assert names == {"README.md", "layers.h", "run_hls.tcl", "testbench.cpp", "top.cpp", "top.h", "trace.cpp"}
    assert {n: files[f"vectors/{n}"] for n in ("input.dat", "fc.dat", "class_n.dat")} == export_vectors(graph, codes)
    assert {name for name in files if name.startswith("include/")} == {
        f"include/{path.name}" for path in folder("hls_templates").glob("*.h")
    }
    computed = [node for node in graph if not isinstance(node, Input | Flatten)]
    assert len([name for name in files if name.startswith("layers/")]) == len(computed) == 17
    assert len(files) == 7 + 3 + len(list(folder("hls_templates").glob("*.h"))) + 17 + 6


def test_without_codes_there_are_no_vectors():
    assert not [name for name in export_hls(mlp_graph()) if name.startswith("vectors/")]


def test_a_layer_reads_like_this():
    assert export_hls(mlp_graph(), reuse=4)["layers/fc2.cpp"] == LAYER


def test_constants_read_like_this():
    assert export_hls(tiny_graph())["weights/fc.h"] == WEIGHTS


def test_types_have_the_modes_of_the_node():
    layers = export_hls(tiny_graph())["layers.h"]
    assert re.findall(r"typedef (.*);", layers) == [
        "ap_fixed<4, 5> x",
        "ap_fixed<10, 5> fc",
        "ap_fixed<4, 1, AP_RND_CONV, AP_SAT_SYM> y",
        "ap_ufixed<3, 0> z",
        "ap_fixed<5, 2> sum",
    ]


def test_every_array_of_the_top_has_one_reader():
    """What DATAFLOW wants: `y` is read by two layers and a port, so it is copied twice."""
    top = export_hls(tiny_graph())["top.cpp"]
    body = top[top.index("#pragma HLS DATAFLOW") : top.index("#ifdef FLOW_TRACE\n    ")]
    calls = [line.strip() for line in body.splitlines() if line.endswith(");")]
    assert calls == [
        "::flow::read_stream<tiny_types::x, 3>(s_axis_x, value_x);",
        "tiny_layers::fc(value_x, value_fc);",
        "tiny_layers::y(value_fc, value_y);",
        "::flow::fork<tiny_types::y, 2>(value_y, copy1_y, rest1_y);",
        "::flow::fork<tiny_types::y, 2>(rest1_y, copy2_y, rest2_y);",
        "tiny_layers::z(copy1_y, value_z);",
        "tiny_layers::sum(copy2_y, value_z, value_sum);",
        "::flow::write_stream<tiny_types::sum, 2>(value_sum, m_axis_sum);",
        "::flow::write_stream<tiny_types::y, 2>(rest2_y, m_axis_y);",
    ]


def test_every_operator_has_a_template():
    from flow.exporters.hls.calls import _CALLS

    assert set(OPERATORS.values()) - set(_CALLS) == {Input, *WIRES}


def test_every_template_argument_is_explained():
    """Each `template <...>` of the operators' headers has a \\tparam line for every argument."""
    seen = 0
    for header in folder("hls_templates").glob("*.h"):
        text = header.read_text(encoding="utf-8")
        for match in re.finditer(r"((?://[^\n]*\n)+)template <((?:class|int)[^{;]*?)>\s*(?:void|T)\s", text):
            explained = re.findall(r"\\tparam ([A-Z_, ]+?)  ", match[1])
            words = [word.strip() for line in explained for word in line.split(",")]
            assert sorted(words) == sorted(re.findall(r"(?:class|int)\s+([A-Z_]+)", match[2])), header.name
            seen += len(words)
    assert seen > 60


@pytest.mark.parametrize("make", [mlp_graph, resnet_graph, tiny_graph])
def test_the_same_bytes_twice(make):
    codes = random_codes(make(), 4)
    one, two = export_hls(make(), codes), export_hls(make(), codes)
    assert one == two
    assert list(one) == list(two)


def test_nothing_of_this_machine_or_day_is_written():
    for name, text in export_hls(resnet_graph()).items():
        assert not re.search(r"/(home|root|tmp|work|usr)/|20\d\d-\d\d|\bNone\b|\{\{|\{%", text), name
        assert max(map(len, text.splitlines())) <= 160, name


def test_part_and_clock_are_the_first_lines_of_the_script():
    script = export_hls(tiny_graph(), part="xc7z020clg400-1", clock_ns=8)["run_hls.tcl"]
    assert re.findall(r"^set (?:part|clock_ns) .*", script, re.M) == ["set part xc7z020clg400-1", "set clock_ns 8"]
    assert "set_top tiny_top\n" in script
    steps = re.findall(r"^\s*(csim_design|csynth_design|cosim_design|export_design)", script, re.M)
    assert steps == ["csim_design", "csynth_design", "cosim_design", "export_design"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"part": "x; exec rm"},
            "A part is letters, digits and dashes, not 'x; exec rm'; give one like xczu3eg-sbva484-1-e.",
        ),
        ({"clock_ns": 0.0}, "A clock period is a positive number of nanoseconds, not 0.0; give one like 5.0."),
        (
            {"clock_ns": float("nan")},
            "A clock period is a positive number of nanoseconds, not nan; give one like 5.0.",
        ),
        ({"reuse": 0}, "A reuse factor is at least 1, not 0; 1 gives every product its own multiplier."),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ExportError) as caught:
        export_hls(tiny_graph(), **options)
    assert str(caught.value) == message
