"""Recurrent layers and cells over a fixed number of steps, unrolled: every step is Linear, tables, products and sums.

The formulas are those of torch.nn.LSTM, GRU and RNN. The weights of a gate are a constant that all steps share; casts
are each step's own. Two biases that are only ever added to each other become one. A state that starts from zeros costs
nothing in an LSTM or RNN; a GRU multiplies one bias by a gate and keeps the zeros there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx

from flow.training.aten.arguments import Arguments, RefusedError, shape_of
from flow.training.aten.draft import Draft, Part, Piece
from flow.training.calls import Add, Call, Concat, Dense, Mul, Relu, Reshape, Slice, Sub, Table, Upsample
from flow.training.functions import Function

__all__ = ["HANDLERS", "RECURRENT", "ZEROS"]

Source = fx.Node | str  # a node of the program, or the suffix of a part
State = tuple[Source, ...]  # of an LSTM the hidden one and the cell's, of others the hidden one


@dataclass(frozen=True, slots=True)
class _Weights:
    """Constants of one layer in one direction, by their names; gates lie one after another along their first axis."""

    inputs: str
    hidden: str
    bias_inputs: str | None
    bias_hidden: str | None

    def biases(self) -> tuple[str, ...]:
        """Those that there are."""
        return tuple(name for name in (self.bias_inputs, self.bias_hidden) if name is not None)


class _Net:
    """Parts in the order of computation, and the constants of single gates that they read."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.pieces: dict[str, Piece] = {}
        self.at = ""  # how the suffixes of the present step begin

    def put(self, kind: type[Call], inputs: tuple[Source, ...], suffix: str, size: int, **fields: Any) -> str:
        """Append a part with a vector as its result; its suffix."""
        self.parts.append(Part(kind, inputs, fields, suffix=self.at + suffix, shape=(size,)))
        return self.at + suffix

    def table(self, x: Source, name: str, suffix: str, size: int) -> str:
        return self.put(Table, (x,), suffix, size, function=Function(name))

    def dense(self, x: Source, weight: str, biases: tuple[str, ...], gate: int, suffix: str, size: int) -> str:
        """A gate's rows of a weight times `x`, and the sum of its biases."""
        bias = self._piece(biases, gate, size) if biases else None
        return self.put(Dense, (x,), suffix, size, weight=self._piece((weight,), gate, size), bias=bias)

    def _piece(self, names: tuple[str, ...], gate: int, size: int) -> str:
        name = f"{'+'.join(names)}[{gate}]"
        self.pieces[name] = Piece(names, gate * size, (gate + 1) * size)
        return name

    def gate(self, x: Source, h: Source | None, weights: _Weights, gate: int, name: str, size: int) -> str:
        """`W x + U h + b`, `b` the sum of both biases; without `U h` where the state is zero."""
        found = self.dense(x, weights.inputs, weights.biases(), gate, f"{name}.x", size)
        if h is None:
            return found
        return self.put(Add, (found, self.dense(h, weights.hidden, (), gate, f"{name}.h", size)), name, size)

    def zeros(self, x: Source, terms: int, size: int) -> str:
        """As many zeros as a state has values."""
        picks = {"starts": (0,), "stops": (1,), "steps": (1,)}
        one = self.put(Slice, (x,), "place", 1, **picks) if terms > 1 else x
        zero = self.put(Table, (one,), "zero", 1, function=Function("hardtanh", (0.0, 0.0)))
        return self.put(Upsample, (zero,), "zeros", size, factors=(size,))


Step = Callable[[_Net, Source, int, "State | None", _Weights, int], State]


def _lstm_step(net: _Net, x: Source, terms: int, state: State | None, weights: _Weights, size: int) -> State:
    """`c' = sigmoid(f) c + sigmoid(i) tanh(g)`, `h' = sigmoid(o) tanh(c')`; from zeros without f."""
    h = None if state is None else state[0]
    put, table = net.put, net.table
    i, g, o = (net.gate(x, h, weights, "ifgo".index(name), name, size) for name in "igo")
    cell = put(Mul, (table(i, "sigmoid", "open", size), table(g, "tanh", "new", size)), "taken", size)
    if state is not None:
        keep = table(net.gate(x, h, weights, 1, "f", size), "sigmoid", "keep", size)
        cell = put(Add, (put(Mul, (keep, state[1]), "kept", size), cell), "cell", size)
    shown = (table(o, "sigmoid", "show", size), table(cell, "tanh", "squashed", size))
    return put(Mul, shown, "state", size), cell


def _gru_step(net: _Net, x: Source, terms: int, state: State | None, weights: _Weights, size: int) -> State:
    """`r, z = sigmoid(...)`, `n = tanh(W x + b + r (U h + c))`, `h' = n + z (h - n)`."""
    start = None if state is None else state[0]
    h, put = net.zeros(x, terms, size) if start is None else start, net.put
    r, z = (
        net.table(net.gate(x, start, weights, at, "rz"[at], size), "sigmoid", f"{'rz'[at]}gate", size) for at in (0, 1)
    )
    own, its = ((name,) if name else () for name in (weights.bias_inputs, weights.bias_hidden))
    reset = put(Mul, (r, net.dense(h, weights.hidden, its, 2, "n.h", size)), "reset", size)
    n = put(Add, (net.dense(x, weights.inputs, own, 2, "n.x", size), reset), "n", size)
    new = net.table(n, "tanh", "new", size)
    change = put(Mul, (z, put(Sub, (h, new), "apart", size)), "change", size)
    return (put(Add, (new, change), "state", size),)


def _rnn_step(net: _Net, x: Source, terms: int, state: State | None, weights: _Weights, size: int) -> State:
    return (net.table(net.gate(x, state and state[0], weights, 0, "sum", size), "tanh", "state", size),)


def _relu_step(net: _Net, x: Source, terms: int, state: State | None, weights: _Weights, size: int) -> State:
    return (net.put(Relu, (net.gate(x, state and state[0], weights, 0, "sum", size),), "state", size),)


def _is_zero(node: Any) -> bool:
    return isinstance(node, fx.Node) and node.target in ZEROS


def _weights(given: Arguments, names: tuple[str, ...]) -> _Weights:
    return _Weights(given.constant(names[0]), given.constant(names[1]), *map(given.constant_or_none, names[2:]))


def _start(given: Arguments) -> State | None:
    """The state before the first step; None where it is zero."""
    held = given["hx"] if isinstance(given["hx"], (list, tuple)) else [given["hx"]]
    if all(map(_is_zero, held)):
        return None
    if any(map(_is_zero, held)):
        raise RefusedError("one of its two states starts from zeros and the other does not; start both alike")
    return given.values("hx") if isinstance(given["hx"], (list, tuple)) else (given.value("hx"),)


def _cell(step: Step) -> Callable[[Arguments], Draft]:
    def handle(given: Arguments) -> Draft:
        source, net = given.value("input"), _Net()
        weights = _weights(given, ("w_ih", "w_hh", "b_ih", "b_hh"))
        terms, size = shape_of(source)[-1], shape_of(given["w_hh"])[1]
        state = step(net, source, terms, _start(given), weights, size)
        return _finished(source, net, state)

    return handle


def _finished(source: fx.Node, net: _Net, state: State) -> Draft:
    """The hidden state is the part that goes by the layer's name."""
    parts = [replace(part, suffix="") if part.suffix == state[0] else part for part in net.parts]
    results = tuple("" if one == state[0] else str(one) for one in state)
    return Draft(source, tuple(parts), results=results if len(state) > 1 else (), pieces=net.pieces)


def _layers(step: Step) -> Callable[[Arguments], Draft]:
    """Every layer and direction over all steps; the results are all hidden states, then the last ones of each."""

    def handle(given: Arguments) -> Draft:
        source, net = given.value("input"), _Net()
        if not given["batch_first"]:
            raise RefusedError("its first axis is that of the steps; build it with batch_first=True")
        if _start(given) is not None:
            raise RefusedError("its first state is a value of the model; unroll a cell, or start from zeros")
        count, terms = shape_of(source)[1:]
        xs = [_row(net, source, at, terms) for at in range(count)]
        last: list[State] = []
        for layer, directions in enumerate(_by_layer(given)):
            made = []
            for turned, weights in enumerate(directions):
                size = shape_of(_node(given, weights.hidden))[1]
                mark = f"l{layer}r." if turned else f"l{layer}."
                made.append(_unrolled(net, step, xs[:: -1 if turned else 1], terms, weights, size, mark))
                last.append(made[-1][-1])
            hidden = [[state[0] for state in (found[::-1] if turned else found)] for turned, found in enumerate(made)]
            terms = size * len(made)
            xs = [_beside(net, together, terms, layer, at) for at, together in enumerate(zip(*hidden, strict=True))]
        return _sequence(source, net, xs, terms, last)

    return handle


def _row(net: _Net, source: fx.Node, at: int, terms: int) -> str:
    """One step of a sequence [T, I]."""
    picks = {"starts": (at, 0), "stops": (at + 1, terms), "steps": (1, 1)}
    net.parts.append(Part(Slice, (source,), picks, suffix=f"x{at}", shape=(1, terms), prepares=True))
    net.parts.append(Part(Reshape, (f"x{at}",), suffix=f"row{at}", shape=(terms,), prepares=True))
    return f"row{at}"


def _unrolled(
    net: _Net, step: Step, xs: list[Source], terms: int, weights: _Weights, size: int, mark: str
) -> list[State]:
    """The states after each step."""
    found: list[State] = []
    for at, x in enumerate(xs):
        net.at = f"{mark}t{at}."
        found.append(step(net, x, terms, found[-1] if found else None, weights, size))
    net.at = ""
    return found


def _beside(net: _Net, together: tuple[Source, ...], terms: int, layer: int, at: int) -> Source:
    """The states of both directions as one vector."""
    return together[0] if len(together) == 1 else net.put(Concat, together, f"l{layer}.both{at}", terms, axis=0)


def _sequence(source: fx.Node, net: _Net, xs: list[Source], terms: int, last: list[State]) -> Draft:
    rows = []
    for at, x in enumerate(xs):
        net.parts.append(Part(Reshape, (x,), suffix=f"out{at}", shape=(1, terms)))
        rows.append(f"out{at}")
    shape = (len(xs), terms)
    whole = (
        Part(Concat, tuple(rows), {"axis": 0}, shape=shape) if len(rows) > 1 else Part(Reshape, (rows[0],), shape=shape)
    )
    states = tuple(tuple(str(one[kind]) for one in last) for kind in range(len(last[0])))
    return Draft(source, (*net.parts, whole), results=("", *states), pieces=net.pieces)


def _node(given: Arguments, name: str) -> fx.Node:
    return next(node for node in given["params"] if given.constants[node.name] == name)


def _by_layer(given: Arguments) -> list[list[_Weights]]:
    """The constants of each layer, one entry for each direction."""
    names = [given.constants[node.name] for node in given["params"]]
    each = 4 if given["has_biases"] else 2
    directions = 2 if given["bidirectional"] else 1
    if len(names) != each * directions * given["num_layers"]:
        raise RefusedError("it projects its state; leave proj_size at 0")
    sets = [_Weights(*(*names[at : at + each], None, None)[:4]) for at in range(0, len(names), each)]
    return [sets[at : at + directions] for at in range(0, len(sets), directions)]


_ATEN = torch.ops.aten
ZEROS = (_ATEN.zeros.default, _ATEN.new_zeros.default, _ATEN.zeros_like.default)
HANDLERS: dict[Any, Callable[[Arguments], Draft]] = {
    _ATEN.lstm_cell.default: _cell(_lstm_step),
    _ATEN.gru_cell.default: _cell(_gru_step),
    _ATEN.rnn_tanh_cell.default: _cell(_rnn_step),
    _ATEN.rnn_relu_cell.default: _cell(_relu_step),
    _ATEN.lstm.input: _layers(_lstm_step),
    _ATEN.gru.input: _layers(_gru_step),
    _ATEN.rnn_tanh.input: _layers(_rnn_step),
    _ATEN.rnn_relu.input: _layers(_relu_step),
}
RECURRENT = tuple(HANDLERS)
