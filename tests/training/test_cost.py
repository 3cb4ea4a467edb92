"""What a model costs in bits, counted by hand; and that training under a cost makes words shorter."""

import io

import torch
from torch import nn

from flow.training import bit_operations, constant_bits, fit, quantize, seeded, words
from tests.training.models import Functional, example, randomized
from tests.training.test_fit import TEST, TRAIN, same, state_of


def learned(granularity="element"):
    with seeded(0):
        model = nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 3))
    fit(model, TRAIN, TEST, epochs=4, seed=0)
    return quantize(model, TRAIN[0][:64], lengths="learned", granularity=granularity)


def test_fixed_words_counted_by_hand():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    model.append(nn.Linear(8, 3))
    qmodel = quantize(randomized(model, 0), example((1, 6, 6)), weights="s5", activations="u4", scales="s7", sums="s9")
    assert int(bit_operations(qmodel)) == (2 * 9) * 5 * 4 + 2 * 7 * 9 + (8 * 3) * 5 * 4
    assert int(constant_bits(qmodel)) == (18 + 24) * 5 + 2 * 8 + 3 * 8 + 2 * 7 + 2 * 8
    assert {place: (found.values, found.mean, found.folded) for place, found in words(qmodel).items()} == {
        "0.weight": (18, 5.0, 5), "0.bias": (2, 8.0, 8), "1.scale": (2, 7.0, 7), "1.shift": (2, 8.0, 8),
        "5.weight": (24, 5.0, 5), "5.bias": (3, 8.0, 8),
    }  # fmt: skip


def test_a_layer_used_twice_multiplies_twice_and_is_stored_once():
    qmodel = quantize(Functional(), example((2, 6, 6)))
    once = {step.layer: step for step in qmodel.steps}
    assert len(once) < len(qmodel.steps)
    stored = sum(p.numel() for name, p in qmodel.named_parameters() if name.endswith(".weight"))
    assert sum(found.values for place, found in words(qmodel).items() if place.endswith(".weight")) == stored


def test_folding_widens_by_how_far_points_lie_apart():
    qmodel = quantize(nn.Linear(4, 3), example((4,)), weights="s4", granularity="channel")
    with torch.no_grad():
        qmodel.layers["dense"].weight_quantizer.frac.copy_(torch.tensor([[2.0], [5.0], [3.0]]))
    found = words(qmodel)["dense.weight"]
    assert (found.mean, found.folded, found.growth) == (4.0, 7, 3.0)


def test_a_cost_makes_words_shorter():
    costs, accuracies = [], []
    for weight in (0.0, 3e-4):
        qmodel = learned()
        price = {"cost": lambda model, weight=weight: weight * bit_operations(model)}
        result = fit(qmodel, TRAIN, TEST, epochs=12, seed=0, batch=8, point_lr=5e-2, **price)
        costs.append(float(bit_operations(qmodel).detach()))
        accuracies.append(result.accuracy)
    assert costs[1] < costs[0] / 4
    assert sum(found.pruned for found in words(qmodel).values()) > 0
    assert accuracies[1] > 0.9


def test_learned_lengths_resume_to_the_bit():
    def run(**options):
        qmodel = learned("channel")
        seen = []
        fit(
            qmodel, TRAIN, TEST, epochs=5, seed=4, point_lr=0.1, cost=lambda m: 1e-4 * bit_operations(m),
            on_epoch=lambda epoch, state: seen.append(state), **options,
        )  # fmt: skip
        return qmodel, seen

    whole, states = run()
    stream = io.BytesIO()
    torch.save(states[2], stream)
    resumed, _ = run(resume_state=torch.load(io.BytesIO(stream.getvalue()), weights_only=True))
    assert same(state_of(whole), state_of(resumed))
    assert whole.formats() == resumed.formats()
