"""Words of all kinds: what their text means, and every way in which a spec may not use them."""

import re

import pytest

from flow.errors import RecipeError
from flow.formats import Minifloat
from flow.training import Spec, Word
from flow.training.words import BlockWord, MinifloatWord, parse_word


@pytest.mark.parametrize("text", ["e4m3", "e2m1", "e3m2", "e5m2ieee", "e4m3fn", "e4m3fnuz", "ue3m3", "e0m2", "e7m0"])
def test_a_minifloat_is_written_as_flow_formats_writes_it(text):
    word = parse_word(text)
    assert isinstance(word, MinifloatWord)
    assert (str(word), word.form, word.width) == (text, Minifloat.parse(text), Minifloat.parse(text).bits)
    assert Spec(weights=text, activations=text).word("input") == word


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("mxfp4", "mxe2m1b32"),
        ("mxfp6_e2m3", "mxe2m3b32"),
        ("mxfp6_e3m2", "mxe3m2b32"),
        ("mxfp8_e4m3", "mxe4m3fnb32"),
        ("mxfp8_e5m2", "mxe5m2ieeeb32"),
        ("mxint8", "mxs8.6b32"),
        ("nvfp4", "nve2m1b16"),
        ("mxe2m1b16", "mxe2m1b16"),
        ("bke2m1b16xue5m3fn", "bke2m1b16xue5m3fn"),
    ],
)
def test_blocks_go_by_the_names_of_ocp_and_nvidia_or_by_their_format(text, form):
    word = parse_word(text)
    assert isinstance(word, BlockWord)
    assert (str(word), word.signed) == (form, True)
    assert word.fitted(positive=True) == word


def test_an_unsigned_word_becomes_a_signed_one_of_the_same_width():
    for text, signed in (("u6", "s6"), ("ue3m3", "e3m2"), ("ue2m1", "e2m0"), ("ue2m2fn", "e2m1")):
        word = parse_word(text)
        assert word.fitted(positive=True) == word
        assert str(word.fitted(positive=False)) == signed
        assert word.fitted(positive=False).width == word.width
    assert Word(6, signed=True).fitted(positive=True) == Word(6, signed=True)


REFUSED = [
    ({"weights": "e5m4"}, "A minifloat word has 3..8 bits and at most 7 of them exponent, not weights='e5m4'."),
    ({"weights": "ue8m0"}, "A minifloat word has 3..8 bits and at most 7 of them exponent, not weights='ue8m0'."),
    (
        {"activations": "ue4m0"},
        "An unsigned minifloat word gives up a mantissa bit for the sign where values are negative, which "
        "activations='ue4m0' cannot; use a signed one.",
    ),
    (
        {"weights": "e4m3b5"},
        "A word is s or u and a width of 1..32 bits like s8, a minifloat like e4m3 or a block format like mxfp4, not "
        "weights='e4m3b5'.",
    ),
    *(
        (
            {"weights": text},
            "A word is s or u and a width of 1..32 bits like s8, a minifloat like e4m3 or a block format like mxfp4, "
            f"not weights='{text}'.",
        )
        for text in ("s08", "s0", "s\u0663", "e04m3", "e4m03")
    ),
    *(
        (
            {"activations": "mxfp4", "rounding": mode},
            f"Blocks round to nearest even, not by rounding='{mode}', as activations='mxfp4' would; use RND.",
        )
        for mode in ("TRN", "TRN_ZERO", "RND_INF")
    ),
    (
        {"weights": "e0m3ieee"},
        "The minifloat weights='e0m3ieee' does not exist: IEEE specials need an exponent bit and a mantissa bit, which "
        "e0m3 lacks; use another.",
    ),
    (
        {"weights": "mxfp5"},
        "The block format weights='mxfp5' does not exist: write mxfp4, mxfp4_e2m1, mxfp6_e2m3, mxfp6_e3m2, mxfp8_e4m3, "
        "mxfp8_e5m2, mxint8, nvfp4, or one of flow.formats (A block format is written like mxe2m1b32, mxs8.6b32, "
        "nve2m1b16 or bke2m1b16xue5m3fn, not 'mxfp5'.)",
    ),
    (
        {"biases": "mxfp4"},
        "Blocks are for weights, activations, input, not biases='mxfp4'; use a word like s8 or e4m3.",
    ),
    (
        {"activations": "e4m3", "lengths": "learned"},
        "lengths='learned' needs fixed-point words, not activations='e4m3'; leave one out.",
    ),
    ({"scales": "e2m1", "khot": 2}, "khot=2 needs fixed-point words, not scales='e2m1'; leave one out."),
    (
        {"weights": "e4m3", "granularity": "element"},
        "granularity='element' needs fixed-point words, not weights='e4m3'; use channel.",
    ),
    (
        {"sums": "e4m3", "rounding": "RND_ZERO"},
        "Minifloats round by RND, RND_CONV, RND_INF, TRN_ZERO, TRN, not by rounding='RND_ZERO', as sums='e4m3' would.",
    ),
    (
        {"input": "e4m3", "overflow": "WRAP"},
        "Minifloats saturate, not overflow='WRAP', as input='e4m3' would; use SAT.",
    ),
    ({"stochastic": 1}, "stochastic is true or false, not 1."),
    (
        {"stochastic": True, "khot": 2},
        "stochastic=True needs words of given length with any digits, not khot=2; leave one out.",
    ),
    (
        {"stochastic": True, "lengths": "learned"},
        "stochastic=True needs words of given length with any digits, not lengths='learned'; leave one out.",
    ),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_means_nothing_is_refused_in_one_sentence(options, message):
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        Spec(**options)


def test_constants_round_to_nearest_whatever_the_casts_do():
    spec = Spec(weights="e4m3", scales="e3m2", activations="s8", rounding="RND_ZERO", overflow="WRAP")
    assert str(spec.word("weights")) == "e4m3"
