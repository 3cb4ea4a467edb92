"""The cells of a study as trials in an Optuna storage, so that several workers share them and each is done once.

Every worker of a study runs the same command. What waits is taken by one of them, since Optuna hands out a waiting
trial once; a trial whose worker on this machine has died goes back into the queue.
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
        folder: shared by the workers; holds the default storage, and a lock for adding cells.
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

    def add(self, cells: Sequence[Mapping[str, int]]) -> None:
        """Make every cell wait that is not known yet, and those whose worker has died again."""
        states = self.optuna.trial.TrialState
        with self._locked():
            known = []
            for trial in self.study.get_trials(deepcopy=False):
                dead = trial.state == states.RUNNING and not _alive(trial.user_attrs.get(_WORKER, ":"))
                if dead:
                    self.study.tell(trial.number, state=states.FAIL)
                elif trial.state != states.FAIL:
                    known.append(trial.system_attrs.get("fixed_params"))
            for cell in cells:
                if dict(cell) not in known:
                    self.study.enqueue_trial(dict(cell))

    def take(self) -> tuple[Any, dict[str, int]] | None:
        """A trial that waited and its cell, now this worker's; None where nothing waits."""
        with self._locked():
            waiting = self.study.get_trials(deepcopy=False, states=(self.optuna.trial.TrialState.WAITING,))
            if not waiting:
                return None
            names = tuple(waiting[0].system_attrs["fixed_params"])
            trial = self.study.ask()
            trial.set_user_attr(_WORKER, f"{socket.gethostname()}:{os.getpid()}")
            return trial, {name: trial.suggest_int(name, 0, _LARGEST) for name in names}

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
