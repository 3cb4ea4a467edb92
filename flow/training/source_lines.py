"""Which line of the user's source a node or an error comes from, such as `net.py:12: x = torch.cumsum(x, 1)`."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable
from pathlib import Path

import torch

__all__ = ["line_of_error", "line_of_trace"]

# As Python prints a frame: the file, the number of the line, and its text where the source is at hand.
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<number>\d+), in [^\n]*(?:\n {4}(?P<text>[^\n]*))?')
_HERE = Path(__file__).parent
# Where no line is the user's.
_OTHERS = (Path(torch.__file__).parent, *(_HERE / name for name in ("importer.py", "checks.py", "attention.py")))

Frame = tuple[str, int, str]  # file, number, text


def line_of_trace(trace: str | None) -> str:
    """The innermost line of the user's in a node's `stack_trace`, with a leading blank; empty where there is none."""
    found = _FRAME.finditer(trace or "")
    return _innermost((match["file"], int(match["number"]), match["text"] or "") for match in found)


def line_of_error(error: BaseException) -> str:
    """The innermost line of the user's that an error passed through, as `line_of_trace` gives it."""
    return _innermost((frame.filename, frame.lineno or 0, frame.line or "") for frame in _frames(error))


def _frames(error: BaseException) -> Iterable[traceback.FrameSummary]:
    return traceback.extract_tb(error.__traceback__)


def _innermost(frames: Iterable[Frame]) -> str:
    users = [frame for frame in frames if _is_users(Path(frame[0]))]
    if not users:
        return ""
    file, number, text = users[-1]
    return f" at `{_shown(Path(file))}:{number}" + (f": {text.strip()}`" if text else "`")


def _is_users(file: Path) -> bool:
    made_up = file.name.startswith("<")  # as `<string>` or `<frozen importlib>`
    return not made_up and not any(file.is_relative_to(other) for other in _OTHERS)


def _shown(file: Path) -> str:
    """The file as seen from the working directory, its name alone where it lies elsewhere."""
    here = Path.cwd()
    return str(file.relative_to(here)) if file.is_relative_to(here) else file.name
