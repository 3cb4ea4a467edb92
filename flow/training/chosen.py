"""Which quantiser a spec asks for, by the role of a constant and for a cast."""

from __future__ import annotations

from flow.formats import Overflow, Rounding
from flow.training.constants import ConstantQuantizer
from flow.training.khot import digit_projection
from flow.training.quantizer import Quantizer
from flow.training.spec import Granularity, Lengths, Spec, Word
from flow.training.widths import SATURATING, LearnedCast, LearnedConstant

__all__ = ["cast_quantizer", "constant_quantizer"]


def constant_quantizer(spec: Spec, role: str, shape: tuple[int, ...], place: str) -> Quantizer:
    """The quantiser of a constant; constants are encoded before anything runs, so they round and saturate.

    Args:
        spec: words and options.
        role: field of `Spec` that holds the word.
        shape: of the constant.
        place: the constant, for messages.
    """
    word, project = spec.word(role), digit_projection(spec, role)
    if spec.lengths is Lengths.LEARNED:
        return LearnedConstant(word, shape, spec.granularity, place, trained=spec.overflow in SATURATING)
    if spec.granularity is Granularity.TENSOR and project is None:
        return Quantizer(word, Rounding.RND, Overflow.SAT, place)
    return ConstantQuantizer(word, shape, spec.granularity, place, project)


def cast_quantizer(spec: Spec, word: Word, place: str) -> Quantizer:
    """The quantiser of a cast between layers, or of the input."""
    kind = LearnedCast if spec.lengths is Lengths.LEARNED else Quantizer
    return kind(word, spec.rounding, spec.overflow, place)
