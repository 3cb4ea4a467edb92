"""`flow export` with options of the HLS project, and what becomes of a rung whose files were changed by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flow.cli import app
from flow.errors import ExportError, FlowError
from flow.exporters.manifest import changed_files
from flow.project import Project
from flow.recipe import Recipe, load_recipe
from flow.stages.estimate import estimate_stage
from flow.stages.export import export_stage
from flow.stages.imported import import_onnx
from flow.stages.simulate import _fresh, simulate_stage

MLP = Path(__file__).parents[1] / "lowering" / "data" / "mlp_qonnx.onnx"


def test_the_command_takes_form_multiplier_and_reuse(tmp_path: Path):
    options = ["--form", "stream", "--multiplier", "shift_add", "--reuse", "4"]
    result = CliRunner().invoke(app, ["export", str(MLP), "--to", "hls", *options, "--build", str(tmp_path)])
    assert result.exit_code == 0, result.output
    folder = tmp_path / "mlp_qonnx" / "hls"
    assert (folder / "top.cpp").read_text().startswith("// The top of design mlp_qonnx, streaming form.\n")
    assert changed_files(folder) == ()
    dense = [text for path in folder.glob("layers/*.cpp") if "dense_stream<" in (text := path.read_text())]
    assert dense
    assert all("multiply_by_shifts<" in text for text in dense)


def test_a_choice_that_cannot_be_leaves_nothing(tmp_path: Path):
    project = import_onnx(MLP, tmp_path)
    with pytest.raises(ExportError) as caught:
        export_stage(project, ["onnx", "hls"], options={"hls": {"form": "systolic"}})
    assert str(caught.value) == "The form of an HLS project is one of parallel, stream, not 'systolic'."
    assert not project.path("onnx").exists()
    assert not project.path("design.json").exists()


def test_a_rung_whose_files_were_changed_runs_again(tmp_path: Path):
    project = import_onnx(MLP, tmp_path)
    export_stage(project, ["onnx"])
    simulate_stage(project, ["interpreter", "onnxruntime"])
    assert set(_fresh(project)) == {"interpreter", "onnxruntime"}
    model = next(path for path in project.path("onnx").rglob("*.onnx"))
    model.write_bytes(model.read_bytes() + b"\n")
    assert set(_fresh(project)) == {"interpreter"}


def test_a_recipe_holds_options_of_the_hls_project(tmp_path: Path):
    path, good = tmp_path / "r.yaml", "name: a\ndataset: digits\nmodel: digits_mlp\n"
    path.write_text(good + "hls: {form: stream, reuse: 2, layers: {fc1: {pe: 4}}}\n")
    assert load_recipe(str(path)).hls == {"form": "stream", "reuse": 2, "layers": {"fc1": {"pe": 4}}}
    path.write_text(good + "hls: {from: stream}\n")
    with pytest.raises(FlowError) as caught:
        load_recipe(str(path))
    assert str(caught.value) == "An HLS project has no option 'from'; did you mean 'form'?"


def test_the_command_takes_an_architecture(tmp_path: Path):
    argv = [
        "export",
        str(MLP),
        "--to",
        "verilog",
        "--architecture",
        "spatial",
        "--depth",
        "2",
        "--dsp",
        "3",
        "--build",
        str(tmp_path),
    ]
    result = CliRunner().invoke(app, argv)
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "mlp_qonnx" / "rtl" / "stream.json").read_text())
    assert (written["architecture"], written["dsp"], written["ii_cycles"]) == ("spatial", 3, 1)
    cost = estimate_stage(Project(tmp_path / "mlp_qonnx"), "pynq_z2", measured=True)
    assert (cost["architecture"], cost["ii_cycles"]) == ("spatial", 1)
    assert cost["latency_cycles"] == written["latency_cycles"]  # of the depth that was asked for
    assert cost["measured"]["layers"] == []
    assert abs(cost["error_percent"]["lut"]) < 25  # a few dozen LUTs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"architecture": "systolic"}, "Verilog has no architecture 'systolic'; it has stream, spatial."),
        (
            {"depth": 2},
            "The stream architecture has no option 'depth'; its options are folding, dsp, target_fps, fit, board.",
        ),
        (
            {"architecture": "spatial", "depth": -1},
            "The depth of a spatial design is a count of additions between two registers, 0 for none, not -1.",
        ),
    ],
)
def test_architectures_that_cannot_be(options: dict[str, object], message: str, tmp_path: Path):
    with pytest.raises(ExportError) as caught:
        export_stage(import_onnx(MLP, tmp_path), ["verilog"], options={"verilog": options})
    assert str(caught.value) == message
    with pytest.raises(ExportError):
        Recipe(name="a", dataset="digits", model="digits_mlp", verilog=options)
