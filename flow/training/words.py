"""The words of a quantised model: a fixed-point word length, a minifloat, or blocks that share a scale.

What a word leaves open is where its values lie: the binary point, which training moves, or the scales of the blocks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flow.errors import FormatError, RecipeError
from flow.formats import BlockFormat, FloatRounding, Minifloat, Rounding

__all__ = ["FLOAT_ROUNDING", "AnyWord", "BlockWord", "MinifloatWord", "Word", "parse_word"]

_MAX_WORD = 32
_MINIFLOAT_BITS = (3, 8)
_MAX_EXPONENT = 7  # bits; values stay within float32's exponents wherever the binary point lies
_FIXED = re.compile(r"(?P<sign>[su])(?P<width>[1-9][0-9]*)")
_MINIFLOAT = re.compile(r"u?e(0|[1-9][0-9]*)m(0|[1-9][0-9]*)(ieee|fnuz|fn|)")
_BLOCK = re.compile(r"(mx|nv|bk).+")
# What a cast to a minifloat does where a recipe names a mode of ap_fixed. IEEE 754 has no ties towards plus infinity:
# RND, to nearest, is to nearest even there.
FLOAT_ROUNDING = {
    Rounding.RND: FloatRounding.NEAREST_EVEN,
    Rounding.RND_CONV: FloatRounding.NEAREST_EVEN,
    Rounding.RND_INF: FloatRounding.NEAREST_AWAY,
    Rounding.TRN_ZERO: FloatRounding.TOWARD_ZERO,
    Rounding.TRN: FloatRounding.DOWN,
}
# The names of OCP and of NVIDIA, and how flow.formats writes what they mean.
_BLOCK_NAMES = {
    "mxfp4": "mxe2m1b32",
    "mxfp4_e2m1": "mxe2m1b32",
    "mxfp6_e2m3": "mxe2m3b32",
    "mxfp6_e3m2": "mxe3m2b32",
    "mxfp8_e4m3": "mxe4m3fnb32",
    "mxfp8_e5m2": "mxe5m2ieeeb32",
    "mxint8": "mxs8.6b32",
    "nvfp4": "nve2m1b16",
}


@dataclass(frozen=True, slots=True)
class Word:
    """A word length whose binary point is still to be trained.

    >>> Word.parse("u6"), str(Word(8, signed=True))
    (Word(width=6, signed=False), 's8')
    """

    width: int
    signed: bool

    @classmethod
    def parse(cls, text: str, key: str = "word") -> Word:
        """Read the text form: `s` or `u`, then the width.

        Raises:
            RecipeError: the text is not like `s8`, or the width is not in 1..32; `key` names where it stood.
        """
        match = _FIXED.fullmatch(text) if isinstance(text, str) else None
        if match is None or not 1 <= int(match["width"]) <= _MAX_WORD:
            raise RecipeError(
                f"A word is s or u and a width of 1..{_MAX_WORD} bits like s8, a minifloat like e4m3 or a block "
                f"format like mxfp4, not {key}={text!r}."
            )
        return cls(int(match["width"]), signed=match["sign"] == "s")

    def __str__(self) -> str:
        return f"{'s' if self.signed else 'u'}{self.width}"

    def fitted(self, positive: bool) -> Word:
        """This word where nothing is negative, the signed one of its width elsewhere."""
        return Word(self.width, signed=self.signed or not positive)


@dataclass(frozen=True, slots=True)
class MinifloatWord:
    """A minifloat whose exponents are still to be moved by a power of two; `form` is the one with the usual bias.

    >>> word = MinifloatWord.parse("e4m3fn")
    >>> word.width, word.signed, str(word), str(MinifloatWord.parse("ue3m3").fitted(positive=False))
    (8, True, 'e4m3fn', 'e3m2')
    """

    form: Minifloat

    @classmethod
    def parse(cls, text: str, key: str = "word") -> MinifloatWord:
        """Read the text form of `flow.formats.Minifloat` without a bias.

        Raises:
            RecipeError: no such minifloat, more than 7 exponent bits, or not 3..8 bits in all.
        """
        try:
            form = Minifloat.parse(text)
        except FormatError as error:
            raise RecipeError(f"The minifloat {key}={text!r} does not exist: {error}") from None
        least, most = _MINIFLOAT_BITS
        if not least <= form.bits <= most or form.exponent > _MAX_EXPONENT:
            raise RecipeError(
                f"A minifloat word has {least}..{most} bits and at most {_MAX_EXPONENT} of them exponent, not "
                f"{key}={text!r}."
            )
        try:
            cls(form).fitted(positive=False)
        except FormatError:
            raise RecipeError(
                "An unsigned minifloat word gives up a mantissa bit for the sign where values are negative, which "
                f"{key}={text!r} cannot; use a signed one."
            ) from None
        return cls(form)

    def __str__(self) -> str:
        return str(self.form)

    @property
    def width(self) -> int:
        """Bits of a code."""
        return self.form.bits

    @property
    def signed(self) -> bool:
        """Whether a code has a sign."""
        return self.form.signed

    def fitted(self, positive: bool) -> MinifloatWord:
        """This word where nothing is negative; elsewhere the signed one of its width, a mantissa bit less."""
        if self.signed or positive:
            return self
        form = self.form
        return MinifloatWord(Minifloat.parse(f"e{form.exponent}m{form.mantissa - 1}{form.specials.value}"))

    def at(self, frac: int) -> Minifloat:
        """The minifloat whose lowest subnormal is `2**-frac`."""
        form = self.form
        return Minifloat(form.exponent, form.mantissa, frac + 1 - form.mantissa, form.specials, form.signed)


@dataclass(frozen=True, slots=True)
class BlockWord:
    """Narrow elements that share scales, which follow from the values.

    >>> str(BlockWord.parse("mxfp4")), str(BlockWord.parse("nvfp4")), BlockWord.parse("mxfp8_e4m3").width
    ('mxe2m1b32', 'nve2m1b16', 8)
    """

    form: BlockFormat

    @classmethod
    def parse(cls, text: str, key: str = "word") -> BlockWord:
        """Read a name of OCP or NVIDIA, or the text form of `flow.formats.BlockFormat`.

        Raises:
            RecipeError: no such block format.
        """
        try:
            return cls(BlockFormat.parse(_BLOCK_NAMES.get(text, text)))
        except FormatError as error:
            raise RecipeError(
                f"The block format {key}={text!r} does not exist: write {', '.join(_BLOCK_NAMES)}, or one of "
                f"flow.formats ({error})"
            ) from None

    def __str__(self) -> str:
        return str(self.form)

    @property
    def width(self) -> int:
        """Bits of an element, its share of the scale left out."""
        element = self.form.element
        return element.bits if isinstance(element, Minifloat) else element.width

    @property
    def signed(self) -> bool:
        """Elements have a sign."""
        return True

    def fitted(self, positive: bool) -> BlockWord:
        """This word: its elements have a sign in any case."""
        return self


AnyWord = Word | MinifloatWord | BlockWord


def parse_word(text: str, key: str = "word") -> AnyWord:
    """The word that a text names; `key` is where it stood, for messages.

    >>> [type(parse_word(text)).__name__ for text in ("s8", "e2m1", "mxfp4")]
    ['Word', 'MinifloatWord', 'BlockWord']

    Raises:
        RecipeError: it names none.
    """
    if isinstance(text, str) and _MINIFLOAT.fullmatch(text):
        return MinifloatWord.parse(text, key)
    if isinstance(text, str) and _BLOCK.fullmatch(text):
        return BlockWord.parse(text, key)
    return Word.parse(text, key)
