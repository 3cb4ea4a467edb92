"""From any torch.export-able module to a `Network`: every refusal of one model comes in one message."""

from __future__ import annotations

import io
import logging
import operator
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram

from flow.errors import UnsupportedError
from flow.ir.kernels import forward_kernel
from flow.training.aten import HANDLERS, RECURRENT, SUPPORTED, ZEROS, Arguments, Draft, RefusedError, shape_of
from flow.training.aten.draft import Piece
from flow.training.attention import OTHERWISE, batch_first_attention
from flow.training.calls import SOURCE, Call, Conv2d, Network, Relu, Scale, Weighted, distinct
from flow.training.casts import index_word
from flow.training.checks import FAILURES, check_example, check_forward, check_model
from flow.training.lut_layer import LutDense
from flow.training.source_lines import line_of_error, line_of_trace

__all__ = ["import_network"]


_OWN = f"{LutDense.__module__}.{LutDense.__qualname__}"


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode within, every module's own mode after."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch.export prints and logs on its way to an error that one sentence will tell."""
    before = logging.root.manager.disable
    try:
        logging.disable(logging.ERROR)
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _exported(model: nn.Module, example: Tensor) -> ExportedProgram:
    try:
        with _quiet(), batch_first_attention(model):
            return torch.export.export(model, (example,))
    except FAILURES as error:
        # The first line says what; remarks in brackets and the lines below are for people who develop torch.
        reason = (str(error).splitlines() or [type(error).__name__])[0].split(" (")[0].rstrip(".")
        raise UnsupportedError(
            f"torch.export cannot follow {type(model).__name__}{line_of_error(error)}: {reason}; make its forward "
            "free of branches on data."
        ) from None


def _module_path(node: fx.Node) -> tuple[str, bool]:
    """The deepest module a node comes from, and whether that is a layer of torch.nn's or of ours."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    if not stack:
        return "", False
    path, kind = stack[-1]
    kind = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    own = kind.startswith("torch.nn.modules.") and ".container." not in kind
    return re.sub(r"@\d+", "", path), own or kind == _OWN


def _is_attention(node: fx.Node) -> bool:
    """Whether a node is part of torch's own MultiheadAttention."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return bool(stack) and str(stack[-1][1]).endswith("MultiheadAttention")


class _Importer:
    """Walks an exported program once; `names` says which value each fx node stands for at that moment."""

    def __init__(self, program: ExportedProgram) -> None:
        signature = program.graph_signature
        self.constants: dict[str, str] = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        self.nodes = list(program.graph.nodes)
        self.names: dict[fx.Node, str] = {}
        self.transposed: dict[str, int] = {}  # each weight -> groups of its transposed convolution, 0 for others
        self.literals: dict[str, float] = {}  # numbers of the forward by the names of their constants
        self.kinds: dict[str, type[Call]] = {}  # each weight -> the calls that it serves
        self.memory: dict[fx.Node, fx.Node] = {}  # each node -> the one in whose memory its result lies
        self.several: dict[fx.Node, tuple[Any, ...]] = {}  # nodes that stand for several values, by their names
        self.pieces: dict[str, Piece] = {}  # constants that are made of the model's
        self.calls: list[Call] = []
        self.refused: list[str] = []
        self.silent: set[str] = set()  # paths of layers of many nodes, of which one has been refused
        self.outputs: list[Any] = []

    def walk(self) -> None:
        """Fill `calls`, `refused` and `outputs`."""
        for node in self.nodes:
            if node.op == "placeholder" and node.name not in self.constants:
                self.names[node] = SOURCE
            elif node.op == "call_function":
                self._visit(node)
            elif node.op == "output":
                self.outputs = list(node.args[0])

    def _visit(self, node: fx.Node) -> None:
        if node.target in ZEROS and all(user.target in RECURRENT for user in node.users):
            return  # a recurrent layer knows a state of zeros by itself
        path, own_layer = _module_path(node)
        handler = HANDLERS.get(node.target)
        try:
            if self._picked(node):
                return
            if handler is None:
                raise RefusedError
            draft = handler(Arguments(node, self.constants))
            if draft.in_place:
                self._check_views(node, draft.source)
            self._check_kernel(draft)
            self._take(node, draft, path, own_layer)
        except RefusedError as error:
            self.names[node] = SOURCE  # so that what follows is looked at too
            reason = str(error)
            if _is_attention(node):
                if path in self.silent:
                    return
                self.silent.add(path)
                reason = OTHERWISE
            where = f"in {path!r}" if path else "in the model's own forward"
            where += line_of_trace(node.meta.get("stack_trace"))
            self.refused.append(f"{node.target} {where}" + (f" ({reason})" if reason else ""))

    def _picked(self, node: fx.Node) -> bool:
        """Whether a node only takes one of several values, as a result of a recurrent layer or the state of one layer.

        Raises:
            RefusedError: it reads several at once.
        """
        held = [self.several[other] for other in node.all_input_nodes if other in self.several]
        if not held:
            return False
        place = _PICKS.get(node.target, lambda *arguments: None)(*node.args[1:])
        if not isinstance(place, int) or not -len(held[0]) <= place < len(held[0]):
            raise RefusedError("it reads the last states of several layers at once; take one of them, as h[-1] does")
        found = held[0][place]
        if isinstance(found, tuple):
            self.several[node] = found
        else:
            self.names[node], self.memory[node] = found, node
        return True

    def _check_kernel(self, draft: Draft) -> None:
        """A transposed kernel is kept turned, and that of rows as a convolution's: others cannot read it."""
        key = draft.main.fields.get("weight") if draft.parts else None
        if key is None:
            return
        if self.transposed.setdefault(key, draft.transposed) != draft.transposed:
            raise RefusedError(
                f"its weight {key!r} serves another layer the other way round; give each a weight of its own"
            )
        if self.kinds.setdefault(key, draft.main.kind) is not draft.main.kind:
            raise RefusedError(
                f"its weight {key!r} serves vectors in one place and rows in another; give each a weight of its own"
            )

    def _take(self, node: fx.Node, draft: Draft, path: str, own_layer: bool) -> None:
        before = self.names[draft.source]
        self.literals.update(draft.literals)
        self.names[node] = self._called(node, draft, path, own_layer) if draft.parts else before
        self.memory[node] = self._root(draft.source) if draft.shares else node
        if draft.in_place:
            same = [other for other in self._sharing(draft.source) if self.names[other] == before]
            self.names.update(dict.fromkeys(same, self.names[node]))

    def _called(self, node: fx.Node, draft: Draft, path: str, own_layer: bool) -> str:
        """Append the calls of a node; the name of its value."""
        wanted, origin, base, paths = self._naming(draft, path, own_layer)
        taken = {SOURCE, *(call.name for call in self.calls)}
        stem = distinct(wanted, taken)
        names = {part.suffix: distinct(f"{stem}.{part.suffix}", taken) for part in draft.parts} | {"": stem}
        if draft.results:
            self.several[node] = tuple(
                names[one] if isinstance(one, str) else tuple(names[each] for each in one) for one in draft.results
            )
        self.pieces.update(draft.pieces)
        for part in draft.parts:
            inputs = tuple(names[name] if isinstance(name, str) else self.names[name] for name in part.inputs)
            call = part.kind(
                name=names[part.suffix],
                inputs=inputs,
                origin=origin,
                base=self._stem(inputs[0]) if part.prepares else stem if part.suffix else base,
                paths=() if part.prepares else (stem,) if paths is None else paths,
                shape=shape_of(node)[1:] if part.shape is None else part.shape,
                **part.fields,
            )
            self.calls.append(call)
        return self.calls[-1].name

    def _naming(self, draft: Draft, path: str, own_layer: bool) -> tuple[str, str, str, tuple[str, ...] | None]:
        """The wanted name of a node's main call, its origin, its base, and the paths of all its calls, if not its name.

        A layer goes by its module, a ReLU by what it reads, a function by what it is.
        """
        main, own = draft.main, path if own_layer else ""
        label = draft.label or main.kind.__name__.lower()
        if issubclass(main.kind, Weighted):
            origin = own or main.fields["weight"].removesuffix("weight").removesuffix(".") or path
            return origin or label, origin, "", (origin,) if origin else None
        if main.kind is Relu:
            base = self._stem(self.names[draft.source])
            return f"{base}.relu", path, base, (own,) if own else ()
        return own or ".".join(filter(None, (path, label))), path, "", (own,) if own else None

    def _stem(self, name: str) -> str:
        """The name after which a cast of a value is called."""
        return next((call.stem for call in self.calls if call.name == name), name)

    def _root(self, node: fx.Node) -> fx.Node:
        return self.memory.get(node, node)

    def _sharing(self, node: fx.Node) -> list[fx.Node]:
        return [other for other in self.names if self._root(other) is self._root(node)]

    def _check_views(self, node: fx.Node, changed: fx.Node) -> None:
        """An in-place change must not show in a value of another shape that is read later."""
        later = set(self.nodes[self.nodes.index(node) + 1 :])
        for other in self._sharing(changed):
            if self.names[other] != self.names[changed] and later & set(other.users):
                raise RefusedError(
                    "it changes in place a value that is also read in another form; use the form that copies"
                )


def _outputs_of(found: _Importer, program: ExportedProgram, model: nn.Module) -> tuple[str, ...]:
    """The names of the results: one tensor, or a tuple or list of tensors, each another value."""
    spec, names = program.call_spec.out_spec, [found.names.get(node) for node in found.outputs]
    flat = spec is not None and (spec.is_leaf() or (spec.type in (tuple, list) and spec.num_children == len(names)))
    known = tuple(name for name in names if name is not None)
    if not flat or not names or len(known) < len(names):
        raise UnsupportedError(
            f"{type(model).__name__} must return one tensor that depends on its input, or a tuple of such tensors, not "
            f"{_returned(found, program)}; leave the rest out."
        )
    twice = [name for place, name in enumerate(known) if name in known[:place]]
    if twice:
        raise UnsupportedError(
            f"{type(model).__name__} returns the value {twice[0]!r} twice, and a value leaves a design once; return it "
            "once."
        )
    return known


def _returned(found: _Importer, program: ExportedProgram) -> str:
    """What a model returns, in words."""
    spec, constants = program.call_spec.out_spec, [node for node in found.outputs if node not in found.names]
    if spec is not None and not spec.is_leaf() and spec.type not in (tuple, list):
        return f"a {spec.type.__name__}"
    return f"{len(found.outputs)} results" + (f", {len(constants)} of them constants" if constants else " in groups")


# How a node says which of several values it takes, from its arguments behind the values.
_PICKS: dict[Any, Callable[..., Any]] = {
    operator.getitem: lambda place: place,
    torch.ops.aten.select.int: lambda axis, place: place if axis == 0 else None,
    torch.ops.aten.squeeze.dim: lambda axis: 0 if axis == 0 else None,
}


def _made(piece: Piece, state: dict[str, Tensor]) -> Tensor:
    total = state[piece.names[0]]
    for name in piece.names[1:]:
        total = total + state[name]
    return total[piece.first : piece.last]


def _turned_kernels(transposed: dict[str, int], state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The kernels of transposed convolutions, [I, O/groups, ...], as those of convolutions, [O, I/groups, ...]."""
    return {key: forward_kernel(state[key], groups) for key, groups in transposed.items() if groups}


def _planar_kernels(calls: list[Call], state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The kernels of convolutions along one axis, [O, I, k], and of single places, [O, I], as [O, I, 1, k]."""
    read = {call.weight for call in calls if isinstance(call, Conv2d)}
    lines = {name: state[name].unsqueeze(2) for name in read if state[name].ndim == 3}
    return lines | {name: state[name][:, :, None, None] for name in read if state[name].ndim == 2}


def _single_numbers(calls: list[Call], state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Factors and summands without an axis, as vectors of one: quantisers look at values by their places."""
    held = [key for call in calls if isinstance(call, Scale) for key in (call.scale, call.shift) if key is not None]
    return {key: state[key].reshape(1) for key in held if not state[key].ndim}


def import_network(model: nn.Module, example: Tensor) -> Network:
    """The calls of `model` in eval mode, and its constants.

    Args:
        model: any module that torch.export can follow; left as it was.
        example: float[B, ...], one batch of inputs; int64[B, ...] where they number rows of embeddings.

    Raises:
        UnsupportedError: torch.export fails, or some nodes have no handler; one message lists them all with the lines
            of the source that they come from.
        DataError: a constant or the example is not finite, half as long as a float, or on another device, or the model
            does not take the example.
    """
    check_example(example)
    check_model(model, example)
    with _evaluating(model):
        check_forward(model, example)
        program = _exported(model, example)
    found = _Importer(program)
    found.walk()
    if found.refused:
        listed = "; ".join(found.refused)
        raise UnsupportedError(
            f"{type(model).__name__} uses what has no fixed-point form: {listed}; supported are {SUPPORTED}."
        )
    held = {**program.state_dict, **program.constants}
    state = {name: held[name].detach() for name in found.constants.values()}
    state.update({name: _made(piece, state) for name, piece in found.pieces.items()})
    state.update(_turned_kernels(found.transposed, state))
    state.update(_planar_kernels(found.calls, state))
    dtype = next((tensor.dtype for tensor in state.values() if tensor.is_floating_point()), torch.get_default_dtype())
    state.update({name: example.new_tensor(value, dtype=dtype) for name, value in found.literals.items()})
    state.update(_single_numbers(found.calls, state))
    network = Network(tuple(found.calls), _outputs_of(found, program, model), state).pruned()
    if not example.is_floating_point() and index_word(network) is None:
        raise UnsupportedError(
            f"{type(model).__name__} computes with its input of integers; let Embedding layers alone read it, or give "
            "an example of floats."
        )
    return network
