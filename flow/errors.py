"""Every error `flow` raises on purpose. A message is one sentence: rule, offending value, place, fix."""

from __future__ import annotations

import difflib
from collections.abc import Collection

__all__ = [
    "BoardError",
    "DataError",
    "ExportError",
    "FlowError",
    "FormatError",
    "GraphError",
    "OutputError",
    "RecipeError",
    "SimulationError",
    "ToolError",
    "ToolMissingError",
    "UnsupportedError",
    "did_you_mean",
]


def did_you_mean(given: object, known: Collection[str], otherwise: str) -> str:
    """How a message about a name that does not exist ends: with the nearest name, or `otherwise` and all of them.

    >>> did_you_mean("wieghts", ["weights", "sums"], "the options are")
    "did you mean 'weights'?"
    >>> did_you_mean("x", ["weights", "sums"], "the options are")
    'the options are weights, sums.'
    """
    close = difflib.get_close_matches(str(given), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"{otherwise} {', '.join(known)}."


class FlowError(Exception):
    """Base of every error with a message meant for the user; the command line prints it and exits 1."""


class FormatError(FlowError):
    """A number format, rounding mode or overflow mode that cannot exist or cannot be parsed."""


class GraphError(FlowError):
    """A graph that breaks a rule of the intermediate form."""


class UnsupportedError(FlowError):
    """A layer or operator of the user's model that has no handler."""


class DataError(FlowError):
    """A data set or an array that is missing, not finite, or of the wrong shape."""


class RecipeError(FlowError):
    """A recipe file that cannot be read, or a key or value in it that has no meaning."""


class BoardError(FlowError):
    """A board name that no file in `boards/` describes, or a board file that is incomplete."""


class ExportError(FlowError):
    """A graph that a backend cannot express."""


class OutputError(FlowError):
    """A folder or file that cannot be written: read-only, full, or in the way."""


class ToolMissingError(FlowError):
    """An external tool that is not installed; the message says how to get it."""


class ToolError(FlowError):
    """An external tool that ran and failed; the message carries the end of what it printed."""


class SimulationError(FlowError):
    """A rung of the ladder that produced no usable answer."""
