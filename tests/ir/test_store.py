from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from flow.errors import GraphError
from flow.ir import OPERATORS, SPEC_VERSION, Graph, dump, load, to_text, trace
from tests.graphs import mlp_graph, random_codes, random_graph, resnet_graph
from tests.ir.every_operator import (
    attention_operators,
    every_operator,
    first_operators,
    move_operators,
    softmax_operators,
    spatial_operators,
    truth_table_operators,
    two_pass_operators,
)

DATA = Path(__file__).parent / "data"
GRAPHS = [mlp_graph(), resnet_graph(), every_operator(), *(random_graph(seed) for seed in range(30))]


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.name)
def test_a_stored_graph_comes_back_equal(graph: Graph):
    again = load(dump(graph))
    assert again == graph
    assert to_text(again) == to_text(graph)
    assert again.values == graph.values
    codes = random_codes(graph, 2)
    first, second = trace(graph, codes), trace(again, codes)
    assert all(np.array_equal(first[name], second[name]) for name in graph.values)


def test_the_same_graph_gives_the_same_bytes():
    assert dump(every_operator()) == dump(every_operator())
    assert set(dump(every_operator())) == {"design.json", "design.npz"}
    assert dump(load(dump(resnet_graph()))) == dump(resnet_graph())


def test_every_field_of_every_operator_is_stored():
    header = json.loads(dump(every_operator())["design.json"])
    assert header["spec"] == SPEC_VERSION
    assert {entry["op"] for entry in header["nodes"]} == set(OPERATORS)
    for entry in header["nodes"]:
        assert set(entry) == {"op", *(field.name for field in fields(OPERATORS[entry["op"]]))}


def stored(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("folder", "make", "nodes"),
    [
        ("v1", first_operators, 46),
        ("v1_softmax", softmax_operators, 66),
        ("v1_spatial", spatial_operators, 5),
        ("v1_moves", move_operators, 7),
        ("v1_attention", attention_operators, 7),
        ("v1_truth_tables", truth_table_operators, 4),
        ("v1_two_pass", two_pass_operators, 4),
    ],
)
def test_version_1_stays_readable(folder: str, make: Callable[[], Graph], nodes: int):
    """The files were written when their operators came; they are never written again."""
    graph = load(stored(DATA / folder))
    assert graph == make()
    assert len(graph) == nodes


def broken(graph: Graph, **changes: object) -> dict[str, bytes]:
    files = dump(graph)
    header = {**json.loads(files["design.json"]), **changes}
    return {**files, "design.json": json.dumps(header).encode()}


def refusal(files: dict[str, bytes]) -> str:
    with pytest.raises(GraphError) as caught:
        load(files)
    return str(caught.value)


def test_a_newer_spec_is_refused():
    assert refusal(broken(mlp_graph(), spec=SPEC_VERSION + 1)) == (
        f"design.json has spec version {SPEC_VERSION + 1}, but this version of flow reads up to {SPEC_VERSION}; "
        "upgrade flow."
    )


def test_an_unknown_operator_is_refused():
    nodes = [{"op": "sparsemax", "name": "y", "inputs": [], "origin": ""}]
    message = "The stored graph uses operator 'sparsemax', which this version does not know."
    assert refusal(broken(mlp_graph(), nodes=nodes)) == message


def not_a_graph(reason: str) -> str:
    return f"design.json and design.npz do not hold a graph ({reason}); export the design again."


@pytest.mark.parametrize("name", ["design.json", "design.npz"])
def test_a_missing_file_is_named(name: str):
    files = dump(mlp_graph())
    del files[name]
    assert refusal(files) == not_a_graph(repr(name))


@pytest.mark.parametrize("name", ["design.json", "design.npz"])
def test_a_file_cut_anywhere_is_refused(name: str):
    files, cuts = dump(every_operator()), 0
    for length in range(0, len(files[name]) - 2, 97):
        message = refusal({**files, name: files[name][:length]})
        assert message.startswith("design.json and design.npz do not hold a graph (")
        assert message.endswith("); export the design again.")
        cuts += 1
    assert cuts > 20


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"nodes": 3}, "'int' object is not iterable"),
        ({"nodes": [{"op": "relu"}]}, "'name'"),
        ({"spec": "one"}, "'>' not supported between instances of 'str' and 'int'"),
        (
            {"nodes": [{"op": "input", "name": "x", "inputs": [], "origin": "", "shape": [1], "format": "q8"}]},
            "A fixed-point format is written like s8.4 or u6.-2, not 'q8'.",
        ),
    ],
)
def test_other_content_is_refused(changes: dict[str, object], reason: str):
    assert refusal(broken(mlp_graph(), **changes)) == not_a_graph(reason)


@pytest.mark.parametrize("content", [b"[]", b"null", b"3", b'"text"'])
def test_json_that_is_no_header_is_refused(content: bytes):
    assert refusal({**dump(mlp_graph()), "design.json": content}).startswith("design.json and design.npz do not hold")


def test_a_flipped_bit_is_refused_or_harmless():
    """The archive carries a checksum of every array; dates and the like may change."""
    graph, refused = mlp_graph(sizes=(4, 3, 2)), 0
    files = dump(graph)
    for place in range(len(files["design.npz"])):
        damaged = bytearray(files["design.npz"])
        damaged[place] ^= 1 << place % 8
        try:
            assert load({**files, "design.npz": bytes(damaged)}) == graph
        except GraphError as error:
            assert str(error).startswith("design.json and design.npz do not hold a graph (")
            refused += 1
    assert refused > len(files["design.npz"]) // 2
