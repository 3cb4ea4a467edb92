"""Where casts stand: a pure function from a network to the same network with `Cast` calls in it.

The result of every Linear, Conv2d, BatchNorm, sum, difference, product and average is cast with a binary point of its
own, except where its only reader is a ReLU (the cast follows the ReLU, unsigned), a reshape, a slice, a transposition,
a sum or a table, and where it leaves the design: exact sums leave, and what else reads such a value reads a cast of it.
What addresses a table, or the powers of a softmax, is cast right before it, to the word `tables`, or `addresses` for
truth tables. MaxPool, Flatten, padding, upsampling and Concat lose nothing and are not cast: what is concatenated keeps
the casts of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flow.formats import Overflow
from flow.training.calls import (
    SOURCE,
    Accumulate,
    Add,
    AvgPool2d,
    BatchNorm,
    Call,
    Cast,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Lookup,
    LutDense,
    MatMul,
    MaxPool2d,
    Mul,
    Network,
    Pad,
    ReduceMax,
    ReduceSum,
    Relu,
    Reshape,
    Scale,
    Slice,
    Softmax,
    Sub,
    Table,
    Transpose,
    Upsample,
    Weighted,
    distinct,
)
from flow.training.overrides import LayerSpecs
from flow.training.rotation import Rotate
from flow.training.shares import power_word
from flow.training.words import AnyWord, Word

__all__ = ["ADDRESSES", "INDEX", "index_word", "place_casts"]

ADDRESSES = "addresses"  # the role of a cast before truth tables
INDEX = "index"  # the role of a cast of integers, which no option changes

_HOST_WORD = Word(16, signed=False)  # what the host sends where the design makes another word of its input

_WIDENING = (Dense, Conv2d, LutDense, BatchNorm, Scale, Add, Sub, Mul, MatMul, AvgPool2d, ReduceSum, Softmax)
_MOVING = (Flatten, Reshape, Slice, Transpose, Pad, Upsample, Concat)  # a result behind them is one before them
_PASSING = (Relu, *_MOVING)  # exact on what has not been cast yet
# The cast follows them, or is theirs.
_READING_WIDE = (Relu, Reshape, Slice, Transpose, Table, LutDense, Softmax, ReduceSum)
# What has a cast of its own right before it, and its role.
_ADDRESSED = {Table: "tables", Softmax: "tables", LutDense: ADDRESSES}
_KEEPING_SIGN = (Add, Mul, MatMul, AvgPool2d, MaxPool2d, ReduceMax, ReduceSum, Cast, *_MOVING)
_ADDING = (BatchNorm, Scale, Add, Sub)


class _Placement:
    """One walk over the calls; the tables say what is known of each value so far."""

    def __init__(self, network: Network, specs: LayerSpecs, positive: bool) -> None:
        self.network, self.specs = network, specs
        self.readers = network.consumers()
        self.calls: list[Call] = []
        self.taken = {SOURCE, *(call.name for call in network.calls)}
        self.now: dict[str, str] = {SOURCE: SOURCE}  # a value -> the value that stands for it after its cast
        self.leaving: dict[str, str] = {SOURCE: SOURCE}  # an output -> the value that leaves, before its cast
        self.wide: dict[str, bool] = {SOURCE: False}
        self.positive: dict[str, bool] = {SOURCE: positive}
        self.paths: dict[str, tuple[str, ...]] = {}  # of a value that is not cast, those of all that made it

    def start(self, word: AnyWord) -> Call:
        """The cast that the host does, to fixed point; the design itself makes another word of it."""
        positive = self.positive[SOURCE]
        index = index_word(self.network)
        if index is not None:
            return Cast(name=SOURCE, inputs=(), word=index, role=INDEX)
        if self.specs.spec.input is None and self._is_turned(SOURCE):
            word = _HOST_WORD
        if not isinstance(word, Word):
            name = distinct(f"{SOURCE}.out", self.taken)
            self.taken.add(name)
            self.calls.append(Cast(name=name, inputs=(SOURCE,), word=word.fitted(positive), role="input"))
            self.now[SOURCE] = self.leaving[SOURCE] = name
            word = _HOST_WORD
        return Cast(name=SOURCE, inputs=(), word=word.fitted(positive), role="input")

    def visit(self, call: Call) -> None:
        """Append the call, and its cast where one stands."""
        signs = [self.positive[name] for name in call.inputs]
        self.positive[call.name] = _is_positive(call) or (isinstance(call, _KEEPING_SIGN) and all(signs))
        passed = [name for name in call.inputs if self.wide[name] and isinstance(call, (*_PASSING, Rotate))]
        narrow = isinstance(call, Sub) and call.narrow
        self.wide[call.name] = (isinstance(call, (*_WIDENING, Rotate)) and not narrow) or bool(passed)
        self.paths[call.name] = (*(path for name in passed for path in self.paths[name]), *call.paths)
        inputs = (
            (self._address(call),)
            if isinstance(call, Table | Softmax | LutDense)
            else tuple(self.now[name] for name in call.inputs)
        )
        self.calls.append(replace(call, inputs=inputs))
        self.now[call.name] = call.name
        if isinstance(call, Weighted):
            self._bound(call)
        self.leaving[call.name] = self.now[call.name]
        if self.wide[call.name] and not self._stays_wide(call):
            self._cast(call)

    def _stays_wide(self, call: Call) -> bool:
        readers = self.readers[call.name]
        read_wide = len(readers) == 1 and isinstance(readers[0], _READING_WIDE)
        return self._leaves(call) or read_wide or self._is_turned(call.name)

    def _is_turned(self, name: str) -> bool:
        """Whether a rotation is all that reads a value, flattened, padded or not; the cast then follows that."""
        if len(self.readers[name]) != 1:
            return False
        (reader,) = self.readers[name]
        return isinstance(reader, Rotate) or (
            isinstance(reader, (Flatten, Pad, Upsample)) and self._is_turned(reader.name)
        )

    def _leaves(self, call: Call) -> bool:
        """Whether the value is a result of the model, moved, joined or as it is, and nothing else."""
        readers = self.readers[call.name]
        moved = all(isinstance(reader, _MOVING) and self._leaves(reader) for reader in readers)
        return moved and (bool(readers) or call.name in self.network.outputs)

    def _cast(self, call: Call) -> None:
        inner = all(isinstance(reader, _ADDING) for reader in self.readers[call.name])
        role = "sums" if inner and not isinstance(call, Relu) else "activations"
        paths = self.paths[call.name]
        word = self.specs.at(paths).word(role).fitted(self.positive[call.name])
        made = self._made(Cast, f"{call.stem}.out", call.name, call, paths=paths, word=word, role=role)
        self.now[call.name], self.wide[call.name] = made.name, False

    def _address(self, call: Table | Softmax | LutDense) -> str:
        """Append the cast before one table or many, or the powers of a softmax; its name."""
        (source,), role, most = call.inputs, _ADDRESSED[type(call)], None
        word = self.specs.of(call).word(role).fitted(self.positive[source])
        if isinstance(call, Softmax):
            word, most = power_word(word)
        saturates = isinstance(call, Softmax) or (isinstance(call, Table) and call.saturates)
        shape = self._row_shape(call) if isinstance(call, LutDense) else call.shape
        fields = {"word": word, "role": role, "overflow": Overflow.SAT if saturates else None, "most": most}
        made = self._made(Cast, f"{call.name}.in", source, call, shape=shape, **fields)
        return made.name

    def _row_shape(self, call: LutDense) -> tuple[int, ...]:
        """Of one sample of what it reads."""
        return (*call.shape[:-1], self.network.state[call.functions[0]].shape[1])

    def _bound(self, call: Weighted) -> None:
        """The accumulator's width, where one is given."""
        spec = self.specs.of(call)
        if spec.accumulators is not None:
            word, overflow = spec.word("accumulators"), spec.accumulator_overflow
            made = self._made(Accumulate, f"{call.name}.acc", call.name, call, word=word, overflow=overflow)
            self.now[call.name] = made.name

    def _made(self, kind: type[Call], wanted: str, source: str, near: Call, **fields: Any) -> Call:
        """Append a call that reads `source`; it goes by the paths of `near` unless others are given."""
        name = distinct(wanted, self.taken)
        self.taken.add(name)
        held = {"origin": near.origin, "paths": near.paths, "shape": near.shape, **fields}
        self.calls.append(kind(name=name, inputs=(self.now[source],), **held))
        return self.calls[-1]


def _is_positive(call: Call) -> bool:
    """Whether no result is negative, whatever the inputs are."""
    if isinstance(call, Table):
        return call.function.positive
    return isinstance(call, Relu | Softmax) or (isinstance(call, Mul) and call.positive)


def index_word(network: Network) -> Word | None:
    """The word of an input that only numbers rows of embeddings, moved or not; None for any other input."""
    numbers, rows = {SOURCE}, list[int]()
    for call in network.calls:
        if isinstance(call, Lookup):
            rows.append(len(network.state[call.weight]))
        elif numbers.intersection(call.inputs):
            if not isinstance(call, _MOVING):
                return None
            numbers.add(call.name)
    return Word(max((max(rows) - 1).bit_length(), 1), signed=False) if rows else None


def place_casts(network: Network, specs: LayerSpecs, positive: bool) -> Network:
    """The network with its casts, that of the input first.

    Args:
        network: without casts.
        specs: the words of every call.
        positive: whether the model's input is never negative.
    """
    walk = _Placement(network, specs, positive)
    source = walk.start(specs.spec.word("input"))
    for call in network.calls:
        walk.visit(call)
    outputs = tuple(walk.leaving[name] for name in network.outputs)
    return Network((source, *walk.calls), outputs, network.state)
