"""Names of the user's model made fit for C++, Verilog, Tcl and paths."""

from __future__ import annotations

import re
from collections.abc import Iterable

from flow.ir import Graph, Node

__all__ = ["identifier", "identifiers", "owner", "part_name"]

# Words that C++, SystemVerilog or Tcl keep to themselves and that a module path could plausibly be.
_RESERVED = frozenset(
    """
    alignas alignof alloca always and asm assert assign auto begin bind bit bitand bitor bool break buf byte case
    catch char checker class clocking compl concept const constexpr constraint context continue cover cross decltype
    default defparam delete design disable do double edge else end enum errno event expect explicit export extends
    extern final float for force forever fork friend function generate genvar global goto if implies import include
    initial inline inout input inside instance int integer interface intersect join large library linux local logic
    long macro main matches medium mod module mutable namespace nand new noexcept nor not null nullptr offsetof
    operator or output package packed parameter posedge primitive priority private process program property
    protected public pulldown pullup pure rand real ref reg register release repeat requires restrict return scalar
    scalared sequence short signed sizeof small soft solve specify static std strength string strong struct super
    supply0 supply1 switch table tagged task template this throughout throw time top tran tri try type typedef
    typeid typename union unique unix unsigned until untyped use using var vector vectored virtual void volatile
    wait wand weak while wildcard wire with within wor xnor xor
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


def part_name(node: Node, part: str) -> str:
    """The name of a new node that serves `node`."""
    return f"{node.name}#{part}"


def owner(graph: Graph, name: str) -> str:
    """The name of the node of `graph` that a node stands for, or serves by `part_name`, where it was rewritten."""
    return name if name in graph.values else name.rpartition("#")[0]


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
