"""The one writer: files and folders appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from flow.errors import OutputError

__all__ = ["Files", "write_file", "write_tree"]

Files = dict[str, str | bytes]


def _refusal(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(
        f"Cannot write {str(path)!r} ({reason}); choose another folder with --build, or free space there."
    )


def _write(path: Path, content: str | bytes) -> None:
    """A file that starts with `#!` is a script and may be run."""
    raw = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(raw)
        stream.flush()
        os.fsync(stream.fileno())
    path.chmod(0o755 if raw.startswith(b"#!") else 0o644)


def write_file(path: Path, content: str | bytes) -> None:
    """Write one file through a temporary neighbour and a rename.

    Raises:
        OutputError: the folder is read-only, full, or not a folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        try:
            _write(Path(name), content)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _refusal(path, error) from None


def _checked(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise OutputError(f"An exported file must stay inside its folder, but is called {name!r}.")
    return path


def write_tree(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Make `folder` hold exactly `files`: all are written beside it first, then the folders change places.

    Raises:
        OutputError: the parent is read-only, full or not a folder, or a name leaves the folder.
    """
    names = {name: _checked(name) for name in files}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            for name, content in files.items():
                _write(staged / "new" / names[name], content)
            if folder.exists():
                folder.rename(staged / "old")
            (staged / "new").rename(folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    except OSError as error:
        raise _refusal(folder, error) from None
