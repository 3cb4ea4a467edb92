from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flow.errors import OutputError
from flow.exporters.writer import write_file, write_tree

FIX = "choose another folder with --build, or free space there."


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_tree_holds_exactly_what_was_given(tmp_path: Path):
    files = {"top.v": "module\n", "rom/a.hex": b"\x00\xff", "deep/er/é.txt": "ü"}
    write_tree(tmp_path / "new" / "rtl", files)
    assert content(tmp_path / "new" / "rtl") == {
        "top.v": b"module\n",
        "rom/a.hex": b"\x00\xff",
        "deep/er/é.txt": "ü".encode(),
    }


def test_scripts_may_be_run_and_other_files_not(tmp_path: Path):
    write_tree(tmp_path / "p", {"build.sh": "#!/bin/bash\n", "bytes.sh": b"#!/bin/bash\n", "top.v": "// #!\n"})
    write_file(tmp_path / "p" / "one.sh", "#!/bin/bash\n")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "p").iterdir()}
    assert modes == {"build.sh": 0o755, "bytes.sh": 0o755, "one.sh": 0o755, "top.v": 0o644}


def test_a_second_tree_replaces_the_first_whole(tmp_path: Path):
    write_tree(tmp_path / "rtl", {"old.v": "old", "both.v": "old"})
    write_tree(tmp_path / "rtl", {"both.v": "new"})
    assert content(tmp_path / "rtl") == {"both.v": b"new"}
    assert [path.name for path in tmp_path.iterdir()] == ["rtl"]


def test_a_tree_that_fails_half_way_leaves_the_old_one(tmp_path: Path):
    write_tree(tmp_path / "rtl", {"top.v": "old"})
    with pytest.raises(OutputError) as caught:
        write_tree(tmp_path / "rtl", {"top.v": "new", "top.v/inside": "no folder"})
    assert str(caught.value) == f"Cannot write {str(tmp_path / 'rtl')!r} (File exists); {FIX}"
    assert content(tmp_path / "rtl") == {"top.v": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["rtl"]


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str):
    with pytest.raises(OutputError) as caught:
        write_tree(tmp_path / "rtl", {"good": "", name: ""})
    assert str(caught.value) == f"An exported file must stay inside its folder, but is called {name!r}."
    assert list(tmp_path.iterdir()) == []


def write_one(path: Path) -> None:
    write_file(path, "x")


def write_many(path: Path) -> None:
    write_tree(path, {"a": "x"})


@pytest.mark.parametrize("write", [write_one, write_many])
def test_a_file_in_the_way_is_named(tmp_path: Path, write: Callable[[Path], None]):
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "build"
    with pytest.raises(OutputError) as caught:
        write(path)
    assert str(caught.value) == f"Cannot write {str(path)!r} (File exists); {FIX}"
    assert content(tmp_path) == {"file": b"in the way"}


def test_a_file_is_replaced_whole_and_readable_by_all(tmp_path: Path):
    path = tmp_path / "deep" / "simulate.json"
    write_file(path, "first")
    write_file(path, b"second")
    assert content(tmp_path) == {"deep/simulate.json": b"second"}
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The operating system's answer is the one thing a test cannot produce at will, so fsync gives it."""
    path = tmp_path / "simulate.json"
    write_file(path, "old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError) as caught:
        write_file(path, "new")
    assert str(caught.value) == f"Cannot write {str(path)!r} (No space left on device); {FIX}"
    assert content(tmp_path) == {"simulate.json": b"old"}
