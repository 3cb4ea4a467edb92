"""`flow train`: first in float, then with learned binary points; every epoch is on disk before the next begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flow.datasets import Dataset
from flow.errors import RecipeError, did_you_mean
from flow.exporters.writer import write_file
from flow.progress import Report
from flow.project import Project
from flow.recipe import Recipe
from flow.stages.budget import correct, pricing_of, report_of
from flow.stages.models import dataset_of, network_of, quantized_of, teacher_of

__all__ = ["train_stage"]

_CHECKPOINT = "checkpoint.pt"


class _Checkpoint:
    """The state of both trainings; what was computed under another recipe is forgotten."""

    def __init__(self, project: Project, digest: str) -> None:
        from flow.training import unpack

        self.path = project.path(_CHECKPOINT)
        self.state: dict[str, Any] = {"digest": digest}
        if self.path.is_file():
            stored = unpack(self.path)
            self.state = stored if stored.get("digest") == digest else self.state

    def keep(self, **entries: Any) -> None:
        from flow.training import pack

        self.state.update(entries)
        write_file(self.path, pack(self.state))


def _fit(
    part: str, model: Any, data: Dataset, train: Any, recipe: Recipe, checkpoint: _Checkpoint, report: Report
) -> float:
    """Train `teacher`, `float` or `learned` from where the checkpoint left it; the accuracy of its last epoch."""
    from flow.training import Epoch, fit

    epochs = recipe.train.epochs if part == "learned" else recipe.train.float_epochs

    def on_epoch(epoch: Epoch, state: dict[str, Any]) -> None:
        checkpoint.keep(**{part: state})
        report(f"train: {part}", epoch.number, epochs)

    resumed = checkpoint.state.get(part)
    report(f"train: {part}", len(resumed["epochs"]) if resumed else 0, epochs)
    options: dict[str, Any] = {"batch": recipe.train.batch, "lr": recipe.train.lr, "point_lr": recipe.train.point_lr}
    if part == "learned":
        options.update(cost=_cost(recipe), oscillation=_oscillation(recipe), pricing=pricing_of(recipe, data))
    result = fit(
        model,
        train,
        data.test,
        epochs=epochs,
        seed=recipe.seed,
        on_epoch=on_epoch,
        resume_state=resumed,
        **options,
    )
    return result.accuracy


def _cost(recipe: Recipe) -> Any:
    """What training lowers besides the loss: bit operations by their weight."""
    from flow.training import bit_operations

    weight = recipe.train.cost
    return (lambda model: weight * bit_operations(model)) if weight else None


def _oscillation(recipe: Recipe) -> Any:
    from flow.training import Oscillation

    rule = recipe.train.oscillation
    for key in rule or ():
        if key not in ("flips", "window"):
            hint = did_you_mean(key, ("flips", "window"), "known keys:")
            raise RecipeError(f"Recipe key 'train.oscillation' has no key {key!r}; {hint}")
    return None if rule is None else Oscillation(**rule)


def _check(recipe: Recipe, model: Any) -> None:
    """What would do nothing, or fail, is refused before the first epoch."""
    from flow.training import Lengths

    lengths = [model.spec.lengths, *(options.get("lengths") for options in model.spec.layers.values())]
    if recipe.train.cost and Lengths.LEARNED not in lengths:
        raise RecipeError(
            f"Recipe key 'train.cost'={recipe.train.cost} lowers learned word lengths only; give quantize.lengths: "
            "learned, or leave it out."
        )
    if recipe.train.cost and not recipe.train.epochs:
        raise RecipeError(
            f"Recipe key 'train.cost'={recipe.train.cost} needs epochs to work in, not 'train.epochs'=0; give "
            "some, or leave it out."
        )
    if recipe.priced and not recipe.train.epochs:
        raise RecipeError(
            f"Recipe key 'train.budget'={recipe.train.budget!r} needs epochs to work in, not 'train.epochs'=0; give "
            "some, or leave it out."
        )
    _oscillation(recipe)


def _formats(model: Any) -> dict[str, str]:
    return {place: str(form) for place, form in model.formats().items()}


def train_stage(recipe: Recipe, source: str, build: Path, report: Report) -> Project:
    """Write `checkpoint.pt` and `train.json`; do nothing where both are there for the same recipe.

    Args:
        recipe: what to train.
        source: the recipe's name or path, remembered for the later commands.
        build: the parent of the design's folder.
        report: told of every epoch.

    Raises:
        FlowError: no such data or model, a layer without a fixed-point form, or a folder that cannot be written.
    """
    from flow.training import Lessons, accuracy

    project = Project(build / recipe.name)
    checkpoint = _Checkpoint(project, recipe.training_digest())
    done = project.find_json("train.json") or {}
    if done.get("digest") == recipe.training_digest() and "learned" in checkpoint.state:
        project.write_json("train.json", {**done, "recipe": source})
        return project
    data, network = dataset_of(recipe), network_of(recipe)
    # What cannot become fixed point is refused before the first epoch.
    _check(recipe, quantized_of(recipe, data, network))
    teacher, told = _taught(network, data, recipe, checkpoint, report)
    lessons = data.train if teacher is None else Lessons(data.train_x, teacher)
    labels = data.train if teacher is network else lessons
    float_accuracy = _fit("float", network, data, labels, recipe, checkpoint, report)
    model = quantized_of(recipe, data, network)
    calibrated, post_training = _formats(model), accuracy(model, data.test)
    learned = post_training
    if recipe.train.epochs:
        learned = _fit("learned", model, data, lessons, recipe, checkpoint, report)
    else:
        checkpoint.keep(learned={"model": model.state_dict(), "epochs": []})
    budget = None
    if recipe.priced:
        budget = _corrected(model, data, lessons, recipe, checkpoint, report)
        learned = budget["rounds"][-1]["accuracy"]
    elif recipe.train.budget is not None:
        budget = _built(model, data, recipe, report)
    project.write_json(
        "train.json",
        {
            "dataset": recipe.dataset,
            "recipe": source,
            "digest": recipe.training_digest(),
            "seed": recipe.seed,
            "samples": {"train": len(data.train_x), "test": len(data.test_x)},
            "teacher": told,
            "float_accuracy": float_accuracy,
            "post_training_accuracy": post_training,
            "accuracy": learned,
            "budget": budget,
            "epochs": _epochs(checkpoint.state),
            "calibrated_formats": calibrated,
            "formats": _formats(model),
        },
    )
    return project


def _taught(
    network: Any, data: Dataset, recipe: Recipe, checkpoint: _Checkpoint, report: Report
) -> tuple[Any, dict[str, Any] | None]:
    """The recipe's teacher, trained unless it is the network itself, and what `train.json` says of another one."""
    teacher = teacher_of(recipe, data, network)
    if teacher is None or teacher is network:
        return teacher, None
    share = _fit("teacher", teacher, data, data.train, recipe, checkpoint, report)
    return teacher, {"model": recipe.train.teacher, "accuracy": share}


def _corrected(
    model: Any, data: Dataset, train: Any, recipe: Recipe, checkpoint: _Checkpoint, report: Report
) -> dict[str, Any]:
    """Bring the trained model to its budget, once; what was found."""
    learned = checkpoint.state["learned"]
    if "budget" not in learned:
        rounds = correct(model, data, train, recipe, learned["market"], report)
        checkpoint.keep(learned={**learned, "model": model.state_dict(), "budget": report_of(recipe, rounds)})
    found: dict[str, Any] = checkpoint.state["learned"]["budget"]
    return found


def _built(model: Any, data: Dataset, recipe: Recipe, report: Report) -> dict[str, Any]:
    """Choose the design of the trained model that meets a budget, and measure it."""
    from flow.lowering import encode_input, lower
    from flow.stages.built import built

    report("train: budget", 0, 1)
    graph = lower(model.eval(), name=recipe.name, argmax=recipe.argmax)
    found = built(graph, recipe, encode_input(model, data.test_x[:1]))
    report("train: budget", 1, 1)
    return found


def _epochs(state: dict[str, Any]) -> list[dict[str, Any]]:
    """Both trainings in a row, each epoch with the part it belongs to."""
    return [
        {"part": part, "epoch": number, "loss": loss, "accuracy": accuracy}
        for part in ("float", "learned")
        for number, loss, accuracy in state[part]["epochs"]
    ]
