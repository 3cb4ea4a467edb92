"""The command as a user has it: a process of its own, its exit status, and one clear sentence for each mistake."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from flow.training import unpack

# One dense layer, two short trainings: the whole pipe in seconds.
TINY_NET = """
from torch import nn

def tiny():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))

def broken():
    model = tiny()
    model[1].weight.data[3, 5] = float("nan")
    return model

def strange():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.Softshrink())
"""
TINY = {
    "name": "tiny",
    "dataset": "digits",
    "model": "nets.py:tiny",
    "train": {"float_epochs": 2, "epochs": 2},
    "exports": ["onnx", "hls"],
    "rungs": ["torch", "interpreter", "onnxruntime"],
    "boards": ["pynq_z2"],
}
ENVIRONMENT = {**os.environ, "COLUMNS": "160", "OMP_NUM_THREADS": "1"}


def flow(folder: Path, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
    environment = {**ENVIRONMENT, **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "flow", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env=environment, **options,
    )  # fmt: skip


def begun(folder: Path) -> Path:
    (folder / "nets.py").write_text(TINY_NET)
    recipe(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return begun(tmp_path)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `flow run r.yaml` has run; tests change copies of it."""
    place = begun(tmp_path_factory.mktemp("run"))
    done = flow(place, "run", "r.yaml")
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def finished(once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(once, tmp_path / "finished"))


def recipe(folder: Path, **changes: object) -> None:
    (folder / "r.yaml").write_text(yaml.safe_dump({**TINY, **changes}))


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("error: ").rstrip("\n")


def test_run_goes_through_every_stage_and_resumes_without_work(finished: Path) -> None:
    build = finished / "build" / "tiny"
    expected = {"checkpoint.pt", "train.json", "design.json", "design.npz", "design.txt", "onnx", "hls", "vectors",
                "simulate.json", "estimate.json", "estimate.pynq_z2.json", "report.html", "state.json"}  # fmt: skip
    assert {path.name for path in build.iterdir()} == expected
    rungs = json.loads((build / "simulate.json").read_text())["rungs"]
    assert [(r["name"], r["vectors"], r["mismatches"]) for r in rungs] == [(n, 360, 0) for n in TINY["rungs"]]
    assert all(rung["values"] >= 360 * 10 for rung in rungs)
    before = {name: (build / name).read_bytes() for name in ("checkpoint.pt", "simulate.json", "design.npz")}
    again = flow(finished, "run", "r.yaml")
    assert again.returncode == 0
    assert {name: (build / name).read_bytes() for name in before} == before


def test_the_stages_are_commands_of_their_own(finished: Path) -> None:
    for arguments in (
        ("export", "tiny", "--to", "onnx"),
        ("simulate", "tiny", "--rungs", "interpreter,onnxruntime"),
        ("estimate", "tiny", "--board", "ultra96_v2"),
        ("report", "tiny"),
    ):
        done = flow(finished, *arguments)
        assert done.returncode == 0, (arguments, done.stderr)
    estimate = json.loads((finished / "build/tiny/estimate.json").read_text())
    assert (estimate["board"], estimate["measured"]) == ("ultra96_v2", None)


def test_simulate_exits_1_on_a_mismatch(finished: Path) -> None:
    vectors = finished / "build/tiny/vectors/input.dat"
    done = flow(finished, "simulate", "tiny", "--rungs", "rtl")
    assert done.returncode == 1, "a rung that was not exported is skipped"
    skipped = json.loads((finished / "build/tiny/simulate.json").read_text())["rungs"][0]
    assert (skipped["name"], skipped["values"]) == ("rtl", 0)
    assert skipped["skipped"]
    assert vectors.is_file()


def formats(folder: Path) -> dict[str, str]:
    return json.loads((folder / "build/tiny/train.json").read_text())["formats"]


def test_a_recipe_holds_options_of_single_layers_a_cost_and_a_rule_against_swinging(folder: Path) -> None:
    layers = {1: {"lengths": "learned", "granularity": "channel"}, 3: {"khot": 2, "signed_digits": False}}
    train = {**TINY["train"], "point_lr": 0.1, "cost": "1e-3", "oscillation": {"flips": 2, "window": 20}}
    recipe(folder, train=train, quantize={"weights": "s7", "layers": layers}, rungs=["torch", "interpreter"])
    done = flow(folder, "run", "r.yaml")
    assert done.returncode == 0, done.stderr
    assert formats(folder)["3.weight"].split(".")[0] == "s7"
    assert "guard" in unpack(folder / "build/tiny/checkpoint.pt")["learned"]
    with np.load(folder / "build/tiny/design.npz") as stored:
        last = next(stored[key] for key in stored if key.startswith("3") and key.endswith("weight"))
    assert last.shape == (10, 8)
    assert int(np.bitwise_count(np.abs(last)).max()) == 2


def test_a_changed_stored_design_turns_the_interpreter_red(finished: Path) -> None:
    path = finished / "build/tiny/design.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    name = next(key for key in arrays if key.endswith("/bias"))
    arrays[name] = -arrays[name][::-1]
    np.savez(path, **arrays)
    done = flow(finished, "simulate", "tiny", "--rungs", "interpreter")
    assert done.returncode == 1
    assert json.loads((finished / "build/tiny/simulate.json").read_text())["rungs"][0]["mismatches"] > 0


def heeding_interrupts() -> None:
    """A shell makes what it starts in the background ignore them, and so would all that tests start there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupted_run_resumes_to_the_same_weights(folder: Path) -> None:
    recipe(folder, train={"float_epochs": 40, "epochs": 2})  # still running when the signal comes
    straight = folder / "straight"
    straight.mkdir()
    for name in ("nets.py", "r.yaml"):
        (straight / name).write_bytes((folder / name).read_bytes())
    assert flow(straight, "train", "r.yaml").returncode == 0
    started = subprocess.Popen(
        [sys.executable, "-m", "flow", "train", "r.yaml"], cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, preexec_fn=heeding_interrupts,
    )  # fmt: skip
    checkpoint = folder / "build/tiny/checkpoint.pt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert started.returncode == 130
    assert said == "Interrupted; nothing is half-written. The same command goes on where this one stopped.\n"
    assert sorted(path.name for path in checkpoint.parent.iterdir()) == ["checkpoint.pt"]
    resumed = flow(folder, "train", "r.yaml")
    assert resumed.returncode == 0, resumed.stderr
    ours, theirs = (json.loads((f / "build/tiny/train.json").read_text()) for f in (folder, straight))
    assert ours == theirs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("run", "nothing"),
            "There is no recipe 'nothing'; give a YAML file or one of: digits_budget, digits_luts, digits_luts16, "
            "digits_mlp, digits_resnet, glyph_budget, glyph_resnet20.",
        ),
        (
            ("study", "ptq-vs-qfx", "--plot", "p.svg"),
            "--plot draws the study pareto only, not 'ptq-vs-qfx'; leave it out.",
        ),
        (("simulate", "tiny"), "'build/tiny/train.json' is missing or damaged; run `flow train` first."),
        (("export", "tiny"), "'build/tiny/train.json' is missing or damaged; run `flow train` first."),
        (("report", "tiny"), "'build/tiny/train.json' is missing or damaged; run `flow train` first."),
    ],
)
def test_what_is_not_there_is_named(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    assert sentence(flow(folder, *arguments)) == message


def test_an_unknown_board_is_refused_before_any_work(folder: Path) -> None:
    recipe(folder, boards=["pynq_z3"])
    assert sentence(flow(folder, "run", "r.yaml")).startswith("Board 'pynq_z3' is not one of ")
    assert not (folder / "build").exists()


def test_an_unknown_recipe_key(folder: Path) -> None:
    recipe(folder, epochs=3)
    assert sentence(flow(folder, "run", "r.yaml")).startswith("Recipe 'r.yaml' has no key 'epochs'; ")


def test_an_unknown_word_length_is_refused_before_any_work(folder: Path) -> None:
    recipe(folder, quantize={"weight": "s6"})
    assert sentence(flow(folder, "run", "r.yaml")) == "Quantisation has no option 'weight'; did you mean 'weights'?"
    assert not (folder / "build").exists()


@pytest.mark.parametrize(
    ("function", "start"),
    [
        ("strange", "Sequential uses what has no fixed-point form: aten.softshrink.default in '2'; supported are "),
        ("broken", "Fixed point holds finite numbers only, but parameter '1.weight' of the model contains nan"),
        ("missing", "Recipe key 'model' names the function 'missing', which 'nets.py' does not define."),
    ],
)
def test_a_model_that_cannot_be_quantised_is_refused_before_training(folder: Path, function: str, start: str) -> None:
    recipe(folder, model=f"nets.py:{function}")
    assert sentence(flow(folder, "run", "r.yaml")).startswith(start)
    assert not (folder / "build").exists()


def test_a_missing_compiler_is_named_and_the_rung_counts_as_not_passed(finished: Path) -> None:
    done = flow(finished, "simulate", "tiny", "--rungs", "csim", env={"PATH": str(finished)})
    assert done.returncode == 1
    rung = json.loads((finished / "build/tiny/simulate.json").read_text())["rungs"][0]
    assert rung["skipped"] == ("Tool 'g++' is not on PATH; install a C++17 compiler (Debian: apt-get install g++).")


def test_a_folder_that_cannot_be_written(folder: Path) -> None:
    (folder / "file").write_text("in the way")
    said = sentence(flow(folder, "run", "r.yaml", "--build", "file/build"))
    assert said == (
        "Cannot write 'file/build/tiny/checkpoint.pt' (Not a directory); "
        "choose another folder with --build, or free space there."
    )


def test_a_full_disk_leaves_nothing_half_written(folder: Path) -> None:
    """The kernel refuses to let any file grow past 4 KiB, as a full disk would."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    said = sentence(flow(folder, "run", "r.yaml", preexec_fn=limit))
    assert said == (
        "Cannot write 'build/tiny/checkpoint.pt' (File too large); "
        "choose another folder with --build, or free space there."
    )
    assert list((folder / "build" / "tiny").iterdir()) == []


SOME_BOARDS = {"arty_a7_100t": "63,400", "orangecrab_25f": "24,288", "alveo_u250": "1,728,000"}


def test_boards_and_doctor(folder: Path) -> None:
    listed = flow(folder, "boards")
    assert listed.returncode == 0
    assert all(re.search(rf"^{name} .* {lut} ", listed.stdout, re.M) for name, lut in SOME_BOARDS.items())
    assert flow(folder, "doctor").returncode == 0
    poor = flow(folder, "doctor", env={"PATH": str(folder)})
    assert poor.returncode == 1
    assert "apt-get install g++" in poor.stdout
