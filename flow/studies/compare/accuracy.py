"""How well networks do in each format: after post-training quantisation and after training in it, weights and
activations together and each alone.

Both operands have the format, signed, as the multiplier that is measured has. What is not swept has 16 bits of fixed
point, sums are exact, BatchNorm is folded. L-Mul begins with the network of its minifloat after post-training.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from flow.datasets import Dataset, load
from flow.exporters.writer import write_file
from flow.project import Project
from flow.studies.cells import Course, digest_of
from flow.studies.compare.entries import Entry, Kind
from flow.training import (
    NETS,
    QuantizedModel,
    accuracy,
    answers,
    cross_entropy,
    fit,
    pack,
    quantize,
    seeded,
    torch_threads,
    unpack,
)
from flow.training.lmul import best_bias, by_lmul
from flow.training.ptq import apply

__all__ = ["NETWORKS", "SCOPES", "Net", "Trial", "Trials", "trials"]

SCOPES = ("both", "weights", "activations")
_SCOPES_OF = {Kind.LMUL: ("both",), Kind.KHOT: ("both", "weights")}
_WIDE = "s16"
_ALWAYS = {"biases": _WIDE, "sums": _WIDE, "batchnorm": "folded"}
_PIPELINE = ("equalise", "smooth", "gptq", "learned_rounding", "bias_correction")
# Codes are chosen neither for weights of few digits or in blocks, which `ptq/grids.py` refuses, nor for 16 bits.
_WITHOUT_CHOICE = ("equalise", "smooth", "bias_correction")
_METHODS = ("ptq", "qat")


@dataclass(frozen=True, slots=True)
class Net:
    """One net and how it is trained.

    Attributes:
        name: a built-in net.
        dataset: what it is trained on.
        courses: of the float net, and of training in a format.
        batch: samples a step.
        samples: training samples that calibrate.
        judged: training samples that choose between two results of post-training.
    """

    name: str
    dataset: str
    courses: tuple[Course, Course]
    batch: int
    samples: int = 512
    judged: int = 1437


# Rates in a format were tried on seed 100, which is not reported: BatchNorm is folded, so that a net of twenty layers
# falls apart at rates that suit the float one.
NETWORKS = {
    "digits_mlp": Net("digits_mlp", "digits", (Course(32, 60, 3e-3), Course(8, 15, 2e-3)), 32),
    "digits_resnet": Net("digits_resnet", "digits", (Course(32, 40, 3e-3), Course(8, 8, 2e-3)), 32),
    "glyph_mlp": Net("glyph_mlp", "glyphs_8x8", (Course(32, 60, 3e-3), Course(8, 16, 1e-3)), 64, judged=2048),
    "glyph_resnet20": Net("glyph_resnet20", "glyphs", (Course(32, 14, 4e-3), Course(8, 3, 4e-4)), 64, judged=2048),
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One accuracy.

    Attributes:
        net: which network.
        seed: of its weights and of the order of its samples.
        entry: the format; None for the float network.
        scope: what has the format, one of `SCOPES`.
        method: `float`, `ptq` or `qat`.
    """

    net: str
    seed: int
    entry: Entry | None = None
    scope: str = "both"
    method: str = "float"

    def __str__(self) -> str:
        return (
            f"s{self.seed}-float"
            if self.entry is None
            else f"s{self.seed}-{self.entry.name}-{self.scope}-{self.method}"
        )

    @property
    def alike(self) -> Trial:
        """The trial of the same network: sign and magnitude has the numbers of the minifloat of one exponent bit."""
        if self.entry is None or self.entry.kind is not Kind.SIGN_MAGNITUDE:
            return self
        return replace(self, entry=_minifloat(1, self.entry.bits - 2))


def _minifloat(exponent: int, mantissa: int) -> Entry:
    return Entry(f"e{exponent}m{mantissa}", Kind.MINIFLOAT, 1 + exponent + mantissa, exponent, mantissa)


def words(entry: Entry, scope: str) -> dict[str, Any]:
    """Options of `flow.quantize`: the format where the scope says so."""
    word = f"e{entry.exponent}m{entry.mantissa}" if entry.exponent else f"s{entry.bits}"
    if entry.block is not None:
        word = str(entry.block)
    chosen = {
        "weights": _WIDE if scope == "activations" else word,
        "activations": _WIDE if scope == "weights" else word,
        "khot": entry.digits or None,
    }
    channel = {"granularity": "channel"} if entry.block is None or scope == "activations" else {}
    return {**_ALWAYS, **chosen, **channel}


def trials(
    entries: list[Entry], net: str, seed: int, scopes: tuple[str, ...], trained: tuple[str, ...]
) -> Iterator[Trial]:
    """Every trial of a net: L-Mul is a matter of both operands, and K-hot one of weights."""
    yield Trial(net, seed)
    for entry in entries:
        for scope in scopes:
            if scope in _SCOPES_OF.get(entry.kind, SCOPES):
                yield Trial(net, seed, entry, scope, "ptq")
                if scope in trained:
                    yield Trial(net, seed, entry, scope, "qat")


class Trials:
    """The trials of one net, each stored whole before the next begins.

    Args:
        net: how it is trained.
        project: where finished trials lie; one whose digest has changed counts as absent.
    """

    def __init__(self, net: Net, project: Project) -> None:
        self.net, self.project = net, project
        self._after: tuple[Trial, QuantizedModel] | None = None

    @cached_property
    def data(self) -> Dataset:
        return load(self.net.dataset, seed=0)

    def stored(self, trial: Trial) -> float | None:
        """Share of the test samples that are right, None where the trial is not finished."""
        content = self._content(trial)
        return content and content["accuracy"]

    def date(self, trial: Trial) -> str | None:
        """The day when it was finished; None where it is not, or was stored before days were."""
        content = self._content(trial)
        return content and content.get("date")

    def _content(self, trial: Trial) -> dict[str, Any] | None:
        content = self.project.find_json(self._file(trial.alike, "json"))
        fresh = content is not None and content["digest"] == self._digest(trial.alike)
        return content if fresh else None

    def accuracy(self, trial: Trial) -> float:
        """As `stored`, computed and stored where it is not."""
        found = self.stored(trial)
        if found is not None:
            return found
        with torch_threads(1):  # matrices of a few thousand numbers: a second thread only waits
            return self._computed(trial.alike)

    def _file(self, trial: Trial, kind: str) -> str:
        return f"accuracies/{self.net.name}/{trial}.{kind}"

    def _digest(self, trial: Trial) -> str:
        """Of the settings that decide this trial; what it starts from is part of it."""
        held = self.net
        base = (held.name, held.dataset, trial.seed, held.courses[0], held.batch)
        if trial.entry is None:
            return digest_of(base)
        post = (base, words(trial.entry, trial.scope), self._pipeline(trial), held.samples, held.judged)
        if trial.entry.kind is Kind.LMUL:
            post = (*post, trial.entry.offset)
        return digest_of(post) if trial.method == "ptq" else digest_of(post, held.courses[1])

    def _pipeline(self, trial: Trial) -> tuple[str, ...]:
        choosable = trial.entry is not None and trial.entry.kind not in (Kind.KHOT, Kind.BLOCK)
        return _PIPELINE if choosable and trial.scope != "activations" else _WITHOUT_CHOICE

    def _computed(self, trial: Trial) -> float:
        began = time.perf_counter()
        notes: dict[str, Any] = {}
        if trial.entry is None:
            model: Any = self._trained(self._fresh(trial.seed), trial)
            write_file(self.project.path(self._file(trial, "pt")), pack(model.state_dict()))
        elif trial.method == "ptq":
            model, notes = self._post_training(trial, trial.entry)
        else:
            model = self._trained(self._started(trial, trial.entry), trial)
        share = accuracy(model, self.data.test)
        content = {"digest": self._digest(trial), "net": self.net.name, "trial": str(trial), "accuracy": share, **notes}
        content |= {"date": datetime.now(UTC).date().isoformat(), "seconds": round(time.perf_counter() - began, 1)}
        self.project.write_json(self._file(trial, "json"), content)
        return share

    def _fresh(self, seed: int) -> Any:
        with seeded(seed):
            return NETS[self.net.name]()

    def _network(self, seed: int) -> Any:
        """The trained float network."""
        trial = Trial(self.net.name, seed)
        self.accuracy(trial)
        if not self.project.path(self._file(trial, "pt")).is_file():
            self._computed(trial)
        network = self._fresh(seed)
        network.load_state_dict(unpack(self.project.path(self._file(trial, "pt"))))
        return network.eval()

    def _trained(self, model: Any, trial: Trial) -> Any:
        """Trained on the labels, and in a format on what the float net makes of the samples."""
        course = self.net.courses[trial.entry is not None]
        x, y = self.data.train
        lesson = (x, y) if trial.entry is None else (x, answers(self._network(trial.seed), x))
        points = {} if trial.entry is None else {"point_lr": course.rate, "frozen_from": 0.6}
        options = {"epochs": course.epochs, "seed": trial.seed, "batch": self.net.batch, "lr": course.rate}
        fit(model, lesson, self.data.test, **options, **points)
        return model

    def _post_training(self, trial: Trial, entry: Entry) -> tuple[QuantizedModel, dict[str, Any]]:
        """The better of calibration and the whole pipeline, on training samples: nothing is chosen by the test."""
        if entry.kind is Kind.LMUL:
            return self._by_adder(trial, entry)
        network, batch = self._network(trial.seed), self.data.train_x[: self.net.samples]
        options, methods = words(entry, trial.scope), self._pipeline(trial)
        models = {"calibrated": quantize(network, batch, **options)}
        models["+".join(methods)] = apply(network, batch, methods, **options)
        samples = self.data.train_x[: self.net.judged], self.data.train_y[: self.net.judged]
        losses = {name: cross_entropy(model, samples) for name, model in models.items()}
        best = min(losses, key=lambda name: losses[name])
        self._after = (trial, copy.deepcopy(models[best]))
        return models[best], {"chosen": best, "losses": losses}

    def _by_adder(self, trial: Trial, entry: Entry) -> tuple[QuantizedModel, dict[str, Any]]:
        """The network of the minifloat with products by L-Mul."""
        twin = _minifloat(entry.exponent, entry.mantissa)
        model, notes = self._post_training(replace(trial, entry=twin), twin)
        samples = self.data.train_x[: self.net.samples], self.data.train_y[: self.net.samples]
        bias = best_bias(model, entry.form, entry.offset, samples)
        made = by_lmul(model, entry.form, entry.offset, bias)
        self._after = (trial, copy.deepcopy(made))
        return made, {**notes, "bias": bias}

    def _started(self, trial: Trial, entry: Entry) -> QuantizedModel:
        """What post-training left of the network, from the trial before this one or made anew."""
        before = Trial(trial.net, trial.seed, entry, trial.scope, "ptq")
        if self._after is not None and self._after[0] == before:
            return self._after[1]
        return self._post_training(before, entry)[0]
