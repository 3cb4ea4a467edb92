"""Where casts stand: a pure function from a network to the same network with `Cast` calls in it.

The result of every Linear, Conv2d, BatchNorm, addition and average is cast with a binary point of its own, except where
its only reader is a ReLU (the cast follows the ReLU, unsigned) and where it leaves the design: exact sums leave.
MaxPool and Flatten lose nothing and are not cast.
"""

from __future__ import annotations

from dataclasses import replace

from flow.training.calls import (
    SOURCE,
    Add,
    AvgPool2d,
    BatchNorm,
    Call,
    Cast,
    Conv2d,
    Dense,
    Flatten,
    MaxPool2d,
    Network,
    Relu,
    distinct,
)
from flow.training.overrides import LayerSpecs
from flow.training.rotation import Rotate
from flow.training.words import AnyWord, Word

__all__ = ["place_casts"]

_HOST_WORD = Word(16, signed=False)  # what the host sends where the design makes another word of its input

_WIDENING = (Dense, Conv2d, BatchNorm, Add, AvgPool2d)
_PASSING = (Relu, Flatten)  # exact on what has not been cast yet
_KEEPING_SIGN = (Add, AvgPool2d, MaxPool2d, Flatten, Cast)


class _Placement:
    """One walk over the calls; the tables say what is known of each value so far."""

    def __init__(self, network: Network, specs: LayerSpecs, positive: bool) -> None:
        self.network, self.specs = network, specs
        self.readers = network.consumers()
        self.calls: list[Call] = []
        self.taken = {SOURCE, *(call.name for call in network.calls)}
        self.now: dict[str, str] = {SOURCE: SOURCE}  # a value -> the value that stands for it after its cast
        self.wide: dict[str, bool] = {SOURCE: False}
        self.positive: dict[str, bool] = {SOURCE: positive}
        self.paths: dict[str, tuple[str, ...]] = {}  # of a value that is not cast, those of all that made it

    def start(self, word: AnyWord) -> Call:
        """The cast that the host does, to fixed point; the design itself makes another word of it."""
        positive = self.positive[SOURCE]
        if self.specs.spec.input is None and self._is_turned(SOURCE):
            word = _HOST_WORD
        if not isinstance(word, Word):
            name = distinct(f"{SOURCE}.out", self.taken)
            self.taken.add(name)
            self.calls.append(Cast(name=name, inputs=(SOURCE,), word=word.fitted(positive), role="input"))
            self.now[SOURCE], word = name, _HOST_WORD
        return Cast(name=SOURCE, inputs=(), word=word.fitted(positive), role="input")

    def visit(self, call: Call) -> None:
        """Append the call, and its cast where one stands."""
        signs = [self.positive[name] for name in call.inputs]
        self.positive[call.name] = isinstance(call, Relu) or (isinstance(call, _KEEPING_SIGN) and all(signs))
        passed = isinstance(call, (*_PASSING, Rotate)) and self.wide[call.inputs[0]]
        self.wide[call.name] = isinstance(call, (*_WIDENING, Rotate)) or passed
        self.paths[call.name] = (*(self.paths[call.inputs[0]] if passed else ()), *call.paths)
        self.calls.append(replace(call, inputs=tuple(self.now[name] for name in call.inputs)))
        self.now[call.name] = call.name
        if self.wide[call.name] and not self._stays_wide(call):
            self._cast(call)

    def _stays_wide(self, call: Call) -> bool:
        readers = self.readers[call.name]
        read_wide = len(readers) == 1 and isinstance(readers[0], Relu)
        return self._leaves(call) or read_wide or self._is_turned(call.name)

    def _is_turned(self, name: str) -> bool:
        """Whether a rotation is all that reads a value, flattened or not, so that the cast follows the rotation."""
        if len(self.readers[name]) != 1:
            return False
        (reader,) = self.readers[name]
        return isinstance(reader, Rotate) or (isinstance(reader, Flatten) and self._is_turned(reader.name))

    def _leaves(self, call: Call) -> bool:
        """Whether the value is the model's result, flattened or not."""
        readers = self.readers[call.name]
        if call.name == self.network.output or len(readers) != 1:
            return call.name == self.network.output
        return isinstance(readers[0], Flatten) and self._leaves(readers[0])

    def _cast(self, call: Call) -> None:
        inner = all(isinstance(reader, (BatchNorm, Add)) for reader in self.readers[call.name])
        role = "sums" if inner and not isinstance(call, Relu) else "activations"
        paths = self.paths[call.name]
        word = self.specs.at(paths).word(role).fitted(self.positive[call.name])
        name = distinct(f"{call.stem}.out", self.taken)
        self.taken.add(name)
        self.calls.append(Cast(name=name, inputs=(call.name,), origin=call.origin, paths=paths, word=word, role=role))
        self.now[call.name], self.wide[call.name] = name, False


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
    return Network((source, *walk.calls), walk.now[network.output], network.state)
