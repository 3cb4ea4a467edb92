"""Recipes: the built-in ones load, and every way to get one wrong is one whole sentence."""

from __future__ import annotations

import dataclasses

import pytest

from flow.errors import RecipeError
from flow.recipe import Recipe, built_in_recipes, load_recipe

GOOD = "name: a\ndataset: digits\nmodel: digits_mlp\n"


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> str:
        (tmp_path / "r.yaml").write_text(text)
        return "r.yaml"

    return write


def test_options_keep_their_kinds_and_layers_their_mappings(written) -> None:
    text = "quantize: {khot: 2, signed_digits: false, weights: s4, layers: {1: {khot: 3}, fc: {weights: s5}}}"
    assert load_recipe(written(GOOD + text)).quantize == {
        "khot": 2, "signed_digits": False, "weights": "s4", "layers": {"1": {"khot": 3}, "fc": {"weights": "s5"}},
    }  # fmt: skip


@pytest.mark.parametrize(("text", "cost"), [("1e-6", 1e-6), ("1.0e-6", 1e-6), ("2E-3", 2e-3), ("1", 1.0), ("0", 0.0)])
def test_a_small_number_may_go_without_a_point(written, text: str, cost: float) -> None:
    assert load_recipe(written(GOOD + f"train: {{cost: {text}}}")).train.cost == cost


def test_the_rule_against_swinging_points(written) -> None:
    assert load_recipe(written(GOOD)).train.oscillation is None
    assert load_recipe(written(GOOD + "train: {oscillation: {flips: 3}}")).train.oscillation == {"flips": 3}


def test_built_in_recipes_load() -> None:
    assert built_in_recipes() == (
        "digits_budget", "digits_luts", "digits_luts16", "digits_mlp", "digits_resnet",
        "glyph_budget", "glyph_resnet20",
    )  # fmt: skip
    assert [load_recipe(name).name for name in built_in_recipes()] == list(built_in_recipes())


def test_defaults_are_those_of_the_dataclass(written) -> None:
    loaded = load_recipe(written(GOOD))
    assert loaded == Recipe("a", "digits", "digits_mlp", folder=loaded.folder)


def test_whole_numbers_serve_as_reals(written) -> None:
    assert load_recipe(written(GOOD + "train: {lr: 1}")).train.lr == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nepocs: 3", "Recipe 'r.yaml' has no key 'epocs'; did you mean 'exports'?"),
        (GOOD + "train: {epoch: 3}", "Recipe 'r.yaml', section 'train' has no key 'epoch'; did you mean 'epochs'?"),
        (
            GOOD + "train: {epochs: x}",
            "Recipe 'r.yaml', section 'train': key 'epochs' must be a whole number, not 'x'.",
        ),
        (GOOD + "train: {epochs: -1}", "Recipe key 'train.epochs' must be at least 0, not -1."),
        (GOOD + "seed: true", "Recipe 'r.yaml': key 'seed' must be a whole number, not True."),
        (GOOD + "train: {cost: -1}", "Recipe key 'train.cost' must be a finite number from 0, not -1.0."),
        (
            GOOD + "train: {budget: 8000}",
            "Recipe 'r.yaml', section 'train': key 'budget' must be a text, not 8000.",
        ),
        (
            GOOD + "train: {budget: few}",
            "A budget is a resource and its limit such as 'lut<=8000', not 'few'.",
        ),
        (GOOD + "train: {lr: .nan}", "Recipe key 'train.lr' must be a finite number from 0, not nan."),
        (
            GOOD + "train: {lr: fast}",
            "Recipe 'r.yaml', section 'train': key 'lr' must be a number such as 0.002, not 'fast'.",
        ),
        (
            GOOD + "train: {oscillation: true}",
            "Recipe 'r.yaml', section 'train': key 'oscillation' must be a mapping of names to whole numbers, "
            "not True.",
        ),
        (
            GOOD + "quantize: s4",
            "Recipe 'r.yaml': key 'quantize' must be a mapping of names to values, not 's4'.",
        ),
        ("name: 3", "Recipe 'r.yaml': key 'name' must be a text, not 3."),
        ("- a", "Recipe 'r.yaml' must be a mapping of keys to values, not ['a']."),
        (
            GOOD.replace("name: a", "name: a/../b"),
            "Recipe key 'name' may hold letters, digits, '_' and '-' only, not 'a/../b'.",
        ),
        ("name: a\ndataset: d", "Recipe 'r.yaml' lacks the key 'model'."),
        (
            GOOD + "rungs: [torch, simulink]",
            "Recipe key 'rungs' holds 'simulink', but may hold "
            "torch, interpreter, onnxruntime, csim, rtl, netlist, hls4ml only.",
        ),
        (GOOD + "boards: []", "Recipe key 'boards' must name at least one board; see `flow boards`."),
        (GOOD + "boards: pynq_z2", "Recipe 'r.yaml': key 'boards' must be a list of names, not 'pynq_z2'."),
    ],
)
def test_what_is_wrong_is_said_whole(written, text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(written(text))
    assert str(caught.value) == message


def test_a_file_that_is_not_yaml(written) -> None:
    with pytest.raises(RecipeError, match=r"^Recipe 'r.yaml' is not YAML: while parsing .* line 1, column 5.*\.$"):
        load_recipe(written("a: ["))


def test_a_recipe_that_does_not_exist(written) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("nothing")
    assert str(caught.value) == (
        "There is no recipe 'nothing'; give a YAML file or one of: digits_budget, digits_luts, digits_luts16, "
        "digits_mlp, digits_resnet, glyph_budget, glyph_resnet20."
    )


def test_yaml_cannot_construct_objects(written) -> None:
    with pytest.raises(RecipeError, match=r"^Recipe 'r.yaml' is not YAML: could not determine a constructor"):
        load_recipe(written("name: !!python/object/apply:os.system ['true']"))


@pytest.mark.parametrize("change", [{"seed": 1}, {"model": "x"}, {"quantize": {"weights": "s4"}}])
def test_the_training_digest_follows_what_weights_depend_on(change: dict) -> None:
    base = load_recipe("digits_mlp")
    assert dataclasses.replace(base, **change).training_digest() != base.training_digest()
    assert dataclasses.replace(base, boards=("kv260",)).training_digest() == base.training_digest()
