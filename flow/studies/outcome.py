"""What a study comes to, without knowing how it is shown."""

from __future__ import annotations

from dataclasses import dataclass

from flow.studies.rows import Row

__all__ = ["Outcome", "Sheet"]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table: every line has as many texts as there are headings."""

    title: str
    headings: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Tables for the eye, sentences on what they show, and the figures for other programs.

    Attributes:
        sheets: the tables.
        verdicts: one sentence a target: met or missed, and by how much.
        rows: every figure of the tables.
        packages: whose versions the figures depend on.
        drawing: the same as an SVG file; None where the study has none.
    """

    sheets: tuple[Sheet, ...]
    verdicts: tuple[str, ...]
    rows: tuple[Row, ...]
    packages: tuple[str, ...]
    drawing: str | None = None
