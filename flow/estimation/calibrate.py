"""From measured points to coefficients: one fit a form, a family and a resource, cross-validated, or refused.

`data/fits.json` holds the coefficients and, for every fit, its errors on points that it has not seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import ToolError
from flow.estimation.fit import cross_validated, non_negative_least_squares
from flow.estimation.forms import STREAM_FORMS, Form, cell_rows
from flow.estimation.forms_dsp import DSP_FORMS
from flow.estimation.forms_images import IMAGE_FORMS
from flow.estimation.forms_moves import MOVE_FORMS
from flow.estimation.forms_numbers import NUMBER_FORMS
from flow.estimation.forms_spatial import SPATIAL_FORMS
from flow.estimation.forms_sums import SUM_FORMS
from flow.estimation.generated import COUNTED
from flow.estimation.points import DATA
from flow.estimation.sweeps import measured_on
from flow.exporters.writer import write_file
from flow.synthesis import Family, tool

__all__ = ["FITS", "FITTED", "FORMS", "calibrate", "carries", "errors_of", "fit_form", "luts", "write_fits"]

FITS = DATA / "fits.json"
FORMS: Mapping[str, Form] = {
    **STREAM_FORMS, **DSP_FORMS, **IMAGE_FORMS, **MOVE_FORMS, **NUMBER_FORMS, **SPATIAL_FORMS,
    **SUM_FORMS,
}  # fmt: skip
FITTED = (Family.XC7, Family.XCUP, Family.ECP5, Family.ICE40)
_STANDS_IN = {Family.GOWIN: Family.ECP5}
_FEWEST = 2  # points that a fit needs, so that one can be left out
_DIGITS = 6  # of a stored coefficient
Parameters = Mapping[str, int]


def errors_of(guess: NDArray[Any], truth: NDArray[Any], weight: NDArray[Any]) -> dict[str, float]:
    """Median, 90th percentile and largest absolute error, mean absolute error and bias, in percent of `weight`."""
    signed = 100 * (guess - truth) / weight
    size = np.abs(signed)
    found = {
        "median": np.median(size), "p90": np.quantile(size, 0.9), "max": size.max(), "mean": size.mean(),
        "bias": signed.mean(),
    }  # fmt: skip
    return {name: round(float(value), 2) for name, value in found.items()}


def _fit(form: Form, rows: Sequence[Mapping[str, Any]], family: Family, resource: str) -> dict[str, Any]:
    measured = measured_on(form.cell, family)  # memories are counted as they are where they were measured
    names = list(form.features(rows[0], measured))
    features = np.array([list(form.features(row, measured).values()) for row in rows], dtype=np.float64)
    known = np.array([form.known(row, measured, resource) for row in rows])
    truth = np.array([row[resource] for row in rows], dtype=np.float64)
    weight = np.maximum(truth, form.floor)
    coefficients = non_negative_least_squares(features, truth - known, weight)
    unseen = cross_validated(features, truth - known, weight) + known
    return {
        "coefficients": {name: round(float(c), _DIGITS) for name, c in zip(names, coefficients, strict=True)},
        "error_percent": errors_of(unseen, truth, weight),
    }


def fit_form(name: str, form: Form, rows: Sequence[Mapping[str, Any]], family: Family) -> dict[str, Any]:
    """Coefficients of the LUTs and of the carry cells of a form, and of flip-flops where it fits those.

    Args:
        name: of the form.
        form: its features.
        rows: measured points that it covers.
        family: they were mapped to.

    Raises:
        ToolError: the mean error of the LUTs on points left out is above the form's bound.
    """
    found = {"points": len(rows), **{key: _fit(form, rows, family, key) for key in form.fits}}
    error = found["lut"]["error_percent"]["mean"]
    bound = form.bound * (1 if family in (Family.XC7, Family.XCUP) else 2)
    if error > bound:
        raise ToolError(
            f"The fit of {name!r} ({form.cell}) on {family.value} errs by {error:.1f} % on points left out, above its "
            f"bound of {bound:g} %; give the form a feature that tells those points apart, or measure more."
        )
    return found


def calibrate(families: Iterable[Family] = FITTED) -> dict[str, Any]:
    """Every form on every family, from the stored points.

    Raises:
        ToolError: a family has no points, or a fit is beyond its bound.
    """
    found: dict[str, Any] = {}
    for name, form in FORMS.items():
        found[name], count = {}, COUNTED.get(form.cell, dict)
        for family in families:
            rows = [row for row in map(count, cell_rows(form.cell, family)) if form.covers(row, family)]
            if len(rows) >= _FEWEST:
                found[name][family.value] = fit_form(name, form, rows, family)
    return {"tool": tool(), "folds": 5, "forms": found}


def write_fits(path: Path = FITS) -> None:
    """Fit everything and write it, one fit a line."""
    data = calibrate()
    forms = ",\n".join(
        f"  {json.dumps(name)}: {{\n"
        + ",\n".join(f"   {json.dumps(family)}: {json.dumps(fit)}" for family, fit in fits.items())
        + "\n  }"
        for name, fits in data["forms"].items()
    )
    head = json.dumps({key: value for key, value in data.items() if key != "forms"}, indent=1)
    write_file(path, f'{head.removesuffix("}").rstrip()},\n "forms": {{\n{forms}\n }}\n}}\n')


@cache
def _fits() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FITS.read_text(encoding="utf-8"))["forms"]
    return found


def luts(name: str, parameters: Parameters, family: Family, resource: str = "lut") -> dict[str, float]:
    """LUTs of a cell by part, from its form; what the form counts rather than fits is not in it.

    Args:
        name: of the form.
        parameters: of the cell.
        family: it is mapped to.
        resource: `lut`, or another that the form fits.

    Raises:
        ToolError: the cell has not been measured on the family.
    """
    features = FORMS[name].features(parameters, family)
    known = _fits()[name].get(_STANDS_IN.get(family, family).value)
    if known is None:
        raise ToolError(
            f"Form {name!r} has no coefficients for family {family.value!r}; measure its cell: flow characterize "
            f"--families {family.value} --cells {FORMS[name].cell}."
        )
    coefficients = known[resource]["coefficients"]
    return {part: float(size * coefficients[part]) for part, size in features.items()}


def carries(name: str, parameters: Parameters, family: Family) -> float:
    """Carry cells of a cell, those of its parts with forms of their own left out."""
    cells = sum(luts(name, parameters, family, "carry").values())
    return 2 * cells if family is Family.GOWIN else cells  # an ALU is a bit, a CCU2C, which stands in, two
