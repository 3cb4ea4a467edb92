"""What a design may take at most, as text: `lut<=8000`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flow.errors import RecipeError

__all__ = ["NEAR", "Budget"]

NEAR = 0.03  # share of the limit by which a design may stay below it and still use its budget
_TEXT = re.compile(r"(?P<resource>[a-z]+)\s*<=\s*(?P<limit>\d+)")
_LEAST = 50  # LUTs: the ports of a top alone take about as many
_ELSEWHERE = {
    "dsp": "a design of shifts and additions has none, and in the streaming one folding sets them: verilog.folding",
    "latency": "registers set it, not word lengths: verilog.depth",
}


@dataclass(frozen=True, slots=True)
class Budget:
    """A resource of the spatial design and its limit.

    >>> Budget.parse("lut<=8000")
    Budget(resource='lut', limit=8000)

    Raises:
        RecipeError: the text is no such inequality, the resource is none that training can lower, or the limit is below
            what any design takes.
    """

    resource: str
    limit: int

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read the text form."""
        match = _TEXT.fullmatch(text.strip())
        if match is None:
            raise RecipeError(f"A budget is a resource and its limit such as 'lut<=8000', not {text!r}.")
        resource, limit = match["resource"], int(match["limit"])
        if resource in _ELSEWHERE:
            raise RecipeError(f"Training lowers LUTs only, not {resource!r} as in {text!r}: {_ELSEWHERE[resource]}.")
        if resource != "lut":
            raise RecipeError(f"Training lowers LUTs only, not {resource!r} as in {text!r}; give 'lut<={limit}'.")
        if limit < _LEAST:
            raise RecipeError(f"A budget of LUTs starts at {_LEAST}, which ports alone take, not {limit}; give more.")
        return cls(resource, limit)

    def __str__(self) -> str:
        return f"{self.resource}<={self.limit}"

    def met(self, measured: int) -> bool:
        """Whether a design keeps to the limit and uses at least all but 3 % of it."""
        return (1 - NEAR) * self.limit <= measured <= self.limit

    def distance(self, measured: int) -> tuple[bool, int]:
        """How far a design is from using its budget; whatever keeps to the limit is nearer than what does not."""
        return measured > self.limit, abs(self.limit - measured)
