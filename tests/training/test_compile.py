"""torch.compile gives the bits of eager mode, and trains."""

import pytest
import torch

from flow.lowering import lower
from flow.training import quantize
from tests.training.test_user_loop import batch, mlp, steps


# What torch warns of, its own compiler does.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*is deprecated:DeprecationWarning")
@pytest.mark.slow
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_a_compiled_model_has_the_same_bits_and_trains(backend):
    x, y = batch()
    qmodel = quantize(mlp(), x, weights="s4", activations="u4")
    torch.compiler.reset()
    compiled = torch.compile(qmodel, backend=backend)
    with torch.no_grad():
        assert torch.equal(compiled(x), qmodel(x))
    before = {name: tensor.detach().clone() for name, tensor in qmodel.named_parameters()}
    losses = steps(compiled.train(), x, y, 2)
    assert losses[1] < losses[0]
    assert [name for name, tensor in qmodel.named_parameters() if torch.equal(tensor, before[name])] == []
    assert lower(qmodel.eval()).outputs == ("3",)
