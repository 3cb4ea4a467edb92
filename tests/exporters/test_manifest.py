"""The manifest of an export: the same twice, for every exporter, and a changed file is found."""

import hashlib
import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import flow
from flow.errors import ExportError, OutputError
from flow.exporters.manifest import changed_files, graph_hash
from flow.exporters.writer import write_tree
from tests.graphs import mlp_graph, random_codes


@pytest.mark.parametrize("to", ["onnx", "hls", "hls4ml", "verilog"])
def test_every_export_has_one_that_is_the_same_twice(to: str):
    one, two = (flow.export(mlp_graph(), to, random_codes(mlp_graph(), 3)) for _ in range(2))
    assert one == two
    manifest = json.loads(one["manifest.json"])
    assert list(manifest) == ["flow", "design", "graph", "files"]
    assert (manifest["flow"], manifest["design"]) == (version("qfx-flow"), "mlp")
    assert manifest["graph"] == graph_hash(mlp_graph()) != graph_hash(mlp_graph(seed=1))
    assert list(manifest["files"]) == sorted(set(one) - {"manifest.json"})
    for name, value in manifest["files"].items():
        content = one[name]
        assert value == hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
    assert not re.search(r"/(home|root|tmp|work|usr)/|20\d\d-\d\d", str(one["manifest.json"]))


def test_the_same_bytes_under_another_hash_seed():
    """Every file of every exporter but hls4ml's, which has a test of its own."""
    program = (
        "import flow; from tests.ir.every_operator import attention_operators;"
        "from tests.graphs import resnet_graph;"
        "print([flow.export(*each)['manifest.json'] for each in [(resnet_graph(), 'onnx'), (resnet_graph(), 'hls'),"
        "(resnet_graph(), 'verilog'), (attention_operators(), 'hls'), (attention_operators(), 'onnx')]])"
    )
    one, two = (
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    )
    assert one == two
    assert one.count(b"sha") + one.count(b".h") > 50


def test_changed_and_missing_files_are_named(tmp_path: Path):
    folder = tmp_path / "hls"
    write_tree(folder, flow.export(mlp_graph(), "hls"))
    assert changed_files(folder) == ()
    (folder / "build").mkdir()
    (folder / "build" / "trace").write_text("made later")
    assert changed_files(folder) == ()
    (folder / "weights" / "fc2.h").write_text("other")
    (folder / "layers" / "fc1.cpp").unlink()
    assert changed_files(folder) == ("layers/fc1.cpp", "weights/fc2.h")


@pytest.mark.parametrize("content", [None, "{", "{}", "[]"])
def test_a_folder_without_a_manifest_is_refused(content: str | None, tmp_path: Path):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(OutputError) as caught:
        changed_files(tmp_path)
    assert str(caught.value) == (
        f"Folder {str(tmp_path)!r} has no readable manifest.json; write it there with flow export."
    )


def test_options_belong_to_the_exporters_that_have_some():
    with pytest.raises(ExportError) as caught:
        flow.export(mlp_graph(), "onnx", form="stream")
    assert str(caught.value) == "Exporter 'onnx' has no option 'form'; only hls and verilog have some."
