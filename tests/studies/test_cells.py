"""The cells: their order, their words, and which K-hot nets are the plain ones."""

import itertools
import re
from dataclasses import replace

import pytest
import torch

from flow.datasets import load
from flow.errors import RecipeError
from flow.studies import Choice
from flow.studies.cells import Cell, Course, Settings, all_cells, most_digits, words
from flow.training import quantize
from tests.training.models import randomized


def test_a_whole_table_of_one_seed_comes_before_the_next():
    found = [str(cell) for cell in all_cells(Choice(bits=(4, 3), seeds=2))]
    one = ["float", *(f"b{bits}-{m}" for bits in (4, 3) for m in ("ptq", "learned", "khot1", "khot2", "khot3"))]
    assert found == [f"s{seed}-{name}" for seed in (0, 1) for name in one]


@pytest.mark.parametrize("bits", range(2, 9))
def test_most_digits_by_brute_force(bits):
    """Sums of so many signed powers of two make every code of the word, and one fewer does not."""
    powers = [0, *(sign << place for place in range(bits + 1) for sign in (1, -1) if sign > 0)]
    powers += [-power for power in powers if power]
    needed = most_digits(bits)
    codes = set(range(-(1 << (bits - 1)), 1 << (bits - 1)))
    sums = [{sum(chosen) for chosen in itertools.product(powers, repeat=count)} for count in (needed - 1, needed)]
    assert not codes <= sums[0]
    assert codes <= sums[1]


@pytest.mark.parametrize(
    ("bits", "method", "khot", "alike"),
    [
        (8, "khot3", 3, "khot3"), (6, "khot3", None, "learned"), (5, "khot2", 2, "khot2"),
        (4, "khot2", None, "learned"), (3, "khot1", 1, "khot1"), (3, "ptq", None, "ptq"),
    ],
)  # fmt: skip
def test_which_nets_are_alike(bits, method, khot, alike):
    cell = Cell(1, bits, method)
    assert (cell.khot, cell.alike) == (khot, Cell(1, bits, alike))


@pytest.mark.parametrize(("bits", "khot", "equal"), [(4, 2, True), (6, 3, True), (4, 1, False), (5, 2, False)])
def test_nets_alike_compute_the_same(bits, khot, equal):
    from flow.training import NETS

    x = load("digits").train_x[:64]
    model = randomized(NETS["digits_resnet"](), 3)
    plain, bounded = quantize(model, x, **words(bits)), quantize(model, x, **words(bits, khot))
    assert torch.equal(plain(torch.as_tensor(x)), bounded(torch.as_tensor(x))) is equal


def test_words():
    held = {"weights": "s4", "scales": "s4", "activations": "u4", "biases": "s6", "sums": "s6", "shifts": "s6"}
    assert words(4) == {**held, "batchnorm": "fixed", "khot": None}
    assert words(4, 1) == {**held, "batchnorm": "fixed", "khot": 1}


def test_the_course_is_the_first_that_covers_the_codes():
    few, many = Course(4, 3, 1e-3), Course(16, 1, 1e-3)
    settings = Settings("digits_mlp", "digits", (), Course(32, 9, 1e-2), (few, many), (many, few), batch=8)
    assert settings.course(Cell(0)).epochs == 9
    assert [settings.course(Cell(0, bits, "learned")).epochs for bits in (3, 4, 5, 16)] == [3, 3, 1, 1]
    # One digit and its sign, zero, and the lowest code: 16 codes at 8 bits, 18 at 9.
    assert [settings.course(Cell(0, bits, "khot1")).epochs for bits in (4, 8)] == [1, 1]
    turned = replace(settings, digit_courses=(few, many))
    assert [turned.course(Cell(0, bits, "khot1")).epochs for bits in (4, 8, 9)] == [3, 3, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": (8, 1)}, "A study takes word lengths of 2..16 bits, not [1]."),
        ({"seeds": 0}, "A study needs at least one seed, not 0."),
    ],
)
def test_choices_that_cannot_be(options, message):
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        Choice(**options)
