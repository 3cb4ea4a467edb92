"""Ways around the calls of modules that nobody watches.

A call of a module looks for hooks, and a cast is two such calls; in a small net that takes longer than its arithmetic.
All constants are cast by one call of a kernel, every other cast by one, with the ReLU before it where nothing else
reads that one. A layer that somebody watches, or has changed, is called as a module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.modules import module as modules

from flow.training.kernels import fused_all
from flow.training.layers import Cast, ConstantLayer, FixedRelu, InputCast
from flow.training.program import Shortcuts, Step
from flow.training.quantizer import Quantizer

__all__ = ["Ways"]

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def _touched(module: nn.Module) -> bool:
    """Whether somebody watches the calls of a module or has given it a forward of its own."""
    return "forward" in module.__dict__ or any(module.__dict__[name] for name in _HOOKS)


def _passed(x: Tensor) -> Tensor:
    return x


class _Constant:
    """A constant of a layer: its name in the table of the layer's parameters, and what casts it."""

    def __init__(self, table: dict[str, Any], name: str, quantizer: Quantizer) -> None:
        self.table, self.name, self.quantizer, self.points = table, name, quantizer, quantizer._parameters

    def given(self) -> tuple[Any, ...] | None:
        """What a kernel is given: values, points, integer bits and options; None where only the quantiser can cast."""
        held = self.quantizer
        options = held.told()[0] if held.settled else None
        return None if options is None else (self.table[self.name], self.points["frac"], held.whole(), options)


class Ways:
    """The ways around modules of one model, for as long as its modules stay what they are.

    Args:
        steps: the program.
        layers: of the model.
        outputs: indices of the steps whose values leave.
    """

    def __init__(self, steps: tuple[Step, ...], layers: nn.ModuleDict, outputs: tuple[int, ...]) -> None:
        self._layers, self._seen = layers, list(_children(layers))
        self._sizes = [(held, len(held)) for layer in layers.values() for held in (layer._modules, layer._parameters)]
        found = [module for *_, module in self._seen if module is not None]
        self._kinds = [(module, type(module)) for module in found]
        self._watched = [module for module in found if _touched(module)]
        bare = [module.__dict__ for module in found if not _touched(module)]
        self._forwards, self._hooks = bare, [held[name] for held in bare for name in _HOOKS]
        self._direct(steps, layers, outputs)

    def _direct(self, steps: tuple[Step, ...], layers: nn.ModuleDict, outputs: tuple[int, ...]) -> None:
        held = {index: layers[step.layer] for index, step in enumerate(steps)}
        self._casts: dict[int, Callable[[Tensor], Tensor]] = {
            index: layer.quantizer.forward for index, layer in held.items() if _is_direct_cast(layer)
        }
        for relu, cast in _lone_pairs(steps, outputs):
            if type(held[relu]) is FixedRelu and not _touched(held[relu]) and cast in self._casts:
                self._casts[relu], self._casts[cast] = _passed, held[cast].quantizer.rectified
        self._weighted = [(index, layer, found) for index, layer in held.items() if (found := _constants(layer))]

    def hold(self, layers: nn.ModuleDict) -> bool:
        """Whether these are the layers, none of their modules has been exchanged, and the same ones are watched."""
        return (
            layers is self._layers
            and all(held.get(name) is module for held, name, module in self._seen)
            and all(type(module) is kind for module, kind in self._kinds)
            and all(len(held) == size for held, size in self._sizes)
            and not any(self._hooks)
            and not any("forward" in own for own in self._forwards)
            and all(map(_touched, self._watched))
        )

    def shortcuts(self) -> Shortcuts:
        """What makes the values of steps in the next pass, by their index; constants are cast at once."""
        if modules._has_any_global_hook():
            return {}
        return {**self._casts, **self._made()}

    def _made(self) -> dict[int, Callable[[Tensor], Tensor]]:
        """What computes the steps whose constants a kernel casts, all of them at once; none where it cannot."""
        ready: list[tuple[int, ConstantLayer, slice]] = []
        given: list[tuple[Any, ...]] = []
        for index, layer, constants in self._weighted:
            own = [one.given() for one in constants]
            if None not in own:
                ready.append((index, layer, slice(len(given), len(given) + len(own))))
                given += own
        cast = fused_all(*zip(*given, strict=True)) if given else []
        return {index: partial(_computed, layer, cast[places]) for index, layer, places in ready} if cast else {}


def _computed(layer: ConstantLayer, constants: list[Tensor], x: Tensor) -> Tensor:
    return layer.computed(x, *constants)


def _children(layers: nn.ModuleDict) -> Iterator[tuple[dict[str, Any], str, nn.Module | None]]:
    """The layers and what they hold: the table that lists each, and its name there."""
    for key, layer in layers.items():
        yield layers._modules, key, layer
        for name, child in layer._modules.items():
            yield layer._modules, name, child


def _is_direct_cast(layer: nn.Module) -> bool:
    return type(layer) in (Cast, InputCast) and not _touched(layer) and _is_bare(layer.quantizer)


def _is_bare(quantizer: Any) -> bool:
    """Whether a quantiser is called as all of them are, and nobody watches."""
    return isinstance(quantizer, Quantizer) and type(quantizer).forward is Quantizer.forward and not _touched(quantizer)


def _constants(layer: nn.Module) -> list[_Constant]:
    """The constants of a layer; none where one of them is not a parameter that a bare quantiser casts."""
    if not isinstance(layer, ConstantLayer) or _touched(layer):
        return []
    names = {id(values): name for name, values in layer._parameters.items()}
    pairs = layer.constants()
    if not all(id(values) in names and _is_bare(held) for values, held in pairs):
        return []
    return [_Constant(layer._parameters, names[id(values)], held) for values, held in pairs]


def _lone_pairs(steps: tuple[Step, ...], outputs: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Indices of steps that only one other reads, and of that one."""
    readers: dict[int, list[int]] = {index: [] for index in range(len(steps))}
    for at, step in enumerate(steps):
        for index in step.inputs:
            readers[index].append(at)
    return ((index, found[0]) for index, found in readers.items() if len(found) == 1 and index not in outputs)
