"""Random nets with random options of constants: torch == interpreter, code by code, on every node."""

import numpy as np
import pytest

from flow.formats import Overflow, Rounding
from flow.lowering import encode_input, lower
from flow.training import quantize
from flow.training.quantizer import quantizers
from tests.lowering.test_from_torch import compare
from tests.training.models import Random, example, randomized

ROLES = ("weights", "biases", "sums", "scales", "shifts")


def options(rng):
    """Widths, modes, a granularity, and either bounded digits or learned lengths or neither."""
    spec = {key: f"s{rng.integers(3, 9)}" for key in ROLES}
    spec["granularity"] = str(rng.choice(["tensor", "channel", "element"]))
    spec["overflow"] = list(Overflow)[rng.integers(4)]
    spec["rounding"] = list(Rounding)[rng.integers(7)]
    kind = rng.integers(3)
    if kind == 0:
        spec.update(khot=int(rng.integers(1, 4)), signed_digits=bool(rng.integers(2)))
    elif kind == 1:
        spec["lengths"] = "learned"
    return {**spec, "activations": f"{'us'[rng.integers(2)]}{rng.integers(3, 9)}"}


@pytest.mark.parametrize("seed", range(30))
def test_random_nets_equal_the_interpreter_on_every_node(seed):
    rng = np.random.default_rng(seed)
    model = randomized(Random(seed), seed)
    qmodel = quantize(model, example(model.shape, seed, signed=bool(seed % 2)), **options(rng))
    for quantizer in quantizers(qmodel).values():  # points as a training may leave them, some words without bits
        for point in quantizer.points():
            moved = rng.integers(-2, 3, tuple(point.shape)) + rng.uniform(-0.4, 0.4)
            point.data += point.new_tensor(moved)
    graph = lower(qmodel, argmax=bool(seed % 3))
    codes = encode_input(qmodel, 3 * example(model.shape, seed + 1, count=12))  # what the host may send, both ends too
    assert compare(graph, qmodel, codes) == 12 * sum(v.size for v in graph.values.values())
