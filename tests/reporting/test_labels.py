"""Names of points cover neither each other nor a point, and those that are needed are all there."""

from itertools import combinations

import numpy as np

from flow.reporting.labels import Box, placed

FRAME = Box(0, 0, 600, 300)


def boxes_of_points(points):
    return [Box(x - 4, y - 4, x + 4, y + 4) for _, x, y in points]


def test_boxes():
    box = Box(0, 0, 10, 10)
    assert box.covers(Box(9, 9, 20, 20))
    assert not box.covers(Box(10, 0, 20, 10))
    assert FRAME.holds(box)
    assert not box.holds(FRAME)


def test_no_label_covers_another_or_a_point():
    random, compared = np.random.default_rng(3), 0
    for count in (1, 10, 40):
        points = [(f"e{i}m{i}", *random.uniform((20, 20), (580, 280))) for i in range(count)]
        labels = placed(points, 8, FRAME)
        names = [label.name for label in labels]
        assert names[:8] == [name for name, _, _ in points[:8]]
        assert len(set(names)) == len(names)
        for one, two in combinations([label.box for label in labels], 2):
            assert not one.covers(two)
        for label in labels:
            assert FRAME.holds(label.box)
            assert not any(label.box.covers(dot) for dot in boxes_of_points(points))
            compared += 1
    assert compared > 30


def test_points_in_one_place_have_all_the_names_that_are_needed():
    points = [(f"same{i}", 300.0, 150.0) for i in range(9)]
    labels = placed(points, 7, FRAME)
    assert [label.name for label in labels] == [name for name, _, _ in points[:7]]
    assert [label.far for label in labels] == [False] * 4 + [True] * 3
    assert len({(label.x, label.y) for label in labels}) == 7
