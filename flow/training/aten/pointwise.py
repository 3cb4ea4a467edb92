"""ReLU, and two values at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import fx

from flow.training.aten.arguments import Arguments, RefusedError, shape_of
from flow.training.aten.draft import Draft, one
from flow.training.aten.scaling import added, is_constant, multiplied, subtracted
from flow.training.calls import Add, Mul, Relu, Sub

__all__ = ["HANDLERS"]


def _in_place(handler: Callable[[Arguments], Draft]) -> Callable[[Arguments], Draft]:
    return lambda given: replace(handler(given), shares=True, in_place=True)


def _relu(given: Arguments) -> Draft:
    return one(Relu, given.value("self"))


def _with_constant(given: Arguments) -> bool:
    """Whether one of the operands is a constant; scaled ones are refused."""
    if given["alpha"] != 1:
        raise RefusedError(f"alpha={given['alpha']}; scale the operand's layer instead")
    return is_constant(given, "self") or is_constant(given, "other")


def _operands(given: Arguments) -> tuple[fx.Node, fx.Node]:
    return given.value("self"), given.value("other")


def _matching(a: fx.Node, b: fx.Node) -> tuple[fx.Node, fx.Node]:
    """Both, if they have equally many axes; sizes of 1 may stand for all places of the other."""
    if len(shape_of(a)) != len(shape_of(b)):
        raise RefusedError(
            f"shapes {shape_of(a)[1:]} and {shape_of(b)[1:]} have different numbers of axes; unsqueeze one of them"
        )
    return a, b


def _add(given: Arguments) -> Draft:
    if _with_constant(given):
        return added(given)
    a, b = _operands(given)
    if shape_of(a) != shape_of(b):
        raise RefusedError(f"shapes {shape_of(a)[1:]} and {shape_of(b)[1:]} differ; bring both to one shape first")
    return one(Add, a, b)


def _sub(given: Arguments) -> Draft:
    if _with_constant(given):
        return subtracted(given)
    return one(Sub, *_matching(*_operands(given)))


def _mul(given: Arguments) -> Draft:
    if is_constant(given, "self") or is_constant(given, "other"):
        return multiplied(given)
    return one(Mul, *_matching(*_operands(given)))


_ATEN = torch.ops.aten
HANDLERS: dict[Any, Callable[[Arguments], Draft]] = {
    _ATEN.relu.default: _relu,
    _ATEN.relu_.default: _in_place(_relu),
    _ATEN.add.Tensor: _add,
    _ATEN.add_.Tensor: _in_place(_add),
    _ATEN.sub.Tensor: _sub,
    _ATEN.sub_.Tensor: _in_place(_sub),
    _ATEN.mul.Tensor: _mul,
    _ATEN.mul_.Tensor: _in_place(_mul),
}
