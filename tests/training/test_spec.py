"""Words and options: what they mean, and every way to get them wrong."""

import re
from dataclasses import fields

import pytest
import torch

from flow.errors import RecipeError
from flow.formats import Overflow, Rounding
from flow.training import BatchNormMode, Spec, Word, quantize
from flow.training.idle import check_idle
from flow.training.spec import spec_with


def test_text_and_members_mean_the_same():
    assert Spec(rounding="TRN", overflow="WRAP", batchnorm="folded") == Spec(
        rounding=Rounding.TRN, overflow=Overflow.WRAP, batchnorm=BatchNormMode.FOLDED
    )


def test_the_input_is_as_wide_as_activations_unless_said():
    assert Spec(activations="u5").word("input") == Word(5, signed=False)
    assert Spec(activations="u5", input="s8").word("input") == Word(8, signed=True)


@pytest.mark.parametrize("text", ["x8", "s0", "s33", "8", "", "s8.4", 8])
def test_a_bad_word_is_refused(text):
    message = (
        f"A word is s or u and a width of 1..32 bits like s8, a minifloat like e4m3 or a block format like mxfp4, not "
        f"weights={text!r}."
    )
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        Spec(weights=text)


def test_a_bad_mode_is_refused():
    message = "overflow must be one of WRAP, SAT, SAT_ZERO, SAT_SYM, WRAP_SM, not 'CLIP'."
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        Spec(overflow="CLIP")


def test_an_unknown_option_is_refused():
    with pytest.raises(RecipeError) as caught:
        spec_with(None, {"wieghts": "s8"})
    assert str(caught.value) == "Quantisation has no option 'wieghts'; did you mean 'weights'?"
    with pytest.raises(RecipeError) as caught:
        spec_with(None, {"zzz": "s8"})
    options = ", ".join(entry.name for entry in fields(Spec))
    assert str(caught.value) == f"Quantisation has no option 'zzz'; the options are {options}."


@pytest.mark.parametrize("text", ["s0", "s33", "u-1", "q8", "s8 ", None, 8.0, ("s8",)])
def test_no_role_takes_what_is_no_word(text):
    for role in ("weights", "activations", "biases", "sums", "scales", "shifts"):
        with pytest.raises(RecipeError) as caught:
            Spec(**{role: text})
        assert str(caught.value).startswith("A word is s or u and a width of 1..32 bits like s8, ")
        assert str(caught.value).endswith(f", not {role}={text!r}.")


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_flags_are_flags(value):
    for option in ("signed_digits", "stochastic"):
        with pytest.raises(RecipeError) as caught:
            Spec(**{option: value})
        assert str(caught.value) == f"{option} is true or false, not {value!r}."


def test_a_spec_is_a_spec():
    with pytest.raises(RecipeError) as caught:
        spec_with("s8", {})
    assert str(caught.value) == (
        "spec is a flow.training.Spec or None, not 's8'; give single options by name, such as weights='s8'."
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"signed_digits": False},
            "signed_digits=False says which digits khot counts, but khot is not given; give it too.",
        ),
        (
            {"layers": {"fc": {"signed_digits": False}}},
            "signed_digits=False says which digits khot counts, but khot is not given; give it too.",
        ),
        (
            {"layers": {"fc": {"accumulator_overflow": "SAT"}}},
            "accumulator_overflow='SAT' says how accumulators overflow, but accumulators is not given; give it too.",
        ),
        (
            {"accumulator_overflow": "SAT"},
            "accumulator_overflow='SAT' says how accumulators overflow, but accumulators is not given; give it too.",
        ),
        (
            {"batchnorm": "folded", "shifts": "s9"},
            "shifts='s9' is the word of BatchNorm's addition, which batchnorm='folded' leaves none of; "
            "set biases instead.",
        ),
    ],
)
def test_options_that_do_nothing_beside_the_others_are_refused(options, message):
    with pytest.raises(RecipeError) as caught:
        check_idle(Spec(**options))
    assert str(caught.value) == message
    with pytest.raises(RecipeError):
        quantize(torch.nn.Linear(4, 2), torch.ones(3, 4), **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"khot": 2, "signed_digits": False},
        {"signed_digits": False, "layers": {"fc": {"khot": 2}}},
        {"khot": 2, "layers": {"fc": {"signed_digits": False}}},
        {"batchnorm": "folded", "scales": "s9"},  # of the constant in an average over 3 x 3
        {"shifts": "s9"},
        {"accumulators": "s16", "accumulator_overflow": "SAT"},
        {"khot": 2, "granularity": "element"},
    ],
)
def test_options_that_do_something_are_not(options):
    check_idle(Spec(**options))


def test_an_unsigned_word_of_a_constant_is_a_wish_too():
    model = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Linear(2, 2))
    with torch.no_grad():
        model[0].weight.abs_()
        model[1].weight[0, 0] = -0.5
    formats = quantize(model, torch.ones(3, 4), weights="u5").formats()
    assert [str(formats[f"{index}.weight"]).split(".")[0] for index in (0, 1)] == ["u5", "s5"]
