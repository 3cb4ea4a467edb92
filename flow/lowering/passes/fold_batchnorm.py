"""Scale and shift go into the layer before them: `s * (w x + b) + t = (s w) x + (s b + t)`, exactly."""

from __future__ import annotations

from dataclasses import replace

from flow.ir import Graph, Linear, Node, ScaleShift, Tensor
from flow.lowering.passes.rewrite import View, sweep
from flow.lowering.passes.tensors import is_one, is_zero, narrowest, shifted, times

__all__ = ["fold_batchnorm"]


def fold_batchnorm(graph: Graph, widest: int = 0) -> Graph:
    """Fold every ScaleShift that alone reads a Dense or Conv2d.

    Args:
        graph: any.
        widest: bits that a folded weight may need; weights that get no wider by it are folded anyway.
    """
    return sweep(graph, lambda view, node: _folded(view, node, widest))


def _folded(view: View, node: Node, widest: int) -> Node | None:
    if not isinstance(node, ScaleShift):
        return None
    layer = view.before(node)
    if not isinstance(layer, Linear) or view.only_reader(layer.name) is not node:
        return None
    rows = Tensor(node.scale.codes.reshape(-1, *[1] * (len(layer.weight.shape) - 1)), node.scale.format)
    weight = layer.weight if is_one(node.scale) else times(layer.weight, rows)
    if weight is None or narrowest(weight).format.width > max(narrowest(layer.weight).format.width, widest):
        return None
    bias = shifted(layer.bias, node)
    if bias is None and not (layer.bias is None and is_zero(node.shift)):
        return None
    changed = replace(layer, name=node.name, weight=weight, bias=bias)
    return changed if view.keeps(node, changed) else None
