"""The study of accuracy against LUTs: its cells, its table, and a queue that two processes share."""

import json
import multiprocessing
import os
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

import flow
from flow.errors import RecipeError
from flow.progress import silent
from flow.recipe import load_recipe
from flow.studies import Choice, pareto, run_study
from flow.studies.pareto import cell_recipe, cells
from flow.studies.queue import Queue
from flow.studies.rows import write_rows
from flow.studies.trade import Point, dominated, drawn, outcome, points_of, stored_points, verdicts

DOCS = Path(flow.__file__).parents[1] / "docs"
CELLS = [{"budget": 100 * n, "bits": 0, "seed": 0} for n in range(1, 9)]


def entry(budget, bits, lut, accuracy, seed=0):
    return {"budget": budget, "bits": bits, "seed": seed, "lut": lut, "accuracy": accuracy}


FOUND = [
    entry(1000, 0, 990.0, 0.93), entry(1000, 0, 960.0, 0.95, seed=1), entry(0, 3, 8000.0, 0.92),
    entry(0, 4, 9000.0, 0.96),
]  # fmt: skip


def test_a_choice_has_every_budget_and_every_width_for_every_seed():
    found = cells(Choice(bits=(4, 3), seeds=2, budgets=(900,)))
    assert found == [
        {"budget": 900, "bits": 0, "seed": 0}, {"budget": 0, "bits": 4, "seed": 0}, {"budget": 0, "bits": 3, "seed": 0},
        {"budget": 900, "bits": 0, "seed": 1}, {"budget": 0, "bits": 4, "seed": 1}, {"budget": 0, "bits": 3, "seed": 1},
    ]  # fmt: skip


def test_a_net_of_one_width_keeps_what_is_no_word_of_its_recipe():
    recipe = load_recipe("glyph_budget")
    held = cell_recipe(recipe, {"budget": 0, "bits": 3, "seed": 1})
    assert (held.train.budget, held.priced, held.seed, held.name) == (None, False, 1, "uniform_3_1")
    assert held.quantize == {
        "batchnorm": "folded", "weights": "s3", "biases": "s5", "activations": "u3", "input": "u3", "rounding": "TRN",
    }  # fmt: skip
    asked = cell_recipe(recipe, {"budget": 900, "bits": 0, "seed": 2})
    assert (asked.train.budget, asked.quantize, asked.name) == ("lut<=900", recipe.quantize, "budget_900_2")


def test_only_a_learned_net_that_is_no_worse_in_both_dominates():
    point = Point("4 bits everywhere", False, (9000.0,), (95.0,))
    assert dominated(point, [Point("a", True, (9001.0, 8999.0), (95.0, 95.0))])
    assert not dominated(point, [Point("a", True, (9001.0,), (99.0,)), Point("b", True, (100.0,), (94.9,))])
    assert not dominated(point, [point, Point("c", False, (100.0,), (99.0,))])


def test_the_table_has_means_and_the_verdicts_count(tmp_path):
    made = outcome("digits", points_of(FOUND))
    assert made.sheets[0].title == "digits: accuracy against LUTs by Yosys, 1 to 2 seeds"
    assert made.sheets[0].lines == (
        ("lut<=1000", "975 ± 21", "1 of 2", "94.00 ± 1.41", ""),
        ("3 bits everywhere", "8,000", "", "92.00", "yes"),
        ("4 bits everywhere", "9,000", "", "96.00", "no"),
    )
    assert made.verdicts == (
        "Nets trained to a budget dominate 1 of 2 word lengths used for everything (3 bits).",
        "1 of 2 trainings met their budget within 3 %, as Yosys measures.",
    )
    assert [(row.case, row.unit, row.value, row.seeds) for row in made.rows][:2] == [
        ("lut<=1000", "LUT", 975.0, 2), ("lut<=1000", "%", pytest.approx(94.0), 2),
    ]  # fmt: skip
    assert made.drawing.startswith("<svg") and "lut&lt;=1000" in made.drawing
    write_rows(tmp_path / "rows.json", made.rows, made.packages)
    assert stored_points(json.loads((tmp_path / "rows.json").read_text())["rows"]) == points_of(FOUND)


def test_estimates_of_trainings_to_a_budget_are_kept_beside_what_yosys_measures(tmp_path, monkeypatch):
    told = {"accuracy": 0.9, "budget": {"asked": "lut<=1000", "estimated": 1012, "measured": 990}}
    project = SimpleNamespace(read_json=lambda *_: told)
    monkeypatch.setattr(pareto, "train_stage", lambda *_: project)
    monkeypatch.setattr(pareto, "_measured", lambda *_: 8000)
    first, second = cells(Choice(bits=(4,), seeds=1, budgets=(1000,)))
    found = [{**cell, **pareto._figures(load_recipe("digits_budget"), cell, tmp_path, "")} for cell in (first, second)]
    assert found == [
        {**first, "accuracy": 0.9, "lut": 990.0, "estimated": 1012.0}, {**second, "accuracy": 0.9, "lut": 8000.0},
    ]  # fmt: skip
    rows = [asdict(row) for row in outcome("digits", points_of(found)).rows]
    assert [(row["case"], row["unit"], row["value"]) for row in rows] == [
        ("lut<=1000", "LUT", 990.0), ("lut<=1000", "LUT, estimated", 1012.0), ("lut<=1000", "%", 90.0),
        ("4 bits everywhere", "LUT", 8000.0), ("4 bits everywhere", "%", 90.0),
    ]  # fmt: skip
    assert stored_points(rows) == points_of(found)
    older = {**found[0], "seed": 1}
    del older["estimated"]
    assert [point.estimated for point in points_of([*found, older])] == [(), ()]


def _worker(folder, counts):
    """Takes cells until none waits, and says how many it had."""
    queue, taken = Queue(folder, "shared"), 0
    while (found := queue.take(CELLS)) is not None:
        trial, cell = found
        queue.done(trial, {"accuracy": 0.5, "lut": float(cell["budget"]), "pid": float(os.getpid())})
        taken += 1
    counts.put(taken)


def _dies(folder):
    """Takes a cell and ends without a word, as a worker that is killed does."""
    Queue(folder, "shared").take(CELLS)
    os._exit(9)


@pytest.mark.slow
def test_two_processes_share_the_cells_and_what_a_dead_one_had_is_done_again(tmp_path):
    context = multiprocessing.get_context("fork")
    dead = context.Process(target=_dies, args=(tmp_path,))
    dead.start()
    dead.join()
    assert dead.exitcode == 9
    counts = context.Queue()
    workers = [context.Process(target=_worker, args=(tmp_path, counts)) for _ in range(2)]
    for worker in workers:
        worker.start()
    taken = [counts.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert sum(taken) == len(CELLS)  # each by one of them, and none twice
    queue = Queue(tmp_path, "shared")
    assert [found["lut"] for found in queue.finished(CELLS)] == [float(cell["budget"]) for cell in CELLS]
    assert queue.take(CELLS) is None


def test_a_cell_that_failed_waits_again(tmp_path):
    queue = Queue(tmp_path, "one")
    trial, cell = queue.take(CELLS[:1])
    assert queue.take(CELLS[:1]) is None  # this worker is at it
    queue.failed(trial)
    again, same = queue.take(CELLS[:1])
    assert same == cell == CELLS[0]
    queue.done(again, {"accuracy": 1.0, "lut": 5.0})
    assert queue.finished(CELLS) == [{**CELLS[0], "accuracy": 1.0, "lut": 5.0}]


def test_a_command_takes_none_of_the_cells_of_another(tmp_path):
    queue = Queue(tmp_path, "one")
    trial, _ = queue.take(CELLS[:2])
    queue.failed(trial)  # interrupted, with the second never begun
    queue.study.enqueue_trial(CELLS[4])  # and a worker that died before it took what it had put there
    assert queue.take(CELLS[2:3])[1] == CELLS[2]
    assert queue.take(CELLS[2:3]) is None


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            Choice(datasets=("digits",)),
            "The study pareto takes its data set from --recipe, not from --datasets; leave that out.",
        ),
        (Choice(recipe="nowhere.yaml"), None),
        (
            Choice(storage="nothing://here"),
            "The storage 'nothing://here' cannot be opened (Can't load plugin: sqlalchemy.dialects:nothing); give a "
            "URL such as sqlite:///study.sqlite3.",
        ),
    ],
)
def test_wrong_choices_are_told_why(choice, message, tmp_path):
    with pytest.raises(RecipeError) as caught:
        run_study("pareto", choice, tmp_path, silent)
    assert message is None or str(caught.value) == message


def test_what_is_not_computed_yet_is_an_empty_table(tmp_path):
    made = run_study("pareto", Choice(finished=True), tmp_path, silent)
    assert (made.sheets[0].lines, made.verdicts, made.drawing) == ((), (), None)


@pytest.mark.parametrize("name", ["digits_budget", "glyph_budget"])
def test_what_the_readme_says_of_a_recipe_follows_from_the_stored_figures(name):
    points = stored_points(json.loads((DOCS / f"pareto_{name}.json").read_text())["rows"])
    assert {point.learned for point in points} == {True, False} and all(point.luts for point in points)
    assert (DOCS / "plots" / f"pareto_{name}.svg").read_text() == drawn(name, points)
    told = " ".join((DOCS.parent / "README.md").read_text().split())
    for line in outcome(name, points).sheets[0].lines:
        assert " ".join(f"| {name} | {' | '.join(line)} |".split()) in told
    for sentence in verdicts(points):
        assert sentence in told
