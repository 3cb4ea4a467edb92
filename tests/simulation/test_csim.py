"""The exported C++ against the interpreter: every operator, every mode, every node, every code."""

import re
from dataclasses import replace

import numpy as np
import pytest

from flow.errors import DataError, ExportError, SimulationError, ToolError
from flow.exporters.hls import export_hls
from flow.exporters.writer import write_tree
from flow.formats import FixedPoint, Overflow, Rounding
from flow.ir import (
    Add,
    ArgMax,
    AvgPool2d,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Input,
    MaxPool2d,
    Mul,
    Node,
    Pad,
    ReduceMax,
    Relu,
    Requantize,
    Reshape,
    ScaleShift,
    Tensor,
    Transpose,
    Upsample,
    trace,
)
from flow.simulation.csim import compile_program, simulate_csim, tool
from flow.tools import run
from tests.graphs import fmt, mlp_graph, random_codes, random_graph, random_tensor, resnet_graph
from tests.simulation.more_operators import (
    attention_graph,
    minifloats_graph,
    moves_graph,
    pairs_graph,
    places_graph,
    shares_graph,
    spread_graph,
    tables_graph,
)

MANY = (
    pairs_graph,
    places_graph,
    tables_graph,
    moves_graph,
    spread_graph,
    attention_graph,
    shares_graph,
)  # small nodes, many in one graph


def assert_exact(graph: Graph, folder, codes: np.ndarray, flags, **options) -> None:
    """Every node of the C simulation equals the interpreter; the testbench of the project says so too."""
    project = folder / graph.name
    write_tree(project, export_hls(graph, codes, **options))
    actual = simulate_csim(graph, project, codes, extra=flags, jobs=1)
    expected = trace(graph, codes)
    assert list(actual) == list(expected)
    for name, value in expected.items():
        assert actual[name].dtype == np.int64
        np.testing.assert_array_equal(actual[name], value, strict=True, err_msg=name)
    assert sum(value.size for value in actual.values()) == len(codes) * sum(v.size for v in graph.values.values())


# The operators of the last two are in lowering/test_front_end.py too, and in the random graphs.
@pytest.mark.parametrize("make", MANY[:-2], ids=lambda make: make.__name__)
def test_tables_pairs_moves_and_casts_per_place(make, tmp_path, flags):
    graph = make(0)
    assert_exact(graph, tmp_path, random_codes(graph, 60), flags)


def test_minifloats_of_every_code(tmp_path, flags):
    """Each eighth pair of format and rounding: six formats, all five roundings."""
    graph = minifloats_graph("s10.0", 3, each=8)
    assert_exact(graph, tmp_path, np.arange(-512, 512)[:, None], flags)


@pytest.mark.slow
@pytest.mark.parametrize(("source", "shift"), [("s10.0", 3), ("u9.2", 0), ("s8.-1", -4)])
def test_every_minifloat_and_rounding_of_every_code(source, shift, tmp_path, flags):
    graph, form = minifloats_graph(source, shift), fmt(source)
    assert_exact(graph, tmp_path, np.arange(form.low, form.high + 1)[:, None], flags)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("make", MANY, ids=lambda make: make.__name__)
def test_tables_pairs_moves_and_casts_per_place_with_more_formats(make, seed, tmp_path, flags):
    graph = make(seed)
    assert_exact(graph, tmp_path, random_codes(graph, 60, seed), flags)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [-70, -20, -9, -1, 1, 2, 5, 9, 20, 61, 62, 63, 64, 90])
def test_minifloats_at_every_shift(shift, tmp_path, flags):
    """Codes around every power of two of 62 bits."""
    graph = minifloats_graph("s62.0", shift)
    near = [sign * (1 << bits) + d for bits in range(61) for sign in (-1, 1) for d in range(-3, 4)]
    assert_exact(graph, tmp_path, np.array(sorted(set(near)))[:, None], flags)


def test_a_transposition_of_seven_axes_is_refused():
    shape, order = (2,) * 7, (6, 5, 4, 3, 2, 1, 0)
    nodes = (
        Input(name="x", shape=shape, format=fmt("s4.0")),
        Transpose(name="y", inputs=("x",), order=order, origin="mix"),
    )
    with pytest.raises(ExportError) as caught:
        export_hls(Graph("seven", nodes, ("y",)))
    assert str(caught.value) == (
        f"The HLS templates move codes along 6 axes, but Transpose 'y' (from 'mix') of {shape} needs 7; move fewer "
        "axes at once, or export ONNX."
    )


def test_operands_that_differ_in_five_runs_of_axes_are_refused():
    nodes: list[Node] = [Input(name="x", shape=(8,), format=fmt("s4.0"))]
    nodes.append(Reshape(name="a", inputs=("x",), shape=(2, 1, 2, 1, 2)))
    nodes.append(Reshape(name="pair", inputs=("x",), shape=(2, 4)))
    nodes.append(ReduceMax(name="four", inputs=("pair",), axis=0))
    nodes.append(Reshape(name="b", inputs=("four",), shape=(1, 2, 1, 2, 1)))
    graph = Graph("five", (*nodes, Mul(name="y", inputs=("a", "b"), origin="attention")), ("y",))
    with pytest.raises(ExportError) as caught:
        export_hls(graph)
    assert str(caught.value) == (
        "The HLS templates broadcast over 4 axes, but Mul 'y' (from 'attention') needs 5 for shapes (2, 1, 2, 1, 2) "
        "and (1, 2, 1, 2, 1); reshape its inputs to fewer axes, or export ONNX."
    )


def test_samples_of_five_padded_axes_are_refused():
    nodes: list[Node] = [Input(name="x", shape=(2,) * 5, format=fmt("s4.0"))]
    amounts = {"before": (1,) * 5, "after": (0,) * 5, "interior": (0,) * 5}
    for node in (
        Pad(name="y", inputs=("x",), **amounts, origin="frame"),
        Upsample(name="y", inputs=("x",), factors=(2,) * 5, origin="frame"),
    ):
        with pytest.raises(ExportError) as caught:
            export_hls(Graph("five", (*nodes, node), ("y",)))
        assert str(caught.value) == (
            f"The HLS templates pad and upsample over 4 axes, but {type(node).__name__} 'y' (from 'frame') needs 5 for "
            "a sample of (2, 2, 2, 2, 2); change fewer axes at once, or export ONNX."
        )


# Three hundred more, without warnings counted as errors, are one program each fifty in test_random_graphs.py.
@pytest.mark.parametrize(
    "seed", [seed if seed % 4 == 0 else pytest.param(seed, marks=pytest.mark.slow) for seed in range(20)]
)
def test_random_graphs(seed, tmp_path, flags):
    graph = random_graph(seed)
    assert_exact(graph, tmp_path, random_codes(graph, 100, seed), flags)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 24))
def test_every_operator_with_more_formats(seed, tmp_path, flags):
    graph = operators_graph(seed)
    assert_exact(graph, tmp_path, random_codes(graph, 20, seed), flags, reuse=seed % 5 + 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 200))
def test_many_random_graphs(seed, tmp_path, flags):
    graph = random_graph(seed, steps=10)
    assert_exact(graph, tmp_path, random_codes(graph, 100, seed), flags)


@pytest.mark.parametrize(("make", "reuse"), [(mlp_graph, 1), (mlp_graph, 5), (resnet_graph, 3)])
def test_demo_graphs(make, reuse, tmp_path, flags):
    graph = make()
    assert_exact(graph, tmp_path, random_codes(graph, 50), flags, reuse=reuse)


def test_every_rounding_and_overflow(tmp_path, flags):
    """All pairs of modes on every code of nine bits: three bits dropped; and every overflow of a left shift."""
    nodes: list[Node] = [Input(name="x", shape=(1,), format=fmt("s9.4"))]
    casts = [("s4.1", rounding) for rounding in Rounding] + [("u4.1", rounding) for rounding in Rounding]
    casts += [(text, Rounding.RND) for text in ("s1.2", "u1.2", "s6.4", "u6.4", "s7.7", "u7.7", "s12.6", "u3.-2")]
    for text, rounding in casts:
        for mode in Overflow:
            if fmt(text).signed or mode is not Overflow.WRAP_SM:
                name = f"{text}.{rounding.value}.{mode.value}"
                nodes.append(Requantize(name=name, inputs=("x",), format=fmt(text), rounding=rounding, overflow=mode))
    assert len(nodes) == 1 + 7 * 5 + 7 * 4 + 4 * 5 + 4 * 4
    graph = Graph("modes", tuple(nodes), tuple(node.name for node in nodes[1:]))
    assert_exact(graph, tmp_path, np.arange(-256, 256)[:, None], flags)


def random_format(rng: np.random.Generator, frac: int) -> FixedPoint:
    return FixedPoint(int(rng.integers(1, 13)), frac, signed=bool(rng.integers(2)))


def operators_graph(seed: int) -> Graph:
    """Every operator behind a cast of its own, with formats far from the usual: frac negative, frac over width."""
    rng = np.random.default_rng(seed)
    frac = int(rng.integers(-8, 41))
    nodes: list[Node] = [Input(name="x", shape=(4, 5, 6), format=random_format(rng, frac))]

    def cast(name: str) -> str:
        form = random_format(rng, frac + int(rng.integers(-3, 3)))
        nodes.append(Requantize(name=f"{name}.in", inputs=("x",), format=form, overflow=Overflow.WRAP))
        return f"{name}.in"

    def tensor(*shape: int, near: int | None = None) -> Tensor:
        point = int(rng.integers(-8, 41)) if near is None else near + int(rng.integers(-6, 7))
        return random_tensor(rng, shape, str(random_format(rng, point)))

    def frac_of(name: str, weight: Tensor) -> int:
        return Graph("g", tuple(nodes), (name,)).values[name].format.frac + weight.format.frac

    for i, (groups, padding, stride) in enumerate([(1, (1, 0), (1, 2)), (2, (0, 2), (2, 1)), (4, (0, 0), (1, 1))]):
        source, weight = cast(f"conv{i}"), tensor(8, 4 // groups, 3, 2)
        bias = tensor(8, near=frac_of(source, weight)) if i else None
        nodes.append(Conv2d(name=f"conv{i}", inputs=(source,), weight=weight, bias=bias, groups=groups,
                            padding=padding, stride=stride))  # fmt: skip
    source, scale = cast("bn"), tensor(4)
    nodes.append(ScaleShift(name="bn", inputs=(source,), scale=scale, shift=tensor(4, near=frac_of(source, scale))))
    nodes.append(Relu(name="relu", inputs=(cast("relu"),)))
    nodes.append(Add(name="add", inputs=(cast("a"), cast("b"))))
    nodes.append(Add(name="twice", inputs=(cast("twice"), "twice.in")))
    nodes.append(MaxPool2d(name="max", inputs=(cast("max"),), kernel=(3, 2), stride=(2, 3)))
    reciprocal = Tensor(np.array(rng.integers(1, 100)), FixedPoint(7, int(rng.integers(-8, 41)), signed=False))
    nodes.append(AvgPool2d(name="avg", inputs=(cast("avg"),), kernel=(2, 3), stride=(1, 3), scale=reciprocal))
    nodes.append(Flatten(name="flat", inputs=(cast("flat"),)))
    for i, reads in enumerate(("flat", "bn.flat")):
        weight = tensor(7, 120)
        bias = tensor(7, near=frac_of("flat.in", weight)) if i else None
        nodes.append(Dense(name=f"fc{i}", inputs=("flat",), weight=weight, bias=bias, origin=reads))
    nodes.append(ArgMax(name="class", inputs=("fc0",)))
    ends = ("conv0", "conv1", "conv2", "bn", "relu", "add", "twice", "max", "avg", "flat", "fc1", "class")
    return Graph(f"operators_{seed}", tuple(nodes), ends)


@pytest.mark.parametrize("seed", [0, 3])
def test_every_operator(seed, tmp_path, flags):
    graph = operators_graph(seed)
    assert_exact(graph, tmp_path, random_codes(graph, 20, seed), flags, reuse=seed + 1)


def test_values_of_60_bits(tmp_path, flags):
    rng = np.random.default_rng(0)
    weight = random_tensor(rng, (3, 4), "s29.30")
    nodes = (
        Input(name="x", shape=(4,), format=fmt("s29.-5")),
        Dense(name="fc", inputs=("x",), weight=weight),
        Requantize(name="y", inputs=("fc",), format=fmt("s40.10"), rounding=Rounding.RND_CONV),
    )
    graph = Graph("wide", nodes, ("y",))
    assert graph.values["fc"].format.width >= 58
    assert_exact(graph, tmp_path, random_codes(graph, 50), flags)


def hostile_graph() -> Graph:
    """Names of keywords, macros, namespaces and paths, duplicates once cleaned, origins that would end a comment."""
    words = ["class", "3x3", "a-b", "a_b", "a.b", "errno", "assert", "std", "flow", "int8_t", "value_x", "../up", "X"]
    origin = 'x"\\\n#error */ ??/'
    nodes: list[Node] = [Input(name="hls", shape=(2,), format=fmt("s4.2"), origin=origin)]
    for word in words:
        nodes.append(Relu(name=word, inputs=(nodes[0].name,), origin=origin))
    total = nodes[1].name
    for word in words[1:]:
        nodes.append(Add(name=f"{word}_COPY1", inputs=(total, word)))
        total = nodes[-1].name
    return Graph('3x3 "net"\n', tuple(nodes), (total, "class", "hls"))


def test_hostile_names(tmp_path, flags):
    graph = hostile_graph()
    codes, project = random_codes(graph, 16), tmp_path / "p"
    write_tree(project, export_hls(graph, codes))
    actual, expected = simulate_csim(graph, project, codes, extra=flags, jobs=1), trace(graph, codes)
    assert [name for name in expected if not np.array_equal(actual[name], expected[name])] == []
    assert len(actual) == len(expected) == 26
    bench = compile_program(project, "testbench.cpp", extra=flags, jobs=1)
    assert run([bench, project / "vectors"]) == "16 samples, 96 codes compared, 0 mismatches\n"


@pytest.fixture(scope="module")
def bench(tmp_path_factory, flags):
    """The resnet's project and its compiled testbench, as a user of the vendor's tools runs it."""
    graph, project = resnet_graph(), tmp_path_factory.mktemp("bench") / "resnet"
    write_tree(project, export_hls(graph, random_codes(graph, 30)))
    return project, compile_program(project, "testbench.cpp", extra=flags, jobs=1)


def test_testbench_passes(bench):
    project, program_ = bench
    assert run([program_, project / "vectors"]) == "30 samples, 330 codes compared, 0 mismatches\n"
    assert run([program_], cwd=project) == "30 samples, 330 codes compared, 0 mismatches\n"


def copy_vectors(project, folder, name: str, edit) -> None:
    for path in (project / "vectors").iterdir():
        text = path.read_text()
        (folder / path.name).write_text(edit(text) if path.name == name else text)


def flip_word(text: str, line: int, word: int) -> str:
    lines = [row.split() for row in text.splitlines()]
    lines[line][word] = str(int(lines[line][word]) ^ 1)
    return "".join(" ".join(row) + "\n" for row in lines)


@pytest.mark.parametrize(("name", "layer", "word"), [("fc.dat", "fc", 7), ("class_n.dat", "class", 0)])
def test_testbench_stops_at_the_first_wrong_code(name, layer, word, bench, tmp_path):
    project, program_ = bench
    copy_vectors(project, tmp_path, name, lambda text: flip_word(text, 11, word))
    right = int((project / "vectors" / name).read_text().splitlines()[11].split()[word])
    with pytest.raises(ToolError) as caught:
        run([program_, tmp_path])
    line = f"MISMATCH layer {layer} sample 11 index {word} expected {right ^ 1} actual {right}"
    assert str(caught.value).endswith(f"failed with exit status 1; its last lines:\n{line}")


@pytest.mark.parametrize(
    ("name", "edit", "line"),
    [
        ("input.dat", lambda text: text.replace(" ", " 64 ", 1), "input.dat line 1 must hold 64 codes, not 65"),
        ("input.dat", lambda text: "x" + text, "input.dat line 1 must hold 64 codes, not 0"),
        ("input.dat", lambda text: "64" + text[text.index(" ") :], "the input code 64 does not fit its type of 6 bits"),
        ("fc.dat", lambda text: "", "every file of vectors must hold the same number of samples, at least one"),
    ],
)
def test_testbench_refuses_bad_vectors(name, edit, line, bench, tmp_path):
    project, program_ = bench
    copy_vectors(project, tmp_path, name, edit)
    with pytest.raises(ToolError, match=rf"exit status 2; its last lines:\nERROR .*{re.escape(line)}$"):
        run([program_, tmp_path])


def test_testbench_without_vectors(bench, tmp_path):
    with pytest.raises(
        ToolError, match=r"\nERROR cannot read .*; give the folder of the vectors as the first argument"
    ):
        run([bench[1], tmp_path / "none"])


@pytest.fixture(scope="module")
def small() -> Graph:
    """Two Dense layers and a cast between them that both rounds and overflows."""
    first, relu, _, last = mlp_graph(sizes=(6, 5, 4)).nodes[1:]
    cast = Requantize(name="fc1.out", inputs=("relu1",), format=fmt("u3.2"))
    weight = random_tensor(np.random.default_rng(1), (4, 5), "s6.6")
    return Graph("mlp", (mlp_graph(sizes=(6, 5)).input, first, relu, cast, replace(last, weight=weight)), ("fc2",))


def mutate(project, name: str, pattern: str, new: str) -> None:
    path = project / name
    text, count = re.subn(pattern, new, path.read_text(), count=1)
    assert count == 1
    path.write_text(text)


@pytest.mark.parametrize(
    ("name", "pattern", "new", "first"),
    [
        ("weights/fc1.h", r"(?<=\{\n    )-?\d+", "31", "fc1"),
        ("weights/fc2.h", r"(fc2_bias\[4\] = \{\n    )-?\d+", r"\g<1>31", "fc2"),
        ("layers.h", "AP_RND, AP_SAT", "AP_TRN, AP_SAT", "fc1.out"),
        ("layers.h", "AP_RND, AP_SAT", "AP_RND, AP_WRAP", "fc1.out"),
        ("layers.h", r"ap_ufixed<3, 1, AP_RND", "ap_ufixed<3, 2, AP_RND", "fc1.out"),
        ("include/flow_relu.h", r"> X\(0\)", "< X(0)", "relu1"),
        ("top.cpp", r"(fc2\()value_fc1_out", r"\1reinterpret_cast<mlp_types::fc1_out *>(value_input_n)", "fc2"),
    ],
)
def test_a_mutation_turns_the_rung_red(name, pattern, new, first, small, tmp_path, flags):
    """One changed code, mode, binary point, operator or wire in the emitted files shows, first at its own node."""
    codes = random_codes(small, 100)
    write_tree(tmp_path / "p", export_hls(small, codes))
    mutate(tmp_path / "p", name, pattern, new)
    actual, expected = simulate_csim(small, tmp_path / "p", codes, extra=flags, jobs=1), trace(small, codes)
    wrong = [node for node in expected if not np.array_equal(actual[node], expected[node])]
    assert wrong[0] == first


def test_nothing_is_compiled_twice(small, tmp_path, flags):
    codes, project = random_codes(small, 5), tmp_path / "p"
    write_tree(project, export_hls(small, codes))
    simulate_csim(small, project, codes, extra=flags)
    before = {path: path.stat().st_mtime_ns for path in (project / "build").iterdir()}
    simulate_csim(small, project, codes, extra=flags)
    assert {path: path.stat().st_mtime_ns for path in (project / "build").iterdir()} == before
    mutate(project, "weights/fc2.h", r"(?<=\{\n    )-?\d+", "31")
    simulate_csim(small, project, codes, extra=flags)
    added = [path.suffix for path in (project / "build").iterdir() if path not in before]
    assert sorted(added) == ["", ".cpp", ".o"]  # one unit and the program


def test_refusals(small, tmp_path, flags):
    codes, project = random_codes(small, 5), tmp_path / "p"
    with pytest.raises(SimulationError) as caught:
        simulate_csim(small, project, codes)
    assert str(caught.value) == f"Folder {str(project)!r} holds no trace.cpp; write the project there with flow export."
    with pytest.raises(DataError) as caught:
        simulate_csim(small, project, codes[:, :5])
    assert str(caught.value) == "Input 'input' takes codes of shape (N, *(6,)) with N >= 1, not (5, 5)."
    write_tree(project, export_hls(small))
    shorter = Graph("shorter", small.nodes[:-1], (small.nodes[-2].name,))
    with pytest.raises(SimulationError) as caught:
        simulate_csim(shorter, project, codes, extra=flags, jobs=1)
    assert str(caught.value) == (
        "The C simulation of 'shorter' must write 105 codes, not 125; export the project again from the same graph."
    )


def test_tool_names_compiler_and_headers():
    assert re.fullmatch(r"g\+\+ \d+\.\d+\.\d+, ap_fixed headers of hls4ml 1\.3\.\d+", tool())


def test_the_constants_as_synthesis_reads_them(small, tmp_path, flags):
    """The one branch for synthesis that g++ can run: constants as arrays of ap_int give the same bits."""
    codes = random_codes(small, 50)
    write_tree(tmp_path / "p", export_hls(small, codes))
    mutate(tmp_path / "p", "include/flow_fixed.h", "#ifdef __SYNTHESIS__", "#if 1")
    actual, expected = simulate_csim(small, tmp_path / "p", codes, extra=flags, jobs=1), trace(small, codes)
    assert [name for name in expected if not np.array_equal(actual[name], expected[name])] == []
    assert sum(value.size for value in actual.values()) == 50 * (6 + 5 + 5 + 5 + 4)
