"""What a study of few bits consists of: one training or calibration a cell, and how each net is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.formats.khot import digit_count
from flow.studies.select import Choice

__all__ = ["METHODS", "Cell", "Course", "Settings", "all_cells", "code_count", "digest_of", "most_digits", "words"]

METHODS = ("ptq", "learned", "khot1", "khot2", "khot3")


@dataclass(frozen=True, slots=True)
class Cell:
    """One training or calibration of a net.

    Attributes:
        seed: of the initial weights and of the order of the samples.
        bits: None for the float network.
        method: `float`, or one of `METHODS`.
    """

    seed: int
    bits: int | None = None
    method: str = "float"

    @property
    def khot(self) -> int | None:
        """Digits a weight may have, None for any number: so too where no code of the word has more."""
        if self.bits is None or not self.method.startswith("khot"):
            return None
        digits = int(self.method.removeprefix("khot"))
        return digits if digits < most_digits(self.bits) else None

    @property
    def alike(self) -> Cell:
        """The cell whose net this one is: K-hot weights without a code to leave out are the learned ones."""
        return replace(self, method="learned") if self.method.startswith("khot") and self.khot is None else self

    def __str__(self) -> str:
        return f"s{self.seed}-{self.method}" if self.bits is None else f"s{self.seed}-b{self.bits}-{self.method}"


@dataclass(frozen=True, slots=True)
class Course:
    """How long and how fast words of up to 2**bits codes are trained; Adam's rate of weights."""

    bits: int
    epochs: int
    rate: float


@dataclass(frozen=True, slots=True)
class Settings:
    """How one net is trained.

    Attributes:
        net: a built-in net.
        dataset: what it is trained on.
        methods: of the post-training pipeline that calibration alone is compared with.
        float_course: of the float net.
        courses: of learned words, by rising number of codes; the first that covers a weight's holds.
        digit_courses: the same for K-hot words, whose training starts from the learned ones.
        batch: samples a step.
        point_rate: Adam's rate of binary points.
        frozen_from: share of the epochs after which binary points stand still.
        taught: whether quantised nets learn the float net's answers instead of the labels.
        samples: training samples that calibrate.
        judged: training samples that choose between two starts.
    """

    net: str
    dataset: str
    methods: tuple[str, ...]
    float_course: Course
    courses: tuple[Course, ...]
    digit_courses: tuple[Course, ...]
    batch: int
    point_rate: float = 1e-2
    frozen_from: float = 0.6
    taught: bool = False
    samples: int = 512
    judged: int = 2048

    def course(self, cell: Cell) -> Course:
        """That of a cell: one digit of 8 bits makes 16 codes, and needs the training that 4 bits need."""
        if cell.bits is None:
            return self.float_course
        courses = self.courses if cell.khot is None else self.digit_courses
        codes = code_count(cell.bits, cell.khot)
        return next(entry for entry in courses if codes <= 1 << entry.bits)


def _codes(bits: int) -> NDArray[np.int64]:
    return np.arange(-(1 << (bits - 1)), 1 << (bits - 1))


def most_digits(bits: int) -> int:
    """The most digits, each 1 or -1, that a code of a signed word needs.

    >>> [most_digits(bits) for bits in (3, 4, 5, 6, 7, 8)]
    [2, 2, 3, 3, 4, 4]
    """
    return int(digit_count(np.abs(_codes(bits)), True).max())


def code_count(bits: int, khot: int | None) -> int:
    """How many codes a signed word has, of at most so many digits.

    >>> code_count(8, None), code_count(8, 1), code_count(8, 2)
    (256, 16, 88)
    """
    return 1 << bits if khot is None else int((digit_count(np.abs(_codes(bits)), True) <= khot).sum())


def words(bits: int, khot: int | None = None) -> dict[str, Any]:
    """Options of `flow.quantize`: `bits` for what is multiplied and what travels, two more for what is only added."""
    held = {"activations": f"u{bits}", **dict.fromkeys(("weights", "scales"), f"s{bits}")}
    return {**held, **dict.fromkeys(("biases", "sums", "shifts"), f"s{bits + 2}"), "batchnorm": "fixed", "khot": khot}


def all_cells(choice: Choice) -> Iterator[Cell]:
    """All cells of one net: a whole table of the first seed before the next seed."""
    for seed in range(choice.seeds):
        yield Cell(seed)
        for bits in choice.bits:
            for method in METHODS:
                yield Cell(seed, bits, method)


def digest_of(*parts: object) -> str:
    """A hash of all that a cell depends on but the code."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
