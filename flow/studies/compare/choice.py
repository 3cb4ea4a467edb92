"""What a user may choose of the comparison, and the whole of it run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from flow.errors import RecipeError, did_you_mean
from flow.progress import Report
from flow.project import Project
from flow.studies.compare.accuracy import NETWORKS, SCOPES, Trial, Trials, trials
from flow.studies.compare.area import Areas
from flow.studies.compare.entries import BITS, all_entries
from flow.studies.compare.sweep import Sweep, measure
from flow.studies.compare.table import accuracy_rows, area_rows, content
from flow.studies.compare.units import Unit
from flow.synthesis import Family

__all__ = ["FAMILIES", "Choice", "compare"]

FAMILIES = (Family.XCUP, Family.XC7, Family.ECP5)
_DEFAULT = {"families": (Family.XCUP,), "nets": ("digits_mlp",)}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which part of the comparison to compute; empty fields mean the default, or everything where `full`.

    Attributes:
        families: names of FPGA families.
        units: names of units.
        bits: of the formats.
        nets: whose accuracy is measured.
        seeds: how many trainings of each net, from seed 0.
        trained: what is trained in the format, of `SCOPES`; weights and activations together by default.
        full: all families and nets, every form in every unit, each of weights and activations trained.
        finished: take what is stored and compute nothing.

    Raises:
        RecipeError: a name that is not known, bits out of 3..8, or no seed.
    """

    families: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    bits: tuple[int, ...] = BITS
    nets: tuple[str, ...] = ()
    seeds: int = 1
    trained: tuple[str, ...] = ()
    full: bool = False
    finished: bool = False

    def __post_init__(self) -> None:
        _check("family", self.families, [family.value for family in FAMILIES], "the families are")
        _check("unit", self.units, [unit.value for unit in Unit], "the units are")
        _check("net", self.nets, list(NETWORKS), "the nets are")
        _check("trained part", self.trained, list(SCOPES), "the parts are")
        wrong = [bits for bits in self.bits if bits not in BITS]
        if wrong or not self.bits:
            raise RecipeError(
                f"The comparison has formats of {BITS[0]}..{BITS[-1]} bits, not {wrong or 'none'}; "
                "give --bits some of them."
            )
        if self.seeds < 1:
            raise RecipeError(f"The comparison needs at least one seed, not {self.seeds}; give --seeds 1 or more.")

    @property
    def sweep(self) -> Sweep:
        """The areas to measure."""
        return Sweep(
            tuple(all_entries(self.bits)),
            tuple(_chosen(Family, self.families) or (FAMILIES if self.full else _DEFAULT["families"])),
            tuple(_chosen(Unit, self.units) or tuple(Unit)),
            self.full,
        )

    def trials(self, net: str) -> Iterator[Trial]:
        """The accuracies of a net: weights and activations together first, a whole table before the next seed."""
        entries, trained = all_entries(self.bits), self.trained or (SCOPES if self.full else SCOPES[:1])
        for seed in range(self.seeds):
            for scope in SCOPES:
                yield from trials(entries, net, seed, (scope,), trained)

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the nets."""
        return self.nets or (tuple(NETWORKS) if self.full else _DEFAULT["nets"])


def _check(what: str, given: tuple[str, ...], known: list[str], words: str) -> None:
    for name in given:
        if name not in known:
            raise RecipeError(f"The comparison has no {what} {name!r}; {did_you_mean(name, known, words)}")


def _chosen(kind: Callable[[str], Enum], names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(kind(name) for name in names)


def compare(choice: Choice, project: Project, report: Report) -> dict[str, Any]:
    """The content of `compare.json`; what `project` holds already is not computed again.

    Args:
        choice: which part.
        project: holds every finished point and trial.
        report: told of every step.

    Raises:
        ToolError: synthesis fails.
        OutputError: the folder cannot be written.
    """
    areas, sweep = Areas(project, report), choice.sweep
    if not choice.finished:
        measure(areas, sweep)
    accuracies: list[dict[str, Any]] = []
    for net in choice.networks:
        held, wanted = Trials(NETWORKS[net], project), list(dict.fromkeys(choice.trials(net)))
        for done, trial in enumerate(wanted if not choice.finished else ()):
            report(f"accuracy: {net}", done, len(wanted))
            held.accuracy(trial)
        report(f"accuracy: {net}", len(wanted), len(wanted))
        accuracies += accuracy_rows(held, wanted)
    return content(area_rows(areas, sweep), accuracies, sweep)
