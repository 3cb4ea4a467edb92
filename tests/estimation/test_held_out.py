from pathlib import Path

import numpy as np
import pytest

import flow
from flow.estimation import estimate, load_board
from tests.estimation.held_out import (
    CYCLES,
    GROUPS,
    RESOURCES,
    digest,
    errors,
    estimated,
    measured,
    read_table,
    simulated,
    summaries,
)
from tests.estimation.held_out_designs import COUNT, KINDS, LOGIC, PARTS, design, kind_of

TABLE = read_table()
SMALL = (2, 44)  # two small ones
SIMULATED = (1, 62)
FIRST, ALL = KINDS[:4], [part.prefix + kind for part in PARTS for kind in part.kinds]
STREAM = tuple(kind for kind in FIRST if kind.startswith("stream"))
AGAIN = "run: python -m tests.estimation.held_out"
README = Path(flow.__file__).parents[1] / "README.md"


def test_the_table_has_as_many_designs_of_every_kind_on_all_boards():
    numbers = sorted(int(number) for number in TABLE["measured"])
    assert numbers == list(range(COUNT))
    for part, size in zip(PARTS, (15, 5, 6), strict=True):
        for kind in part.kinds:
            of_kind = [number for number in numbers if kind_of(number) == part.prefix + kind]
            assert len(of_kind) == size
            assert {design(number)[2] for number in of_kind} == set(part.boards)


def test_the_designs_are_still_those_that_were_measured():
    stale = [number for number in range(COUNT) if TABLE["measured"][str(number)]["digest"] != digest(number)]
    assert not stale, f"these designs have another text now; {AGAIN}"


def test_the_stored_errors_are_those_of_these_estimates_and_the_readme_has_them():
    assert sorted(kind for kinds in GROUPS.values() for kind in kinds) == sorted(ALL)
    assert summaries(TABLE) == TABLE["errors"], AGAIN
    told = README.read_text()
    for name, lut in TABLE["errors"]["lut"].items():
        ff = TABLE["errors"]["ff"][name]
        texts = [" / ".join(f"{found[key]:.1f}" for key in ("median", "p90", "max")) for found in (lut, ff)]
        assert f" | {texts[0]} % | {texts[1]} % |" in told, name


@pytest.mark.parametrize(("kinds", "median", "most"), [(FIRST, 5, 12), (STREAM, 2, 6), (("spatial conv",), 8, 12)])
def test_luts_of_designs_that_no_fit_has_seen(kinds, median, most):
    size = np.abs(errors(TABLE, kinds))
    assert len(size) == 15 * len(kinds)
    assert np.median(size) <= median
    assert np.quantile(size, 0.9) <= most


@pytest.mark.parametrize("kind", ALL)
def test_flip_flops_of_those_designs(kind):
    assert np.median(np.abs(errors(TABLE, (kind,), "ff"))) <= 5


def test_dsps_and_block_rams_of_those_designs_are_exact():
    for number, area in TABLE["measured"].items():
        guess = estimated(int(number))
        assert (guess["dsp"], guess["bram"]) == (area["dsp"], area["bram"]), number
    later = [TABLE["measured"][str(number)] for number in range(LOGIC, PARTS[2].first)]
    assert sum(area["dsp"] > 0 for area in later) > 10
    assert sum(area["bram"] > 0 for area in later) > 8


def test_cycles_of_those_designs_are_exact():
    for number, seen in TABLE["measured"].items():
        guess = estimated(int(number))
        assert [guess[key] for key in CYCLES] == [seen[key] for key in CYCLES], number


@pytest.mark.slow
@pytest.mark.parametrize("number", SMALL)
def test_synthesis_gives_the_table_again(number):
    assert measured(number).items() <= TABLE["measured"][str(number)].items()


@pytest.mark.slow
def test_simulation_gives_the_table_again():
    for number, cycles in simulated(SIMULATED).items():
        assert cycles.items() <= TABLE["measured"][str(number)].items()


def test_every_node_of_a_design_has_a_row():
    for number in range(0, COUNT, 9):
        graph, options, board = design(number)
        found = estimate(graph, load_board(board), **options)
        assert len(found.layers) == len(graph)
        assert found.total.lut > 0
    assert {*RESOURCES, *CYCLES} < set(TABLE["measured"]["0"])
