"""Studies by name, and what a user may choose of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flow.errors import RecipeError
from flow.progress import Report, silent
from flow.studies.outcome import Outcome

__all__ = ["DRAWN", "STUDIES", "Choice", "run_study"]

_LEAST, _MOST = 2, 16  # bits; K-hot words have at most 16


@dataclass(frozen=True, slots=True)
class Choice:
    """Which part of a study to compute.

    Attributes:
        datasets: names of data sets; empty for all that the study knows.
        bits: word lengths, in the order of the table; empty for those of the study.
        seeds: how many, from 0.
        finished: take what is stored and compute nothing.
        recipe: of `pareto`: a YAML file or a built-in recipe; None for its default.
        budgets: of `pareto`: LUTs; empty for its default.
        storage: of `pareto`: an Optuna URL that its workers share; None for SQLite in the study's folder.

    Raises:
        RecipeError: a word length out of 2..16, or no seed.
    """

    datasets: tuple[str, ...] = ()
    bits: tuple[int, ...] = ()
    seeds: int = 5
    finished: bool = False
    recipe: str | None = None
    budgets: tuple[int, ...] = ()
    storage: str | None = None

    def __post_init__(self) -> None:
        wrong = [bits for bits in self.bits if not _LEAST <= bits <= _MOST]
        if wrong:
            raise RecipeError(f"A study takes word lengths of {_LEAST}..{_MOST} bits, not {wrong}.")
        if self.seeds < 1:
            raise RecipeError(f"A study needs at least one seed, not {self.seeds}.")


def _ptq_vs_qfx(choice: Choice, folder: Path, report: Report) -> Outcome:
    from flow.studies.ptq_vs_qfx import run  # torch comes with it

    return run(choice, folder, report)


def _pareto(choice: Choice, folder: Path, report: Report) -> Outcome:
    from flow.studies.pareto import run

    return run(choice, folder, report)


STUDIES: dict[str, Callable[[Choice, Path, Report], Outcome]] = {"ptq-vs-qfx": _ptq_vs_qfx, "pareto": _pareto}
DRAWN = ("pareto",)  # those whose outcome has a drawing as soon as a cell is done


def run_study(name: str, choice: Choice, build: Path, report: Report = silent) -> Outcome:
    """The outcome of a study; what `build/study/NAME` holds already is not computed again.

    Raises:
        RecipeError: no study of that name, or a choice that it does not offer.
        OutputError: the folder cannot be written.
    """
    if name not in STUDIES:
        raise RecipeError(f"There is no study {name!r}; known are {', '.join(sorted(STUDIES))}.")
    return STUDIES[name](choice, build / "study" / name, report)
