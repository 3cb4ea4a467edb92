"""Designs chosen for a number of DSPs or of cycles: against every choice there is."""

from __future__ import annotations

import itertools

import pytest

from flow.errors import ExportError
from flow.estimation import estimate, load_board
from flow.estimation.fitting import Search
from flow.estimation.meeting import depth_within, dsps_within, folding_within
from flow.exporters.verilog import folding_range
from flow.exporters.verilog.spatial import plan_spatial
from tests.graphs import mlp_graph

PYNQ = load_board("pynq_z2")
GRAPH = mlp_graph(sizes=(16, 12, 8, 4))


@pytest.mark.parametrize("limit", [0, 1, 5, 9, 12, 14, 100])
def test_no_other_layers_in_dsps_save_more_luts_within_the_limit(limit):
    names = [layer.name for layer in estimate(GRAPH, PYNQ, dsp=True).layers if layer.usage.dsp]
    assert len(names) == 3
    costs = []
    for count in range(len(names) + 1):
        for chosen in itertools.combinations(names, count):
            total = estimate(GRAPH, PYNQ, dsp=dict.fromkeys(chosen, True)).total
            costs.append((total.dsp, total.lut))
    assert len(costs) == 8
    dsp, count = dsps_within(GRAPH, PYNQ, limit)
    found = estimate(GRAPH, PYNQ, dsp=dsp).total
    assert found.dsp == count <= limit
    assert found.lut == pytest.approx(min(lut for used, lut in costs if used <= limit))


def test_the_folding_is_the_smallest_that_answers_in_time():
    low, high = folding_range(GRAPH)
    search = Search(GRAPH, PYNQ, dsp=False)
    costs = [search.at(target)[1] for target in range(low, high + 1)]
    for limit in sorted({cost.latency_cycles for cost in costs})[::3]:
        folding, cycles = folding_within(GRAPH, PYNQ, limit)
        found = estimate(GRAPH, PYNQ, folding=folding)
        assert cycles == found.latency_cycles <= limit
        assert found.total.lut == min(cost.total.lut for cost in costs if cost.latency_cycles <= limit)
    least = min(cost.latency_cycles for cost in costs)
    with pytest.raises(ExportError) as caught:
        folding_within(GRAPH, PYNQ, least - 1)
    assert str(caught.value) == (
        f"Design 'mlp' answers after {least} cycles in its fastest folding, not within {least - 1}; "
        f"allow {least} or more."
    )


def test_the_depth_has_the_fewest_additions_between_registers():
    graph = mlp_graph(sizes=(6, 4, 3))
    least = plan_spatial(graph, 0).latency_cycles
    cycles = {depth: plan_spatial(graph, depth).latency_cycles for depth in range(1, 9)}
    for limit in range(least, cycles[1] + 2):
        depth, found = depth_within(graph, limit)
        assert found == plan_spatial(graph, depth).latency_cycles <= limit
        assert all(taken > limit for other, taken in cycles.items() if 0 < other < depth)
    with pytest.raises(ExportError) as caught:
        depth_within(graph, least - 1)
    assert str(caught.value) == (
        f"Design 'mlp' answers after {least} cycles without registers inside, not within {least - 1}; allow {least} or "
        "more."
    )
