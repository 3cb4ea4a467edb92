import json
import os
import signal
import time
from collections import Counter

import pytest
from distributed import LocalCluster
from typer.testing import CliRunner

from flow.cli import app
from flow.errors import ToolError
from flow.estimation import campaign
from flow.estimation.campaign import characterise, digests, run_local, run_on_cluster
from flow.estimation.characterise import measure_batch
from flow.estimation.points import Points, read_points
from flow.synthesis import Area, Family, recipe, tool
from tests.estimation.campaign_worker import LOG, noted

SWEEP = [{"Width": width, "Depth": depth} for width in range(1, 9) for depth in (2, 4, 8)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A store of its own, and a sweep of 24 FIFOs in 12 batches of two."""
    monkeypatch.setattr(campaign, "SWEEPS", {"flow_fifo": lambda family: iter(SWEEP)})
    monkeypatch.setattr(campaign, "GENERATED", {})
    monkeypatch.setattr(campaign, "_BATCH", 2)
    monkeypatch.setenv(LOG, str(tmp_path))
    (tmp_path / "ended").touch()
    return tmp_path


def stored(folder) -> dict[tuple[int, int], int]:
    return {(row["Width"], row["Depth"]): row["lut"] for row in read_points(Family.ECP5, folder)["rows"]}


COMPLETE = {(p["Width"], p["Depth"]): p["Width"] * 10 + p["Depth"] for p in SWEEP}


def run(folder, runner, report=lambda *_: None) -> dict[str, int]:
    return characterise([Family.ECP5], folder=folder, runner=runner, report=report)


def test_every_point_is_stored_once_with_tool_recipe_digest_and_date(folder):
    heard = []
    done = run(folder, run_local(2, noted), lambda *what: heard.append(what))
    assert done == {"ecp5": 24}
    assert stored(folder) == COMPLETE
    assert [(heard[0], heard[-1])] == [(("characterize: ecp5", 0, 24), ("characterize: ecp5", 24, 24))]
    data = read_points(Family.ECP5, folder)
    assert (data["family"], data["tool"], data["recipe"]) == ("ecp5", tool(), list(recipe(Family.ECP5)))
    assert data["cells"].keys() == {"flow_fifo"}
    assert data["cells"]["flow_fifo"]["digest"] == digests()["flow_fifo"]
    assert len(data["cells"]["flow_fifo"]["date"]) == len("2026-11-27")


def test_what_is_finished_is_never_run_again_after_an_interruption(folder):
    def torn(task, done, total):
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder, run_local(1, noted), torn)
    kept = stored(folder)
    assert len(kept) == 8
    time.sleep(0.6)  # the batch that was at work ends, unheard
    before = (folder / "ended").read_text().split()
    assert run(folder, run_local(1, noted)) == {"ecp5": 16}
    after = (folder / "ended").read_text().split()[len(before) :]
    assert stored(folder) == COMPLETE
    assert len(after) == 8  # batches of two
    assert not set(after) & set(before[:4])
    assert run(folder, run_local(1, noted)) == {"ecp5": 0}


def test_a_cell_that_changed_is_measured_anew_and_the_others_are_not(folder, monkeypatch):
    run(folder, run_local(2, noted))
    changed = {"flow_fifo": "0" * 16}
    assert Points.open(folder, Family.ECP5, digests()).has("flow_fifo", SWEEP[0])
    assert not Points.open(folder, Family.ECP5, changed).has("flow_fifo", SWEEP[0])
    monkeypatch.setattr("flow.estimation.points.tool", lambda: "pyosys 9.99")
    assert not Points.open(folder, Family.ECP5, digests()).has("flow_fifo", SWEEP[0])


def test_a_cell_that_nobody_asks_for_stays_as_it_is(tmp_path):
    Points(tmp_path, Family.ICE40, {"flow_skid": "1" * 16}).add("flow_skid", [({"Width": 1}, Area(lut=1))])
    asked = {"flow_fifo": "2" * 16}
    Points.open(tmp_path, Family.ICE40, asked, others=True).add("flow_fifo", [({"Width": 1}, Area(lut=2))])
    held = json.loads((tmp_path / "points.ice40.json").read_text())
    assert {cell: entry["digest"] for cell, entry in held["cells"].items()} == {"flow_skid": "1" * 16, **asked}
    assert [(row["cell"], row["lut"]) for row in held["rows"]] == [("flow_fifo", 2), ("flow_skid", 1)]
    assert not Points.open(tmp_path, Family.ICE40, asked).has("flow_skid", {"Width": 1})


def test_the_store_does_not_depend_on_the_order_of_measuring(tmp_path):
    points = [({"Width": width}, Area(lut=width)) for width in (3, 1, 2)]
    held = {"flow_skid": "1" * 16}
    texts = []
    for name, order in (("a", points), ("b", points[::-1])):
        store = Points(tmp_path / name, Family.ICE40, held)
        for point in order:
            store.add("flow_skid", [point])
        texts.append((tmp_path / name / "points.ice40.json").read_text())
    assert texts[0] == texts[1]
    assert [row["Width"] for row in json.loads(texts[0])["rows"]] == [1, 2, 3]


def test_a_worker_killed_at_its_work_loses_nothing_and_nothing_finished_runs_twice(folder):
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        finished_when_killed: list[str] = []

        def kill(task, done, total):
            if done == 6 and not finished_when_killed:
                finished_when_killed.extend((folder / "ended").read_text().split())
                os.kill(int((folder / "started").read_text().split()[-1]), signal.SIGKILL)

        assert run(folder, run_on_cluster(cluster.scheduler_address, noted), kill) == {"ecp5": 24}
        again = run(folder, run_on_cluster(cluster.scheduler_address, noted))
    assert again == {"ecp5": 0}
    assert stored(folder) == COMPLETE
    started = Counter(line.split()[0] for line in (folder / "started").read_text().splitlines())
    ended = Counter((folder / "ended").read_text().split())
    assert len(finished_when_killed) >= 3
    assert all(ended[name] == 1 for name in finished_when_killed), "a finished batch ran twice"
    assert len(ended) == 12
    assert max(started.values()) == 2, "the killed batch started again"


@pytest.mark.slow
def test_a_cluster_measures_what_the_local_pool_measures(tmp_path, monkeypatch):
    monkeypatch.setattr(campaign, "SWEEPS", {"flow_fifo": lambda family: iter(SWEEP[:4])})
    monkeypatch.setattr(campaign, "GENERATED", {})
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        run(tmp_path / "a", run_on_cluster(cluster.scheduler_address, measure_batch))
    run(tmp_path / "b", run_local(2))
    assert stored(tmp_path / "a") == stored(tmp_path / "b")


def test_a_cluster_that_is_not_there_is_told(folder, monkeypatch):
    monkeypatch.setattr(campaign, "_PATIENCE_SECONDS", 0.5)
    with pytest.raises(ToolError) as caught:
        run(folder, run_on_cluster("tcp://127.0.0.1:1"))
    assert str(caught.value) == (
        "No Dask scheduler answers at 'tcp://127.0.0.1:1' (OSError); start one with: dask scheduler, or leave out "
        "--scheduler."
    )


def test_without_dask_the_cluster_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ToolError) as caught:
        run_on_cluster("tcp://127.0.0.1:8786")
    assert str(caught.value) == (
        "A cluster needs Dask, which is not installed; run: pip install 'qfx-flow[cluster]', here and on every worker, "
        "or leave out --scheduler."
    )


def test_a_cell_without_a_sweep_is_refused(folder):
    with pytest.raises(ToolError) as caught:
        characterise([Family.ECP5], cells=("flow_dto",), folder=folder)
    assert str(caught.value) == "There is no sweep of cell 'flow_dto'; choose among flow_fifo."


def test_a_missing_or_damaged_store_says_what_to_run(tmp_path):
    with pytest.raises(ToolError) as caught:
        read_points(Family.GOWIN, tmp_path)
    assert str(caught.value) == (
        "Family 'gowin' has no measured cells ('points.gowin.json' is missing); run: flow characterize --families "
        "gowin."
    )
    (tmp_path / "points.gowin.json").write_text('{"family":\n')
    with pytest.raises(ToolError) as caught:
        read_points(Family.GOWIN, tmp_path)
    assert str(caught.value) == (
        "The measured cells of 'gowin' are damaged ('points.gowin.json', line 2); remove the file and run: flow "
        "characterize --families gowin."
    )


def test_the_command_measures_what_is_missing_and_says_so(tmp_path):
    argv = ["characterize", "--families", "xcup", "--cells", "flow_skid", "--data", str(tmp_path), "--workers", "1"]
    first, again = (CliRunner().invoke(app, argv) for _ in range(2))
    assert (first.exit_code, again.exit_code) == (0, 0), first.output + again.output
    assert f"New points: 5 for xcup; in '{tmp_path}'." in first.output
    assert f"New points: 0 for xcup; in '{tmp_path}'." in again.output
    assert read_points(Family.XCUP, tmp_path)["rows"] == [
        row for row in read_points(Family.XCUP)["rows"] if row["cell"] == "flow_skid"
    ]


def test_a_family_that_does_not_exist_is_refused():
    result = CliRunner().invoke(app, ["characterize", "--families", "versal"])
    assert str(result.exception) == "There is no family 'versal'; choose among xc7, xcup, ecp5, ice40, gowin."
