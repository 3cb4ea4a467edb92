"""Rows of constant matrices as tables inside additions: what they add up to, when they are chosen, what they take."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.exporters.verilog.spatial import export_spatial, plan_spatial, products
from flow.exporters.verilog.spatial.tables import LookUp, Row, look_ups
from flow.exporters.verilog.spatial.words import Choice
from flow.ir import Dense, Graph, Input, Tensor
from flow.synthesis import Family, synthesise
from tests.exporters.test_spatial import equal
from tests.graphs import fmt

once = settings(derandomize=True, deadline=None, max_examples=80)


def layer(source: str, weights: str, inputs: int = 12, outputs: int = 4) -> Graph:
    """One dense layer of random weights."""
    form = fmt(weights)
    codes = np.random.default_rng(0).integers(form.low, form.high, (outputs, inputs), endpoint=True)
    nodes = (
        Input(name="x", shape=(inputs,), format=fmt(source)),
        Dense(name="y", inputs=("x",), weight=Tensor(codes, form)),
    )
    return Graph("layer", nodes, ("y",))


def chosen(graph: Graph) -> Choice:
    (block,) = plan_spatial(graph, 0).blocks
    assert block.choice is not None
    return block.choice


def tables(row: Row) -> list[LookUp]:
    return [table for chain in row.chains for table in chain]


@once
@given(st.lists(st.tuples(st.integers(-70, 70), st.integers(0, 5)), min_size=1, max_size=24), st.integers(0, 999))
def test_tables_add_up_to_the_row(pairs: list[tuple[int, int]], seed: int):
    factors, widths = [f for f, _ in pairs], [w for _, w in pairs]
    row = look_ups(factors, widths)
    assert row.is_row(factors, widths)
    for x in np.random.default_rng(seed).integers(0, [1 << w for w in widths], (5, len(widths))).tolist():
        added = [t.at(sum((x[i] >> k & 1) << place for place, (i, k) in enumerate(t.taps))) for t in tables(row)]
        assert sum(added) == sum(f * v for f, v in zip(factors, x, strict=True))
    assert all(len(table.taps) <= 5 and min(table.entries) == 0 for table in tables(row))


def test_any_changed_entry_is_seen():
    factors, widths = [3, -7, 12], [2, 1, 2]
    row = look_ups(factors, widths)
    assert [len(table.taps) for table in tables(row)] == [5]
    (table,) = tables(row)
    for address in range(32):
        entries = tuple(entry + (place == address) for place, entry in enumerate(table.entries))
        assert not Row(((replace(table, entries=entries),),)).is_row(factors, widths)
    assert not row.is_row([3, -7, 13], widths)


def test_tables_for_few_bits_and_additions_for_many():
    few, many = chosen(layer("u1.1", "s8.7", 24)), chosen(layer("u8.8", "s6.5"))
    assert (few.added, few.looked_up) == (0, 4)
    assert few.luts == few.tables < 0.7 * few.additions
    assert many.luts <= min(many.additions, many.tables)
    assert chosen(layer("u8.8", "s6.5", 2)).looked_up == 0


def test_the_choice_stands_in_the_files():
    graph = layer("u1.1", "s8.7", 24)
    files, choice = export_spatial(graph), chosen(graph)
    assert json.loads(str(files["stream.json"]))["choices"]["y"]["looked_up"] == 4
    line = (
        f"// 4 of 4 sums of products are tables inside additions, the rest shifts and additions: {choice.luts} "
        f"LUTs as estimated, {choice.additions} without tables, {choice.tables} with tables only."
    )
    assert line in str(files["layer_block_y.sv"]).splitlines()


def test_tables_that_are_wrong_are_not_believed(monkeypatch: pytest.MonkeyPatch):
    graph, right = layer("u1.1", "s8.7", 24), look_ups

    def wrong(factors: list[int], widths: list[int]) -> Row:
        return right([factors[0] + 1, *factors[1:]], widths)

    monkeypatch.setattr(products, "look_ups", wrong)
    assert chosen(graph).looked_up == 0
    assert equal(graph, 50, 0) == 200


def test_signs_constants_and_all_codes():
    for source, weights, inputs in (
        ("u1.1", "s7.5", 9),
        ("s1.0", "s7.5", 9),
        ("u2.2", "s12.5", 5),
        ("s2.1", "s12.5", 5),
    ):
        graph = layer(source, weights, inputs)
        assert chosen(graph).looked_up
        form = fmt(source)
        grid = np.meshgrid(*[np.arange(form.low, form.high + 1)] * inputs)
        codes = np.stack([axis.ravel() for axis in grid], axis=1)
        assert equal(graph, 0, 0, codes) == 4 * len(codes)


@pytest.mark.slow
def test_tables_take_the_luts_that_the_choice_says(monkeypatch: pytest.MonkeyPatch):
    graph = layer("u1.1", "s8.7", 24)

    def area() -> int:
        block = {name: str(text) for name, text in export_spatial(graph, 0).items() if "_block_" in name}
        return synthesise(block, "layer_block_y", Family.XC7).area.lut

    with_tables, choice = area(), chosen(graph)
    monkeypatch.setattr(products, "look_ups", lambda factors, widths: Row(()))
    assert chosen(graph).looked_up == 0
    assert with_tables <= 1.1 * choice.luts
    assert with_tables < 0.8 * area()
