"""Accuracy at few bits: float, the best of post-training, the learned binary point, and it with K-hot weights.

Everything that a design computes is quantised: weights, BatchNorm's scales and all activations, the input's pixels
among them, have `bits` bits; biases, shifts and the sums between the operators of a block have two more. BatchNorm
stays a multiplication and an addition, and shortcuts, averages and maxima run on those words.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flow.errors import RecipeError
from flow.progress import Report
from flow.project import Project
from flow.studies.accuracies import Accuracies, outcome
from flow.studies.cells import Course, Settings, all_cells
from flow.studies.low_bits import Bench
from flow.studies.outcome import Outcome
from flow.studies.select import Choice

__all__ = ["SETTINGS", "run"]

_BITS = (8, 7, 6, 5, 4, 3)
_DENSE = ("gptq", "bias_correction")
_CONVOLUTIONS = ("equalise", "gptq", "learned_rounding", "bias_correction")
# Learned words from the best of post-training, then K-hot words from the learned ones.
_DIGITS_MLP = (Course(4, 60, 3e-3), Course(16, 40, 1e-3)), (Course(4, 20, 3e-3), Course(16, 5, 1e-3))
_DIGITS_RESNET = (Course(4, 60, 8e-3), Course(16, 20, 1e-3)), (Course(4, 20, 3e-3), Course(16, 5, 1e-3))
_GLYPHS = (Course(4, 12, 5e-3), Course(16, 4, 2e-3)), (Course(4, 3, 3e-3), Course(16, 2, 1e-3))

# Rates and epochs were tried at 3 and 4 bits, on seeds from 100 on, which are not reported.
SETTINGS = (
    Settings(
        "digits_mlp", "digits", _DENSE, Course(32, 60, 3e-3), *_DIGITS_MLP, batch=32, point_rate=3e-3, taught=True
    ),
    Settings("digits_resnet", "digits", _CONVOLUTIONS, Course(32, 40, 3e-3), *_DIGITS_RESNET, batch=32),
    Settings("glyph_resnet20", "glyphs", _CONVOLUTIONS, Course(32, 14, 4e-3), *_GLYPHS, batch=64, taught=True),
)


def _chosen(choice: Choice, settings: tuple[Settings, ...]) -> list[Settings]:
    known = list(dict.fromkeys(entry.dataset for entry in settings))
    for name in choice.datasets:
        if name not in known:
            raise RecipeError(f"This study runs on {', '.join(known)}, not {name!r}; leave it out of --datasets.")
    return [entry for entry in settings if not choice.datasets or entry.dataset in choice.datasets]


def _computed(settings: Settings, choice: Choice, project: Project, report: Report) -> Accuracies:
    """Percent by cell; only what is stored where the choice is `finished`."""
    bench, found = Bench(settings, project), {}
    wanted = list(all_cells(choice))
    for done, cell in enumerate(wanted):
        report(f"study: {settings.net}", done, len(wanted))
        share = bench.stored(cell) if choice.finished else bench.accuracy(cell)
        if share is not None:
            found[cell] = 100 * share
    report(f"study: {settings.net}", len(wanted), len(wanted))
    return Accuracies(settings.net, settings.dataset, found)


def run(choice: Choice, folder: Path, report: Report, settings: tuple[Settings, ...] = SETTINGS) -> Outcome:
    """The table of each net of the chosen data sets.

    Args:
        choice: data sets, word lengths and seeds.
        folder: holds every finished cell as JSON, and the networks that others start from.
        report: told of every cell.
        settings: how each net is trained.

    Raises:
        RecipeError: a data set that the study does not know.
        OutputError: the folder cannot be written.
    """
    project, choice = Project(folder), replace(choice, bits=choice.bits or _BITS)
    tables = [_computed(entry, choice, project, report) for entry in _chosen(choice, settings)]
    return outcome(tables, choice.bits)
