"""The cells of a study as trials in an Optuna storage, so that several workers share them and each is done once.

Every worker of a study runs the same command, or one with other cells. A cell becomes a trial when a worker takes it,
under a lock; one whose worker on this machine has died is taken again.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flow.errors import RecipeError, ToolError

__all__ = ["Queue"]

_LARGEST = 1 << 31  # bound of every parameter, since Optuna wants one range for all trials of a study
_WORKER = "worker"


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise ToolError(
            "This study needs Optuna, which is not installed; run pip install 'qfx-flow[search]'."
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _alive(worker: str) -> bool:
    """Whether a worker may still be at it; those of other machines always may."""
    host, _, process = worker.partition(":")
    if host != socket.gethostname():
        return True
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


class Queue:
    """Cells of whole numbers, each with the figures that it came to.

    Args:
        folder: shared by the workers; holds the default storage, and a lock for taking cells.
        name: of the study within the storage.
        storage: a URL that Optuna knows; None for `study.sqlite3` in the folder.

    Raises:
        ToolError: Optuna is not installed.
        RecipeError: a storage that cannot be opened.
    """

    def __init__(self, folder: Path, name: str, storage: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.optuna = folder, _optuna()
        url = storage or f"sqlite:///{(folder / 'study.sqlite3').resolve()}"
        with self._locked():
            try:
                self.study = self.optuna.create_study(study_name=name, storage=url, load_if_exists=True)
            except Exception as error:  # whatever the driver of the storage raises
                reason = str(error).splitlines()[0]
                raise RecipeError(
                    f"The storage {url!r} cannot be opened ({reason}); give a URL such as sqlite:///study.sqlite3."
                ) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield

    def take(self, cells: Sequence[Mapping[str, int]]) -> tuple[Any, dict[str, int]] | None:
        """The first of the cells that nobody has done or is at, now this worker's, and its trial; None without one.

        A cell whose worker on this machine has died, or that failed, is taken again.
        """
        with self._locked():
            taken = self._taken()
            cell = next((dict(cell) for cell in cells if dict(cell) not in taken), None)
            if cell is None:
                return None
            self.study.enqueue_trial(cell)
            return self._asked(cell), cell

    def _asked(self, cell: dict[str, int]) -> Any:
        """The trial of a cell that waits; what a worker that died between two steps left waiting is given up."""
        while True:
            trial = self.study.ask()
            trial.set_user_attr(_WORKER, f"{socket.gethostname()}:{os.getpid()}")
            if {name: trial.suggest_int(name, 0, _LARGEST) for name in cell} == cell:
                return trial
            self.failed(trial)

    def _taken(self) -> list[dict[str, int]]:
        """The cells that are done or that a worker is at; those of dead workers are given up."""
        states, held = self.optuna.trial.TrialState, []
        for trial in self.study.get_trials(deepcopy=False, states=(states.RUNNING, states.COMPLETE)):
            if trial.state == states.RUNNING and not _alive(trial.user_attrs.get(_WORKER, ":")):
                self.study.tell(trial.number, state=states.FAIL)
            else:
                held.append(trial.system_attrs["fixed_params"])
        return held

    def done(self, trial: Any, figures: Mapping[str, float]) -> None:
        """Store what a cell came to."""
        trial.set_user_attr("figures", dict(figures))
        self.study.tell(trial, float(figures["accuracy"]))

    def failed(self, trial: Any) -> None:
        """Give a cell up, so that the next run takes it again."""
        self.study.tell(trial, state=self.optuna.trial.TrialState.FAIL)

    def finished(self, cells: Sequence[Mapping[str, int]]) -> list[dict[str, float]]:
        """Those of the cells that are done, with their figures, in the order of the cells."""
        complete = self.study.get_trials(deepcopy=False, states=(self.optuna.trial.TrialState.COMPLETE,))
        held = {tuple(sorted(trial.params.items())): trial.user_attrs["figures"] for trial in complete}
        found = ((cell, held.get(tuple(sorted(cell.items())))) for cell in cells)
        return [{**cell, **figures} for cell, figures in found if figures is not None]
