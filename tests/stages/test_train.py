"""Recipes whose training would do nothing are refused before the first epoch."""

import dataclasses

import pytest
from rich.console import Console

from flow import show
from flow.errors import RecipeError
from flow.progress import silent
from flow.recipe import Recipe, Training
from flow.stages.train import train_stage
from flow.training import NETS

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
        (
            {"train": Training(teacher="digits_cn")},
            "Recipe key 'train.teacher' must be file.py:function or one of " + ", ".join(NETS) + ", not 'digits_cn'.",
        ),
        (
            {"train": Training(teacher="glyph_mlp")},
            "Recipe key 'train.teacher'='glyph_mlp' answers [62] for a sample, but 'digits_mlp' [10]; name a net of as "
            "many classes.",
        ),
        (
            {"train": Training(teacher="jet_mlp")},
            "Recipe key 'train.teacher'='jet_mlp' does not take samples [1, 8, 8]: mat1 and mat2 shapes cannot be "
            "multiplied (8x8 and 16x64); name a net for this data set.",
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


def test_a_teacher_is_trained_first_and_named(tmp_path):
    recipe = dataclasses.replace(TINY, train=Training(float_epochs=4, epochs=2, teacher="digits_cnn"))
    project = train_stage(recipe, "r.yaml", tmp_path, silent)
    found = project.read_json("train.json", "train")
    console = Console(width=100, record=True)
    show.training(console, project)
    assert f"{100 * found['teacher']['accuracy']:.2f} %" in console.export_text()
    assert found["teacher"]["model"] == "digits_cnn"
    assert found["teacher"]["accuracy"] > 0.9 > found["float_accuracy"]  # four epochs of a net without convolutions
    assert [entry["part"] for entry in found["epochs"]] == ["float"] * 4 + ["learned"] * 2


def test_a_net_that_teaches_itself_has_no_other_teacher(tmp_path):
    accuracies = {}
    for teacher in (None, "digits_mlp"):
        recipe = dataclasses.replace(TINY, train=Training(float_epochs=2, epochs=1, teacher=teacher))
        held = train_stage(recipe, "r.yaml", tmp_path / str(teacher), silent).read_json("train.json", "train")
        assert held["teacher"] is None
        accuracies[teacher] = [entry["loss"] for entry in held["epochs"]]
    assert accuracies[None][:2] == accuracies["digits_mlp"][:2]  # in float both learn the labels
    assert accuracies[None][2] != accuracies["digits_mlp"][2]
