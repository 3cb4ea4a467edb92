from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx

from flow.errors import ExportError
from flow.exporters.onnx import export_qonnx
from flow.exporters.onnx_builder import OPSET
from flow.exporters.onnx_qonnx import DOMAIN
from flow.formats import FloatRounding, Minifloat, Overflow, Rounding
from flow.ir import (
    AvgPool2d,
    Dense,
    Graph,
    Input,
    Node,
    Relu,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    ScaleShift,
    Tensor,
    trace,
)
from flow.simulation.compare import compare
from tests.graphs import fmt, mlp_graph, random_codes, random_graph, resnet_graph
from tests.ir.strategies import SINGLE, requantize, requantize_each, requantize_minifloat

EXPRESSIBLE = (Overflow.SAT, Overflow.SAT_SYM)
once = settings(derandomize=True, deadline=None, max_examples=30)


def execute(graph: Graph, codes: np.ndarray) -> dict[str, np.ndarray]:
    """What qonnx computes, as codes by node name; a value off the grid of its format fails here."""
    (content,) = export_qonnx(graph, batch=len(codes)).values()
    source = graph.input
    values = np.ldexp(codes.astype(np.float64), -source.format.frac).astype(np.float32)
    context = execute_onnx(ModelWrapper(content), {source.name: values}, return_full_exec_context=True)
    scaled = {n: np.ldexp(context[n].astype(np.float64), v.format.frac) for n, v in graph.values.items()}
    assert all(context[name].dtype == np.float32 for name in scaled)
    assert all((value == np.rint(value)).all() for value in scaled.values())
    return {name: value.astype(np.int64) for name, value in scaled.items()}


def check(graph: Graph, codes: np.ndarray) -> int:
    result = compare(graph, trace(graph, codes), execute(graph, codes))
    assert result.first is None, f"{result.first} in\n{graph}"
    assert result.values == len(codes) * sum(value.size for value in graph.values.values())
    return result.values


def saturating(graph: Graph) -> Graph:
    """The same graph with modes that QONNX has."""
    nodes = tuple(
        replace(node, overflow=EXPRESSIBLE[node.format.width % 2])
        if isinstance(node, Requantize) and node.overflow not in EXPRESSIBLE
        else node
        for node in graph.nodes
    )
    return replace(graph, nodes=nodes)


def fits(graph: Graph) -> bool:
    """Whether the exporter accepts the graph; the one legal reason to refuse these is their width."""
    try:
        export_qonnx(graph)
    except ExportError as error:
        assert "exact to 24 bits" in str(error)
        return False
    return True


# The casts with modes that QONNX has.
ALONE = {
    **SINGLE,
    Requantize: requantize(20, EXPRESSIBLE),
    RequantizeEach: requantize_each(12, EXPRESSIBLE),
    RequantizeMinifloat: requantize_minifloat(16, (FloatRounding.NEAREST_EVEN,)).filter(
        lambda graph: graph["y"].minifloat.mantissa > 0
    ),
}


@pytest.mark.parametrize("operator", ALONE, ids=lambda cls: cls.op)
def test_each_operator_alone(operator: type[Node]):
    compared = []

    @once
    @given(ALONE[operator].map(saturating), st.integers(0, 999))
    def run(graph: Graph, seed: int) -> None:
        compared.append(check(graph, random_codes(graph, 5, seed)) if fits(graph) else 0)

    run()
    assert sum(count > 0 for count in compared) >= 12


def test_casts_alone():
    @settings(once, max_examples=150)
    @given(requantize(20, EXPRESSIBLE), st.integers(0, 999))
    def run(graph: Graph, seed: int) -> None:
        check(graph, random_codes(graph, 9, seed))

    run()


@pytest.mark.parametrize("rounding", Rounding, ids=lambda mode: mode.value)
def test_every_rounding_of_every_code(rounding: Rounding):
    """Seven roundings, both expressible overflows, shifts -2..9, targets of 1..5 bits, all 256 codes of s8 and u8."""
    compared = 0
    for source in ("s8.0", "u8.0"):
        nodes: list[Node] = [Input(name="x", shape=(1,), format=fmt(source))]
        for shift in range(-2, 10):
            for target in ("s1", "s2", "s5", "u1", "u4"):
                for mode in EXPRESSIBLE:
                    name, form = f"{target}.{shift}.{mode.value}", fmt(f"{target}.{-shift}")
                    nodes.append(Requantize(name=name, inputs=("x",), format=form, rounding=rounding, overflow=mode))
        graph = Graph("modes", tuple(nodes), tuple(node.name for node in nodes[1:]))
        form = graph.input.format
        compared += check(graph, np.arange(form.low, form.high + 1)[:, None])
    assert compared == 2 * 256 * (1 + 12 * 5 * 2)


@pytest.mark.parametrize("graph", [mlp_graph(), resnet_graph()], ids=lambda graph: graph.name)
def test_the_two_networks_of_the_demo(graph: Graph):
    assert check(graph, random_codes(graph, 60)) > 15_000


@pytest.mark.parametrize("batch", range(8))
def test_random_graphs(batch: int):
    compared = [
        check(graph, random_codes(graph, 6, seed))
        for seed in range(5 * batch, 5 * batch + 5)
        for graph in [saturating(random_graph(seed, spatial=seed % 4 != 0))]
    ]
    assert len(compared) == 5
    assert min(compared) > 0


def test_the_header_imports_both_domains():
    proto = onnx.load_from_string(export_qonnx(mlp_graph())["model_qonnx.onnx"])
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", OPSET), (DOMAIN, 1)]
    assert proto.producer_name == "flow"
    quants = [node for node in proto.graph.node if node.op_type == "Quant"]
    assert {node.domain for node in quants} == {DOMAIN}
    assert len(quants) == 1 + 3 * 2 + 2  # input, weights and biases, casts
    assert export_qonnx(mlp_graph()) == export_qonnx(mlp_graph())


def test_a_pooling_without_a_power_of_two_is_a_depthwise_sum():
    scale = Tensor(np.array(57), fmt("u6.9"))
    pool = AvgPool2d(name="y", inputs=("x",), kernel=(3, 3), stride=(1, 2), scale=scale)
    graph = Graph("one", (Input(name="x", shape=(2, 5, 5), format=fmt("s8.4")), pool), ("y",))
    proto = onnx.load_from_string(export_qonnx(graph)["model_qonnx.onnx"])
    assert [node.op_type for node in proto.graph.node] == ["Quant", "Quant", "Conv"]
    assert check(graph, random_codes(graph, 20)) == 20 * (50 + 12)


def test_a_flipped_weight_bit_is_seen():
    graph = mlp_graph()
    node = graph["fc2"]
    weight = node.weight.codes.copy()
    weight[0, 0] ^= 1
    mutant = replace(node, weight=Tensor(weight, node.weight.format))
    codes = random_codes(graph, 16)
    changed = replace(graph, nodes=tuple(mutant if n is node else n for n in graph.nodes))
    result = compare(graph, trace(graph, codes), execute(changed, codes))
    assert result.first is not None
    assert result.first.node == "fc2"


@pytest.mark.parametrize("text", ["e0m3", "e2m1", "e3m2", "e4m3fn", "e4m3fnuz", "e5m2ieee", "ue3m2", "e2m6", "e1m8"])
def test_float_quants_of_every_code(text: str):
    """Shifts -3..9 of all 4096 codes: FloatQuant's logarithm errs next to powers of two, its result does not."""
    nodes: list[Node] = [Input(name="x", shape=(1,), format=fmt("s12.0"))]
    form = Minifloat.parse(text)
    for shift in range(-3, 10):
        moved = replace(form, bias=1 - form.mantissa - shift)
        nodes.append(RequantizeMinifloat(name=f"y{shift}", inputs=("x",), minifloat=moved))
    graph = Graph("floats", tuple(nodes), tuple(node.name for node in nodes[1:]))
    assert check(graph, np.arange(-2048, 2048)[:, None]) == 4096 * 14


def test_float_quants_next_to_powers_of_two():
    """Where a logarithm in float32 cannot tell the codes apart: 2**k - 2, 2**k - 1, 2**k + 1 up to 24 bits."""
    nodes: list[Node] = [Input(name="x", shape=(1,), format=fmt("s25.0"))]
    for text in ("e5m1b1", "e5m2b3ieee", "e5m3b-1", "e5m8b-8"):
        nodes.append(RequantizeMinifloat(name=text, inputs=("x",), minifloat=Minifloat.parse(text)))
    graph = Graph("floats", tuple(nodes), tuple(node.name for node in nodes[1:]))
    codes = [sign * ((1 << k) + d) for k in range(1, 25) for d in range(-4, 4) for sign in (-1, 1)]
    held = np.array([code for code in codes if abs(code) < 1 << 24])[:, None]
    assert check(graph, held) == len(held) * 5


@pytest.mark.parametrize(
    ("text", "rounding"), [("e3m2", mode) for mode in list(FloatRounding)[1:]] + [("e3m0", FloatRounding.NEAREST_EVEN)]
)
def test_roundings_that_floatquant_lacks_are_refused(text: str, rounding: FloatRounding):
    node = RequantizeMinifloat(name="y", inputs=("x",), minifloat=Minifloat.parse(text), rounding=rounding)
    with pytest.raises(ExportError) as caught:
        export_qonnx(one(node, "s8.2"))
    assert str(caught.value) == (
        "QONNX's FloatQuant takes the nearest number with ties to the even mantissa, but RequantizeMinifloat 'y' needs "
        f"{rounding.value} of {text}; use nearest_even and a mantissa bit, or export integer ONNX."
    )


def test_an_overflow_mode_of_one_place_is_refused():
    widths = Tensor(np.array([9, 3]), fmt("u6.0"))
    node = RequantizeEach(
        name="y", inputs=("x",), fracs=Tensor([2, 0], fmt("s8.0")), widths=widths, signed=True, overflow=Overflow.WRAP
    )
    with pytest.raises(ExportError) as caught:
        export_qonnx(Graph("one", (Input(name="x", shape=(2,), format=fmt("s8.2")), node), ("y",)))
    assert str(caught.value) == (
        "QONNX has no overflow mode WRAP, which Requantize 'y' needs for codes [-32, 32] in s3.0; "
        "use SAT or SAT_SYM, or widen the format."
    )


def cast_graph(rounding: Rounding, mode: Overflow, source: str = "s8.2") -> Graph:
    node = Requantize(name="y", inputs=("x",), format=fmt("s4.0"), rounding=rounding, overflow=mode)
    return Graph("one", (Input(name="x", shape=(1,), format=fmt(source)), node), ("y",))


def test_a_changed_mode_is_seen():
    codes, right = np.arange(-128, 128)[:, None], cast_graph(Rounding.RND, Overflow.SAT)
    mutants = [(r, o) for r in Rounding for o in EXPRESSIBLE]
    seen = [compare(right, trace(right, codes), execute(cast_graph(r, o), codes)).mismatches == 0 for r, o in mutants]
    assert seen == [mutant == (Rounding.RND, Overflow.SAT) for mutant in mutants]


@pytest.mark.parametrize("mode", [Overflow.WRAP, Overflow.WRAP_SM, Overflow.SAT_ZERO], ids=lambda mode: mode.value)
def test_modes_that_qonnx_lacks_are_refused(mode: Overflow):
    with pytest.raises(ExportError) as caught:
        export_qonnx(cast_graph(Rounding.RND, mode))
    assert str(caught.value) == (
        f"QONNX has no overflow mode {mode.value}, which Requantize 'y' needs for codes [-32, 32] in s4.0; "
        "use SAT or SAT_SYM, or widen the format."
    )


@pytest.mark.parametrize("mode", Overflow, ids=lambda mode: mode.value)
def test_modes_that_the_ranges_leave_idle_are_accepted(mode: Overflow):
    assert check(cast_graph(Rounding.TRN, mode, "u5.2"), np.arange(32)[:, None]) == 64


def one(node: Node, source: str) -> Graph:
    return Graph("one", (Input(name="x", shape=(1,), format=fmt(source)), node), (node.name,))


@pytest.mark.parametrize(
    ("graph", "bits"),
    [
        (one(Dense(name="y", inputs=("x",), weight=Tensor(np.array([[3]]), fmt("u2.0"))), "s24.0"), 25),
        (
            one(
                ScaleShift(name="y", inputs=("x",), scale=Tensor([3], fmt("u2.0")), shift=Tensor([1], fmt("u1.4"))),
                "u20.0",
            ),
            26,
        ),
        (one(Requantize(name="y", inputs=("x",), format=fmt("s8.-20")), "u24.0"), 25),
        (one(Relu(name="y", inputs=("x",)), "u30.0"), 30),
    ],
    ids=["dense", "scale_shift", "requantize", "input"],
)
def test_what_float32_cannot_hold_is_refused(graph: Graph, bits: int):
    with pytest.raises(ExportError) as caught:
        export_qonnx(graph)
    name = "x" if bits == 30 else "y"
    assert str(caught.value) == (
        f"QONNX computes in float32, which is exact to 24 bits, but node {name!r} needs {bits}; "
        "requantize before it, or export integer ONNX."
    )


def test_the_last_code_that_fits_is_exact():
    """The bound is 2**24: nothing is refused that float32 holds."""
    graph = one(Dense(name="y", inputs=("x",), weight=Tensor(np.array([[1]]), fmt("u1.0"))), "s25.0")
    assert check(graph, np.array([[-(1 << 24)], [(1 << 24) - 1], [(1 << 24) - 2], [12_345_679]])) == 8


@pytest.mark.parametrize("frac", [-49, 53])
def test_binary_points_that_float32_lacks_are_refused(frac: int):
    with pytest.raises(ExportError) as caught:
        export_qonnx(one(Relu(name="y", inputs=("x",)), f"u4.{frac}"))
    assert str(caught.value) == (
        f"QONNX computes in float32, which has binary points -48..52, but node 'x' uses {frac}; "
        "move the binary point, or export integer ONNX."
    )


def test_an_input_that_is_also_an_output_is_refused():
    with pytest.raises(ExportError) as caught:
        export_qonnx(replace(mlp_graph(), outputs=("input", "fc3")))
    assert str(caught.value) == (
        "QONNX knows every tensor once, but 'input' is both input and output; take it out of the outputs, "
        "or export integer ONNX."
    )
