"""What a quantised model shall look like: word lengths by role, rounding, overflow, and what becomes of BatchNorm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any

from flow.errors import RecipeError, did_you_mean
from flow.formats import Overflow, Rounding
from flow.training.words import FLOAT_ROUNDING, AnyWord, BlockWord, MinifloatWord, Word, parse_word

__all__ = ["MOST_ADDRESS_BITS", "BatchNormMode", "Granularity", "Lengths", "Spec", "Word", "spec_with"]

_MAX_KHOT_WORD = 16
_MAX_TABLE_WORD = 12
MOST_ADDRESS_BITS = 6  # inputs of a LUT
_WHOLE = ("input", "batchnorm", "layers", "priced")  # options that no layer has of its own
_LAYERS = "layers maps module paths to options, such as {'fc1': {'weights': 's4'}}, not"


class BatchNormMode(Enum):
    """FIXED keeps a per-channel multiplication and addition, FOLDED puts them into the layer before."""

    FIXED = "fixed"
    FOLDED = "folded"


class Granularity(Enum):
    """How many values of a constant share one binary point: all, those of one output channel, or one alone."""

    TENSOR = "tensor"
    CHANNEL = "channel"
    ELEMENT = "element"


class Lengths(Enum):
    """Whether word lengths stay as given, or start there and are trained together with the binary points."""

    FIXED = "fixed"
    LEARNED = "learned"


_WORDS = (
    "weights", "activations", "biases", "sums", "scales", "shifts", "input", "tables", "addresses", "accumulators"
)  # fmt: skip
_CASTS = ("activations", "sums", "input")
_BLOCKED = ("weights", "activations", "input")
_SATURATING = (Overflow.SAT, Overflow.SAT_SYM)
_TO_EVEN = (Rounding.RND, Rounding.RND_CONV)  # which both mean that for minifloats, in blocks too
_HADAMARD = (None, 4, 16, 64)  # sizes whose root, by which the matrix is divided, is a power of two
_ENUMS: dict[str, type[Enum]] = {
    "rounding": Rounding,
    "overflow": Overflow,
    "accumulator_overflow": Overflow,
    "batchnorm": BatchNormMode,
    "granularity": Granularity,
    "cast_granularity": Granularity,
    "lengths": Lengths,
}


@dataclass(frozen=True, slots=True)
class Spec:
    """Words as text and modes as members or their text.

    A word is a length in fixed point (`s6`, `u6`), a minifloat (`e4m3`, `e2m1`, `ue3m3`, `e4m3fn`), or, for weights,
    activations and input, blocks (`mxfp4`, `mxint8`, `nvfp4`, `mxe2m1b32`). A design is sent fixed point in any case;
    where `input` is another word, the design makes that of it first.

    An unsigned word is a wish: it holds where a value cannot be negative, and means the signed word of that width
    elsewhere. Constants are rounded to nearest and saturated whatever `rounding` and `overflow` say, since they are
    encoded before anything runs; the two modes are those of the casts between the layers.

    Attributes:
        weights: of Linear, Conv2d and the rows of an Embedding.
        activations: of what travels between blocks.
        biases: of Linear and Conv2d.
        sums: between the operators of a block: before a BatchNorm, and before a residual addition.
        scales: of BatchNorm's multiplication and other factors, such as the slopes of a PReLU, and the width of the
            reciprocal in an average over 3 x 3 and the like.
        shifts: of BatchNorm's addition and other constants that are added.
        input: of the model's input; None means as `activations`.
        tables: of what addresses the table of an activation such as a sigmoid, at most 12 bits, its length never
            learned; of the root inside a LayerNorm; and of the factor that takes a softmax to base 2, whose exponents
            have four bits more and its powers and sums at least as many. Other entries are as `activations`.
        addresses: of the inputs of a `LutDense`, at most 6 bits, with a binary point for each input of a row whatever
            `cast_granularity` says, its length never learned; its functions are `weights`, whose "channel" is an
            output and whose "element" is a connection.
        accumulators: of the sums of Linear and convolutions at their exact binary point, such as "s16"; None for as
            many bits as they need.
        accumulator_overflow: "WRAP" as an adder of that width, or "SAT" of the finished sum.
        rounding: of every cast.
        overflow: of every cast, but for those inside a softmax or LayerNorm that address a table, which saturate.
        batchnorm: "fixed" or "folded".
        granularity: of the binary points of weights, biases, scales and shifts: "tensor", "channel" or "element".
        cast_granularity: of the binary points of fixed-point casts between layers, and of their lengths where those are
            learned: "tensor", "channel" or "element" of a sample. The input and what addresses a table have one.
        khot: at most so many digits that are not zero in each code of weights and scales, so that a product is so many
            shifts; None for any number. The words of both are then at most 16 bits.
        signed_digits: whether digits may be -1, as in 7 = 8 - 1.
        lengths: "fixed", or "learned" for every word, by `granularity` for constants; see `flow.training.widths`.
        stochastic: while training, casts and weights round up with the probability of the rest, so that they are right
            on average; in eval mode `rounding` holds.
        hadamard: turn the inputs of Linear and Conv2d, and their weights against them, in blocks of 4, 16 or 64, where
            that divides the inputs; None for not. The cast of what is turned follows the turn; see
            `flow.training.rotation`.
        priced: weights and biases of Linear and Conv2d have as many signed digits, at most `khot` or 3, as are worth
            their price, which a budget sets in training; `lengths` and `granularity` are then for the others, and
            the input's one length stays as given. See `flow.training.priced`.
        layers: other options for single layers, by module path or pattern: `{"fc1": {"weights": "s4"}, "block.*":
            {"granularity": "channel"}}`. Words of activations and sums are those of the cast that follows the layer; a
            function of the model's own forward goes by its name in the graph, such as `add`. A path beats a pattern.

    Raises:
        RecipeError: a word or a mode that does not exist.
    """

    weights: str = "s6"
    activations: str = "u6"
    biases: str = "s8"
    sums: str = "s8"
    scales: str = "s6"
    shifts: str = "s8"
    input: str | None = None
    tables: str = "u8"
    addresses: str = "u3"
    accumulators: str | None = None
    accumulator_overflow: Overflow = Overflow.WRAP
    rounding: Rounding = Rounding.RND
    overflow: Overflow = Overflow.SAT
    batchnorm: BatchNormMode = BatchNormMode.FIXED
    granularity: Granularity = Granularity.TENSOR
    cast_granularity: Granularity = Granularity.TENSOR
    khot: int | None = None
    signed_digits: bool = True
    lengths: Lengths = Lengths.FIXED
    stochastic: bool = False
    hadamard: int | None = None
    priced: bool = False
    layers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", _checked_layers(self.layers))
        optional = {entry.name for entry in fields(self) if entry.default is None}
        for key in _WORDS:
            if key not in optional or getattr(self, key) is not None:
                parse_word(getattr(self, key), key)
        for key, kind in _ENUMS.items():
            object.__setattr__(self, key, _member(kind, key, getattr(self, key)))
        for key in _WORDS:
            if getattr(self, key) is not None and not isinstance(self.word(key), Word):
                _check_kind(self, key)
        _check_chance(self)
        if self.hadamard not in _HADAMARD or type(self.hadamard) is bool:
            raise RecipeError(f"hadamard is 4, 16, 64, or None for no turn, not {self.hadamard!r}.")
        _check_addressed(self, "tables", _MAX_TABLE_WORD, "table", "u8")
        _check_addressed(self, "addresses", MOST_ADDRESS_BITS, "truth table", "u3")
        _check_accumulators(self)
        if type(self.signed_digits) is not bool:
            raise RecipeError(f"signed_digits is true or false, not {self.signed_digits!r}.")
        if self.khot is not None:
            self._check_digits()
        _check_priced(self)

    def _check_digits(self) -> None:
        if type(self.khot) is not int or self.khot < 1:
            raise RecipeError(f"khot is a number of digits from 1, or None for any, not {self.khot!r}.")
        if self.lengths is Lengths.LEARNED and not self.priced:
            raise RecipeError(f"khot={self.khot} needs words of given length, not lengths='learned'; leave one out.")
        for key in ("weights", "scales"):
            if self.word(key).width > _MAX_KHOT_WORD:
                raise RecipeError(
                    f"Words with khot={self.khot} have at most {_MAX_KHOT_WORD} bits, not "
                    f"{key}={getattr(self, key)!r}; shorten the word."
                )

    def word(self, role: str) -> AnyWord:
        """The word of one role, by the name of its field."""
        text = getattr(self, role)
        return parse_word(self.activations if text is None else text, role)


def _check_kind(spec: Spec, key: str) -> None:
    """Refuse a minifloat or blocks where an option or the role itself needs fixed point."""
    word, given = spec.word(key), f"{key}={getattr(spec, key)!r}"
    if isinstance(word, BlockWord) and key not in _BLOCKED:
        raise RecipeError(f"Blocks are for {', '.join(_BLOCKED)}, not {given}; use a word like s8 or e4m3.")
    if spec.lengths is Lengths.LEARNED:
        raise RecipeError(f"lengths='learned' needs fixed-point words, not {given}; leave one out.")
    if spec.khot is not None and key in ("weights", "scales"):
        raise RecipeError(f"khot={spec.khot} needs fixed-point words, not {given}; leave one out.")
    if isinstance(word, MinifloatWord) and key not in _CASTS and spec.granularity is Granularity.ELEMENT:
        raise RecipeError(f"granularity='element' needs fixed-point words, not {given}; use channel.")
    if key in _CASTS and spec.rounding not in FLOAT_ROUNDING:
        known = ", ".join(mode.value for mode in FLOAT_ROUNDING)
        raise RecipeError(f"Minifloats round by {known}, not by rounding={spec.rounding.value!r}, as {given} would.")
    if isinstance(word, BlockWord) and key in _CASTS and spec.rounding not in _TO_EVEN:
        raise RecipeError(
            f"Blocks round to nearest even, not by rounding={spec.rounding.value!r}, as {given} would; use RND."
        )
    if key in _CASTS and spec.overflow not in _SATURATING:
        raise RecipeError(f"Minifloats saturate, not overflow={spec.overflow.value!r}, as {given} would; use SAT.")


def _check_addressed(spec: Spec, role: str, most: int, read: str, such: str) -> None:
    """The words that address tables are fixed point, and short enough that the tables are small."""
    word = spec.word(role)
    if not isinstance(word, Word) or word.width > most:
        raise RecipeError(
            f"A {read} is addressed by a fixed-point word of at most {most} bits like {such}, not "
            f"{role}={getattr(spec, role)!r}."
        )


def _check_accumulators(spec: Spec) -> None:
    word = spec.word("accumulators")
    if spec.accumulators is not None and not (isinstance(word, Word) and word.signed):
        raise RecipeError(
            f"An accumulator is a signed fixed-point word like s16, or None, not accumulators={spec.accumulators!r}."
        )
    if spec.accumulator_overflow not in (Overflow.WRAP, Overflow.SAT):
        raise RecipeError(
            "accumulator_overflow is WRAP or SAT, as adders are built, not "
            f"{spec.accumulator_overflow.value!r}; choose one of the two."
        )


def _check_priced(spec: Spec) -> None:
    if type(spec.priced) is not bool:
        raise RecipeError(f"priced is true or false, not {spec.priced!r}.")
    if not spec.priced:
        return
    if spec.stochastic:
        raise RecipeError("priced=True chooses digits by their price, not by chance; leave out stochastic=True.")
    for key in ("weights", "biases"):
        word = spec.word(key)
        if not (isinstance(word, Word) and word.signed and word.width <= _MAX_KHOT_WORD):
            raise RecipeError(
                f"Digits have a price in signed fixed-point words of at most {_MAX_KHOT_WORD} bits like s8, not in "
                f"{key}={getattr(spec, key)!r}."
            )


def _check_chance(spec: Spec) -> None:
    if type(spec.stochastic) is not bool:
        raise RecipeError(f"stochastic is true or false, not {spec.stochastic!r}.")
    if spec.stochastic and (spec.khot is not None or spec.lengths is Lengths.LEARNED):
        other = "lengths='learned'" if spec.khot is None else f"khot={spec.khot}"
        raise RecipeError(f"stochastic=True needs words of given length with any digits, not {other}; leave one out.")


def _member(kind: type[Enum], key: str, value: Any) -> Enum:
    if isinstance(value, kind):
        return value
    known = [member.value for member in kind]
    if value not in known:
        raise RecipeError(f"{key} must be one of {', '.join(known)}, not {value!r}.")
    return kind(value)


def _check_options(given: Iterable[Any], place: str = "") -> None:
    legal = [entry.name for entry in fields(Spec)]
    for key in given:
        if key not in legal:
            hint = did_you_mean(key, legal, "the options are")
            raise RecipeError(f"{place}Quantisation has no option {key!r}; {hint}")
        if place and key in _WHOLE:
            raise RecipeError(f"{place}Option {key!r} holds for the whole model; give it outside of layers.")


def _checked_layers(given: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(given, Mapping):
        raise RecipeError(f"{_LAYERS} {given!r}.")
    return {key: _checked_layer(key, options) for key, options in given.items()}


def _checked_layer(key: Any, options: Any) -> dict[str, Any]:
    if not isinstance(key, str) or not isinstance(options, Mapping):
        raise RecipeError(f"{_LAYERS} {key!r} to {options!r}.")
    place = f"In layers[{key!r}]: "
    _check_options(options, place)
    try:
        return {option: getattr(Spec(**{option: value}), option) for option, value in options.items()}
    except RecipeError as error:
        raise RecipeError(f"{place}{error}") from None


def spec_with(spec: Spec | None, overrides: dict[str, Any]) -> Spec:
    """`spec`, or the default one, with some fields replaced.

    Raises:
        RecipeError: a key that no field of `Spec` has, or a value without meaning.
    """
    if not isinstance(spec, Spec | None):
        raise RecipeError(
            f"spec is a flow.training.Spec or None, not {spec!r}; give single options by name, such as weights='s8'."
        )
    _check_options(overrides)
    return replace(spec or Spec(), **overrides)
