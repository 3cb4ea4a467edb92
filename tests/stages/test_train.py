"""Recipes whose training would do nothing are refused before the first epoch."""

import dataclasses

import pytest

from flow.errors import RecipeError
from flow.progress import silent
from flow.recipe import Recipe, Training
from flow.stages.train import train_stage

TINY = Recipe("tiny", "digits", "digits_mlp", train=Training(float_epochs=1, epochs=1))
LEARNED = {"quantize": {"lengths": "learned"}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train": Training(cost=1e-6)},
            "Recipe key 'train.cost'=1e-06 lowers learned word lengths only; give quantize.lengths: learned, or leave "
            "it out.",
        ),
        (
            {"train": Training(cost=1e-6, epochs=0), **LEARNED},
            "Recipe key 'train.cost'=1e-06 needs epochs to work in, not 'train.epochs'=0; give some, or leave it out.",
        ),
        (
            {"train": Training(oscillation={"flip": 3})},
            "Recipe key 'train.oscillation' has no key 'flip'; did you mean 'flips'?",
        ),
        (
            {"train": Training(oscillation={"flips": 0})},
            "A point may flip 1..99 times in a window of 100 steps, not 0.",
        ),
        (
            {"quantize": {"layers": {"fc9": {}}}},
            "The model has no layer 'fc9' as layers says; its layers are fc1, fc2, fc3.",
        ),
        ({"quantize": {"signed_digits": "no"}}, "signed_digits is true or false, not 'no'."),
    ],
)
def test_options_that_mean_nothing_are_refused_before_any_work(tmp_path, changes, message):
    with pytest.raises(RecipeError) as caught:
        train_stage(dataclasses.replace(TINY, **changes), "r.yaml", tmp_path / "build", silent)
    assert str(caught.value) == message
    assert not (tmp_path / "build").exists()


def test_a_cost_shortens_learned_words_and_leaves_the_others(tmp_path):
    options = {"layers": {"fc1": {"lengths": "learned"}}}
    found = {}
    for cost in (0.0, 1e-3):
        recipe = dataclasses.replace(TINY, train=Training(1, 2, point_lr=0.1, cost=cost), quantize=options)
        trained = train_stage(recipe, "r.yaml", tmp_path / f"{cost}", silent).read_json("train.json", "train")
        found[cost] = {place: int(form[1:].split(".")[0]) for place, form in trained["formats"].items()}
    assert found[1e-3]["fc1.out"] < found[0.0]["fc1.out"]
    assert {place for place in found[0.0] if found[0.0][place] != found[1e-3][place]} <= {
        "fc1.weight", "fc1.bias", "fc1.out",
    }  # fmt: skip
