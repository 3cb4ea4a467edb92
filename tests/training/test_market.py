"""Costs counted by hand, and trainings that end where their budget says, resumed to the bit."""

import io
import json
from importlib.resources import files

import numpy as np
import pytest
import torch
from torch import nn

from flow.errors import RecipeError
from flow.training import Market, Pricing, SpatialCost, calibration, fit, quantize, seeded
from flow.training.priced import PricedConstant
from tests.training.models import example
from tests.training.test_fit import TEST, TRAIN, same, state_of

GROWTH = calibration().growth
OPTIONS = {"weights": "s8", "biases": "s8", "activations": "u3", "priced": True, "lengths": "learned"}


def network(seed=0):
    with seeded(seed):
        return quantize(nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 3)), TRAIN[0][:64], **OPTIONS)


def test_the_stored_curve_is_that_of_the_stored_points():
    held = json.loads((files("flow.training") / "data" / "additions.json").read_text())
    bits, luts = (np.array([point[key] for point in held["points"]]) for key in ("bits", "lut"))
    power, offset = np.polyfit(np.log(bits), np.log(luts), 1)
    assert (held["power"], held["scale"]) == (pytest.approx(power, rel=1e-3), pytest.approx(np.exp(offset), rel=1e-3))
    assert [calibration().luts(float(each)) for each in bits] == pytest.approx(luts, rel=0.05)
    assert calibration().bits(calibration().luts(1234.0)) == pytest.approx(1234.0)
    assert len(bits) >= 3 and held["tool"] and held["family"] and held["date"]


def test_a_dense_layer_counted_by_hand():
    model = nn.Sequential(nn.Linear(3, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 0.75, 0.0], [0.5, 0.0, 0.0]]))
        model[0].bias.copy_(torch.tensor([0.5, 0.0]))
    qmodel = quantize(model, example((3,)), weights="s8", biases="s8", input="s4", priced=True)
    qmodel.settle()
    # 0.75 = 1 - 0.25, so the first row has three digits, two additions, and a bias.
    assert float(SpatialCost(qmodel)()) == pytest.approx(2 * (4 + GROWTH) + (4 + GROWTH))


def test_a_convolution_counts_at_every_position_and_a_cast_for_every_value():
    model = nn.Sequential(nn.Conv2d(1, 1, 2, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(4, 1, bias=False))
    with torch.no_grad():
        model[0].weight.fill_(0.5)
        model[3].weight.fill_(1.0)
    qmodel = quantize(model, example((1, 3, 3)), weights="s8", activations="u4", input="u3", priced=True)
    qmodel.settle()
    assert float(SpatialCost(qmodel)()) == pytest.approx(4 * 3 * (3 + GROWTH) + 4 * (4 + 1) + 3 * (4 + GROWTH))


def test_words_without_a_price_count_with_the_digits_they_have():
    model = nn.Sequential(nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[7 / 8, 0.5]]))
    qmodel = quantize(model, example((2,)), weights="s4", input="s4")
    assert float(SpatialCost(qmodel)()) == pytest.approx(2 * (4 + GROWTH))  # 7 = 8 - 1


def test_the_slope_reaches_learned_lengths():
    qmodel = network()
    qmodel.settle()
    SpatialCost(qmodel)().backward()
    lengths = [held for name, held in qmodel.named_parameters() if name.endswith("quantizer.integer")]
    assert lengths and all(held.grad is not None and float(held.grad.abs().sum()) > 0 for held in lengths)


def test_training_ends_at_the_target_and_the_target_prunes():
    costs = {}
    for target in (120.0, 240.0):
        qmodel = network()
        result = fit(qmodel, TRAIN, TEST, epochs=40, seed=0, batch=16, lr=5e-3, pricing=Pricing(target))
        qmodel.settle()
        costs[target] = float(SpatialCost(qmodel)().detach())
        assert result.accuracy > 0.9
    assert costs[120.0] == pytest.approx(120, rel=0.15)
    assert costs[240.0] == pytest.approx(240, rel=0.15)


def test_the_target_is_asked_for_once_from_the_model_as_a_design():
    asked = []

    def retarget(model):
        asked.append((model.training, float(SpatialCost(model)().detach())))
        return 120.0

    qmodel = network()
    pricing = Pricing(240.0, retarget=retarget)
    fit(qmodel, TRAIN, TEST, epochs=40, seed=0, batch=16, lr=5e-3, pricing=pricing)
    assert [training for training, _ in asked] == [False]
    assert asked[0][1] == pytest.approx(240, rel=0.2)
    qmodel.settle()
    assert float(SpatialCost(qmodel)().detach()) == pytest.approx(120, rel=0.15)


def test_a_new_target_is_neared_from_above():
    model = network()
    market = Market(model, Pricing(100.0, retarget=lambda model: 60.0), 1000)
    goals = {}
    for market.seen in range(1000):
        if market.seen == 650:
            market._ask(market.pricing.retarget)
        goals[market.seen] = market.goal()
    assert goals[0] == market.first
    assert goals[600] == goals[649] == pytest.approx(100.0)
    assert goals[650] == pytest.approx(1.2 * 60.0)
    assert goals[777] > goals[778] == goals[999] == 60.0  # 85 % of the way to where prices are held
    assert all(goals[at] > goals[at + 1] for at in range(650, 777))


def test_a_training_with_prices_resumes_to_the_bit():
    pricing = Pricing(120.0, start=0.1, reached=0.2, measured=0.3, retarget=lambda model: 90.0)
    whole = network()
    fit(whole, TRAIN, TEST, epochs=6, seed=0, pricing=pricing)
    states = []
    stopped = network()
    fit(
        stopped,
        TRAIN,
        TEST,
        epochs=6,
        seed=0,
        pricing=pricing,
        on_epoch=lambda epoch, state: states.append(state),
    )
    buffer = io.BytesIO()
    torch.save(states[2], buffer)
    buffer.seek(0)
    again = network(seed=1)
    fit(again, TRAIN, TEST, epochs=6, seed=0, pricing=pricing, resume_state=torch.load(buffer, weights_only=True))
    same(state_of(whole), state_of(again))
    assert any(int(m.bought.sum()) for m in whole.modules() if isinstance(m, PricedConstant))


def test_one_rate_sets_all_prices_and_more_of_it_buys_less():
    qmodel = network()
    result = fit(qmodel, TRAIN, TEST, epochs=4, seed=0, pricing=Pricing(90.0))
    market = Market(qmodel, Pricing(90.0), 1)
    market.restore(result.state["market"])
    found = []
    for logarithm in (-20.0, -8.0, -6.0, -4.0, 20.0):
        market.set_rate(logarithm)
        qmodel.settle()
        found.append(sum(int(m.bought.sum()) for m in qmodel.modules() if isinstance(m, PricedConstant)))
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"target": 0.0},
            "A price needs a target, an exchange and a factor to grow by above 0, not 0.0, 300.0 and 1.2; give others.",
        ),
        (
            {"target": 9.0, "start": 0.7},
            "Prices start, reach their target, are measured and held at shares of the training in this order in 0..1, "
            "not at 0.7, 0.6, 0.65 and 0.8; give others.",
        ),
    ],
)
def test_prices_without_meaning_are_refused(options, message):
    with pytest.raises(RecipeError) as caught:
        Pricing(**options)
    assert str(caught.value) == message
