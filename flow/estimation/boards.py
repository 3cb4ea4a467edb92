"""Boards: one YAML each in `boards/`, read into a frozen dataclass."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from flow.errors import BoardError
from flow.resources import folder
from flow.synthesis import Family

__all__ = ["Board", "Resources", "list_boards", "load_board", "read_board"]


@dataclass(frozen=True, slots=True)
class Resources:
    """A number for every resource of a device: counts, or the percentage of each that a design should fill at most.

    Attributes:
        lut: LUTs of the family: 6 inputs on Xilinx, 4 elsewhere.
        ff: flip-flops.
        dsp: DSP blocks.
        bram: block RAMs of `Board.bram_kibit`.
        uram: UltraRAMs of 288 Kibit.
    """

    lut: float
    ff: float
    dsp: float
    bram: float
    uram: float


@dataclass(frozen=True, slots=True)
class Board:
    """A board and the device on it.

    Attributes:
        name: what the user writes, the file's stem.
        title: the name its maker gave it.
        part: the device with package and speed grade, as vendor tools spell it.
        family: the technology of the device.
        clock_mhz: the clock a design is built for by default.
        resources: counts of the whole device.
        bram_kibit: bits of one block RAM in units of 1,024, parity included.
        ceilings: percent of each resource above which a design is flagged.
        source: where the counts come from.
        note: what its estimates cannot know, as a family that only stands in; None where there is nothing to say.
    """

    name: str
    title: str
    part: str
    family: Family
    clock_mhz: float
    resources: Resources
    bram_kibit: float
    ceilings: Resources
    source: str
    note: str | None = None

    @property
    def is_xilinx(self) -> bool:
        """Whether published figures of Vivado say something about it."""
        return self.family in (Family.XC7, Family.XCUP)


def list_boards() -> tuple[str, ...]:
    """The names of every board, sorted."""
    return tuple(sorted(path.stem for path in folder("boards").glob("*.yaml")))


@cache
def load_board(name: str) -> Board:
    """The board called `name`.

    >>> load_board("ultra96_v2").resources.dsp
    360

    Raises:
        BoardError: no file describes it, or its file is incomplete.
    """
    known = list_boards()
    if name not in known:
        close = difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "; choose one of them or add a YAML file to boards/."
        raise BoardError(f"Board {name!r} is not one of {', '.join(known)}{hint}")
    return read_board(folder("boards") / f"{name}.yaml")


def read_board(path: Path) -> Board:
    """The board that one YAML file describes.

    Raises:
        BoardError: the file is not YAML, lacks a key, has one too many, or holds a value of the wrong kind.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        reason = str(error).splitlines()[0]
        raise BoardError(f"Board file {path.name!r} is not YAML ({reason}); correct the file.") from None
    single = [name for name in _KEYS if name not in _GROUPS and (name not in _OPTIONAL or name in (content or {}))]
    found = {name: _entry(path, content, (name,)) for name in single}
    if found["name"] != path.stem:
        raise BoardError(f"Board file {path.name!r} must carry its own name, not name: {found['name']}; rename one.")
    groups = {group: _group(path, content, group) for group in _GROUPS}
    _refuse_unknown(path, content, _KEYS)
    return Board(**{**found, **groups, "family": Family(found["family"])})


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


# What the value of a key must be, in words and as a test.
_Kind = tuple[str, Callable[[Any], bool]]
_TEXT: _Kind = ("a text", lambda value: isinstance(value, str) and value != "")
_COUNT: _Kind = ("a number from 0 up", _is_count)
_FAMILY: _Kind = (f"one of {', '.join(f.value for f in Family)}", lambda value: value in [f.value for f in Family])
_GROUPS = ("resources", "ceilings")
_OPTIONAL = ("note",)
_KEYS = tuple(f.name for f in fields(Board))
_COUNTS = tuple(f.name for f in fields(Resources))
_KINDS = {"family": _FAMILY, **dict.fromkeys(("clock_mhz", "bram_kibit", *_COUNTS), _COUNT)}


def _group(path: Path, content: Any, group: str) -> Resources:
    found = Resources(**{name: _entry(path, content, (group, name)) for name in _COUNTS})
    _refuse_unknown(path, content[group], _COUNTS, f"{group}.")
    return found


def _refuse_unknown(path: Path, content: dict[str, Any], known: tuple[str, ...], place: str = "") -> None:
    """A misspelt optional key would otherwise do nothing, silently."""
    for key in content:
        if key not in known:
            raise BoardError(
                f"Board file {path.name!r} has a key {f'{place}{key}'!r} that nothing reads; choose among "
                f"{', '.join(known)}, or remove it."
            )


def _entry(path: Path, content: Any, keys: tuple[str, ...]) -> Any:
    """The value below a path of keys, checked against its kind."""
    value = content
    for depth, key in enumerate(keys, start=1):
        if not isinstance(value, dict) or key not in value:
            place = ".".join(keys[:depth])
            raise BoardError(f"Board file {path.name!r} lacks the key {place!r}; add it.")
        value = value[key]
    words, fits = _KINDS.get(keys[-1], _TEXT)
    if not fits(value):
        raise BoardError(f"Board file {path.name!r}: {'.'.join(keys)} must be {words}, not {value!r}; correct it.")
    return value
