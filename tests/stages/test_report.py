"""What the page says of a design that no synthesis has measured."""

from flow.errors import ExportError
from flow.exporters.writer import write_file
from flow.ir import dump
from flow.project import Project
from flow.stages.estimate import estimate_stage
from flow.stages.report import report_stage
from tests.graphs import mlp_graph


def reported(folder, graph):
    project = Project(folder / "net")
    for name, content in dump(graph).items():
        write_file(project.path(name), content)
    project.write_json("train.json", {"dataset": "digits", "formats": {}})
    estimate_stage(project, "pynq_z2")
    return report_stage(project).read_text()


def test_a_design_that_was_not_exported_as_rtl(tmp_path):
    assert "not measured: No RTL was exported; run `flow export net --to verilog` first." in reported(
        tmp_path, mlp_graph()
    )


def test_a_design_that_can_have_no_rtl(tmp_path, monkeypatch):
    def refuse(graph):
        raise ExportError(f"Design {graph.name!r} has no RTL cell for 'fc1'; export it as HLS.")

    monkeypatch.setattr("flow.stages.report.export_verilog", refuse)
    page = reported(tmp_path, mlp_graph())
    assert "not measured: Design &#39;mlp&#39; has no RTL cell for &#39;fc1&#39;; export it as HLS." in page
    assert "--measure" not in page


def test_a_design_whose_rtl_is_there(tmp_path):
    (tmp_path / "net" / "rtl").mkdir(parents=True)
    assert "not run: <code>flow estimate mlp --board pynq_z2 --measure</code>" in reported(tmp_path, mlp_graph())
