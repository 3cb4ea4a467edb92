"""Computes the cells of one net, each stored whole before the next begins, and the networks that others start from."""

from __future__ import annotations

import copy
import time
from dataclasses import replace
from functools import cached_property
from typing import Any

from flow.datasets import Dataset, load
from flow.exporters.writer import write_file
from flow.project import Project
from flow.studies.cells import Cell, Settings, digest_of, words
from flow.training import NETS, QuantizedModel, accuracy, answers, cross_entropy, fit, pack, quantize, seeded, unpack
from flow.training.ptq import apply

__all__ = ["Bench"]

_STARTS = ("float", "ptq", "learned")  # methods whose networks others start from


class Bench:
    """One net with its data, and the folder of its cells.

    Args:
        settings: how it is trained.
        project: where finished cells lie; one whose digest has changed counts as absent.
    """

    def __init__(self, settings: Settings, project: Project) -> None:
        self.settings, self.project = settings, project

    @cached_property
    def data(self) -> Dataset:
        return load(self.settings.dataset, seed=0)

    def stored(self, cell: Cell) -> float | None:
        """Share of the test samples that are right, None where the cell is not finished."""
        content = self.project.find_json(self._file(cell.alike, "json"))
        fresh = content is not None and content["digest"] == self._digest(cell.alike)
        return content["accuracy"] if content is not None and fresh else None

    def accuracy(self, cell: Cell) -> float:
        """As `stored`, computed and stored where it is not."""
        found = self.stored(cell)
        return self._computed(cell.alike) if found is None else found

    def _computed(self, cell: Cell) -> float:
        began = time.perf_counter()
        model, notes = _COMPUTE.get(cell.method, Bench._learned)(self, cell)
        if cell.method in _STARTS:
            write_file(self.project.path(self._file(cell, "pt")), pack(model.state_dict()))
        share = accuracy(model, self.data.test)
        content = {"digest": self._digest(cell), "net": self.settings.net, "cell": str(cell), "accuracy": share}
        seconds = round(time.perf_counter() - began, 1)
        self.project.write_json(self._file(cell, "json"), {**content, **notes, "seconds": seconds})
        return share

    def _file(self, cell: Cell, kind: str) -> str:
        return f"{self.settings.net}/{cell}.{kind}"

    def _digest(self, cell: Cell) -> str:
        """Of the settings that decide this cell; what it starts from is part of it."""
        held = self.settings
        base = (held.net, held.dataset, cell.seed, held.float_course, held.batch)
        if cell.bits is None:
            return digest_of(base)
        post = (base, words(cell.bits), held.methods, held.samples, held.judged)
        if cell.method == "ptq":
            return digest_of(post)
        learned = (post, held.course(replace(cell, method="learned")), held.point_rate, held.frozen_from, held.taught)
        if cell.khot is None:
            return digest_of(learned)
        return digest_of(learned, words(cell.bits, cell.khot), held.course(cell))

    def _state(self, cell: Cell) -> dict[str, Any]:
        self.accuracy(cell)
        if not self.project.path(self._file(cell, "pt")).is_file():
            self._computed(cell)  # its accuracy is stored, what others start from is not
        return unpack(self.project.path(self._file(cell, "pt")))

    def _fresh(self, seed: int) -> Any:
        with seeded(seed):
            return NETS[self.settings.net]()

    def _network(self, seed: int) -> Any:
        """The trained float network."""
        network = self._fresh(seed)
        network.load_state_dict(self._state(Cell(seed)))
        return network.eval()

    def _trained(self, model: Any, cell: Cell) -> Any:
        held, course = self.settings, self.settings.course(cell)
        fit(
            model,
            self._lesson(cell),
            self.data.test,
            epochs=course.epochs,
            seed=cell.seed,
            batch=held.batch,
            lr=course.rate,
            point_lr=held.point_rate,
            frozen_from=held.frozen_from,
        )
        return model

    def _lesson(self, cell: Cell) -> tuple[Any, Any]:
        """Training samples with their labels, or with what the float net of the seed makes of them."""
        x, y = self.data.train
        taught = self.settings.taught and cell.bits is not None
        return x, answers(self._network(cell.seed), x) if taught else y

    def _best(self, models: dict[str, QuantizedModel]) -> tuple[QuantizedModel, dict[str, Any]]:
        """The model of the lowest loss on training samples: nothing is chosen on the test set."""
        count = self.settings.judged
        samples = self.data.train_x[:count], self.data.train_y[:count]
        losses = {name: cross_entropy(model, samples) for name, model in models.items()}
        best = min(losses, key=lambda name: losses[name])
        return models[best], {"start": best, "losses": losses}

    def _float(self, cell: Cell) -> tuple[Any, dict[str, Any]]:
        return self._trained(self._fresh(cell.seed), cell), {}

    def _post_training(self, cell: Cell) -> tuple[Any, dict[str, Any]]:
        network, batch = self._network(cell.seed), self.data.train_x[: self.settings.samples]
        options, methods = words(int(cell.bits or 0)), self.settings.methods
        calibrated = quantize(network, batch, **options)
        return self._best({"calibrated": calibrated, "+".join(methods): apply(network, batch, methods, **options)})

    def _learned(self, cell: Cell) -> tuple[Any, dict[str, Any]]:
        """Trained from its own calibration or, where that is better, from post-training; K-hot from the learned net."""
        bits = int(cell.bits or 0)
        batch = self.data.train_x[: self.settings.samples]
        calibrated = quantize(self._network(cell.seed), batch, **words(bits, cell.khot))
        before = replace(cell, method="ptq" if cell.khot is None else "learned")
        held = copy.deepcopy(calibrated)
        held.load_state_dict(self._state(before))
        start, notes = self._best({"calibrated": calibrated, before.method: held})
        return self._trained(start, cell), notes


_COMPUTE = {"float": Bench._float, "ptq": Bench._post_training}
