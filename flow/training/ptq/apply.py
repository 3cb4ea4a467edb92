"""One entry for all methods: a table, and the order in which those that were asked for run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flow.errors import RecipeError
from flow.formats import Minifloat
from flow.training.calls import Network
from flow.training.model import QuantizedModel
from flow.training.ptq.bias_correction import correct_biases
from flow.training.ptq.equalise import equalise
from flow.training.ptq.gptq import gptq
from flow.training.ptq.learned_rounding import learned_rounding
from flow.training.ptq.minifloat import minifloat_weights
from flow.training.ptq.mixed import mixed_precision
from flow.training.ptq.ranges import RangeMethod, calibrate_ranges
from flow.training.ptq.reference import float_twin
from flow.training.ptq.smooth import fold_channel_exponents, smooth
from flow.training.quantize import float_network, quantize_network
from flow.training.spec import Spec, spec_with

__all__ = ["Method", "apply"]


class Method(Enum):
    """The methods, in the order in which they run whatever order they are given in."""

    EQUALISE = "equalise"
    SMOOTH = "smooth"
    CHANNEL_EXPONENTS = "channel_exponents"
    RANGE_MAX = "range_max"
    RANGE_PERCENTILE = "range_percentile"
    MIXED_PRECISION = "mixed_precision"
    MINIFLOAT = "minifloat"
    GPTQ = "gptq"
    LEARNED_ROUNDING = "learned_rounding"
    BIAS_CORRECTION = "bias_correction"


@dataclass(frozen=True, slots=True)
class _Work:
    """A quantised model on its way.

    Attributes:
        model: as far as it is.
        twin: the float network it shall equal.
        data: float[B, ...].
        forms: minifloats by layer key, where there are some.
        methods: all that were asked for.
    """

    model: QuantizedModel
    twin: QuantizedModel
    data: Tensor
    forms: dict[str, Minifloat]
    methods: frozenset[Method]


def _ranged(work: _Work, method: RangeMethod) -> _Work:
    return replace(work, model=calibrate_ranges(work.model, work.data, method))


def _mixed(work: _Work) -> _Work:
    width = work.model.spec.word("weights").width
    # Minifloats have 3 to 8 bits; otherwise the method chooses its widths.
    widths = range(max(3, width - 2), min(8, width + 2) + 1) if Method.MINIFLOAT in work.methods else None
    return replace(work, model=mixed_precision(work.model, work.twin, work.data, widths=widths)[0])


def _minifloat(work: _Work) -> _Work:
    model, choices = minifloat_weights(work.model, work.twin, work.data)
    return replace(work, model=model, forms={key: choice.form for key, choice in choices.items()})


# Methods on the float network, then methods on the quantised one.
_FLOAT: dict[Method, Callable[[Network, Tensor, Spec], Network]] = {
    Method.EQUALISE: lambda network, data, spec: equalise(network),
    Method.SMOOTH: smooth,
    Method.CHANNEL_EXPONENTS: fold_channel_exponents,
}
_QUANTISED: dict[Method, Callable[[_Work], _Work]] = {
    Method.RANGE_MAX: lambda work: _ranged(work, RangeMethod.MAX),
    Method.RANGE_PERCENTILE: lambda work: _ranged(work, RangeMethod.PERCENTILE),
    Method.MIXED_PRECISION: _mixed,
    Method.MINIFLOAT: _minifloat,
    Method.GPTQ: lambda work: replace(work, model=gptq(work.model, work.twin, work.data, work.forms)),
    Method.LEARNED_ROUNDING: lambda work: replace(
        work, model=learned_rounding(work.model, work.twin, work.data, work.forms)
    ),
    Method.BIAS_CORRECTION: lambda work: replace(work, model=correct_biases(work.model, work.twin, work.data)),
}


def _parsed(methods: Iterable[str | Method]) -> set[Method]:
    known = {method.value: method for method in Method}
    texts = [method.value if isinstance(method, Method) else method for method in methods]
    unknown = [text for text in texts if text not in known]
    if unknown:
        listed = ", ".join(repr(text) for text in dict.fromkeys(unknown))
        raise RecipeError(
            f"Post-training quantisation has no method {listed}; the methods are {', '.join(known)}, in this order."
        )
    chosen = {known[text] for text in texts}
    if {Method.RANGE_MAX, Method.RANGE_PERCENTILE} <= chosen:
        raise RecipeError("Methods range_max and range_percentile both set every binary point; keep one of them.")
    return chosen


def apply(
    model: nn.Module,
    data: Tensor | NDArray[np.floating[Any]],
    methods: Iterable[str | Method] = (),
    spec: Spec | None = None,
    **overrides: Any,
) -> QuantizedModel:
    """The fixed-point form of a float model, quantised after training with the methods asked for.

    Without methods it is what `flow.quantize` returns: nearest rounding, binary points of the least squared error.
    Methods run in the order of `Method`: the float network first (pairs rescaled), then ranges, widths, number formats,
    the choice of each weight's code, and last the biases, which take up what all of them left.

    Args:
        model: trained in float; left as it is.
        data: float[B, ...], unlabelled; some hundred training samples.
        methods: members of `Method` or their text.
        spec: word lengths and modes.
        overrides: fields of `Spec` by keyword.

    Raises:
        RecipeError: methods that do not exist (all are named) or exclude each other, or an unknown option.
        UnsupportedError, DataError: as `flow.quantize` does.
    """
    chosen, wanted = spec_with(spec, overrides), _parsed(methods)
    batch = torch.as_tensor(data)
    network = float_network(model, batch, chosen)
    for method in (method for method in Method if method in wanted and method in _FLOAT):
        network = _FLOAT[method](network, batch, chosen)
    quantised = quantize_network(network, batch, chosen)
    work = _Work(quantised, float_twin(quantised), batch, {}, frozenset(wanted))
    for method in (method for method in Method if method in wanted and method in _QUANTISED):
        work = _QUANTISED[method](work)
    return work.model
