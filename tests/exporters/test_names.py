from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.exporters.names import identifier, identifiers
from flow.ir import Graph, Input, Node, Relu
from tests.graphs import fmt

LEGAL = re.compile(r"[a-z][a-z0-9_]*")


def graph(*names: str) -> Graph:
    nodes: list[Node] = [Input(name=names[0], shape=(1,), format=fmt("u4.0"))]
    nodes += [Relu(name=name, inputs=(names[0],)) for name in names[1:]]
    return Graph("named", tuple(nodes), (names[-1],))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fc1", "fc1"),
        ("FC1", "fc1"),
        ("layers.0.fc", "layers_0_fc"),
        ("0", "n0"),
        ("", "n"),
        ("___", "n"),
        ("é", "n"),
        ("module", "module_n"),
        ("int", "int_n"),
        ("../../etc/passwd", "etc_passwd"),
        ("$(rm -rf)", "rm_rf"),
        ("a\nb;c`d", "a_b_c_d"),
        ("a__b", "a_b"),  # C++ keeps double underscores to itself
    ],
)
def test_one_name(name: str, expected: str):
    assert identifier(name) == expected


@settings(derandomize=True, max_examples=300)
@given(st.text(max_size=20))
def test_any_name_becomes_a_legal_one_and_stays_it(name: str):
    word = identifier(name)
    assert LEGAL.fullmatch(word)
    assert "__" not in word
    assert identifier(word) == word


@settings(derandomize=True, max_examples=200)
@given(
    st.lists(
        st.sampled_from(["a", "A", "a.", "a_2", "a__2", "a_2_2", "é", "ü", "int", "int_n", "1", "n1"]),
        min_size=1,
        unique=True,
    )
)
def test_names_of_a_graph_stay_different(names: list[str]):
    words = identifiers(graph(*names))
    assert list(words) == names
    assert len(set(words.values())) == len(names)
    assert all(LEGAL.fullmatch(word) for word in words.values())


def test_the_first_of_two_equal_words_keeps_it():
    assert identifiers(graph("conv.1", "conv_1", "CONV 1", "conv_1_2")) == {
        "conv.1": "conv_1",
        "conv_1": "conv_1_2",
        "CONV 1": "conv_1_3",
        "conv_1_2": "conv_1_2_2",
    }
