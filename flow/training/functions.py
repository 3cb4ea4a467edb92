"""The functions that become tables: each once for exact entries, once in torch for the slope."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from flow.formats import FixedPoint

__all__ = ["Function"]


def _sigmoid(x: float) -> float:
    small = math.exp(-abs(x))
    return (1.0 if x >= 0 else small) / (1.0 + small)


def _softplus(x: float, beta: float = 1.0, threshold: float = 20.0) -> float:
    return x if x * beta > threshold else (max(x * beta, 0.0) + math.log1p(math.exp(-abs(x * beta)))) / beta


def _gelu(x: float, approximate: str = "none") -> float:
    if approximate == "tanh":
        return 0.5 * x * (1.0 + math.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * math.erfc(-x / math.sqrt(2.0))


def _elu(x: float, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> float:
    return scale * (x if x > 0 else alpha * math.expm1(x * input_scale))


def _clamped(x: float, low: float, high: float) -> float:
    return min(max(x, low), high)


def _inverse_root(x: Tensor, terms: float, eps: float) -> Tensor:
    return torch.where(x > 0, x / terms + eps, 1.0).rsqrt()


@dataclass(frozen=True, slots=True)
class _Formula:
    """A function in float64 for one number, in torch for tensors, and whether it is never negative."""

    exact: Callable[..., float]
    soft: Callable[..., Tensor]
    positive: bool = False


_SELU = (1.6732632423543772848170429916717, 1.0507009873554804934193349852946)
_FORMULAS: dict[str, _Formula] = {
    "sigmoid": _Formula(_sigmoid, torch.sigmoid, True),
    "tanh": _Formula(math.tanh, torch.tanh),
    "silu": _Formula(lambda x: x * _sigmoid(x), functional.silu),
    "gelu": _Formula(_gelu, lambda x, approximate="none": functional.gelu(x, approximate=approximate)),
    "mish": _Formula(lambda x: x * math.tanh(_softplus(x)), functional.mish),
    "hardtanh": _Formula(_clamped, functional.hardtanh),
    "relu6": _Formula(lambda x: _clamped(x, 0.0, 6.0), functional.relu6, True),
    "hardsigmoid": _Formula(lambda x: _clamped(x / 6.0 + 0.5, 0.0, 1.0), functional.hardsigmoid, True),
    "hardswish": _Formula(lambda x: x * _clamped(x + 3.0, 0.0, 6.0) / 6.0, functional.hardswish),
    "leaky_relu": _Formula(lambda x, slope: x if x > 0 else slope * x, functional.leaky_relu),
    "elu": _Formula(
        _elu, lambda x, alpha, scale, input_scale: scale * torch.where(x > 0, x, alpha * torch.expm1(x * input_scale))
    ),
    "celu": _Formula(lambda x, alpha: x if x > 0 else alpha * math.expm1(x / alpha), functional.celu),
    "selu": _Formula(lambda x: _elu(x, *_SELU), functional.selu),
    "softplus": _Formula(_softplus, functional.softplus, True),
    # That of a LayerNorm: of a sum of so many squares.
    "rsqrt": _Formula(lambda x, terms, eps: 1.0 / math.sqrt(x / terms + eps), _inverse_root, True),
}


_ABOVE_ZERO = ("rsqrt",)  # of sums that are never 0, but whose codes may be


@dataclass(frozen=True, slots=True)
class Function:
    """A function of one value.

    Attributes:
        name: such as `sigmoid`.
        arguments: its further arguments, as torch orders them.
    """

    name: str
    arguments: tuple[Any, ...] = ()

    @property
    def positive(self) -> bool:
        """Whether no result is negative."""
        clamps_above_zero = self.name == "hardtanh" and self.arguments[0] >= 0
        return _FORMULAS[self.name].positive or clamps_above_zero

    def soft(self, x: Tensor) -> Tensor:
        """The function in the precision of `x`, same shape, with its slope."""
        return _FORMULAS[self.name].soft(x, *self.arguments)

    def values(self, form: FixedPoint) -> NDArray[np.float64]:
        """float64[2**width]: the function of every value of `form`, lowest first, read-only.

        Where the reciprocal of a root has no value, at 0, it takes that of the next code.
        """
        return _values(self, form)


@cache
def _values(function: Function, form: FixedPoint) -> NDArray[np.float64]:
    exact, step = _FORMULAS[function.name].exact, math.ldexp(1.0, -form.frac)
    first = max(form.low, 1) if function.name in _ABOVE_ZERO else form.low
    codes = [max(code, first) for code in range(form.low, form.high + 1)]
    found = np.array([exact(code * step, *function.arguments) for code in codes])
    found.setflags(write=False)
    return found
