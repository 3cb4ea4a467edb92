"""From accuracies to the table, the verdicts and the rows, on figures whose means are known."""

import pytest

from flow.studies.accuracies import Accuracies, outcome
from flow.studies.cells import Cell

FOUND = {
    "float": {0: 90.0, 1: 92.0},
    (4, "ptq"): {0: 80.0, 1: 81.0},
    (4, "learned"): {0: 89.5, 1: 90.5},
    (4, "khot1"): {0: 85.0},
    (4, "khot2"): {0: 89.5, 1: 90.5},
    (8, "ptq"): {0: 91.0, 1: 92.5},
    (8, "learned"): {0: 91.0, 1: 92.0},
    (8, "khot2"): {0: 90.5, 1: 91.5},
}


def accuracies(changes=()):
    held = {**FOUND, **dict(changes)}
    percent = {}
    for key, values in held.items():
        bits, method = (None, "float") if key == "float" else key
        percent.update({Cell(seed, bits, method): value for seed, value in values.items()})
    return Accuracies("net", "data", percent)


def test_the_table():
    (sheet,) = outcome([accuracies()], (8, 4)).sheets
    assert (sheet.title, sheet.headings)== (
        "net on data", ("bits", "seeds", "float", "best PTQ", "learned", "K=1", "K=2", "K=3"),
    )  # fmt: skip
    assert sheet.lines == (
        ("8", "0..2", "91.00±1.41", "91.75±1.06", "91.50±0.71", "", "91.00±0.71", ""),
        ("4", "0..2", "91.00±1.41", "80.50±0.71", "90.00±0.71", "85.00", "90.00±0.71=", ""),
    )


def test_the_verdicts_name_the_width_where_it_is_worst():
    assert outcome([accuracies()], (8, 4)).verdicts == (
        "net: at 4 bits within 1 point of float: met; learned - float is -1.00 points at 4 bits.",
        "net: at every width at or above the best PTQ: missed; learned - best PTQ is -0.25 points at 8 bits.",
        "net: 2-hot within 0.5 point of the plain multiplier: met; K=2 - learned is -0.50 points at 8 bits.",
    )
    worse = {(4, "learned"): {0: 89.4, 1: 90.5}, (8, "learned"): {0: 91.2, 1: 92.5}}
    assert [text.split("; ")[0].rsplit(" ", 1)[1] for text in outcome([accuracies(worse)], (8, 4)).verdicts]== [
        "missed", "met", "missed",
    ]  # fmt: skip


def test_gaps_are_those_of_the_seeds_that_have_both():
    held = accuracies({(4, "learned"): {1: 90.0}})
    assert held.gap(4, "learned", "float") == -2.0
    assert held.gap(3, "learned", "float") is None
    assert outcome([held], (3,)).verdicts[0] == "net: at 4 bits within 1 point of float: not measured."


def test_rows_leave_out_what_is_not_there():
    rows = outcome([accuracies()], (4,)).rows
    assert [(row.who, row.value, row.seeds) for row in rows]== [
        ("float", 91.0, 2), ("best PTQ", 80.5, 2), ("learned", 90.0, 2), ("K=1", 85.0, 1), ("K=2", 90.0, 2),
    ]  # fmt: skip
    assert {(row.case, row.unit) for row in rows} == {("net on data, 4 bits", "%")}
    assert [row.ratio_to_flow for row in rows] == [91 / 90, 80.5 / 90, 1.0, 85 / 90, 1.0]
    assert rows[3].spread is None
    assert rows[2].spread == pytest.approx(0.5**0.5)
