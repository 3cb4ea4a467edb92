"""Rounding and overflow on floats that stand for codes: exact, so that training sees the bits that hardware makes.

Each function takes `v = x * 2**frac`, which is exact, and returns whole numbers in the same dtype. None of them adds
one half before rounding down: in float32 that turns 0.49999997 into 1. Widths up to 24 bits are exact in float32,
up to 53 in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from flow.formats import FixedPoint, Overflow, Rounding

__all__ = ["limits", "overflow_codes", "quantized", "round_codes", "round_randomly"]


def _nearest_up(v: Tensor) -> Tensor:
    # v - floor(v) is rounded only for -0.5 < v < 0, where it lies above one half and stays at or above it.
    floor = v.floor()
    return floor + (v - floor >= 0.5)


def _nearest(v: Tensor, up: Callable[[Tensor], Tensor], down: Callable[[Tensor], Tensor]) -> Tensor:
    """The nearest whole number; `up` and `down` say of the exact rest `v - trunc(v)` where to leave trunc(v)."""
    whole = v.trunc()
    rest = v - whole
    return whole + up(rest).to(v.dtype) - down(rest).to(v.dtype)


_ROUND: dict[Rounding, Callable[[Tensor], Tensor]] = {
    Rounding.TRN: torch.floor,
    Rounding.TRN_ZERO: torch.trunc,
    Rounding.RND: _nearest_up,
    Rounding.RND_ZERO: lambda v: _nearest(v, lambda r: r > 0.5, lambda r: r < -0.5),
    Rounding.RND_INF: lambda v: _nearest(v, lambda r: r >= 0.5, lambda r: r <= -0.5),
    Rounding.RND_MIN_INF: lambda v: _nearest(v, lambda r: r > 0.5, lambda r: r <= -0.5),
    Rounding.RND_CONV: torch.round,
}


def round_codes(v: Tensor, rounding: Rounding) -> Tensor:
    """Whole numbers next to `v`, by the mode."""
    return _ROUND[rounding](v)


def round_randomly(v: Tensor) -> Tensor:
    """Whole numbers next to `v`, the upper one with the probability `v - floor(v)`, to 24 bits; torch draws."""
    floor = v.floor()
    return floor + (torch.rand_like(v) < v - floor)


def limits(form: FixedPoint, mode: Overflow) -> tuple[int, int]:
    """The codes between which `mode` changes nothing."""
    symmetric = mode is Overflow.SAT_SYM and form.signed
    return (-form.high if symmetric else form.low), form.high


def _modulo(n: Tensor, period: int) -> Tensor:
    # Exact: scaling by a power of two and floor are, and the difference is a whole number below the period.
    return n - (n * (1.0 / period)).floor() * period


def _wrap(n: Tensor, form: FixedPoint) -> Tensor:
    period = 1 << form.width
    phase = _modulo(n, period)
    return torch.where(phase > form.high, phase - period, phase)


def _reflect(n: Tensor, form: FixedPoint) -> Tensor:
    period, half = 1 << (form.width + 1), 1 << (form.width - 1)
    phase = _modulo(n, period)
    mirrored = torch.where(phase < 3 * half, 2 * half - 1 - phase, phase - period)
    return torch.where(phase < half, phase, mirrored)


def _zero(n: Tensor, form: FixedPoint) -> Tensor:
    return torch.where((n < form.low) | (n > form.high), torch.zeros_like(n), n)


_OVERFLOW: dict[Overflow, Callable[[Tensor, FixedPoint], Tensor]] = {
    Overflow.WRAP: _wrap,
    Overflow.SAT: lambda n, form: n.clamp(*limits(form, Overflow.SAT)),
    Overflow.SAT_ZERO: _zero,
    Overflow.SAT_SYM: lambda n, form: n.clamp(*limits(form, Overflow.SAT_SYM)),
    Overflow.WRAP_SM: _reflect,
}


def overflow_codes(n: Tensor, form: FixedPoint, mode: Overflow) -> Tensor:
    """Whole numbers brought into `form` by the mode."""
    return _OVERFLOW[mode](n, form)


def quantized(x: Tensor, form: FixedPoint, rounding: Rounding, mode: Overflow) -> Tensor:
    """`2**-F * overflow(round(x * 2**F))`, without a gradient."""
    codes = overflow_codes(round_codes(x * math.ldexp(1.0, form.frac), rounding), form, mode)
    return codes * math.ldexp(1.0, -form.frac)
