import numpy as np
import pytest

from flow.estimation import estimate, load_board
from tests.estimation.held_out import (
    BOARDS,
    COUNT,
    KINDS,
    RESOURCES,
    design,
    errors,
    estimated,
    measured,
    read_table,
)

TABLE = read_table()
SMALL = (2, 44)  # two small ones
STREAM = tuple(kind for kind in KINDS if kind.startswith("stream"))


def test_the_table_has_as_many_designs_of_every_kind_on_both_boards():
    numbers = sorted(int(number) for number in TABLE["measured"])
    assert numbers == list(range(COUNT))
    assert {design(number)[2] for number in numbers} == set(BOARDS)


@pytest.mark.parametrize(("kinds", "median", "most"), [(KINDS, 5, 12), (STREAM, 2, 6)])
def test_luts_of_designs_that_no_fit_has_seen(kinds, median, most):
    size = np.abs(errors(TABLE, kinds))
    assert len(size) == 15 * len(kinds)
    assert np.median(size) <= median
    assert np.quantile(size, 0.9) <= most


def test_dsps_and_block_rams_of_those_designs_are_exact():
    for number, area in TABLE["measured"].items():
        guess = estimated(int(number))
        assert (guess["dsp"], guess["bram"]) == (area["dsp"], area["bram"]), number


@pytest.mark.slow
@pytest.mark.parametrize("number", SMALL)
def test_synthesis_gives_the_table_again(number):
    assert measured(number) == TABLE["measured"][str(number)]


def test_every_design_can_be_estimated():
    for number in range(0, COUNT, 3):
        graph, options, board = design(number)
        found = estimate(graph, load_board(board), **options)
        assert len(found.layers) == len(graph)
        assert found.total.lut > 0
    assert set(RESOURCES) < set(TABLE["measured"]["0"])
