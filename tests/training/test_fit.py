"""The loop: it learns, repeats itself to the bit, resumes to the bit, and leaves torch as it found it."""

import io
import math

import numpy as np
import pytest
import torch
from torch import nn

from flow.training import Pricing, accuracy, answers, cross_entropy, fit, quantize, seeded
from flow.training.quantizer import quantizers


def blobs(count=240, seed=0):
    """Three clouds of points, float32[N, 4] and labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    centres = np.array([[2, 0, 0, 1], [0, 2, 0, -1], [-1, -1, 2, 0]], dtype=np.float32)
    return (centres[labels] + rng.normal(0, 0.6, (count, 4))).astype(np.float32), labels


TRAIN, TEST = blobs(), blobs(90, seed=1)


def network(seed=0):
    with seeded(seed):
        return nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Dropout(0.2), nn.Linear(12, 3))


def quantised():
    return quantize(network(), TRAIN[0][:64], weights="s3", activations="u3")


def state_of(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(a, b):
    assert a.keys() == b.keys()
    assert len(a) > 3
    return all(torch.equal(a[name], b[name]) for name in a)


def test_it_learns_and_counts_every_epoch():
    model = network()
    seen = []
    result = fit(model, TRAIN, TEST, epochs=12, seed=0, on_epoch=lambda epoch, state: seen.append(epoch))
    assert tuple(seen) == result.epochs
    assert [epoch.number for epoch in seen] == list(range(1, 13))
    assert result.accuracy == seen[-1].accuracy == accuracy(model, TEST) > 0.9
    assert seen[-1].loss < seen[0].loss


@pytest.mark.parametrize("make", [network, quantised])
def test_the_seed_decides(make):
    results = []
    for seed in (0, 0, 1):
        model = make()
        torch.rand(3)  # what else draws random numbers must not matter
        fit(model, TRAIN, TEST, epochs=3, seed=seed)
        results.append(state_of(model))
    assert same(results[0], results[1])
    assert not same(results[0], results[2])


@pytest.mark.parametrize("make", [network, quantised])
@pytest.mark.parametrize("stop", [1, 5, 8])
def test_an_interrupted_training_resumes_to_the_bit(make, stop):
    whole = make()
    expected = fit(whole, TRAIN, TEST, epochs=10, seed=4)
    kept = {}

    def interrupt(epoch, state):
        if epoch.number == stop:
            stream = io.BytesIO()
            torch.save(state, stream)
            kept["bytes"] = stream.getvalue()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(make(), TRAIN, TEST, epochs=10, seed=4, on_epoch=interrupt)
    resumed = make()
    state = torch.load(io.BytesIO(kept["bytes"]), weights_only=True)
    result = fit(resumed, TRAIN, TEST, epochs=10, seed=4, resume_state=state)
    assert same(state_of(whole), state_of(resumed))
    assert result.epochs == expected.epochs
    assert len(result.epochs) == 10


def test_points_stand_still_at_the_end():
    model, course = quantised(), []

    def watch(epoch, state):
        course.append([quantizer.frac.item() for quantizer in quantizers(model).values()])

    fit(model, TRAIN, TEST, epochs=10, seed=0, point_lr=0.1, on_epoch=watch)
    assert course[6] != course[0]
    assert course[7] == course[8] == course[9]
    assert all(value == round(value) for value in course[9])


def test_step_sizes_fall_along_one_cosine():
    """240 samples in batches of 40 are 6 steps an epoch; the state after an epoch holds those of its last step."""
    seen = []
    fit(
        quantised(), TRAIN, TEST, epochs=5, seed=0, batch=40, lr=0.02, point_lr=0.5,
        on_epoch=lambda epoch, state: seen.append([group["lr"] for group in state["optimizer"]["param_groups"]]),
    )  # fmt: skip
    factors = [0.5 * (1 + math.cos(math.pi * (6 * epoch + 5) / 30)) for epoch in range(5)]
    assert seen == [[0.02 * factor, 0.5 * factor] for factor in factors]


def test_under_prices_points_come_to_rest_where_they_are_frozen():
    seen = []
    model = quantize(network(), TRAIN[0][:64], weights="s5", activations="u3", priced=True, lengths="learned")
    fit(
        model, TRAIN, TEST, epochs=5, seed=0, batch=40, lr=0.02, point_lr=0.5, frozen_from=0.6, pricing=Pricing(9e3),
        on_epoch=lambda epoch, state: seen.append([group["lr"] for group in state["optimizer"]["param_groups"]]),
    )  # fmt: skip
    steps = [6 * epoch + 5 for epoch in range(5)]
    weights, points = zip(*seen, strict=True)
    assert list(weights) == [0.02 * (0.5 * (1 + math.cos(math.pi * step / 30))) for step in steps]
    assert list(points) == [0.5 * (0.5 * (1 + math.cos(math.pi * min(step, 18) / 18))) for step in steps]


def test_nothing_is_left_changed():
    model, threads = network(), torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    fit(model, TRAIN, TEST, epochs=1, seed=0, threads=2)
    assert torch.equal(torch.rand(4), expected)
    assert torch.get_num_threads() == threads
    model.eval()
    accuracy(model, TEST)
    assert not model.training


def test_no_epoch_at_all_changes_nothing():
    model = quantised()
    before = state_of(model)
    result = fit(model, TRAIN, TEST, epochs=0, seed=0)
    assert same(before, state_of(model))
    assert result.epochs == ()
    assert np.isnan(result.accuracy)


def test_cross_entropy_is_the_mean_of_the_samples():
    model = network()
    with torch.no_grad():
        logits = model.eval()(torch.as_tensor(TEST[0])).double()
    expected = float((logits.logsumexp(1) - logits[torch.arange(90), torch.as_tensor(TEST[1])]).mean())
    assert cross_entropy(model.train(), TEST) == pytest.approx(expected, rel=1e-12)
    assert model.training


def test_shares_of_classes_teach_as_labels_do():
    shares = np.eye(3, dtype=np.float32)[TRAIN[1]]
    by_labels, by_shares = (fit(network(), lesson, TEST, epochs=6, seed=3) for lesson in (TRAIN, (TRAIN[0], shares)))
    assert [epoch.accuracy for epoch in by_labels.epochs] == [epoch.accuracy for epoch in by_shares.epochs]
    flat = np.full_like(shares, 1 / 3)
    assert fit(network(), (TRAIN[0], flat), TEST, epochs=6, seed=3).accuracy < by_labels.accuracy


def test_answers_are_shares_of_every_class():
    model = network()
    shares = answers(model, TRAIN[0])
    assert shares.shape == (len(TRAIN[0]), 3)
    assert torch.equal(shares.argmax(dim=1), model.eval()(torch.as_tensor(TRAIN[0])).argmax(dim=1))
    assert float((shares.sum(dim=1) - 1).abs().max()) < 1e-6
