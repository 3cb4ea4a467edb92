"""The built-in nets at full size under cocotb, in a program on all their samples, and as netlists."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from tests.full_nets import FULL
from tests.nets import Design
from tests.simulation.hardware import (
    DIGITS,
    NETLIST_SAMPLES,
    SPATIAL,
    VECTORS,
    WAYS,
    Ran,
    of_net,
    page,
    ran,
    rows_of,
)

DESIGNS = [(name, "stream") for name in FULL] + [(name, "spatial") for name in SPATIAL]


@cache
def made(name: str) -> Design:
    return of_net(name)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "architecture"), DESIGNS)
def test_nets_of_full_size(name: str, architecture: str, way: str):
    """Every code that shows, and where nobody pauses the predicted interval and latency."""
    found, count = ran(name, made(name), architecture, way), VECTORS.get(name, DIGITS)
    assert found.passed, found
    assert (found.seen is not None) == (way == "program")
    assert found.vectors == {"program": 2 * count, "netlist": NETLIST_SAMPLES}.get(way, found.vectors) > 1
    values = made(name).graph.values
    shown = made(name).graph.outputs if way == "netlist" else values
    if architecture == "stream" or way == "netlist":
        assert found.codes == found.vectors * sum(values[node].size for node in shown)


def test_a_run_passes_only_with_equal_codes_in_the_predicted_cycles():
    right = Ran("net", "stream", "program", 2, 20, 0, (64, 90), (64, 90), 1.0)
    assert right.passed and replace(right, seen=None).passed
    assert not any(replace(right, **wrong).passed for wrong in ({"codes": 0}, {"mismatches": 1}, {"seen": (64, 91)}))


def test_the_page_has_a_line_for_every_run_in_the_order_of_the_nets_and_is_read_back():
    jets = Ran("jet_mlp", "stream", "program", 20000, 9000000, 0, (64, 228), (64, 228), 9.6)
    digits = Ran("digits_mlp", "spatial", "netlist", 16, 160, 1, (1, 23), None, 70.0)
    written = page([jets, digits, replace(digits, architecture="stream")])
    assert written.splitlines()[-3:] == [
        "| digits_mlp | stream | netlist | 16 | 160 | 1 | 1 | 23 | 70 |",
        "| digits_mlp | spatial | netlist | 16 | 160 | 1 | 1 | 23 | 70 |",
        "| jet_mlp | stream | program | 20,000 | 9,000,000 | 0 | 64 = 64 | 228 = 228 | 10 |",
    ]
    assert rows_of(written) == [replace(digits, architecture="stream"), digits, replace(jets, seconds=10)]
