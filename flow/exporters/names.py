"""Names of the user's model made fit for C++, Verilog, Tcl and paths."""

from __future__ import annotations

import re
from collections.abc import Iterable

from flow.ir import Graph

__all__ = ["identifier", "identifiers"]

# Words that C++, SystemVerilog or Tcl keep to themselves and that a module path could plausibly be.
_RESERVED = frozenset(
    """
    and assert assign auto begin bit bool break buf byte case char class const continue cover cross default defparam
    delete design disable do double edge else end enum event export extern final float for force forever fork friend
    function generate genvar goto if import initial inline inout input inside instance int integer interface join
    library local logic long macro main mod module namespace nand new nor not null operator or output package
    parameter posedge priority private process program property protected public pure rand real ref reg register
    release repeat return scalar sequence short signed sizeof small static std strong struct super switch table task
    template this throw time top try type typedef typename union unique unsigned use using var vector virtual void
    volatile wait wand weak while wire with wor xnor xor
    """.split()
)


def identifier(name: str) -> str:
    """`name` as a lower-case identifier that is legal and unreserved in C++ and SystemVerilog.

    >>> identifier("layers.0.fc"), identifier("3x3"), identifier("class"), identifier("$(rm -rf)")
    ('layers_0_fc', 'n3x3', 'class_n', 'rm_rf')
    """
    word = re.sub(r"_+", "_", re.sub(r"[^0-9A-Za-z]", "_", name)).strip("_").lower()
    if not word or word[0].isdigit():
        word = f"n{word}"
    return f"{word}_n" if word in _RESERVED else word


def identifiers(graph: Graph) -> dict[str, str]:
    """A different identifier for every node, stable in node order."""
    return _distinct(node.name for node in graph.nodes)


def _distinct(names: Iterable[str]) -> dict[str, str]:
    taken: dict[str, str] = {}
    used: set[str] = set()
    for name in names:
        word, count = identifier(name), 2
        candidate = word
        while candidate in used:
            candidate, count = f"{word}_{count}", count + 1
        used.add(candidate)
        taken[name] = candidate
    return taken
