"""The calls of padding and upsampling: four axes at most, neighbours that stay as they are counted as one."""

from __future__ import annotations

from collections.abc import Sequence

from flow.errors import ExportError
from flow.exporters.hls.call import Call
from flow.exporters.hls.options import LayerOptions
from flow.ir import Node, Pad, Upsample, Value

__all__ = ["pad", "upsample"]

_WORDS = ("FIRST", "SECOND", "THIRD", "FOURTH")  # the axes of flow_pad.h and flow_upsample.h


def _runs(
    node: Node, shape: tuple[int, ...], changes: Sequence[tuple[int, ...]], same: tuple[int, ...]
) -> list[list[int]]:
    """Size and amounts of four axes; `same` are the amounts that change nothing."""
    runs: list[list[int]] = []
    for size, amounts in zip(shape, changes, strict=True):
        if runs and amounts == same == tuple(runs[-1][1:]):
            runs[-1][0] *= size
        else:
            runs.append([size, *amounts])
    if len(runs) > len(_WORDS):
        place = f" (from {node.origin!r})" if node.origin else ""
        raise ExportError(
            f"The HLS templates pad and upsample over {len(_WORDS)} axes, but {type(node).__name__} {node.name!r}"
            f"{place} needs {len(runs)} for a sample of {shape}; change fewer axes at once, or export ONNX."
        )
    return [[1, *same]] * (len(_WORDS) - len(runs)) + runs


def _named(suffix: str, values: list[int]) -> dict[str, int]:
    return {f"{word}{suffix}": value for word, value in zip(_WORDS, values, strict=True)}


def pad(node: Pad, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    """Sizes of input and result, the zeros in front, and how far apart neighbours come to lie, by axis."""
    changes = list(zip(node.before, node.after, node.interior, strict=True))
    runs = _runs(node, operands[0].shape, changes, (0, 0, 0))
    sizes = {
        **_named("", [before + (size - 1) * (more + 1) + 1 + after for size, before, after, more in runs]),
        **_named("_SIZE", [run[0] for run in runs]),
        **_named("_BEFORE", [run[1] for run in runs]),
        **_named("_STEP", [run[3] + 1 for run in runs]),
    }
    return Call("flow_pad.h", "pad", sizes=sizes)


def upsample(node: Upsample, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    """Sizes of the result and the factors, by axis."""
    runs = _runs(node, operands[0].shape, [(factor,) for factor in node.factors], (1,))
    sizes = {**_named("", [size * factor for size, factor in runs]), **_named("_FACTOR", [run[1] for run in runs])}
    return Call("flow_upsample.h", "upsample", sizes=sizes)
