"""Foldings for a pace and for a board: against every folding there is, and what is said where none does."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from flow.errors import ExportError
from flow.estimation import Board, Cost, estimate, fastest_folding, folding_for_pace, load_board
from flow.exporters.verilog import Space, alive, choose_folding, folding_range
from flow.ir import Dense, Graph, Input, Linear, Relu, Requantize
from tests.graphs import fmt, mlp_graph, random_tensor, resnet_graph

PYNQ = load_board("pynq_z2")


def board_of(luts: float, clock_mhz: float = 100) -> Board:
    """A board that should take so many LUTs."""
    held = replace(PYNQ.resources, lut=luts * 100 / PYNQ.ceilings.lut)
    return replace(PYNQ, name="small", clock_mhz=clock_mhz, resources=held)


def every_folding(graph: Graph) -> list[tuple[dict[str, tuple[int, int]], Cost]]:
    """All PE and SIMD that divide a chain of dense layers, each with its estimate."""
    layers = [node for node in graph if isinstance(node, Linear)]
    first = layers[0].weight.shape[1]
    found = []
    for lanes in itertools.product(*(range(1, n + 1) for n in (first, *(node.weight.shape[0] for node in layers)))):
        pairs = list(zip(layers, lanes[1:], lanes[:-1], strict=True))
        if all(node.weight.shape[0] % pe == 0 and node.weight.shape[1] % simd == 0 for node, pe, simd in pairs):
            folding = {node.name: (pe, simd) for node, pe, simd in pairs}
            found.append((folding, estimate(graph, PYNQ, folding=folding)))
    return found


def unequal_graph() -> Graph:
    """8-8-8, products of eight bits by eight and then of two by two."""
    rng, shape = np.random.default_rng(0), (8, 8)
    layers = ("fc1", "input", "s8.7"), ("fc2", "fc1.out", "s2.1")
    first, second = (
        Dense(
            name=name,
            inputs=(read,),
            weight=random_tensor(rng, shape, weight),
            bias=random_tensor(rng, shape[:1], weight),
        )
        for name, read, weight in layers
    )
    between = Relu(name="relu", inputs=("fc1",)), Requantize(name="fc1.out", inputs=("relu",), format=fmt("u2.1"))
    return Graph("unequal", (Input(name="input", shape=(8,), format=fmt("u8.8")), first, *between, second), ("fc2",))


@pytest.fixture(scope="module")
def small() -> Graph:
    return mlp_graph(sizes=(8, 6, 4))


@pytest.fixture(scope="module", params=["small", "unequal"])
def foldings(request: pytest.FixtureRequest, small: Graph) -> tuple[Graph, list[Cost]]:
    graph = small if request.param == "small" else unequal_graph()
    found = [cost for _, cost in every_folding(graph)]
    assert len(found) == (4 * 4 * 3 if request.param == "small" else 4 * 4 * 4)
    assert not any(cost.total.bram or cost.total.dsp for cost in found)
    return graph, found


def test_the_fastest_that_fits_is_the_fastest_of_all_foldings(foldings):
    graph, costs = foldings
    for luts in sorted(cost.total.lut for cost in costs)[::5]:
        chosen = estimate(graph, PYNQ, folding=fastest_folding(graph, board_of(luts + 0.5)))
        assert chosen.total.lut <= luts
        assert chosen.ii_cycles == min(cost.ii_cycles for cost in costs if cost.total.lut <= luts)


def test_a_pace_is_kept_by_the_fewest_luts(foldings):
    graph, costs = foldings
    for target in sorted({cost.ii_cycles for cost in costs}):
        chosen = estimate(graph, PYNQ, folding=folding_for_pace(graph, PYNQ, 1e6 * PYNQ.clock_mhz / target))
        assert chosen.ii_cycles <= target
        assert chosen.total.lut == min(cost.total.lut for cost in costs if cost.ii_cycles <= target)


def test_a_net_of_images_keeps_its_pace_by_the_fewest_luts():
    graph = resnet_graph(size=4)
    space, costs = Space.of(alive(graph)), []
    for lanes in itertools.product(*space.domains.values()):
        chosen = space.folding(dict(zip(space.domains, lanes, strict=True)))
        pairs = {name: (fold.pe, fold.simd) for name, fold in chosen.items()}
        costs.append(estimate(graph, PYNQ, folding=pairs))
    assert len(costs) == 4 * 4
    for target in sorted({cost.ii_cycles for cost in costs}):
        found = estimate(graph, PYNQ, folding=folding_for_pace(graph, PYNQ, 1e6 * PYNQ.clock_mhz / target))
        assert found.ii_cycles <= target
        assert found.total.lut == min(cost.total.lut for cost in costs if cost.ii_cycles <= target)


def test_images_fill_a_board_as_far_as_they_may():
    graph = resnet_graph(size=4, channels=4)
    least, most = (estimate(graph, PYNQ, folding=fold(graph)).total.lut for fold in (smallest_folding, largest_folding))
    limits = 1.1 * least, (least + most) / 2
    slow, fast = (estimate(graph, PYNQ, folding=fastest_folding(graph, board_of(luts))) for luts in limits)
    assert slow.total.lut <= limits[0] < fast.total.lut <= limits[1]
    assert fast.ii_cycles < slow.ii_cycles


def smallest_folding(graph: Graph) -> dict[str, tuple[int, int]]:
    return {name: (fold.pe, fold.simd) for name, fold in choose_folding(graph, folding_range(graph)[1]).items()}


def largest_folding(graph: Graph) -> dict[str, tuple[int, int]]:
    return {name: (fold.pe, fold.simd) for name, fold in choose_folding(graph, folding_range(graph)[0]).items()}


def refusal(call, *arguments) -> str:
    with pytest.raises(ExportError) as caught:
        call(*arguments)
    return str(caught.value)


def test_a_pace_that_no_folding_has(small):
    assert refusal(folding_for_pace, small, PYNQ, 160e6) == (
        "Design 'mlp' makes at most 100,000,000 samples a second at the 100 MHz of pynq_z2, 1 cycle each, not "
        "160,000,000; ask for fewer, or take a board with a faster clock."
    )


def test_a_design_larger_than_the_board_says_by_how_much_and_what_fits(small):
    luts = int(1.2 * estimate(small, PYNQ, folding=smallest_folding(small)).total.lut)
    board = board_of(luts)
    found = estimate(small, PYNQ, folding=fastest_folding(small, board))
    large = estimate(small, PYNQ, folding=folding_for_pace(small, PYNQ, 25e6))
    assert refusal(folding_for_pace, small, board, 25e6) == (
        f"Design 'mlp' at 25,000,000 samples a second takes {large.total.lut:,.0f} LUT, "
        f"{large.total.lut / luts:.2f} times the {luts:,} that small should fill at most; the fastest folding that "
        f"fits makes {100_000_000 // found.ii_cycles:,} ({found.ii_cycles} cycles each)."
    )


def test_a_design_that_fits_in_no_folding(small):
    board, least = board_of(100), min(cost.total.lut for _, cost in every_folding(small))
    assert refusal(fastest_folding, small, board) == (
        f"Design 'mlp' does not fit small: in its smallest folding it takes {least:,.0f} LUT, {least / 100:.2f} times "
        "the 100 that small should fill at most; take a larger board or fewer bits."
    )
    assert refusal(folding_for_pace, small, board, 1.0).endswith(
        "; no folding fits; take a larger board or fewer bits."
    )
