"""The graph: a tuple of nodes whose inputs point backwards only, and the exact type of every value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from flow.errors import GraphError
from flow.ir.ops import Input, Node
from flow.ir.value import Value

__all__ = ["Graph"]


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in an order in which they can be computed.

    Attributes:
        name: the design's name.
        nodes: each input of a node is an earlier node.
        outputs: names of the nodes that leave the design.
        proved: types that are known to be narrower than those inferred, as where several nodes stand for one.
        values: the type of every node, inferred.

    Raises:
        GraphError: a name or an output twice, a node without a name, an input that is not an earlier node, no input or
            output, a type that does not fit, or one that is proved to be another than the inferred one.
    """

    name: str
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    proved: Mapping[str, Value] = field(default_factory=dict, compare=False, repr=False)
    values: dict[str, Value] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        values: dict[str, Value] = {}
        for node in self.nodes:
            if not node.name:
                raise GraphError(f"Every node needs a name, but one ({node.op}) has none.")
            if node.name in values:
                raise GraphError(f"Node names must be unique, but {node.name!r} occurs twice.")
            missing = [name for name in node.inputs if name not in values]
            if missing:
                raise GraphError(f"Node {node.name!r} reads {missing[0]!r}, which is not an earlier node.")
            wanted = max(len(node.inputs), 1) if node.arity is None else node.arity
            if len(node.inputs) != wanted:
                raise GraphError(f"Node {node.name!r} ({node.op}) takes {wanted} inputs, not {len(node.inputs)}.")
            found = node.infer(*(values[name] for name in node.inputs))
            values[node.name] = _narrowed(node, found, self.proved.get(node.name, found))
        absent = [name for name in self.outputs if name not in values]
        if absent or not self.outputs or not any(isinstance(node, Input) for node in self.nodes):
            raise GraphError(f"A graph needs an input and known outputs; got outputs {list(self.outputs)}.")
        twice = [name for index, name in enumerate(self.outputs) if name in self.outputs[:index]]
        if twice:
            raise GraphError(f"A value leaves a design once, but {twice[0]!r} is listed as an output twice.")
        object.__setattr__(self, "values", values)

    def __getitem__(self, name: str) -> Node:
        """The node called `name`."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise GraphError(f"Graph {self.name!r} has no node {name!r}.")

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def input(self) -> Input:
        """The one input; raises GraphError where there are several."""
        found = [node for node in self.nodes if isinstance(node, Input)]
        if len(found) != 1:
            raise GraphError(f"Graph {self.name!r} has {len(found)} inputs where one is needed.")
        return found[0]

    def operands(self, node: Node) -> tuple[Value, ...]:
        """The types of a node's inputs."""
        return tuple(self.values[name] for name in node.inputs)

    def consumers(self, name: str) -> tuple[Node, ...]:
        """The nodes that read `name`, in order."""
        return tuple(node for node in self.nodes if name in node.inputs)

    def renamed(self, name: str) -> Graph:
        """The same graph under another design name."""
        return replace(self, name=name)


def _narrowed(node: Node, found: Value, known: Value) -> Value:
    """The known type of a node's value."""
    same = (known.shape, known.format) == (found.shape, found.format)
    if not same or known.low < found.low or known.high > found.high:
        raise GraphError(f"Node {node.name!r} makes {found}, which cannot be proved to be {known}.")
    return known
