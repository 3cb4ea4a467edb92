"""`flow export MODEL.onnx`: a file from elsewhere becomes a design with vectors, and climbs the ladder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from flow.cli import app
from flow.errors import DataError, FlowError, UnsupportedError
from flow.lowering.from_onnx import load_onnx
from flow.stages.export import export_stage, project_of
from flow.stages.imported import import_onnx
from flow.stages.inputs import read_inputs
from flow.stages.report import report_stage
from flow.stages.simulate import passed, simulate_stage

DATA = Path(__file__).parents[1] / "lowering" / "data"
MLP = DATA / "mlp_qonnx.onnx"


def test_a_file_becomes_a_design_that_climbs_the_ladder(tmp_path: Path):
    project = import_onnx(MLP, tmp_path)
    graph = export_stage(project, ["onnx"])
    assert (project.name, graph.name) == ("mlp_qonnx", "mlp_qonnx")
    codes = read_inputs(project, graph)
    form = graph.input.format
    assert (codes.min(), codes.max(), len(codes)) == (form.low, form.high, 256)
    summary = simulate_stage(project, ["interpreter", "onnxruntime"])
    assert passed(summary)
    assert summary["vectors"] == 256
    assert "mlp_qonnx" in report_stage(project).read_text()


def test_a_changed_copy_turns_the_ladder_red(tmp_path: Path):
    project = import_onnx(MLP, tmp_path)
    export_stage(project, ["onnx"])
    other = onnx.load(project.path("model.onnx"))
    weights = max(
        (t for t in other.graph.initializer if t.data_type == onnx.TensorProto.FLOAT), key=lambda t: len(t.raw_data)
    )
    weights.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(weights), weights.name))
    onnx.save(other, project.path("model.onnx"))
    assert not passed(simulate_stage(project, ["onnxruntime"]))


def test_real_samples_are_encoded_and_codes_taken_as_they_are(tmp_path: Path):
    graph = load_onnx(MLP)
    samples = np.linspace(-2, 2, 3 * int(np.prod(graph.input.shape))).reshape(3, *graph.input.shape)
    np.save(tmp_path / "real.npy", samples)
    real = read_inputs(import_onnx(MLP, tmp_path / "a", inputs=tmp_path / "real.npy"), graph)
    assert np.array_equal(
        real, np.clip(np.rint(samples * 2.0**graph.input.format.frac), graph.input.format.low, graph.input.format.high)
    )
    np.save(tmp_path / "codes.npy", real)
    assert np.array_equal(read_inputs(import_onnx(MLP, tmp_path / "b", inputs=tmp_path / "codes.npy"), graph), real)


def test_odd_scales_are_taken_as_asked(tmp_path: Path):
    with pytest.raises(UnsupportedError, match="load with scales='dyadic'"):
        import_onnx(DATA / "mlp_float_qonnx.onnx", tmp_path)
    assert not list(tmp_path.iterdir())
    project = import_onnx(DATA / "mlp_float_qonnx.onnx", tmp_path, scales="dyadic")
    export_stage(project, ["onnx"])
    assert passed(simulate_stage(project, ["interpreter", "onnxruntime"]))
    assert "/" in json.loads(project.path("import.json").read_text())["input_unit"]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3)), r"must hold samples \(N, .*\), not \(2, 3\)\.$"),
        (np.array(["a"]), r"must hold one array of integers or floats; write it by numpy.save\.$"),
        (np.array([None]), r"is no \.npy file that can be read; write it by numpy\.save\.$"),
        (None, r"is no \.npy file that can be read; write it by numpy\.save\.$"),
    ],
)
def test_samples_that_do_not_fit(tmp_path: Path, array, message: str):
    if array is not None:
        np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=message):
        import_onnx(MLP, tmp_path / "build", inputs=tmp_path / "x.npy")
    assert not (tmp_path / "build").exists()


def test_codes_beyond_the_input(tmp_path: Path):
    graph = load_onnx(MLP)
    np.save(tmp_path / "x.npy", np.full((1, *graph.input.shape), graph.input.format.high + 1))
    with pytest.raises(DataError, match=r"must hold codes of [su]\d+\.-?\d+, not \[\d+, \d+\]\.$"):
        import_onnx(MLP, tmp_path, inputs=tmp_path / "x.npy")


def test_a_trained_design_is_not_overwritten(tmp_path: Path):
    (tmp_path / "mlp_qonnx").mkdir()
    (tmp_path / "mlp_qonnx" / "train.json").write_text("{}")
    with pytest.raises(FlowError, match=r"holds a trained design; rename 'mlp_qonnx\.onnx', or choose"):
        import_onnx(MLP, tmp_path)


def test_options_of_files_beside_a_design(tmp_path: Path):
    with pytest.raises(FlowError, match=r"^--inputs and --scales belong to an ONNX file, but 'digits' is a design"):
        project_of("digits", tmp_path, scales="dyadic")


def test_the_command_writes_everything(tmp_path: Path):
    result = CliRunner().invoke(app, ["export", str(MLP), "--to", "onnx,hls", "--build", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert {"design.json", "import.json", "model.onnx", "onnx", "hls", "vectors"} <= {
        p.name for p in (tmp_path / "mlp_qonnx").iterdir()
    }


def test_there_is_no_rung_torch(tmp_path: Path):
    project = import_onnx(MLP, tmp_path)
    export_stage(project, ["onnx"])
    (rung,) = simulate_stage(project, ["torch"])["rungs"]
    assert "needs the trained model" in rung["skipped"]
