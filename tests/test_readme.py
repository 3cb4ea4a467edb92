"""The example in the README runs as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_python_example_runs_as_printed(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rungs = re.findall(r"^(csim|rtl) +64 vectors +0 mismatches  equal$", done.stdout, flags=re.MULTILINE)
    assert rungs == ["csim", "rtl"]
    assert "ultra96_v2" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_every_file_it_names_is_there() -> None:
    named = re.findall(r"\]\((docs/[^)]+)\)|`(flow/recipes/\w+\.yaml)`", README.read_text())
    paths = [path for pair in named for path in pair if path]
    assert len(paths) >= 2
    assert all((README.parent / path).is_file() for path in paths)
