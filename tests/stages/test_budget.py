"""`flow train --budget`: what is refused, and a training that ends where Yosys says it should."""

from dataclasses import replace

import pytest

from flow.errors import RecipeError
from flow.estimation.budget import Budget
from flow.progress import silent
from flow.project import Project
from flow.recipe import Recipe, Training
from flow.stages.budget import Round, descend, estimated_luts, pricing_of, report_of, settle, starting_words
from flow.stages.models import dataset_of, network_of, quantized_of, recipe_of
from flow.stages.train import train_stage
from flow.training import Descent, SpatialCost, fit

TRAINING = Training(float_epochs=8, epochs=24, batch=64, lr=3e-3, teacher="digits_mlp")
SMALL = Recipe("small", "digits", "digits_mlp", train=TRAINING, quantize={"activations": "u2"})


def test_a_recipe_with_a_budget_is_spatial():
    assert SMALL.with_budget("lut<=900").verilog == {"architecture": "spatial"}
    assert SMALL.with_budget(None) is SMALL
    with pytest.raises(RecipeError) as caught:
        Recipe("a", "digits", "digits_mlp", verilog={"architecture": "stream"}).with_budget("lut<=900")
    assert str(caught.value) == (
        "Recipe key 'train.budget'='lut<=900' is for shifts and additions, not for verilog.architecture: stream; give "
        "spatial, or leave the budget out."
    )


def test_a_budget_needs_epochs(tmp_path):
    recipe = Recipe("a", "digits", "digits_mlp", train=Training(epochs=0, budget="lut<=900"))
    with pytest.raises(RecipeError) as caught:
        train_stage(recipe, "a", tmp_path, silent)
    assert str(caught.value) == (
        "Recipe key 'train.budget'='lut<=900' needs epochs to work in, not 'train.epochs'=0; give some, or leave it "
        "out."
    )


@pytest.mark.parametrize(
    ("limit", "products", "words"),
    [
        (2999, 1000, {"activations": "u2", "input": "u3"}),
        (3000, 1000, {"activations": "u3", "input": "u4"}),
        (6000, 1000, {"activations": "u4", "input": "u5"}),
        (6000, 0, {}),  # a net of tables
    ],
)
def test_lengths_start_where_the_budget_has_room_for_them(limit, products, words):
    free = replace(SMALL, quantize={})
    assert starting_words(free.with_budget(f"lut<={limit}"), products) == words
    assert starting_words(SMALL.with_budget(f"lut<={limit}"), products) == {}  # the recipe says where they start


def test_a_model_starts_with_the_words_of_its_budget():
    recipe = replace(SMALL, quantize={})
    data, network = dataset_of(recipe), network_of(recipe)
    for limit, bits in ((1000, 2), (11000, 3)):  # of 3,392 products
        model = quantized_of(recipe.with_budget(f"lut<={limit}"), data, network)
        assert SpatialCost(model).products == 64 * 32 + 32 * 32 + 32 * 10
        assert (model.spec.activations, model.spec.input) == (f"u{bits}", f"u{bits + 1}")


def test_the_report_says_whether_the_last_measurement_meets_it():
    rounds = [Round(1000.0, 970, 1100, 0.95), Round(880.0, 968, 985, 0.94)]
    found = report_of(SMALL.with_budget("lut<=1000"), rounds)
    assert (found["asked"], found["met"], found["estimated"], found["measured"]) == ("lut<=1000", True, 968, 985)
    assert found["percent_of_limit"] == 98.5
    assert found["priced"]
    assert not report_of(SMALL.with_budget("lut<=1000"), rounds[:1])["met"]


def test_a_net_that_wants_less_than_its_budget_has_met_it():
    wide, rounds = SMALL.with_budget("lut<=9000"), [Round(8000.0, 8100, 8200, 0.96), Round(7900.0, 8000, 8100, 0.96)]
    free = [rounds[1], replace(rounds[0], priced=False)]
    assert [report_of(wide, found)["met"] for found in (rounds, free)] == [False, True]
    assert not report_of(SMALL.with_budget("lut<=8000"), free)["met"]
    late = [replace(rounds[0], measured=9100, priced=False), rounds[1]]  # what counts is a free net within the budget
    assert not report_of(wide, late)["met"]


def test_training_on_stops_where_digits_have_no_price_left():
    """A budget far above what the net takes: nothing leads to it, so that nothing is tried."""
    recipe = replace(SMALL, train=replace(TRAINING, float_epochs=1, epochs=2)).with_budget("lut<=90000")
    data = dataset_of(recipe)
    model = quantized_of(recipe, data, network_of(recipe))
    few = data.train_x[:100], data.train_y[:100]
    pricing = replace(pricing_of(recipe, data), retarget=None)
    course = fit(model, few, data.test, epochs=1, seed=0, batch=50, pricing=pricing)
    expected, priced = settle(model, data, few, recipe, course.state["market"], 1.0, 1e6, rates=(0.1,))
    assert (priced, expected) == (False, estimated_luts(model, recipe))
    assert expected < 60_000


@pytest.mark.slow
def test_training_on_follows_the_estimate_to_where_it_is_asked():
    recipe = SMALL.with_budget("lut<=1500")
    data = dataset_of(recipe)
    model = quantized_of(recipe, data, network_of(recipe))
    pricing = replace(pricing_of(recipe, data), retarget=None)  # two epochs say little about where prices lead
    course = fit(model, data.train, data.test, epochs=2, seed=0, batch=64, pricing=pricing)
    asked = []
    for limit in (1200, 1800):
        to = recipe.with_budget(f"lut<={limit}")
        expected, priced = settle(model, data, data.train, to, course.state["market"], 0.9, 1500.0)
        assert priced
        assert expected == 0.9 * estimated_luts(model, recipe)
        assert expected == pytest.approx(0.985 * limit, rel=0.02)
        asked.append(float(SpatialCost(model)().detach()))
    assert asked[0] < asked[1]


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "rate"), [(1000, 2e-4), (1250, 1e-5)])
def test_digits_one_by_one_lead_to_where_it_is_asked(limit, rate):
    """From what counts as 1,150 LUTs, either way; one price for all digits may jump over it."""
    recipe = SMALL.with_budget(f"lut<={limit}")
    data = dataset_of(recipe)
    model = quantized_of(recipe, data, network_of(recipe))
    pricing = replace(pricing_of(recipe, data), target=1500.0, retarget=None)
    fit(model, data.train, data.test, epochs=4, seed=0, batch=64, lr=3e-3, pricing=pricing)
    model.eval().settle()
    ratio = 1150 / estimated_luts(model, recipe)
    few = data.train_x[:300], data.train_y[:300]
    _, expected = descend(Descent(model, *few, seed=0), recipe, ratio, rate)
    assert expected == ratio * estimated_luts(model, recipe)
    assert expected == pytest.approx(0.985 * limit, rel=0.02)


def test_a_budget_that_leaves_nothing_of_a_net_is_refused_while_it_trains(tmp_path):
    short = replace(TRAINING, float_epochs=1, epochs=6)
    recipe = replace(SMALL, train=short).with_budget("lut<=50")
    with pytest.raises(RecipeError) as caught:
        train_stage(recipe, "digits_mlp", tmp_path, silent)
    assert str(caught.value) == (
        "Recipe key 'train.budget'='lut<=50' is less than 'digits_mlp' needs as shifts and additions: training has "
        "left out so many digits that its results are the same for every sample; give a larger budget, or a net with "
        "fewer weights, those of a convolution counted once for each position."
    )


@pytest.mark.slow
def test_yosys_finds_the_trained_design_within_three_percent_of_its_budget(tmp_path):
    recipe = SMALL.with_budget("lut<=1500")
    project = train_stage(recipe, "digits_mlp", tmp_path, silent)
    found = project.read_json("train.json", "train")
    assert found["budget"]["met"]
    assert Budget("lut", 1500).met(found["budget"]["measured"])
    assert found["accuracy"] > 0.7
    assert recipe_of(Project(tmp_path / "small")).train.budget == "lut<=1500"
    again = train_stage(recipe, "digits_mlp", tmp_path, silent).read_json("train.json", "train")
    assert again == found
