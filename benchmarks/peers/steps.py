"""What every script here shares: the two nets, and the timing of their steps, which take turns; needs torch only.

A script is called with a case, a batch, a number of steps and a number of threads; its last line is JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

SHAPES = {"mlp": (16,), "resnet": (3, 32, 32)}
CLASSES = {"mlp": 5, "resnet": 10}

_WARM = 3  # steps that are not counted

Build = Callable[[str, Tensor], nn.Module]  # case and a batch -> a model in training mode


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.short = nn.Identity()
        if inputs != outputs:
            self.short = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.relu2(self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x))))) + self.short(x))


def network(case: str) -> nn.Module:
    """mlp: 16-64-32-32-5, the jets'. resnet: 16, 32 and 64 channels on float[B, 3, 32, 32]."""
    if case == "mlp":
        sizes = (16, 64, 32, 32, 5)
        parts = [part for pair in pairwise(sizes) for part in (nn.Linear(*pair), nn.ReLU())]
        return nn.Sequential(*parts[:-1])
    stem = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    blocks = [Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2)]
    return nn.Sequential(*stem, *blocks, nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 10))


class Trained:
    """A model with its optimizer, and what each of its steps took: forward, backward, Adam."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model.train()
        wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(wanted, lr=1e-4, fused=True)
        self.found: dict[str, list[float]] = {"wall": [], "cpu": []}

    def step(self, x: Tensor, y: Tensor) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        self.optimizer.zero_grad()
        functional.cross_entropy(self.model(x), y).backward()
        self.optimizer.step()
        self.found["wall"].append(time.perf_counter() - wall)
        self.found["cpu"].append(time.process_time() - cpu)


def serve(kinds: dict[str, Build]) -> None:
    """Measure the kinds step by step in turn, as the command line says, and print what was found."""
    case, batch, steps, threads = sys.argv[1], *(int(text) for text in sys.argv[2:5])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    x, y = torch.rand(batch, *SHAPES[case]), torch.randint(0, CLASSES[case], (batch,))
    trained: dict[str, Trained] = {}
    failed = {}
    for kind, build in kinds.items():
        try:
            trained[kind] = Trained(build(case, x))
            for _ in range(_WARM):
                trained[kind].step(x, y)
        except Exception as error:  # a peer may fail in any way, and the table says how
            failed[kind] = {"error": f"{type(error).__name__}: {error}"}
            trained.pop(kind, None)
    for _ in range(steps):
        for one in trained.values():
            one.step(x, y)
    found = {kind: {clock: one.found[clock][_WARM:] for clock in one.found} for kind, one in trained.items()}
    print("\n" + json.dumps({**found, **failed}))
