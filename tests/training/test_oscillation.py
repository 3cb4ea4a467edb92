"""Points that swing stop where they mostly were, others go on, and a resumed watch knows what it saw."""

import io
import re

import pytest
import torch
from torch import nn

from flow.errors import RecipeError
from flow.training import Oscillation, fit, quantize, seeded
from flow.training.oscillation import PointGuard
from flow.training.quantizer import quantizers
from tests.training.test_fit import TEST, TRAIN, same, state_of


def model(**spec):
    with seeded(0):
        return quantize(nn.Sequential(nn.Linear(4, 3)), TRAIN[0][:64], granularity="channel", **spec)


def walk(guard, points, course):
    """Set the points to each position in turn, as an optimizer might, and return what the guard left."""
    seen = []
    for positions in course:
        with torch.no_grad():
            points.copy_(torch.tensor(positions).view_as(points))
        guard.look()
        seen.append(points.flatten().tolist())
    return seen


def watched(rule):
    qmodel = model()
    points = qmodel.layers["0"].weight_quantizer.frac
    with torch.no_grad():
        points.copy_(torch.tensor([[3.0], [3.0], [3.0]]))
    return qmodel, points, PointGuard(qmodel, rule)


def test_a_point_that_swings_too_often_stops_where_it_mostly_was():
    _, points, guard = watched(Oscillation(flips=2, window=10))
    course = [[3.6, 3.1, 2.9], [3.4, 3.2, 2.9], [3.6, 3.3, 2.2], [3.4, 3.4, 2.2], [9.0, 3.6, 2.9]]
    seen = walk(guard, points, course)
    assert seen[2] == [4.0, pytest.approx(3.3), pytest.approx(2.2)]  # 4, 3, 4: the third change, mostly at 4
    assert seen[3][0] == seen[4][0] == 4.0
    assert seen[4][1:] == [pytest.approx(3.6), pytest.approx(2.9)]  # one change and two
    assert guard.frozen()["layers.0.weight_quantizer.0"].flatten().tolist() == [True, False, False]


def test_each_window_counts_anew():
    _, points, guard = watched(Oscillation(flips=2, window=4))
    swing = [[2.9 + step % 2, 3.0, 3.0 + step] for step in range(12)]
    slow = [[3.0 + (step // 2) % 2, 3.0, 3.0] for step in range(12)]
    walk(guard, points, slow)
    assert not bool(guard.frozen()["layers.0.weight_quantizer.0"].any())
    walk(guard, points, swing)
    assert guard.frozen()["layers.0.weight_quantizer.0"].flatten().tolist() == [True, False, True]


def trained(**options):
    qmodel, seen = model(lengths="learned"), []
    options = {"epochs": 6, "seed": 1, "point_lr": 0.6, "frozen_from": 2.0, **options}
    fit(qmodel, TRAIN, TEST, on_epoch=lambda epoch, state: seen.append(state), **options)
    return qmodel, seen


def test_training_under_the_rule_ends_with_some_points_stopped_and_whole():
    rule = Oscillation(flips=2, window=24)
    qmodel, states = trained(oscillation=rule)
    tables = states[-1]["guard"]["tables"]
    stopped = 0
    for name, held in quantizers(qmodel).items():
        for index, points in enumerate(held.points()):
            table = tables[f"{name}.{index}"]
            assert torch.equal(points[table["frozen"]], table["held"][table["frozen"]])
            assert torch.equal(table["held"], table["held"].round())
            stopped += int(table["frozen"].sum())
    assert 0 < stopped < sum(point.numel() for held in quantizers(qmodel).values() for point in held.points())
    assert "guard" not in trained()[1][-1]


def test_a_watched_training_resumes_to_the_bit():
    rule = Oscillation(flips=2, window=24)
    whole, states = trained(oscillation=rule)
    stream = io.BytesIO()
    torch.save(states[1], stream)
    state = torch.load(io.BytesIO(stream.getvalue()), weights_only=True)
    resumed, again = trained(oscillation=rule, resume_state=state)
    assert same(state_of(whole), state_of(resumed))
    assert again[-1]["guard"]["steps"] == states[-1]["guard"]["steps"] == 6 * 8


@pytest.mark.parametrize(("flips", "window"), [(0, 100), (100, 100)])
def test_a_rule_without_meaning_is_refused(flips, window):
    message = f"A point may flip 1..99 times in a window of 100 steps, not {flips}."
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        Oscillation(flips, window)
