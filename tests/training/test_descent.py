"""Coordinate descent: a chain follows the net to the bit, and a sweep lowers what it says it lowers."""

import numpy as np
import pytest
import torch
from torch import nn

from flow.datasets import load
from flow.formats.khot import digit_count
from flow.training import Descent, Pricing, SpatialCost, answers, cross_entropy, digits_luts, fit, quantize, seeded
from flow.training.chain import Chain, chain_of

PRICED = {"weights": "s6", "biases": "s6", "activations": "u3", "input": "u3", "priced": True, "lengths": "learned",
          "cast_granularity": "element", "rounding": "TRN"}  # fmt: skip


@pytest.fixture(scope="module")
def samples():
    data = load("digits")
    return data.train_x[:300], data.train_y[:300]


def net(samples, **options):
    x = samples[0]
    with seeded(0):
        user = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 10))
    fit(user, samples, samples, epochs=6, seed=0)
    made = quantize(user, x, **{**PRICED, **options})
    fit(made, (x, answers(user, x)), samples, epochs=6, seed=0, pricing=Pricing(500.0))
    made.eval().settle()
    return made, answers(user, x)


def chain(model, samples, shares):
    return Chain(*chain_of(model), torch.as_tensor(samples[0]), shares.numpy())


def objective(model, samples, shares, rate):
    bits = float(SpatialCost(model.eval())().detach())
    return cross_entropy(model.eval(), (samples[0], shares)) + rate * bits, bits


def test_a_chain_is_the_net_and_stays_it_through_thousands_of_changes(samples):
    model, shares = net(samples)
    held, rng, changed = chain(model, samples, shares), np.random.default_rng(0), 0
    with torch.no_grad():
        assert np.array_equal(held.sums[-1], model(torch.as_tensor(samples[0])).numpy())
    steps = [link.layer.weight_quantizer.format.frac for link in held.links]
    for _ in range(2000):
        index = int(rng.integers(3))
        row, column = (int(rng.integers(size)) for size in held.weights[index].shape)
        move = np.float32(rng.choice([-1, 1]) * 2.0 ** -steps[index])
        effect = held.effect(index, row, move * held.inputs[index][:, column])
        if effect is not None:
            held.apply(index, row, effect)
            held.weights[index][row, column] += move
            changed += 1
    assert changed > 1000
    values = torch.from_numpy(held.inputs[0])
    for index, link in enumerate(held.links):
        sums = values @ torch.from_numpy(held.weights[index]).T + torch.from_numpy(held.biases[index])
        assert np.array_equal(held.sums[index], sums.numpy())
        values = sums
        with torch.no_grad():
            for layer in link.between:
                values = layer(values)
        if index < 2:
            assert np.array_equal(held.inputs[index + 1], values.numpy())
    expected = nn.functional.cross_entropy(values, shares, reduction="none").numpy()
    assert np.abs(held.loss - expected).max() < 1e-5  # of floats, added up in another order


def test_what_lies_beyond_the_tables_of_a_chain_is_no_effect(samples):
    model, shares = net(samples)
    held = chain(model, samples, shares)
    assert held.effect(0, 0, np.full(len(samples[0]), 1e6, np.float32)) is None
    assert held.effect(2, 0, np.full(len(samples[0]), 1e6, np.float32)) is not None  # no table behind the last layer


@pytest.mark.parametrize("signed_digits", [True, False])
def test_a_sweep_lowers_the_loss_with_its_price_and_leaves_codes_of_allowed_digits(samples, signed_digits):
    model, shares = net(samples, signed_digits=signed_digits, khot=2)
    before, _ = objective(model, samples, shares, 1e-4)
    assert Descent(model, samples[0], shares, seed=0).sweep(1e-4) > 10
    after, bits = objective(model, samples, shares, 1e-4)
    assert after < before
    for values, held in model.constants():
        codes = held.codes(values)
        assert not held.price.any() and np.array_equal(codes * 2.0**-held.format.frac, values.detach().numpy())
        assert digit_count(codes, signed_digits).max() <= 2
    Descent(model, samples[0], shares, seed=0).sweep(3e-3)
    assert float(SpatialCost(model)().detach()) < 0.8 * bits


def test_a_sweep_that_digits_cost_nothing_in_adds_some(samples):
    model, shares = net(samples)
    _, bits = objective(model, samples, shares, 0.0)
    Descent(model, samples[0], shares, seed=0).sweep(0.0)
    assert float(SpatialCost(model)().detach()) > bits


def test_a_sweep_stops_where_it_is_told_to(samples):
    model, shares = net(samples)
    _, bits = objective(model, samples, shares, 0.0)
    descent = Descent(model, samples[0], shares, seed=0)
    descent.sweep(1e-3, target=0.9 * bits)
    assert float(SpatialCost(model)().detach()) == pytest.approx(0.9 * bits, rel=0.02)
    descent.sweep(0.0, target=0.95 * bits)
    assert float(SpatialCost(model)().detach()) == pytest.approx(0.95 * bits, rel=0.02)


def test_the_same_seed_makes_the_same_changes_and_labels_do_as_shares(samples):
    found = []
    for _ in range(2):
        model, _ = net(samples)
        Descent(model, *samples, seed=3).sweep(1e-4)
        found.append([values.detach().numpy().copy() for values, _ in model.constants()])
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


def test_of_many_samples_some_are_drawn_with_their_labels(samples):
    x, y = (np.tile(part, (20, *[1] * (part.ndim - 1))) for part in samples)
    model, _ = net(samples)
    found = Descent(model, x, y, seed=0)
    assert len(found.x) == len(found.shares) == 2000
    known = {values.tobytes(): label for values, label in zip(*samples, strict=True)}
    assert all(known[a.numpy().tobytes()] == b.argmax() for a, b in zip(found.x, found.shares, strict=True))


class Twice(nn.Module):
    """A layer read twice."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        return self.two(nn.functional.relu(self.one(nn.functional.relu(self.one(x.flatten(1))))))


class Around(nn.Module):
    """A shortcut around a layer."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        x = x.flatten(1)
        return self.two(nn.functional.relu(x + self.one(x)))


@pytest.mark.parametrize(
    ("user", "options"),
    [
        (Twice(), {}),
        (Around(), {}),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.ReLU(), nn.Linear(144, 10)), {}),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), {"priced": False}),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10)), {"weights": "s16"}),
        (digits_luts(), {}),
    ],
)
def test_only_chains_of_priced_layers_with_short_words_are_served(samples, user, options):
    assert not Descent.serves(quantize(user, samples[0], **{**PRICED, **options}))
