"""Random nets with random options: torch == interpreter, code by code, on every node."""

import numpy as np
import pytest

from flow.formats import Overflow, Rounding
from flow.lowering import encode_input, lower
from flow.training import quantize
from flow.training.quantizer import quantizers
from tests.lowering.test_from_torch import compare
from tests.training.models import Decoder, Mixed, Moves, Random, Sequences, example, randomized

ROLES = ("weights", "biases", "sums", "scales", "shifts", "tables")
GRANULARITIES = ["tensor", "channel", "element"]


def options(rng):
    """Widths, modes, granularities, bounded accumulators or none, and bounded digits or learned lengths or neither."""
    spec = {key: f"s{rng.integers(3, 9)}" for key in ROLES}
    spec["granularity"] = str(rng.choice(GRANULARITIES))
    spec["cast_granularity"] = str(rng.choice(GRANULARITIES))
    spec["overflow"] = list(Overflow)[rng.integers(5)]
    spec["rounding"] = list(Rounding)[rng.integers(7)]
    if rng.integers(2):
        spec.update(accumulators=f"s{rng.integers(4, 16)}", accumulator_overflow=["WRAP", "SAT"][rng.integers(2)])
    kind = rng.integers(3)
    if kind == 0:
        spec.update(khot=int(rng.integers(1, 4)), signed_digits=bool(rng.integers(2)))
    elif kind == 1:
        spec["lengths"] = "learned"
    # Sign and magnitude wrap signed words only.
    sign = "s" if spec["overflow"] is Overflow.WRAP_SM else "us"[rng.integers(2)]
    return {**spec, "activations": f"{sign}{rng.integers(3, 9)}"}


def assert_same_bits(seed, *kinds):
    rng = np.random.default_rng(seed)
    model = randomized(kinds[seed % len(kinds)](seed), seed)
    qmodel = quantize(model, example(model.shape, seed, signed=bool(seed % 3)), **options(rng))
    for quantizer in quantizers(qmodel).values():  # points as a training may leave them, some words without bits
        for point in quantizer.points():
            moved = rng.integers(-2, 3, tuple(point.shape)) + rng.uniform(-0.4, 0.4)
            point.data += point.new_tensor(moved)
    graph = lower(qmodel, argmax=bool(seed % 5) and Decoder not in kinds)
    codes = encode_input(qmodel, 3 * example(model.shape, seed + 1, count=12))  # what the host may send, both ends too
    assert compare(graph, qmodel, codes) == 12 * sum(v.size for v in graph.values.values())


@pytest.mark.parametrize("seed", [*range(40), 5586, 8971])  # the last two: words narrower than lowering found them
def test_random_nets_equal_the_interpreter_on_every_node(seed):
    assert_same_bits(seed, Random, Mixed)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize("seed", range(12))
def test_random_decoders_equal_the_interpreter_on_every_node(seed):
    assert_same_bits(seed, Decoder)


@pytest.mark.parametrize("seed", range(15))
def test_random_moves_equal_the_interpreter_on_every_node(seed):
    assert_same_bits(seed, Moves)


@pytest.mark.parametrize("seed", range(15))
def test_random_sequences_equal_the_interpreter_on_every_node(seed):
    assert_same_bits(seed, Sequences)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(5))
def test_five_hundred_random_sequences_equal_the_interpreter_on_every_node(block):
    for seed in range(1000 + 100 * block, 1100 + 100 * block):
        assert_same_bits(seed, Sequences)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_a_thousand_random_moves_equal_the_interpreter_on_every_node(block):
    for seed in range(1000 + 100 * block, 1100 + 100 * block):
        assert_same_bits(seed, Moves)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize("block", range(10))
def test_a_thousand_random_decoders_equal_the_interpreter_on_every_node(block):
    for seed in range(1000 + 100 * block, 1100 + 100 * block):
        assert_same_bits(seed, Decoder)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(100))
def test_ten_thousand_random_nets_equal_the_interpreter_on_every_node(block):
    for seed in range(1000 + 100 * block, 1100 + 100 * block):
        assert_same_bits(seed, Random, Mixed)
