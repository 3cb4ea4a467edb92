"""`Spec.layers` applied: which spec holds for each call of a network, and refusals of what would do nothing.

A path without `*`, `?` and `[` names the calls of that path, any other key is a pattern of the shell's kind. A path
beats patterns; two of a kind that want different values for one call contradict each other.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from flow.errors import RecipeError
from flow.training.calls import (
    AvgPool2d,
    BatchNorm,
    Call,
    Cast,
    Conv2d,
    Dense,
    Lookup,
    LutDense,
    Network,
    Scale,
    Softmax,
    Table,
)
from flow.training.spec import Lengths, Spec
from flow.training.words import Word

__all__ = ["LayerSpecs", "check_layers", "constant_options"]

_FEW = 20  # names that one message lists whole


def _of_weighted(call: Any, spec: Spec) -> tuple[str, ...]:
    bounded = ("accumulators", *(() if spec.accumulators is None else ("accumulator_overflow",)))
    return (
        "weights",
        *(() if call.bias is None else ("biases",)),
        *_of_constant(spec),
        "stochastic",
        "hadamard",
        *bounded,
    )


def _of_average(call: Any, spec: Spec) -> tuple[str, ...]:
    """A power of two needs no digits for its reciprocal."""
    return () if math.prod(call.kernel).bit_count() == 1 else ("scales", *_of_digits(spec))


def _of_digits(spec: Spec) -> tuple[str, ...]:
    """Which digits there are says something only where they are counted."""
    return ("khot",) if spec.khot is None else ("khot", "signed_digits")


def _of_constant(spec: Spec) -> tuple[str, ...]:
    """A constant saturates whatever `overflow` says, unless its length is learned."""
    return ("granularity", *_of_digits(spec), "lengths", *(("overflow",) if spec.lengths is Lengths.LEARNED else ()))


def _of_tables(spec: Spec) -> tuple[str, ...]:
    """What holds for constants, but for digits, which say nothing of a table."""
    return tuple(option for option in _of_constant(spec) if option not in _of_digits(spec))


def _of_cast(call: Any, spec: Spec) -> tuple[str, ...]:
    """What addresses a table has one word of given length, and what is no fixed point has one point of its own."""
    if call.role == "index":  # integers, as they come
        return ()
    if call.role == "addresses":  # always by element
        return (call.role, "rounding", "overflow", "stochastic")
    single = call.role == "tables" or not isinstance(call.word, Word)
    return (call.role, "rounding", "overflow", "stochastic", *(() if single else ("lengths", "cast_granularity")))


def _of_scale(call: Any, spec: Spec) -> tuple[str, ...]:
    constants = [role for role, key in ((call.role, call.scale), ("shifts", call.shift)) if key is not None]
    return (*constants, *(() if constants == ["tables"] else _of_constant(spec)))


# The fields of a spec that a call depends on.
_USED: dict[type[Call], Callable[[Any, Spec], tuple[str, ...]]] = {
    Dense: _of_weighted,
    Conv2d: _of_weighted,
    BatchNorm: lambda call, spec: ("scales", "shifts", *_of_constant(spec)),
    Scale: _of_scale,
    Lookup: lambda call, spec: ("weights", *_of_constant(spec), "stochastic"),
    LutDense: lambda call, spec: ("weights", *_of_tables(spec)),
    AvgPool2d: _of_average,
    Table: lambda call, spec: (call.role, "lengths"),
    Softmax: lambda call, spec: ("tables",),
    Cast: _of_cast,
}


def _is_path(key: str) -> bool:
    return not set(key) & set("*?[")


def _names(key: str, paths: Iterable[str]) -> bool:
    return any(key == path if _is_path(key) else fnmatchcase(path, key) for path in paths)


class LayerSpecs:
    """The spec of every call.

    Args:
        spec: of the whole model, with its `layers`.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._made: dict[tuple[str, ...], Spec] = {(): spec}

    def of(self, call: Call) -> Spec:
        """What holds for one call; raises as `at` does."""
        return self.at(call.paths)

    def at(self, paths: tuple[str, ...]) -> Spec:
        """What holds for a call of these paths.

        Raises:
            RecipeError: two keys of `layers` contradict each other there, or their values together mean nothing.
        """
        if paths not in self._made:
            self._made[paths] = self._resolved(paths)
        return self._made[paths]

    def _resolved(self, paths: tuple[str, ...]) -> Spec:
        keys = [key for key in self.spec.layers if _names(key, paths)]
        patterns = self._merged(paths, [key for key in keys if not _is_path(key)])
        chosen = {**patterns, **self._merged(paths, [key for key in keys if _is_path(key)])}
        try:
            return replace(self.spec, **chosen)
        except RecipeError as error:
            raise RecipeError(f"In layer {paths[0]!r}: {error}") from None

    def _merged(self, paths: tuple[str, ...], keys: Iterable[str]) -> dict[str, Any]:
        found: dict[str, tuple[str, Any]] = {}
        for key in keys:
            for option, value in self.spec.layers[key].items():
                first, other = found.setdefault(option, (key, value))
                if other != value:
                    raise RecipeError(
                        f"layers[{first!r}] and layers[{key!r}] want different {option} for layer {paths[0]!r}; "
                        "narrow one of them, or give the layer a key of its own."
                    )
        return {option: value for option, (_, value) in found.items()}


def _used(call: Call, specs: LayerSpecs) -> tuple[str, ...]:
    return _USED.get(type(call), lambda call, spec: ())(call, specs.of(call))


def check_layers(network: Network, specs: LayerSpecs) -> None:
    """Refuse keys of `layers` that name nothing, and options that do nothing where they are given.

    Args:
        network: with its casts.
        specs: of its calls.

    Raises:
        RecipeError: one message with all such keys, or else one with all such options.
    """
    used = [(call, options) for call in network.calls if (options := _used(call, specs))]
    named = {key: [options for call, options in used if _names(key, call.paths)] for key in specs.spec.layers}
    unknown = [key for key, found in named.items() if not found]
    if unknown:
        names = dict.fromkeys(path for call, _ in used for path in call.paths)
        listed = ", ".join(repr(key) for key in unknown)
        raise RecipeError(f"The model has no layer {listed} as layers says; {_advice(unknown, list(names))}")
    idle = [_idle(key, specs.spec, dict.fromkeys(option for found in named[key] for option in found)) for key in named]
    if any(idle):
        raise RecipeError(f"Options in layers do nothing: {'; '.join(filter(None, idle))}; leave them out.")


def _advice(unknown: list[str], names: list[str]) -> str:
    inner = [f"{key}.*" for key in unknown if any(name.startswith(f"{key}.") for name in names)]
    near = [name for key in unknown for name in difflib.get_close_matches(key, names, n=3)]
    if len(names) > _FEW and inner + near:
        return f"did you mean {', '.join(map(repr, dict.fromkeys(inner + near)))}?"
    shown = ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")
    return f"its layers are {shown}" + "".join(f", and {key!r} names all within" for key in inner) + "."


def _idle(key: str, spec: Spec, used: Iterable[str]) -> str:
    idle = [option for option in spec.layers[key] if option not in used]
    return f"what {key!r} names has {', '.join(used)}, but no {' and no '.join(idle)}" if idle else ""


def constant_options(spec: Spec, role: str) -> tuple[Any, ...]:
    """All that the quantiser of a constant depends on: what layers that share it must agree in."""
    drawn = role == "weights" and spec.stochastic
    return (getattr(spec, role), drawn, *(getattr(spec, option) for option in _of_constant(spec)))
