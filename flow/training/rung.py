"""The rung `torch` of the ladder: the trained model in eval mode, its values read back as codes.

Floats carry it, so the graph's ranges must first prove that no partial sum leaves the mantissa: float32 up to 24 bits,
float64 up to 53. Plain matrix products are then exact in any order of addition; oneDNN and NNPACK are switched off,
since a Winograd convolution would pass through fractions that no such proof covers.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flow.errors import SimulationError
from flow.ir import (
    Add,
    ArgMax,
    AvgPool2d,
    Conv2d,
    Dense,
    Graph,
    LutDense,
    MatMul,
    Node,
    Requantize,
    RequantizeEach,
    ScaleShift,
    Sub,
    Table,
    Value,
)
from flow.training.model import QuantizedModel

__all__ = ["simulate_torch"]

_MANTISSAS = {torch.float32: 24, torch.float64: 53}
_BATCH = 1024

Codes = NDArray[np.int64]


def _on_the_way(node: Node, types: tuple[Value, ...]) -> int:
    return node.partial_bound(*types)


def _avg_pool(node: AvgPool2d, types: tuple[Value, ...]) -> int:
    return types[0].magnitude * math.prod(node.kernel) * int(node.scale.codes)


def _requantize(node: Requantize, types: tuple[Value, ...]) -> int:
    return max(abs(node.format.low), node.format.high)


def _requantize_each(node: RequantizeEach, types: tuple[Value, ...]) -> int:
    return max((max(abs(form.low), form.high) for form in node.formats()), default=0)


def _table(node: Table, types: tuple[Value, ...]) -> int:
    """The difference of two entries, by which training's smooth value misses the table's."""
    return node.entries.format.high - node.entries.format.low


# Per operator, a magnitude that nothing it computes on the way exceeds, in units of its finest step; where an operator
# computes nothing, the range of its result serves.
_BOUNDS: dict[type[Node], Callable[[Any, tuple[Value, ...]], int]] = {
    Dense: _on_the_way,
    Conv2d: _on_the_way,
    ScaleShift: _on_the_way,
    Add: _on_the_way,
    Sub: _on_the_way,
    LutDense: _on_the_way,
    MatMul: _on_the_way,
    Table: _table,
    AvgPool2d: _avg_pool,
    Requantize: _requantize,
    RequantizeEach: _requantize_each,
}


def _bits(graph: Graph) -> dict[str, int]:
    """Mantissa bits that each node needs, by its name."""
    bounds = {
        node.name: _BOUNDS.get(type(node), lambda node, types: 0)(node, graph.operands(node)) for node in graph.nodes
    }
    return {name: max(bound, graph.values[name].magnitude).bit_length() for name, bound in bounds.items()}


def _carrier(graph: Graph) -> torch.dtype:
    """The narrowest float type that is proved exact.

    Raises:
        SimulationError: a node needs more than 53 bits.
    """
    bits = _bits(graph)
    name = max(bits, key=lambda key: bits[key])
    for dtype, mantissa in _MANTISSAS.items():
        if bits[name] <= mantissa:
            return dtype
    raise SimulationError(
        f"The torch rung carries 53 bits, but node {name!r} needs {bits[name]}; shorten the words of its layer."
    )


@contextmanager
def _plain_kernels() -> Iterator[None]:
    with warnings.catch_warnings(), torch.backends.nnpack.flags(enabled=False):
        # Switching oneDNN off also touches its switch for Intel GPUs, and torch says that there is none.
        warnings.filterwarnings("ignore", message="TF32 acceleration on top of oneDNN", category=UserWarning)
        with torch.backends.mkldnn.flags(enabled=False):
            yield


def _codes(name: str, value: Tensor, frac: int) -> Codes:
    scaled = value.double() * math.ldexp(1.0, frac)
    whole = scaled.round()
    if not torch.equal(whole, scaled):
        raise SimulationError(
            f"The torch rung's value {name!r} is not a multiple of 2**{-frac}; lower the model again."
        )
    return whole.to(torch.int64).numpy()


def simulate_torch(graph: Graph, qmodel: QuantizedModel, codes: NDArray[Any]) -> dict[str, Codes]:
    """Run the trained model and read every value back as codes.

    Args:
        graph: what `lower` made of the model.
        qmodel: the model; left as it is.
        codes: int64[N, *shape] codes of the graph's input.

    Returns:
        int64[N, *value.shape] codes by node name, of every node of the graph.

    Raises:
        SimulationError: a node needs more than 53 bits, a value is off the grid, or the graph is not of this model.
    """
    names = {node.name for node in graph.nodes if not isinstance(node, ArgMax)}
    steps = {step.name for step in qmodel.steps}
    if names != steps:
        odd = sorted(names ^ steps)[0]
        raise SimulationError(f"Graph and model differ at {odd!r}; pass the model that the graph was lowered from.")
    carrier = copy.deepcopy(qmodel).to("cpu", _carrier(graph)).eval()
    values = torch.from_numpy(codes.astype(np.float64)) * math.ldexp(1.0, -graph.input.format.frac)
    with torch.no_grad(), _plain_kernels():
        parts = [_batch(graph, carrier, part.to(_carrier(graph))) for part in values.split(_BATCH)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _batch(graph: Graph, model: QuantizedModel, values: Tensor) -> dict[str, Codes]:
    made = dict(zip((step.name for step in model.steps), model.values(values), strict=True))
    done = {name: _codes(name, value, graph.values[name].format.frac) for name, value in made.items()}
    for node in graph.nodes:
        if isinstance(node, ArgMax):
            done[node.name] = made[node.inputs[0]].argmax(dim=1, keepdim=True).numpy()
    return done
