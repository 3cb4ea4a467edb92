"""The cheapest choice of lanes, exactly: groups of streams are eliminated one after the other.

Every layer ties two groups, so the groups form a graph that is nearly a chain, and the cheapest choice of a group given
those of its neighbours is a small table. This is bucket elimination (R. Dechter, Artificial Intelligence 113, 1999).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Factor", "Selection", "cheapest"]

# Cycles, cost, and what is chosen, by name.
Selection = tuple[int, float, tuple[tuple[str, Any], ...]]
_Part = tuple[float, tuple[tuple[str, Any], ...]]


@dataclass(frozen=True, slots=True)
class Factor:
    """What depends on the lanes of some groups.

    Attributes:
        name: of what has the cost.
        groups: their names.
        of: cycles, cost and choice, from their lanes in this order.
    """

    name: str
    groups: tuple[str, ...]
    of: Callable[[tuple[int, ...]], Selection]


@dataclass(frozen=True, slots=True)
class _Table:
    """The best part for every choice of some groups; those that miss the target are absent."""

    groups: tuple[str, ...]
    parts: dict[tuple[int, ...], _Part]


def _tabulate(factor: Factor, domains: Mapping[str, Sequence[int]], target: int) -> _Table:
    found = {}
    for lanes in itertools.product(*(domains[name] for name in factor.groups)):
        cycles, cost, choice = factor.of(lanes)
        if cycles <= target:
            found[lanes] = (cost, choice)
    return _Table(factor.groups, found)


def _together(parts: Sequence[_Part]) -> _Part:
    return sum(cost for cost, _ in parts), tuple(sorted(pair for _, pairs in parts for pair in pairs))


def _without(group: str, tables: Sequence[_Table], domains: Mapping[str, Sequence[int]]) -> _Table:
    """One table of all that mention `group`, with the best of its lanes."""
    around = tuple(sorted({name for table in tables for name in table.groups} - {group}))
    found = {}
    for lanes in itertools.product(*(domains[name] for name in around)):
        given, options = dict(zip(around, lanes, strict=True)), []
        for own in domains[group]:
            given[group] = own
            parts = [table.parts.get(tuple(given[name] for name in table.groups)) for table in tables]
            known = [part for part in parts if part is not None]
            if len(known) == len(parts):
                options.append(_together(known))
        if options:
            found[lanes] = min(options)
    return _Table(around, found)


def cheapest(domains: Mapping[str, Sequence[int]], factors: Sequence[Factor], target: int) -> dict[str, Any] | None:
    """The choice of least cost whose every factor takes at most `target` cycles; of equals the first in order.

    Args:
        domains: lanes that a group may have, by name.
        factors: what depends on them.
        target: cycles.

    Returns:
        What the factors chose, by name; None where nothing meets the target.
    """
    tables, left = [_tabulate(factor, domains, target) for factor in factors], list(domains)
    while left:
        degrees = {g: len({n for t in tables if g in t.groups for n in t.groups}) for g in left}
        group = min(left, key=degrees.__getitem__)
        left.remove(group)
        with_it = [table for table in tables if group in table.groups]
        tables = [table for table in tables if group not in table.groups]
        tables.append(_without(group, with_it, domains))
    ends = [table.parts.get(()) for table in tables]
    known = [end for end in ends if end is not None]
    return dict(_together(known)[1]) if len(known) == len(ends) else None
