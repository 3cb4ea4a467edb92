"""How long work reports what it is doing, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Report", "silent"]

# Called with a task's name, the steps done, and the steps in all (0: not known).
Report = Callable[[str, int, int], None]


def silent(task: str, done: int, total: int) -> None:
    """Listen to nothing."""
