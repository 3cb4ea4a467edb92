"""The study on a tiny setting: every cell once, an interruption loses nothing, changed settings are computed anew."""

import json
import re
import shutil
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from flow.cli import app
from flow.errors import RecipeError
from flow.progress import silent
from flow.project import Project
from flow.studies import Choice, run_study
from flow.studies.cells import Cell, Course, Settings, all_cells
from flow.studies.low_bits import Bench
from flow.studies.ptq_vs_qfx import SETTINGS, run

TINY = Settings(
    "digits_mlp", "digits", ("gptq", "bias_correction"), Course(32, 4, 3e-3), (Course(16, 1, 3e-3),),
    (Course(16, 1, 1e-3),), batch=64, samples=64, judged=128,
)  # fmt: skip
CHOICE = Choice(bits=(5, 3), seeds=1)


class Stopped(BaseException):
    """As Ctrl-C comes."""


def stop_at(count):
    def report(task, done, total):
        assert (task, total) == ("study: digits_mlp", 11)
        if done == count:
            raise Stopped

    return report


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(CHOICE, folder, silent, (TINY,))


def stored(folder):
    files = sorted((folder / "digits_mlp").glob("*.json"))
    return {path.stem: json.loads(path.read_text()) for path in files}


def test_every_cell_is_there_once(whole):
    folder, outcome = whole
    # At 5 bits K=3, at 3 bits K=2 and K=3 are the learned net and are not trained again.
    cells = ["b5-ptq", "b5-learned", "b5-khot1", "b5-khot2", "b3-ptq", "b3-learned", "b3-khot1"]
    assert set(stored(folder)) == {"s0-float", *(f"s0-{name}" for name in cells)}
    assert len(outcome.rows) == 12
    assert [line[0] for line in outcome.sheets[0].lines] == ["5", "3"]
    assert outcome.sheets[0].lines[0][7] == f"{outcome.sheets[0].lines[0][4]}="
    values = {row.who: row.value for row in outcome.rows if row.case == "digits_mlp on digits, 5 bits"}
    assert values["float"] == 100 * stored(folder)["s0-float"]["accuracy"] > 60
    assert len(outcome.verdicts) == 3


def test_the_start_has_the_lower_loss_on_training_samples(whole):
    for name, content in stored(whole[0]).items():
        if name != "s0-float":
            assert content["losses"][content["start"]] == min(content["losses"].values())
            assert len(content["losses"]) == 2


def test_an_interrupted_study_goes_on_where_it_stopped(whole, tmp_path, monkeypatch):
    with pytest.raises(Stopped):
        run(CHOICE, tmp_path, stop_at(4), (TINY,))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "digits_mlp").iterdir()}
    assert {path.name for path in before} == {
        "s0-float.json", "s0-float.pt", "s0-b5-ptq.json", "s0-b5-ptq.pt", "s0-b5-learned.json",
        "s0-b5-learned.pt", "s0-b5-khot1.json",
    }  # fmt: skip
    shown = run(replace(CHOICE, finished=True), tmp_path, silent, (TINY,))
    assert [line[1] for line in shown.sheets[0].lines] == ["0..1", "0..1"]
    outcome = run(CHOICE, tmp_path, silent, (TINY,))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert outcome == whole[1]
    monkeypatch.setattr(Bench, "_trained", None)  # nothing is left to train
    assert run(CHOICE, tmp_path, silent, (TINY,)) == outcome


def test_a_start_that_was_deleted_is_made_anew(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    for name in ("s0-b5-learned.pt", "s0-b5-khot1.json"):
        (tmp_path / "digits_mlp" / name).unlink()
    assert run(CHOICE, tmp_path, silent, (TINY,)) == whole[1]


def test_settings_decide_which_cells_hold(whole):
    folder = whole[0]

    def holding(settings):
        bench = Bench(settings, Project(folder))
        return {str(cell.alike) for cell in all_cells(CHOICE) if bench.stored(cell) is not None}

    assert holding(TINY) == set(stored(folder))
    starts = {"s0-float", "s0-b5-ptq", "s0-b3-ptq"}
    low = {"s0-b3-learned", "s0-b3-khot1"}
    assert holding(replace(TINY, point_rate=1.0)) == starts
    assert holding(replace(TINY, courses=(Course(3, 2, 3e-3), *TINY.courses))) == set(stored(folder)) - low
    digits = {"s0-b5-khot1", "s0-b5-khot2", "s0-b3-khot1"}
    assert holding(replace(TINY, digit_courses=(Course(16, 2, 1e-3),))) == set(stored(folder)) - digits
    assert holding(replace(TINY, methods=("gptq",))) == {"s0-float"}
    assert holding(replace(TINY, batch=32)) == set()
    assert Bench(TINY, Project(folder)).stored(Cell(1)) is None


def test_what_is_reported_is_computed_on_what_the_issue_names():
    assert [(entry.net, entry.dataset) for entry in SETTINGS] == [
        ("digits_mlp", "digits"), ("digits_resnet", "digits"), ("glyph_resnet20", "glyphs"),
    ]  # fmt: skip
    assert all(entry.course(Cell(0, bits, "learned")).epochs for entry in SETTINGS for bits in range(2, 17))


def test_refusals(tmp_path):
    for name, choice, message in (
        ("nothing", Choice(), "There is no study 'nothing'; known are pareto, ptq-vs-qfx."),
        (
            "ptq-vs-qfx",
            Choice(("mnist",)),
            "This study runs on digits, glyphs, not 'mnist'; leave it out of --datasets.",
        ),
    ):
        with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
            run_study(name, choice, tmp_path)
    assert list(tmp_path.iterdir()) == []


def command(*arguments):
    return CliRunner().invoke(app, ["study", *arguments])


def test_the_command(tmp_path):
    target = tmp_path / "rows.json"
    done = command("ptq-vs-qfx", "--finished", "--datasets", "digits", "--build", str(tmp_path), "--json", str(target))
    assert done.exit_code == 0
    assert "digits_resnet: at 4 bits within 1 point of float: not measured." in done.stdout
    assert set(json.loads(target.read_text())) == {"machine", "versions", "rows"}
    done = command("ptq-vs-qfx", "--bits", "8,x")
    assert done.exit_code == 2
    assert "word lengths are numbers such as 8,4,3, not '8,x'" in done.stderr
