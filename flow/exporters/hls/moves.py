"""Templates that only move codes: parts to their places, and strided views."""

from __future__ import annotations

import math

from flow.errors import ExportError
from flow.exporters.hls.call import Call
from flow.exporters.hls.options import LayerOptions
from flow.ir import Concat, Slice, Transpose, Value

__all__ = ["concat", "view"]

_WORDS = ("FIRST", "SECOND", "THIRD", "FOURTH", "FIFTH", "SIXTH")  # the axes of flow_view.h


def concat(node: Concat, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> tuple[Call, ...]:
    """A call for every part, which writes its codes to their places."""
    outer, total = math.prod(result.shape[: node.axis]), math.prod(result.shape[node.axis :])
    calls, first = [], 0
    for number, part in enumerate(operands):
        length = part.size // outer
        sizes = {"OUTER": outer, "LENGTH": length, "FIRST": first, "TOTAL": total}
        calls.append(Call("flow_concat.h", "concat_part", sizes=sizes, first=number))
        first += length
    return tuple(calls)


def view(node: Slice | Transpose, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    """The result's codes in order, each read from its place."""
    strides = [math.prod(operands[0].shape[axis + 1 :]) for axis in range(len(operands[0].shape))]
    if isinstance(node, Slice):
        start = sum(first * stride for first, stride in zip(node.starts, strides, strict=True))
        steps = [step * stride for step, stride in zip(node.steps, strides, strict=True)]
    else:
        start, steps = 0, [strides[axis] for axis in node.order]
    runs = _runs(result.shape, steps)
    if len(runs) > len(_WORDS):
        place = f" (from {node.origin!r})" if node.origin else ""
        raise ExportError(
            f"The HLS templates move codes along {len(_WORDS)} axes, but {type(node).__name__} {node.name!r}{place} of "
            f"{operands[0].shape} needs {len(runs)}; move fewer axes at once, or export ONNX."
        )
    runs = [(1, 0)] * (len(_WORDS) - len(runs)) + runs
    sizes = {word: size for word, (size, _) in zip(_WORDS, runs, strict=True)}
    strided = {f"{word}_STEP": step for word, (_, step) in zip(_WORDS, runs, strict=True)}
    return Call("flow_view.h", "view", sizes={"SIZE": operands[0].size, "START": start, **sizes, **strided})


def _runs(shape: tuple[int, ...], steps: list[int]) -> list[tuple[int, int]]:
    """Size and step of each axis, neighbours that are walked as one taken as one."""
    runs: list[tuple[int, int]] = []
    for size, step in zip(shape, steps, strict=True):
        if size > 1:
            if runs and runs[-1][1] == size * step:
                size *= runs.pop()[0]
            runs.append((size, step))
    return runs
