"""Lessons: half of an epoch's samples are as they are, half lie between two, and the teacher answers all of them."""

import numpy as np
import pytest
import torch
from torch import nn

from flow.training import Lessons, answers, fit, seeded
from tests.training.test_fit import TEST, TRAIN, network, same, state_of


@pytest.fixture(scope="module")
def teacher():
    model = network(5)
    fit(model, TRAIN, TEST, epochs=16, seed=0, lr=1e-2)
    return model


def drawn(lessons, seed=0):
    with seeded(seed):
        return lessons.drawn()


def test_half_of_the_samples_lie_between_two(teacher):
    lessons = Lessons(TRAIN[0], teacher)
    x, y = drawn(lessons)
    held = torch.as_tensor(TRAIN[0])
    kept = (x == held).all(dim=1)
    assert 0.4 < float(kept.float().mean()) < 0.6
    assert torch.equal(y, answers(teacher, x))
    for sample, mixed in zip(held[~kept], x[~kept], strict=True):
        ways = held - sample
        share = ((mixed - sample) * ways).sum(1) / ways.square().sum(1).clamp(min=1e-9)
        misses = (sample + share.unsqueeze(1) * ways - mixed).abs().amax(1)
        assert bool(((misses < 1e-5) & (share >= 0) & (share <= 1)).any())


def test_every_epoch_draws_anew_and_repeats_itself(teacher):
    lessons = Lessons(TRAIN[0], teacher)
    first, again, other = drawn(lessons, 1), drawn(lessons, 1), drawn(lessons, 2)
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])


def test_plain_lessons_are_the_samples(teacher):
    x, y = Lessons(TRAIN[0], teacher).plain()
    assert np.array_equal(x.numpy(), TRAIN[0])
    assert torch.equal(y, answers(teacher, TRAIN[0]))


def test_integers_are_never_mixed():
    x = torch.arange(40).view(20, 2) % 7
    rows = nn.Sequential(nn.Embedding(7, 3), nn.Flatten(), nn.Linear(6, 3))
    found, shares = drawn(Lessons(x, rows))
    assert torch.equal(found, x)
    assert torch.equal(shares, answers(rows, x))


def test_a_student_learns_and_resumes_to_the_bit(teacher):
    lessons, states = Lessons(TRAIN[0], teacher), []
    whole = network()
    result = fit(whole, lessons, TEST, epochs=16, lr=1e-2, seed=1, on_epoch=lambda epoch, state: states.append(state))
    assert result.accuracy > 0.9
    resumed = network()
    fit(resumed, lessons, TEST, epochs=16, lr=1e-2, seed=1, resume_state=states[3])
    assert same(state_of(whole), state_of(resumed))
