"""Two processes that each see half of a batch train the same model as one that sees all of it."""

import pytest
import torch
from torch import distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel

from flow.training import quantize
from tests.training.test_user_loop import batch, mlp, steps

_RANKS = 2


def _model():
    return quantize(mlp(), batch()[0], weights="s4", activations="u4").train()


def train_rank(rank, folder):
    """What one process does; its parameters go into a file."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=_RANKS)
    x, y = (part.chunk(_RANKS)[rank] for part in batch())
    qmodel = _model()
    steps(DistributedDataParallel(qmodel), x, y, 3)
    torch.save(qmodel.state_dict(), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    multiprocessing.spawn(train_rank, (str(tmp_path),), nprocs=_RANKS)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(_RANKS))
    alone = _model()
    before = {name: tensor.clone() for name, tensor in alone.state_dict().items()}
    steps(alone, *batch(), 3)
    assert len(first) == len(before) == 15
    for name, tensor in alone.state_dict().items():
        assert torch.equal(first[name], second[name]), name
        # Only the order of a sum differs between one process and two.
        assert float((first[name] - tensor).abs().max()) <= 1e-5 * float(tensor.abs().max()), name
        assert not torch.equal(tensor, before[name]), name
