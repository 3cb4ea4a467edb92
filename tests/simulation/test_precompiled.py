"""The vendor's headers, compiled once for a user."""

from pathlib import Path

import numpy as np

from flow.exporters.hls import export_hls
from flow.exporters.writer import write_tree
from flow.ir import trace
from flow.simulation.csim import simulate_csim
from flow.simulation.precompiled import precompiled
from tests.graphs import random_codes, random_graph


def test_headers_are_precompiled_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    options = precompiled(("-O0",), "key", ("ap_int.h", "vector"))
    assert options == ("-include", str(tmp_path / "flow" / "headers-key" / "vendor.h"))
    assert Path(options[1]).read_text() == "#include <ap_int.h>\n#include <vector>\n"
    made = Path(f"{options[1]}.gch")
    assert sorted(path.name for path in made.parent.iterdir()) == ["vendor.h", made.name]
    before = made.stat().st_mtime_ns
    assert precompiled(("-O0",), "key") == options
    assert made.stat().st_mtime_ns == before


def test_where_headers_cannot_be_kept_they_are_read_each_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    graph = random_graph(0)
    codes = random_codes(graph, 5)
    write_tree(tmp_path / "p", export_hls(graph))
    actual, expected = simulate_csim(graph, tmp_path / "p", codes), trace(graph, codes)
    assert [name for name in expected if not np.array_equal(actual[name], expected[name])] == []
