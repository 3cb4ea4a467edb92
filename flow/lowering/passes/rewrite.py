"""How a pass changes a graph: a rule looks at one node and its surroundings, a sweep applies it until it is silent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from flow.ir import (
    Add,
    ArgMax,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Input,
    MatMul,
    MaxPool2d,
    Mul,
    Node,
    Pad,
    ReduceMax,
    ReduceSum,
    Relu,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    Reshape,
    ScaleShift,
    Slice,
    Sub,
    Transpose,
    Upsample,
)

__all__ = ["Rule", "View", "sweep"]

_CASTS = (Requantize, RequantizeEach, RequantizeMinifloat, ArgMax)  # read values, wherever the binary point lies
_EXACT = (
    Dense, Conv2d, ScaleShift, Relu, Add, Sub, Mul, MatMul, MaxPool2d, AvgPool2d, ReduceMax, ReduceSum, Flatten,
    Reshape, Concat, Slice, Transpose, Pad, Upsample,
)  # fmt: skip  # hand the binary point of their inputs on


@dataclass(frozen=True, slots=True)
class View:
    """A graph with what rules ask of it.

    Attributes:
        graph: the graph.
        readers: the nodes that read each value.
        free: values whose binary point shows in no output, so that it may move.
    """

    graph: Graph
    readers: dict[str, list[Node]]
    free: frozenset[str]

    @classmethod
    def of(cls, graph: Graph) -> View:
        """Look at `graph`."""
        readers: dict[str, list[Node]] = {node.name: [] for node in graph}
        for node in graph:
            for name in dict.fromkeys(node.inputs):
                readers[name].append(node)
        free: set[str] = set()
        for node in reversed(graph.nodes):
            hidden = all(
                isinstance(r, _CASTS) or (isinstance(r, _EXACT) and r.name in free) for r in readers[node.name]
            )
            if hidden and node.name not in graph.outputs and not isinstance(node, Input):
                free.add(node.name)
        return cls(graph, readers, frozenset(free))

    def before(self, node: Node) -> Node:
        """What makes the node's first input."""
        return self.graph[node.inputs[0]]

    def only_reader(self, name: str) -> Node | None:
        """The one node that reads `name`, where there is one and the value does not leave the design."""
        found = self.readers[name]
        return found[0] if len(found) == 1 and name not in self.graph.outputs else None

    def keeps(self, node: Node, changed: Node) -> bool:
        """Whether no output's binary point moves when `changed` takes the place of `node`."""
        frac = changed.infer(*self.graph.operands(changed)).format.frac
        return frac == self.graph.values[node.name].format.frac or node.name in self.free


# None: nothing to do. A node: it takes this one's place and name. A name: readers of this node read that instead.
Rule = Callable[[View, Node], Node | str | None]


def sweep(graph: Graph, rule: Rule) -> Graph:
    """Apply `rule` until it has nothing left to do; nodes that nothing reads any more are dropped.

    A binary point may move because a cast further on hides it. Where casts vanish, points therefore stay: what moves
    none is applied first, and only then, all together, what does.
    """
    while True:
        view = View.of(graph)
        changes = _changes(view, rule, moving=False) or _changes(view, rule, moving=True)
        if not changes:
            return graph
        graph = _applied(graph, changes)


def _moves(view: View, node: Node, change: Node | str) -> bool:
    values = view.graph.values
    after = values[change] if isinstance(change, str) else change.infer(*view.graph.operands(change))
    return after.format.frac != values[node.name].format.frac


def _changes(view: View, rule: Rule, moving: bool) -> dict[str, Node | str]:
    """What the rule says, leaving out what touches a node that already changes."""
    changes: dict[str, Node | str] = {}
    touched: set[str] = set()
    for node in view.graph:
        change = None if isinstance(node, Input) or touched & {node.name, *node.inputs} else rule(view, node)
        if change is None or (isinstance(change, str) and node.name in view.graph.outputs):
            continue
        used = {change} if isinstance(change, str) else set(change.inputs)
        if not touched & used and _moves(view, node, change) is moving:
            changes[node.name] = change
            touched |= {node.name, *node.inputs, *used}
    return changes


def _applied(graph: Graph, changes: dict[str, Node | str]) -> Graph:
    nodes = []
    for node in graph:
        change = changes.get(node.name, node)
        if isinstance(change, str):
            continue
        inputs = tuple(_alias(changes, name) for name in change.inputs)
        nodes.append(replace(change, inputs=inputs) if inputs != change.inputs else change)
    return alive(Graph(graph.name, tuple(nodes), graph.outputs))


def _alias(changes: dict[str, Node | str], name: str) -> str:
    change = changes.get(name)
    return change if isinstance(change, str) else name


def alive(graph: Graph) -> Graph:
    """The same graph without nodes that no output depends on; inputs stay."""
    needed = set(graph.outputs)
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.inputs)
    kept = tuple(node for node in graph if node.name in needed or isinstance(node, Input))
    return graph if len(kept) == len(graph) else Graph(graph.name, kept, graph.outputs)
