"""Words and options: what they mean, and every way to get them wrong."""

import re
from dataclasses import fields

import pytest

from flow.errors import RecipeError
from flow.formats import Overflow, Rounding
from flow.training import BatchNormMode, Spec, Word
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
