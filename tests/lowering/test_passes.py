"""Each pass keeps every output code; all together end at a fixed point whose text is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flow.formats import FixedPoint, Overflow, Rounding
from flow.ir import (
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Input,
    MaxPool2d,
    Node,
    Pad,
    Relu,
    Requantize,
    Reshape,
    ScaleShift,
    Slice,
    Table,
    Tensor,
    Transpose,
    Upsample,
    interpret,
    to_text,
    trace,
)
from flow.lowering.passes import (
    PASSES,
    fold_batchnorm,
    fold_constants,
    fuse_requantizers,
    narrow_widths,
    remove_dead,
    simplify,
)
from tests.graphs import fmt, mlp_graph, random_codes, random_graph, random_tensor, resnet_graph
from tests.ir.random_graphs import drawn

DATA = Path(__file__).parent / "data"


def same(before: Graph, after: Graph, seed: int = 0, count: int = 40) -> int:
    """How many output codes were compared; all must agree, and mean the same."""
    codes = random_codes(before, count, seed)
    compared = 0
    results = zip(before.outputs, after.outputs, interpret(before, codes), interpret(after, codes), strict=True)
    for name, other, wanted, found in results:
        assert before.values[name].format.frac == after.values[other].format.frac
        assert np.array_equal(wanted, found), f"{name} in\n{to_text(before)}\n{to_text(after)}"
        compared += wanted.size
    return compared


def chain(*nodes: Node, source: str = "s8.4", shape: tuple[int, ...] = (2,)) -> Graph:
    return Graph("chain", (Input(name="x", shape=shape, format=fmt(source)), *nodes), (nodes[-1].name,))


def scale_shift(name: str, source: str, scale: str, shift: str, channels: int = 2, seed: int = 0) -> ScaleShift:
    rng = np.random.default_rng(seed)
    tensors = (random_tensor(rng, (channels,), text) for text in (scale, shift))
    return ScaleShift(name=name, inputs=(source,), scale=next(tensors), shift=next(tensors))


def constant(value: float, text: str, channels: int = 2) -> Tensor:
    form = fmt(text)
    return Tensor(np.full(channels, int(np.ldexp(value, form.frac))), form)


def plus(name: str, source: str, value: float, text: str = "s8.6") -> ScaleShift:
    return ScaleShift(name=name, inputs=(source,), scale=constant(1, "u1.0"), shift=constant(value, text))


@pytest.mark.parametrize("batch", range(6))
def test_every_pass_keeps_every_output_of_random_graphs(batch: int):
    compared = 0
    for seed in range(12 * batch, 12 * batch + 12):
        graph = random_graph(seed, spatial=seed % 4 != 0)
        for step in PASSES:
            after = step(graph)
            compared += same(graph, after, seed)
            graph = after
    assert compared > 10_000


@pytest.mark.parametrize("batch", range(3))
def test_every_pass_keeps_every_output_of_graphs_of_every_operator(batch: int):
    """As the campaign draws them: all operators, formats and modes, several outputs; and twice is once."""
    compared = 0
    for seed in range(50 * batch, 50 * batch + 50):
        graph = drawn(seed)
        for step in PASSES:
            after = step(graph)
            compared += same(graph, after, seed, 20)
            graph = after
        once = simplify(drawn(seed))
        assert simplify(once) == once
    assert compared > 100_000


@pytest.mark.parametrize("batch", range(4))
def test_simplifying_twice_changes_nothing(batch: int):
    for seed in range(10 * batch, 10 * batch + 10):
        graph = random_graph(seed, spatial=seed % 4 != 0)
        once = simplify(graph)
        assert simplify(once) == once
        assert same(graph, once, seed) > 0


@pytest.mark.parametrize("graph", [mlp_graph(), resnet_graph()], ids=lambda graph: graph.name)
def test_the_text_of_the_two_networks(graph: Graph):
    after = simplify(graph)
    assert to_text(after) == (DATA / f"{graph.name}_simplified.txt").read_text(encoding="utf-8")
    assert same(graph, after, count=200) >= 2000


def folding() -> Graph:
    """Everything that the passes know: offsets, chains, shapes, idle casts, a summand finer than its cast sees."""
    rng = np.random.default_rng(3)
    nodes: list[Node] = [
        Input(name="x", shape=(2, 4, 4), format=fmt("s6.3")),
        Conv2d(name="conv", inputs=("x",), weight=random_tensor(rng, (2, 2, 1, 1), "s3.2")),
        plus("bias", "conv", 0.28125, "s9.8"),
        Relu(name="relu", inputs=("bias",)),
        Requantize(name="cast", inputs=("relu",), format=fmt("u6.2"), rounding=Rounding.RND_CONV),
        Requantize(name="again", inputs=("cast",), format=fmt("u5.2"), overflow=Overflow.SAT_SYM),
        Relu(name="idle", inputs=("again",)),
        AvgPool2d(name="mean", inputs=("idle",), kernel=(4, 4), stride=(4, 4), scale=Tensor(np.array(1), fmt("u1.4"))),
        ScaleShift(name="gain", inputs=("mean",), scale=constant(3, "u4.1"), shift=constant(0, "u1.0")),
        Reshape(name="line", inputs=("gain",), shape=(1, 2)),
        Flatten(name="flat", inputs=("line",)),
        plus("half", "flat", 0.25, "s8.6"),
        Requantize(name="floor", inputs=("half",), format=fmt("u9.1"), rounding=Rounding.TRN),
        Dense(name="dead", inputs=("floor",), weight=random_tensor(rng, (3, 2), "s4.2")),
        Dense(name="fc", inputs=("floor",), weight=Tensor(np.array([[4, -8], [0, 12]]), fmt("s6.3"))),
        plus("offset", "fc", 0.5, "s4.2"),
    ]
    return Graph("folding", tuple(nodes), ("offset",))


def test_padding_and_upsampling_that_move_nothing_go():
    still = {"before": (0,), "after": (0,), "interior": (0,)}
    nodes = (
        Input(name="x", shape=(3,), format=fmt("s6.3")),
        Pad(name="idle", inputs=("x",), **still),
        Upsample(name="once", inputs=("idle",), factors=(1,)),
        Pad(name="moved", inputs=("once",), **{**still, "before": (1,), "after": (-1,)}),
        Upsample(name="twice", inputs=("moved",), factors=(2,)),
    )
    graph = Graph("still", nodes, ("twice",))
    after = simplify(graph)
    assert [node.name for node in after] == ["x", "moved", "twice"]
    assert same(graph, after) == 40 * 6


def test_moves_of_nothing_go_and_two_transpositions_are_one():
    whole = {"starts": (0, 0, 0), "stops": (1, 3, 4), "steps": (1, 1, 1)}
    nodes = (
        Input(name="x", shape=(1, 3, 4), format=fmt("s6.3")),
        Slice(name="all", inputs=("x",), **whole),
        Concat(name="alone", inputs=("all",), axis=1),
        Transpose(name="turned", inputs=("alone",), order=(2, 0, 1)),
        Transpose(name="again", inputs=("turned",), order=(2, 1, 0)),
        Transpose(name="ones", inputs=("again",), order=(1, 0, 2)),
        Slice(name="some", inputs=("turned",), starts=(1, 0, 0), stops=(4, 1, 3), steps=(2, 1, 1)),
    )
    graph = Graph("moves", nodes, ("ones", "some"))
    after = simplify(graph)
    assert [(node.name, node.op, *node.inputs) for node in after] == [
        ("x", "input"), ("turned", "transpose", "x"), ("ones", "reshape", "x"), ("some", "slice", "turned"),
    ]  # fmt: skip
    assert same(graph, after) == 40 * (12 + 6)


def test_the_text_of_a_graph_with_something_for_every_pass():
    graph = folding()
    after = simplify(graph)
    text = to_text(graph) + "\n" + to_text(after)
    assert text == (DATA / "folding.txt").read_text(encoding="utf-8")
    assert same(graph, after, count=500) == 1000
    assert simplify(after) == after


def test_batchnorm_is_folded_where_the_weights_get_no_wider_and_on_demand():
    rng = np.random.default_rng(0)
    dense = Dense(name="fc", inputs=("x",), weight=random_tensor(rng, (2, 2), "s4.3"), bias=constant(0.5, "s4.2"))
    wide = chain(dense, scale_shift("bn", "fc", "s5.3", "s6.2"))
    assert fold_batchnorm(wide) == wide
    folded = fold_batchnorm(wide, widest=12)
    assert [type(node) for node in folded] == [Input, Dense]
    assert same(wide, folded) == 80
    power = chain(dense, replace(scale_shift("bn", "fc", "s5.3", "s6.2"), scale=constant(4, "u4.0")))
    assert [node.name for node in fold_batchnorm(power)] == ["x", "bn"]
    assert same(power, fold_batchnorm(power)) == 80


def test_batchnorm_is_not_folded_into_a_layer_that_others_read():
    rng = np.random.default_rng(0)
    dense = Dense(name="fc", inputs=("x",), weight=random_tensor(rng, (2, 2), "s4.3"))
    graph = replace(chain(dense, plus("bn", "fc", 1.0)), outputs=("fc", "bn"))
    assert fold_batchnorm(graph, widest=24) == graph


@pytest.mark.parametrize(
    ("offset", "mode"), [(0.25, Rounding.RND), (0.1875, Rounding.RND_MIN_INF), (0.03, Rounding.TRN)]
)
def test_an_offset_and_a_floor_are_one_rounding(offset: float, mode: Rounding):
    """x has 4 fractional bits and the cast 1, so that half a step is 1/4 and a place 1/16."""
    cast = Requantize(name="y", inputs=("o",), format=fmt("s4.1"), rounding=Rounding.TRN)
    graph = chain(plus("o", "x", offset, "s10.8"), cast)
    after = fuse_requantizers(graph)
    assert [node.name for node in after] == ["x", "y"]
    assert after["y"].rounding is mode
    assert same(graph, after, count=400) == 800


def test_an_offset_below_the_place_stays_where_the_cast_is_finer():
    cast = Requantize(name="y", inputs=("o",), format=fmt("s9.5"), rounding=Rounding.TRN)
    graph = chain(plus("o", "x", 1 / 32, "s10.8"), cast)
    assert same(graph, fuse_requantizers(graph)) == 80


@pytest.mark.parametrize("offset", [0.125, -0.25, 0.3125])
def test_other_offsets_stay(offset: float):
    cast = Requantize(name="y", inputs=("o",), format=fmt("s4.1"), rounding=Rounding.TRN)
    graph = chain(plus("o", "x", offset, "s10.8"), cast)
    assert fuse_requantizers(graph) == graph


@pytest.mark.parametrize("target", ["s4.1", "s4.2", "s4.3", "s5.4", "s6.5"])
def test_every_offset_before_a_floor_keeps_every_code(target: str):
    """From -1 to 1 in halves of a place; the cast drops two bits, fewer, none, or adds some."""
    codes, compared = np.arange(-64, 64).reshape(-1, 2), 0
    for sixteenths in range(-16, 17):
        cast = Requantize(name="y", inputs=("o",), format=fmt(target), rounding=Rounding.TRN)
        graph = chain(plus("o", "x", sixteenths / 16, "s10.8"), cast, source="s7.3")
        wanted, found = interpret(graph, codes)[0], interpret(fuse_requantizers(graph), codes)[0]
        assert np.array_equal(wanted, found), to_text(graph)
        compared += wanted.size
    assert compared == 33 * 128


def test_two_casts_join_only_where_every_code_agrees():
    """All pairs of modes on all codes: whatever is joined computes the same, and enough is."""
    joined = 0
    codes = np.arange(-128, 128)[:, None]
    for first in Rounding:
        for second in Rounding:
            for texts in (("s6.3", "s5.2"), ("s8.2", "s4.2"), ("s6.2", "s4.0"), ("u7.5", "u4.2")):
                for mode in Overflow:
                    if mode is Overflow.WRAP_SM and texts[0][0] == "u":
                        continue
                    one = Requantize(name="a", inputs=("x",), format=fmt(texts[0]), rounding=first, overflow=mode)
                    two = Requantize(name="y", inputs=("a",), format=fmt(texts[1]), rounding=second)
                    graph = chain(one, two, shape=(1,))
                    after = fuse_requantizers(graph)
                    joined += len(after) < len(graph)
                    assert np.array_equal(interpret(graph, codes)[0], interpret(after, codes)[0]), to_text(graph)
    assert joined > 100


def test_narrowed_casts_agree_on_every_code():
    """Every mode, targets wide and narrow, both signs of the source."""
    narrower = 0
    for source in ("s7.3", "u7.3"):
        form = fmt(source)
        codes = np.arange(form.low, form.high + 1)[:, None]
        for rounding in Rounding:
            for mode in Overflow:
                for target in ("s9.3", "s5.1", "u5.3", "u12.1", "s12.6", "s3.3"):
                    if mode is Overflow.WRAP_SM and target[0] == "u":
                        continue
                    cast = Requantize(name="y", inputs=("x",), format=fmt(target), rounding=rounding, overflow=mode)
                    graph = chain(cast, Relu(name="z", inputs=("y",)), source=source, shape=(1,))
                    after = narrow_widths(graph)
                    narrower += after["y"].format.width < cast.format.width
                    assert np.array_equal(interpret(graph, codes)[0], interpret(after, codes)[0]), to_text(graph)
    assert narrower > 100


@pytest.mark.parametrize("rounding", Rounding, ids=lambda mode: mode.value)
def test_a_summand_is_cut_to_what_the_cast_sees(rounding: Rounding):
    """Every weight and a bias of 12 bits too many: one bit beyond the cast's last place is all that stays."""
    rng = np.random.default_rng(0)
    bias = Tensor(rng.integers(-(2**15), 2**15, 64), fmt("s16.16"))
    weight = Tensor(rng.integers(-4, 4, (64, 1)), fmt("s3.2"))
    dense = Dense(name="fc", inputs=("x",), weight=weight, bias=bias)
    for middle in ((), (Relu(name="relu", inputs=("fc",)),)):
        last = (dense, *middle)[-1].name
        cast = Requantize(name="y", inputs=(last,), format=fmt("s6.1"), rounding=rounding)
        graph = chain(dense, *middle, cast, source="s8.2", shape=(1,))
        after = simplify(graph)
        codes = np.arange(-128, 128)[:, None]
        assert np.array_equal(interpret(graph, codes)[0], interpret(after, codes)[0])
        assert (graph["fc"].bias.format.frac, after["fc"].bias.format.frac) == (16, 5)
        assert (graph.values["fc"].format.width, after.values["fc"].format.width) == (23, 12)


def test_tables_keep_the_place_of_their_entries():
    """A table reads codes, so that no binary point before it may move."""
    entries = Tensor(np.arange(64) * 2, fmt("u7.3"))
    nodes = (
        ScaleShift(name="gain", inputs=("x",), scale=constant(2, "u3.1"), shift=constant(0, "u1.0")),
        Requantize(name="cast", inputs=("gain",), format=fmt("u6.5"), rounding=Rounding.TRN),
        Table(name="y", inputs=("cast",), entries=entries, first=0),
    )
    graph = chain(*nodes, source="u5.4")
    assert same(graph, simplify(graph)) == 80


def test_points_move_only_where_a_cast_hides_them():
    nodes = (Dense(name="fc", inputs=("x",), weight=Tensor(np.array([[4, -8], [0, 12]]), fmt("s6.3"))),)
    graph = chain(*nodes)
    assert narrow_widths(graph)["fc"].weight.format == fmt("s5.3")
    hidden = chain(*nodes, Requantize(name="y", inputs=("fc",), format=fmt("s8.2")))
    assert narrow_widths(hidden)["fc"].weight.format == fmt("s3.1")
    assert same(hidden, narrow_widths(hidden)) == 80


def test_points_stay_where_the_cast_that_hides_them_goes():
    """Both casts change nothing; only one of them may take the other's binary point along."""
    graph = chain(
        Requantize(name="finer", inputs=("x",), format=fmt("u7.5")),
        MaxPool2d(name="middle", inputs=("finer",), kernel=(1, 2), stride=(1, 2)),
        Requantize(name="idle", inputs=("middle",), format=fmt("s9.5"), rounding=Rounding.TRN),
        Flatten(name="flat", inputs=("idle",)),
        Dense(name="y", inputs=("flat",), weight=Tensor(np.array([[3, -1]]), fmt("s3.0"))),
        source="u3.4",
        shape=(2, 1, 2),
    )
    after = fuse_requantizers(graph)
    assert [node.name for node in after] == ["x", "finer", "middle", "flat", "y"]
    assert same(graph, after) == 40


def test_dead_nodes_go_and_the_input_stays():
    graph = replace(mlp_graph(), outputs=("fc1",))
    assert [node.name for node in remove_dead(graph)] == ["input", "fc1"]
    nodes = (Dense(name="fc", inputs=("x",), weight=random_tensor(np.random.default_rng(0), (1, 2), "s3.1")),)
    assert len(remove_dead(chain(*nodes))) == 2


def test_outputs_keep_their_names():
    """An idle cast that leaves the design stays where it is."""
    graph = chain(
        MaxPool2d(name="p", inputs=("x",), kernel=(2, 2), stride=(2, 2)),
        Requantize(name="y", inputs=("p",), format=FixedPoint(8, 4)),
        shape=(1, 4, 4),
    )
    assert simplify(graph).outputs == ("y",)
    assert simplify(graph).values["y"].format == FixedPoint(8, 4)
    assert fold_constants(graph) == graph


def test_a_changed_bias_is_seen():
    graph = mlp_graph()
    after = simplify(graph)
    layer = after["fc2"]
    broken = replace(layer, bias=Tensor(layer.bias.codes ^ 8, FixedPoint(8, layer.bias.format.frac)))
    mutant = replace(after, nodes=tuple(broken if node is layer else node for node in after.nodes))
    with pytest.raises(AssertionError, match="fc3 in"):
        same(graph, mutant)
    assert trace(mutant, random_codes(graph, 2)).keys() == trace(after, random_codes(graph, 2)).keys()
