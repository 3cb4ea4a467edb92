"""A recipe: one YAML file that says which data, which model, which word lengths, and what to make of them."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from flow.errors import RecipeError, did_you_mean
from flow.estimation.budget import Budget
from flow.exporters.hls.options import Options
from flow.exporters.verilog import PACE_OPTIONS, check_options

__all__ = ["EXPORTS", "RUNGS", "Recipe", "Training", "built_in_recipes", "load_recipe"]

_EXPORTS = ("onnx", "hls", "verilog")
_RUNGS = ("torch", "interpreter", "onnxruntime", "csim", "rtl", "netlist")
EXPORTS, RUNGS = (*_EXPORTS, "hls4ml"), (*_RUNGS, "hls4ml")  # the last ones only where a recipe asks for them
_CHOSEN = {"dsp": ("dsp",), "latency": ("folding", "depth", *PACE_OPTIONS)}  # options that a budget leaves open
_FOLDER = Path(__file__).parent / "recipes"
_EXPONENT = re.compile(r"[+-]?\d+[eE][+-]?\d+")


@dataclass(frozen=True, slots=True)
class Training:
    """How long and how fast to train.

    Attributes:
        float_epochs: in float, before anything is quantised.
        epochs: with learned binary points.
        batch: samples a step.
        lr: Adam's step size for weights.
        point_lr: the same for binary points and learned lengths.
        cost: what a bit operation adds to the loss, where `quantize.lengths` is learned; see `bit_operations`.
        budget: what the design may take; None for no budget. With `lut<=8000` weights buy their digits and casts learn
            their lengths until the spatial design meets it, see `flow.stages.budget`; with `dsp<=16` and `latency<=300`
            (cycles) the trained net is built to meet it, see `flow.stages.built`.
        teacher: a float net whose answers the net learns in place of the labels, named as `model` is, and trained in
            float first; where it is `model` itself, its float form teaches the quantised one. See
            `flow.training.Lessons`. None for no teacher.
        oscillation: `flips` and `window` of `flow.training.Oscillation`, which stops binary points that swing; an empty
            mapping for its defaults, None for never.
    """

    float_epochs: int = 30
    epochs: int = 20
    batch: int = 64
    lr: float = 2e-3
    point_lr: float = 1e-2
    cost: float = 0.0
    budget: str | None = None
    teacher: str | None = None
    oscillation: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        for name, least in (("float_epochs", 1), ("epochs", 0), ("batch", 1)):
            if getattr(self, name) < least:
                raise RecipeError(f"Recipe key 'train.{name}' must be at least {least}, not {getattr(self, name)}.")
        for name in ("lr", "point_lr", "cost"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                raise RecipeError(f"Recipe key 'train.{name}' must be a finite number from 0, not {value}.")
        if self.budget is not None:
            Budget.parse(self.budget)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything `flow run` needs to know.

    Attributes:
        name: of the design and of its folder under `build/`.
        dataset: a name that `flow.datasets` knows.
        model: a built-in net, or `file.py:function` relative to the recipe.
        seed: of the initial weights and of the order of the samples; the split is the same for all.
        train: see `Training`.
        quantize: keywords of `flow.quantize`; `layers` holds a mapping of its own for each layer.
        argmax: end the design with the index of the highest output.
        hls: options of the HLS exporter: `form`, `part`, `clock_ns`, `reuse`, `multiplier`, `storage`, `layers`.
        verilog: `architecture`, `stream` or `spatial`, and its options: `dsp` and one of `folding`, `target_fps` and
            `fit`, or `depth` and `dsp`, a number.
        exports: which of onnx, hls, verilog, hls4ml to write.
        rungs: which rungs of the ladder to climb.
        boards: the boards to estimate for; the first one is the main one.
        folder: where `model` is looked up.
    """

    name: str
    dataset: str
    model: str
    seed: int = 0
    train: Training = field(default_factory=Training)
    quantize: Mapping[str, Any] = field(default_factory=dict)
    argmax: bool = False
    hls: Mapping[str, Any] = field(default_factory=dict)
    verilog: Mapping[str, Any] = field(default_factory=dict)
    exports: tuple[str, ...] = _EXPORTS
    rungs: tuple[str, ...] = _RUNGS
    boards: tuple[str, ...] = ("ultra96_v2",)
    folder: Path = Path()

    def __post_init__(self) -> None:
        if not self.name.replace("_", "").replace("-", "").isalnum():
            raise RecipeError(f"Recipe key 'name' may hold letters, digits, '_' and '-' only, not {self.name!r}.")
        _known("exports", self.exports, EXPORTS)
        _known("rungs", self.rungs, RUNGS)
        Options.parse(self.hls)
        check_options(self.verilog)
        if self.train.budget is not None:
            self._check_budget(self.train.budget)
        if not self.boards:
            raise RecipeError("Recipe key 'boards' must name at least one board; see `flow boards`.")

    def _check_budget(self, text: str) -> None:
        """A budget of LUTs is one of the spatial design, of DSPs one of the streaming design; both are chosen by it."""
        resource = Budget.parse(text).resource
        if resource == "lut":
            self._be_spatial(text)
        elif resource == "dsp" and self.verilog.get("architecture", "stream") != "stream":
            raise RecipeError(
                f"Recipe key 'train.budget'={text!r} is for streaming designs, not for verilog.architecture: "
                f"{self.verilog['architecture']}, whose verilog.dsp is a number; give stream, or leave the budget out."
            )
        for key in _CHOSEN.get(resource, ()):
            if self.verilog.get(key):
                raise RecipeError(
                    f"Recipe key 'train.budget'={text!r} chooses verilog.{key} itself, not {self.verilog[key]!r}; "
                    "leave one of them out."
                )

    def _be_spatial(self, budget: str) -> None:
        """A design of shifts and additions where the recipe does not say otherwise."""
        if self.verilog.get("architecture", "spatial") != "spatial":
            raise RecipeError(
                f"Recipe key 'train.budget'={budget!r} is for shifts and additions, not for verilog.architecture: "
                f"{self.verilog['architecture']}; give spatial, or leave the budget out."
            )
        object.__setattr__(self, "verilog", {**self.verilog, "architecture": "spatial"})

    @property
    def priced(self) -> bool:
        """Whether there is a budget that training itself meets."""
        return self.train.budget is not None and Budget.parse(self.train.budget).trained

    def with_budget(self, budget: str | None) -> Recipe:
        """The same recipe under another budget, or as it is where None."""
        if budget is None:
            return self
        return dataclasses.replace(self, train=dataclasses.replace(self.train, budget=budget))

    def training_digest(self) -> str:
        """A hash of all that the trained weights depend on, for resuming."""
        parts = (self.dataset, self.model, self.seed, dataclasses.asdict(self.train), sorted(self.quantize.items()))
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _known(key: str, given: tuple[str, ...], legal: tuple[str, ...]) -> None:
    for item in given:
        if item not in legal:
            raise RecipeError(f"Recipe key {key!r} holds {item!r}, but may hold {', '.join(legal)} only.")


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("a list of names")
    return tuple(value)


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("a mapping of names to values")
    return {str(key): _mapping(item) if isinstance(item, dict) else item for key, item in value.items()}


def _counts(value: Any) -> dict[str, int]:
    if not isinstance(value, dict) or any(type(item) is not int for item in value.values()):
        raise ValueError("a mapping of names to whole numbers")
    return {str(key): item for key, item in value.items()}


def _real(value: Any) -> float:
    """YAML takes `1e-6` for a text, since there is no point in it."""
    if type(value) not in (int, float) and not (type(value) is str and _EXPONENT.fullmatch(value)):
        raise ValueError("a number such as 0.002")
    return float(value)


def _exactly(kind: type, words: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(words)
        return value

    return read


_INT, _TEXT, _BOOL = _exactly(int, "a whole number"), _exactly(str, "a text"), _exactly(bool, "true or false")
_READERS: dict[str, Callable[[Any], Any]] = {
    "int": _INT,
    "float": _real,
    "str": _TEXT,
    "bool": _BOOL,
    "str | None": _TEXT,
    "tuple[str, ...]": _texts,
    "Mapping[str, Any]": _mapping,
    "Mapping[str, int] | None": _counts,
}


def _build(cls: type, entries: Any, place: str) -> Any:
    """Fill a dataclass from a mapping, naming the key that is unknown, missing or of the wrong kind."""
    if not isinstance(entries, dict):
        raise RecipeError(f"{place} must be a mapping of keys to values, not {entries!r}.")
    legal = {f.name: f for f in dataclasses.fields(cls) if f.name != "folder"}
    for key in entries:
        if key not in legal:
            raise RecipeError(f"{place} has no key {key!r}; {did_you_mean(key, legal, 'known keys:')}")
    arguments = {}
    for key, value in entries.items():
        if legal[key].type == "Training":
            arguments[key] = _build(Training, value, f"{place}, section {key!r}")
            continue
        try:
            arguments[key] = _READERS[str(legal[key].type)](value)
        except ValueError as error:
            raise RecipeError(f"{place}: key {key!r} must be {error}, not {value!r}.") from None
    return arguments if cls is Recipe else cls(**arguments)


def built_in_recipes() -> tuple[str, ...]:
    """The names of the recipes that come with flow."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def load_recipe(name: str) -> Recipe:
    """The recipe in a YAML file, or the built-in one of that name.

    Raises:
        RecipeError: no such file or built-in recipe, not YAML, or a key or value without meaning.
    """
    path = _FOLDER / f"{name}.yaml" if name in built_in_recipes() else Path(name)
    try:
        entries = yaml.safe_load(path.read_text())
    except OSError:
        known = ", ".join(built_in_recipes())
        raise RecipeError(f"There is no recipe {name!r}; give a YAML file or one of: {known}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise RecipeError(f"Recipe {name!r} is not YAML: {reason}.") from None
    arguments = _build(Recipe, entries, f"Recipe {name!r}")
    missing = [key for key in ("name", "dataset", "model") if key not in arguments]
    if missing:
        raise RecipeError(f"Recipe {name!r} lacks the key {missing[0]!r}.")
    return Recipe(**arguments, folder=path.parent)
