"""Measure cells of `rtl/` over their parameters: what one run of the recipe gives, many cases at a time.

Every case is a copy of the cell with other default parameters, kept whole in one large design, so that one run of the
recipe measures many cases and no logic moves between them. Beside them stands an identity, two wires; what it takes is
taken off every case.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from flow.errors import ToolError
from flow.resources import folder
from flow.synthesis import Area, Family, Synthesis, synthesise

__all__ = [
    "Batch",
    "cell_batch",
    "cell_digest",
    "measure_batch",
    "needed_by",
    "rtl_sources",
    "synthesise_whole",
    "text_digest",
]

_PACKAGE = "flow_pkg.sv"
_IDENTITY = "case_identity"
_IDENTITY_TEXT = f"""module {_IDENTITY} (input logic [7:0] data_i, output logic [7:0] data_o);
  assign data_o = data_i;
endmodule
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Cases of one cell that one run measures; plain data, so that any process can run it.

    Attributes:
        cell: the cell, or the name that generated modules go by.
        family: what they are mapped to.
        parameters: of every case.
        modules: text of every case by module name, in the order of `parameters`.
        sources: what they instantiate, packages first.
    """

    cell: str
    family: Family
    parameters: tuple[Mapping[str, int], ...]
    modules: Mapping[str, str]
    sources: Mapping[str, str]


def rtl_sources() -> dict[str, str]:
    """Every file of `rtl/`, the package first."""
    names = sorted((path.name for path in folder("rtl").glob("*.sv")), key=lambda name: (name != _PACKAGE, name))
    return {name: (folder("rtl") / name).read_text(encoding="utf-8") for name in names}


def _bare(text: str) -> str:
    """Without comments and white space, which synthesis does not see."""
    return " ".join(re.sub(r"//[^\n]*", "", text).split())


def needed_by(texts: Iterable[str], sources: Mapping[str, str]) -> dict[str, str]:
    """Every cell that texts instantiate, those within cells too, by file name, the package first."""
    seen: set[str] = set()
    pending = list(texts)
    while pending:
        names = {f"{word}.sv" for word in re.findall(r"\bflow_\w+", _bare(pending.pop()))} & sources.keys() - seen
        seen |= names
        pending += [sources[name] for name in names]
    return {name: text for name, text in sources.items() if name in seen}


def _digest_of(texts: Iterable[str]) -> str:
    return hashlib.sha256("".join(map(_bare, texts)).encode()).hexdigest()[:16]


def text_digest(texts: Sequence[str], sources: Mapping[str, str]) -> str:
    """A hash of texts and of every cell that they instantiate, whatever their comments say."""
    return _digest_of([*texts, *needed_by(texts, sources).values()])


def cell_digest(cell: str, sources: Mapping[str, str]) -> str:
    """A hash of the cell and of every cell it instantiates, so that stale data is noticed."""
    seen = needed_by([f"{cell} "], sources)
    return _digest_of(seen[name] for name in sorted(seen))


def _copy(cell: str, parameters: Mapping[str, int], name: str, sources: Mapping[str, str]) -> str:
    """The text of the cell under another name and with other defaults."""
    text, found = re.subn(rf"\bmodule {cell}\b", f"module {name}", sources[f"{cell}.sv"])
    for key, value in parameters.items():
        text, count = re.subn(rf"(parameter int {key} *= )[^,\n]*", rf"\g<1>{value}", text)
        found = min(found, count)
    if found != 1:
        raise ToolError(f"Cell {cell!r} does not have all the parameters {dict(parameters)}; see its header.")
    return text


def synthesise_whole(modules: Mapping[str, str], family: Family, sources: Mapping[str, str]) -> Synthesis:
    """One run of the recipe over modules that all stay whole, so that each has an area of its own.

    Args:
        modules: text by module name.
        family: what they are mapped to.
        sources: what they instantiate, packages first.
    """
    instances = "".join(f"  (* keep *) {name} u_{name} ();\n" for name in modules)
    top = {"cases.sv": f"module cases;\n{instances}endmodule\n"}
    files = {f"{name}.sv": text for name, text in modules.items()}
    return synthesise({**sources, **files, **top}, "cases", family, keep=tuple(modules))


def cell_batch(cell: str, parameters: Sequence[Mapping[str, int]], family: Family) -> Batch:
    """The cases of a cell as one run.

    Raises:
        ToolError: the cell lacks a parameter.
    """
    sources = rtl_sources()
    copies = {f"case_{i}": _copy(cell, p, f"case_{i}", sources) for i, p in enumerate(parameters)}
    return Batch(cell, family, tuple(parameters), copies, needed_by([_PACKAGE, *copies.values()], sources))


def measure_batch(batch: Batch) -> list[Area]:
    """The area of every case, out of context, less that of an identity."""
    modules = {**batch.modules, _IDENTITY: _IDENTITY_TEXT}
    areas = synthesise_whole(modules, batch.family, batch.sources).module_areas
    return [_less(areas[name], areas[_IDENTITY]) for name in batch.modules]


def _less(area: Area, overhead: Area) -> Area:
    names = ("lut", "ff", "dsp", "bram", "carry", "inverter")
    return replace(area, **{name: getattr(area, name) - getattr(overhead, name) for name in names})
