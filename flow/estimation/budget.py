"""What a design may take at most, as text: `lut<=8000`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flow.errors import RecipeError

__all__ = ["NEAR", "Budget"]

NEAR = 0.03  # share of the limit by which a design may stay below it and still use its budget
_TEXT = re.compile(r"(?P<resource>[a-z]+)\s*<=\s*(?P<limit>\d+)")
_LEAST = {"lut": 50, "dsp": 0, "latency": 1}  # the ports of a top alone take about 50 LUTs


@dataclass(frozen=True, slots=True)
class Budget:
    """A resource and its limit.

    `lut` is what training lowers, in the spatial design; `dsp`, of the streaming design, and `latency`, in cycles, are
    met by how the trained net is built: which layers multiply in DSPs, how far they are folded, where registers stand.

    >>> Budget.parse("lut<=8000")
    Budget(resource='lut', limit=8000)

    Raises:
        RecipeError: the text is no such inequality, the resource is none of the three, or the limit is below what any
            design takes.
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
        if resource not in _LEAST:
            raise RecipeError(
                f"A budget is of {', '.join(_LEAST)}, not of {resource!r} as in {text!r}; give 'lut<={limit}'."
            )
        if limit < _LEAST[resource]:
            raise RecipeError(
                f"A budget of {resource} starts at {_LEAST[resource]}, what any design takes, not {limit}; give more."
            )
        return cls(resource, limit)

    def __str__(self) -> str:
        return f"{self.resource}<={self.limit}"

    @property
    def trained(self) -> bool:
        """Whether training lowers the resource; the others are met by how a design is built."""
        return self.resource == "lut"

    def met(self, measured: int) -> bool:
        """Whether a design keeps to the limit and, where training lowers the resource, uses all but 3 % of it."""
        if not self.trained:
            return measured <= self.limit
        return (1 - NEAR) * self.limit <= measured <= self.limit

    def distance(self, measured: int) -> tuple[bool, int]:
        """How far a design is from using its budget; whatever keeps to the limit is nearer than what does not."""
        return measured > self.limit, abs(self.limit - measured)
