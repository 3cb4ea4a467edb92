"""The page: a pure function from what the stages wrote to one HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from flow.reporting.bars import RESOURCES, draw_layers, draw_utilisation, shown
from flow.reporting.binary_points import draw_binary_points
from flow.reporting.curve import draw_training

__all__ = ["render_report"]

Json = Mapping[str, Any]
_TEMPLATES = Path(__file__).parent / "templates"
_NOT_RUN = "–"


def render_report(
    *,
    train: Json | None = None,
    simulate: Json | None = None,
    estimates: Sequence[Json] = (),
    design: str | None = None,
    name: str | None = None,
    unmeasured: str | None = None,
) -> str:
    """One self-contained HTML page; a part whose stage has not run says which command runs it.

    Args:
        train: content of `train.json`.
        simulate: content of `simulate.json`.
        estimates: content of one `estimate.json` for each board, the main board first.
        design: the graph's text form, from `flow.ir.to_text`.
        name: the design's name; taken from the other arguments where None.
        unmeasured: why there is nothing that a synthesis could measure; None where there is.

    Returns:
        The same text for the same arguments, always.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("report.html.j2").render(
        name=name or _name(train, simulate, estimates, design),
        train=train, simulate=simulate, design=design,
        tiles=_tiles(train, simulate, estimates), points=_points(train), curves=_curves(train),
        rungs=_rungs(simulate), boards=[_board(cost) for cost in estimates],
        resources=RESOURCES, shown=shown, unmeasured=unmeasured,
    )  # fmt: skip


def _name(train: Json | None, simulate: Json | None, estimates: Sequence[Json], design: str | None) -> str:
    """The design's name as the first stage that knows it wrote it; `NAME` before any has run."""
    written = [part["design"] for part in (train, simulate, *estimates) if part and "design" in part]
    if not written and design:
        written = [design.splitlines()[0].removeprefix("graph ")]
    return str(written[0]) if written else "NAME"


def _percent(value: float | None) -> str:
    return _NOT_RUN if value is None else f"{100 * value:.2f} %"


def _tiles(train: Json | None, simulate: Json | None, estimates: Sequence[Json]) -> list[dict[str, str]]:
    """The headline figures: (label, figure, note, mood)."""
    held = train or {}
    teacher = held.get("teacher")
    taught = f"; its teacher {teacher['model']} has {_percent(teacher['accuracy'])}" if teacher else ""
    accuracies = (
        ("Float", held.get("float_accuracy"), f"test accuracy, 32-bit floats{taught}"),
        ("Rounded after training", held.get("post_training_accuracy"), "binary points from calibration only"),
        ("Learned", held.get("accuracy"), "binary points trained with the weights"),
    )
    tiles = [{"label": label, "figure": _percent(v), "note": note, "mood": ""} for label, v, note in accuracies]
    return [*tiles, _bits_tile(simulate), _area_tile(estimates)]


def _bits_tile(simulate: Json | None) -> dict[str, str]:
    if simulate is None:
        return {"label": "Same bits", "figure": _NOT_RUN, "note": "no rung has run", "mood": ""}
    rungs = _rungs(simulate)
    passed = sum(rung["passed"] for rung in rungs)
    mismatches = sum(rung["mismatches"] or 0 for rung in rungs)
    return {
        "label": "Same bits", "figure": f"{passed}/{len(rungs)}", "mood": "good" if passed == len(rungs) else "bad",
        "note": f"rungs equal, {mismatches:,} mismatch{'es' * (mismatches != 1)}",
    }  # fmt: skip


def _area_tile(estimates: Sequence[Json]) -> dict[str, str]:
    if not estimates:
        return {"label": "Area", "figure": _NOT_RUN, "note": "no board estimated", "mood": ""}
    cost = estimates[0]
    total = cost["total"]
    mood = "bad" if _over(cost) else ""
    note = f"LUT and {shown(total['dsp'])} DSP on {cost['board']}"
    return {"label": "Area", "figure": shown(total["lut"]), "note": note, "mood": mood}


def _rungs(simulate: Json | None) -> list[dict[str, Any]]:
    """Every rung with whether it passed: it ran, compared something, and nothing differed."""
    rows = []
    for rung in simulate["rungs"] if simulate else ():
        skipped = rung.get("skipped")
        passed = not skipped and rung["mismatches"] == 0 and rung.get("values", rung["vectors"]) > 0
        keys = ("name", "tool", "vectors", "values", "mismatches", "seconds")
        first = _mismatch(rung.get("first_mismatch"))
        rows.append({**{key: rung.get(key) for key in keys}, "first": first, "skipped": skipped, "passed": passed})
    return rows


def _mismatch(first: Json | None) -> str | None:
    """`fc2[0, 3]: expected 4, got 5` from the entry of `simulate.json`."""
    if first is None:
        return None
    index = ", ".join(str(i) for i in first["index"])
    return f"{first['node']}[{index}]: expected {first['expected']}, got {first['actual']}"


def _over(cost: Json) -> list[str]:
    ceilings = cost.get("ceilings", {})
    return [key for key in RESOURCES if key in ceilings and cost["utilisation"][key] > ceilings[key]]


def _errors(cost: Json) -> list[dict[str, Any]]:
    """Estimate, measurement and error of the totals, one row a resource."""
    measured = cost["measured"]["total"]
    rows = []
    for key, label in RESOURCES.items():
        error = cost["error_percent"].get(key)
        words = _NOT_RUN if error is None else f"{error:+.1f} %" if error else "exact"
        rows.append({"label": label, "estimate": cost["total"][key], "measured": measured[key], "error": words})
    return rows


def _board(cost: Json) -> dict[str, Any]:
    """What the template shows of one `estimate.json`."""
    measured = cost["measured"]
    return {
        "cost": cost, "over": [RESOURCES[key] for key in _over(cost)], "utilisation": draw_utilisation(cost),
        "layers": draw_layers(cost["layers"], measured["layers"] if measured else ()),
        "errors": _errors(cost) if measured else [], "measured": measured,
    }  # fmt: skip


def _points(train: Json | None) -> Any:
    formats = (train or {}).get("formats")
    return draw_binary_points(formats, (train or {}).get("calibrated_formats", {})) if formats else None


def _curves(train: Json | None) -> list[Any]:
    epochs = (train or {}).get("epochs", ())
    return [draw_training(epochs, key) for key in ("loss", "accuracy") if epochs and all(key in e for e in epochs)]
