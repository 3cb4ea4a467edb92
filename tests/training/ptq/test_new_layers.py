"""The methods on nets with tables and with layers along one axis: same bits, float twin equal to the float net."""

import pytest
import torch
from torch import nn

from flow.training import quantize
from flow.training.ptq.apply import apply
from flow.training.ptq.reference import float_twin
from tests.training.models import example, randomized
from tests.training.test_tables import assert_same_bits

NETS = {
    "silu": (nn.Sequential(nn.Conv2d(1, 4, 3), nn.SiLU(), nn.Conv2d(4, 4, 3), nn.SiLU(), nn.Flatten(),
                           nn.Linear(16, 3)), (1, 6, 6)),
    "conv1d": (nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.ReLU(), nn.Conv1d(4, 4, 3, groups=2), nn.ReLU(),
                             nn.Flatten(), nn.Linear(24, 3)), (2, 10)),
}  # fmt: skip
METHODS = ("equalise", "smooth", "range_max", "mixed_precision", "gptq", "learned_rounding", "bias_correction")


@pytest.mark.parametrize("name", NETS)
def test_methods_keep_the_bits_and_the_twin_is_the_float_net(name):
    """The twin's float sums run in another order: equal to 1e-5 of the largest value."""
    model, shape = NETS[name]
    randomized(model, 0).eval()
    batch = example(shape, count=32)
    found = float_twin(quantize(model, batch, accumulators="s12"))(batch).detach()
    expected = model(batch).detach()
    assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())
    plain = quantize(model, batch, weights="s4", activations="u6")
    better = apply(model, batch, METHODS, weights="s4", activations="u6")
    assert_same_bits(better, shape)
    assert not torch.equal(plain(batch), better(batch))
