"""Casts that follow each other become one where the result is the same for every code in range."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import floor

from flow.formats import INT64_BITS, Overflow, Rounding
from flow.ir import Graph, Node, Requantize, ScaleShift, Value
from flow.lowering.passes.casts import loses_nothing, never_overflows
from flow.lowering.passes.rewrite import View, sweep
from flow.lowering.passes.tensors import is_one

__all__ = ["fuse_requantizers"]

_SATURATING = (Overflow.SAT, Overflow.SAT_SYM)


def _rule(view: View, node: Node) -> Node | str | None:
    if not isinstance(node, Requantize):
        return None
    value = view.graph.operands(node)[0]
    if loses_nothing(node, value) and (node.format.frac == value.format.frac or node.name in view.free):
        return node.inputs[0]
    before = view.before(node)
    if isinstance(before, Requantize):
        return _joined(before, node, view.graph.operands(before)[0])
    return _rounded(node, view)


def _joined(before: Requantize, node: Requantize, value: Value) -> Requantize | None:
    """One cast for two: nothing was lost in the first, two floors, or the same steps with tighter bounds."""
    floors = before.rounding is node.rounding is Rounding.TRN and before.format.frac > node.format.frac
    if loses_nothing(before, value) or (floors and never_overflows(before, value)):
        return replace(node, inputs=before.inputs)
    saturating = before.overflow in _SATURATING and node.overflow in _SATURATING
    tighter = _floor(before) <= _floor(node) and node.format.high <= before.format.high
    if saturating and tighter and before.format.frac == node.format.frac:
        return replace(node, inputs=before.inputs, rounding=before.rounding)
    return None


def _floor(node: Requantize) -> int:
    return -node.format.high if node.overflow is Overflow.SAT_SYM and node.format.signed else node.format.low


def _rounded(node: Requantize, view: View) -> Requantize | None:
    """A floor of `x + a` as one rounding of `x`, where `a` is an offset that some mode adds."""
    found, total, at = None, Fraction(0), node
    for _ in range(2):  # an offset of the user's, and that of a ceiling
        before = view.before(at)
        added = _offset(before) if view.only_reader(before.name) is at else None
        if added is None or node.rounding is not Rounding.TRN:
            break
        total, at = total + added, before
        mode = _mode(total, view.graph.operands(before)[0], node)
        found = found if mode is None else replace(node, inputs=before.inputs, rounding=mode)
    return found


def _mode(offset: Fraction, value: Value, node: Requantize) -> Rounding | None:
    """The mode whose floor is that of the value plus `offset`, of which a floor sees whole places only.

    TRN adds nothing, RND half a step, RND_MIN_INF half a step less the last place; without bits to drop none adds any.
    """
    places, dropped = floor(offset / value.format.step), value.format.frac - node.format.frac
    if not 0 <= dropped <= INT64_BITS:
        return None
    half = (1 << dropped) // 2
    nearest = {half: Rounding.RND, half - 1: Rounding.RND_MIN_INF} if dropped else {}
    return {**nearest, 0: Rounding.TRN}.get(places)


def _offset(node: Node) -> Fraction | None:
    """What a ScaleShift adds to every value, where it does nothing else."""
    if not isinstance(node, ScaleShift) or not is_one(node.scale):
        return None
    added = set(node.shift.codes.tolist())
    return added.pop() * node.shift.format.step if len(added) == 1 else None


def fuse_requantizers(graph: Graph) -> Graph:
    """One cast where two, or an offset and a cast, always give the same codes."""
    return sweep(graph, _rule)
