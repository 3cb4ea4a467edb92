"""Walks: counters that give back any list of places, and a memory as deep as they need."""

from __future__ import annotations

import numpy as np
import pytest

from flow.exporters.verilog.walk import ZERO, Walk, walk_of

IMAGE = np.arange(4 * 5 * 6).reshape(4, 5, 6)


def torn(rows: int, columns: int) -> np.ndarray:
    """Zeros between the pixels, as in front of a transposed convolution."""
    found = np.full((2 * rows - 1, 2 * columns - 1, 6), ZERO)
    found[::2, ::2] = IMAGE
    return found


LISTS = {
    "as it comes": (IMAGE, 1),
    "turned": (IMAGE.transpose(2, 0, 1), 2),
    "padded": (np.pad(IMAGE, ((1, 2), (0, 1), (0, 0)), constant_values=ZERO), 3),
    "torn": (torn(4, 5), 3),
    "repeated": (IMAGE.repeat(2, axis=0).repeat(3, axis=1), 5),
    "cut": (IMAGE[1:4:2, ::3, 1:5], 2),
    "one": (np.array([0]), 1),
    "zeros": (np.full((3, 4), ZERO), 2),
    "shuffled": (np.random.default_rng(0).permutation(30), 1),
}


def simulated(walk: Walk, depth: int) -> list[int] | None:
    """The beats of three samples read through a ring of `depth` beats; None where it stops."""
    ring, written, base, freed, found = [0] * depth, 0, 0, 0, []
    for sample in range(3):
        for step, place in enumerate(walk.places):
            while written - base <= max(place, 0):
                if written - base - freed >= depth:
                    return None
                ring[written % depth] = written
                written += 1
            found.append(ZERO if place == ZERO else ring[(base + place) % depth] - sample * walk.beats)
            if (step + 1) % walk.rounds == 0:
                freed = walk.freed[step // walk.rounds]
        base, freed = base + walk.beats, 0
    return found


@pytest.mark.parametrize("name", LISTS)
def test_counters_give_the_list_and_the_least_ring_holds_it(name: str):
    places, counters = LISTS[name]
    beats = int(places.max(initial=0)) + 1 + len(name) % 2  # sometimes a beat that nothing reads
    walk = walk_of(places.reshape(-1), beats)
    assert walk.places == tuple(places.reshape(-1).tolist())
    assert len(walk.axes) == counters
    assert simulated(walk, walk.least) == list(walk.places) * 3
    assert walk.least == 1 or simulated(walk, walk.least - 1) is None
    assert walk.depth & (walk.depth - 1) == 0 and walk.least <= walk.depth <= walk.ample


def test_random_lists_have_walks():
    rng = np.random.default_rng(1)
    for _ in range(200):
        beats = int(rng.integers(1, 13))
        places = rng.integers(ZERO, beats, int(rng.integers(1, 25)))
        walk = walk_of(places, beats)
        assert walk.places == tuple(places.tolist())
        assert simulated(walk, walk.least) == list(walk.places) * 3
