"""Options that would do nothing beside the others, refused before anything is quantised.

Words are not among them: a spec says which word each role has, whether or not a model holds constants of that role.
"""

from __future__ import annotations

from dataclasses import fields

from flow.errors import RecipeError
from flow.training.spec import BatchNormMode, Spec

__all__ = ["check_idle"]

_DEFAULTS = {entry.name: entry.default for entry in fields(Spec)}


def _given(spec: Spec, option: str) -> list[str]:
    """Values of an option that differ from its default, for the whole model or for a layer, as text."""
    held = [getattr(spec, option), *(options[option] for options in spec.layers.values() if option in options)]
    return [repr(getattr(value, "value", value)) for value in held if value != _DEFAULTS[option]]


def check_idle(spec: Spec) -> None:
    """Refuse what is given and could not change a bit of any model.

    Raises:
        RecipeError: names the option and the one that it lacks, or that stands in its way.
    """
    if _given(spec, "signed_digits") and not _given(spec, "khot"):
        raise RecipeError("signed_digits=False says which digits khot counts, but khot is not given; give it too.")
    overflows, shifts = _given(spec, "accumulator_overflow"), _given(spec, "shifts")
    if overflows and not _given(spec, "accumulators"):
        raise RecipeError(
            f"accumulator_overflow={overflows[0]} says how accumulators overflow, but "
            "accumulators is not given; give it too."
        )
    if shifts and spec.batchnorm is BatchNormMode.FOLDED:
        raise RecipeError(
            f"shifts={shifts[0]} is the word of BatchNorm's addition, which batchnorm='folded' leaves none of; set "
            "biases instead."
        )
