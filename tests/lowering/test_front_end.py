"""Every layer that a user may write, as a module and as a function: one graph, and every rung shows its codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from flow.exporters.onnx import export_onnx
from flow.exporters.writer import write_tree
from flow.ir import Graph, to_text, trace
from flow.lowering import encode_input, lower, simulate_torch
from flow.simulation.onnxruntime import simulate_onnxruntime
from flow.training import quantize, seeded
from tests.simulation.batches import simulate_together
from tests.training.models import example, randomized

COUNT = 24
Forward = Callable[[Any, Tensor], Any]


@dataclass(frozen=True)
class Form:
    """One layer.

    Attributes:
        make: its module.
        function: the same without the module's own forward; its parameters are those of the module.
        shape: of a sample.
        integers: whether the input numbers rows.
    """

    make: Callable[[], nn.Module]
    function: Forward
    shape: tuple[int, ...]
    integers: bool = False

    def batch(self) -> Tensor:
        if self.integers:
            return torch.from_numpy(np.random.default_rng(0).integers(0, 7, (COUNT, *self.shape)))
        return example(self.shape, count=COUNT)


class Called(nn.Module):
    """A layer called through a function of it and the input."""

    def __init__(self, layer: nn.Module, forward: Forward) -> None:
        super().__init__()
        self.layer, self._forward = layer, forward

    def forward(self, x: Tensor) -> Any:
        return self._forward(self.layer, x)


class Of(nn.Module):
    """A function as a module: for what torch has no module of."""

    def __init__(self, forward: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._forward = forward

    def forward(self, x: Tensor) -> Tensor:
        return self._forward(x)


def _of(one: Callable[[Tensor], Tensor], other: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> Form:
    return Form(lambda: Of(one), lambda m, x: other(x), shape)


def _conv(make: Callable[[], nn.Module], function: Callable[..., Tensor], shape: tuple[int, ...], *given: Any) -> Form:
    return Form(make, lambda m, x: function(x, m.weight, m.bias, *given), shape)


def _norm(m: Any, x: Tensor) -> Tensor:
    return functional.batch_norm(x, m.running_mean, m.running_var, m.weight, m.bias, False, 0.1, m.eps)


F, IMAGE, LINE = functional, (3, 5, 6), (4, 7)
FORMS: dict[str, Form] = {
    "Linear": _conv(lambda: nn.Linear(6, 4), F.linear, (6,)),
    "Linear of rows": _conv(lambda: nn.Linear(6, 4), F.linear, (3, 6)),
    "Conv1d": _conv(lambda: nn.Conv1d(4, 6, 3, 2, 1, 2, 2), F.conv1d, LINE, 2, 1, 2, 2),
    "Conv2d": _conv(lambda: nn.Conv2d(3, 4, (3, 2), (1, 2), (1, 0)), F.conv2d, IMAGE, (1, 2), (1, 0)),
    "Conv2d, dilated": _conv(lambda: nn.Conv2d(3, 4, 2, dilation=2), F.conv2d, IMAGE, 1, 0, 2),
    "Conv2d, groups": _conv(lambda: nn.Conv2d(4, 6, 2, groups=2), F.conv2d, (4, 4, 4), 1, 0, 1, 2),
    "Conv2d, depthwise": _conv(lambda: nn.Conv2d(3, 3, 3, padding=1, groups=3), F.conv2d, IMAGE, 1, 1, 1, 3),
    "ConvTranspose1d": _conv(lambda: nn.ConvTranspose1d(4, 3, 3, 2), F.conv_transpose1d, LINE, 2),
    "ConvTranspose2d": _conv(
        lambda: nn.ConvTranspose2d(4, 2, 3, 2, 1, 1, 2), F.conv_transpose2d, (4, 3, 3), 2, 1, 1, 2
    ),
    "BatchNorm1d": Form(lambda: nn.BatchNorm1d(6), _norm, (6,)),
    "BatchNorm2d": Form(lambda: nn.BatchNorm2d(3), _norm, IMAGE),
    "LayerNorm": Form(lambda: nn.LayerNorm(6), lambda m, x: F.layer_norm(x, (6,), m.weight, m.bias), (4, 6)),
    "ReLU": Form(nn.ReLU, lambda m, x: F.relu(x), (6,)),
    "ReLU6": Form(nn.ReLU6, lambda m, x: F.relu6(x), (6,)),
    "LeakyReLU": Form(lambda: nn.LeakyReLU(0.2), lambda m, x: F.leaky_relu(x, 0.2), (6,)),
    "PReLU": Form(nn.PReLU, lambda m, x: F.prelu(x, m.weight), (6,)),
    "PReLU, channels": Form(lambda: nn.PReLU(3), lambda m, x: F.prelu(x, m.weight), IMAGE),
    "Hardtanh": Form(lambda: nn.Hardtanh(-0.5, 2), lambda m, x: F.hardtanh(x, -0.5, 2), (6,)),
    "Sigmoid": Form(nn.Sigmoid, lambda m, x: x.sigmoid(), (6,)),
    "Tanh": Form(nn.Tanh, lambda m, x: torch.tanh(x), (6,)),
    "SiLU": Form(nn.SiLU, lambda m, x: F.silu(x), (6,)),
    "GELU": Form(lambda: nn.GELU("tanh"), lambda m, x: F.gelu(x, approximate="tanh"), (6,)),
    "Softmax": Form(lambda: nn.Softmax(-1), lambda m, x: F.softmax(x, -1), (3, 4)),
    "MaxPool1d": Form(lambda: nn.MaxPool1d(2), lambda m, x: F.max_pool1d(x, 2), LINE),
    "MaxPool2d": Form(lambda: nn.MaxPool2d((2, 3), 1), lambda m, x: F.max_pool2d(x, (2, 3), 1), IMAGE),
    "AvgPool1d": Form(lambda: nn.AvgPool1d(3, 2), lambda m, x: F.avg_pool1d(x, 3, 2), LINE),
    "AvgPool2d": Form(lambda: nn.AvgPool2d(2, 1, 1), lambda m, x: F.avg_pool2d(x, 2, 1, 1), IMAGE),
    "AdaptiveAvgPool2d": Form(
        lambda: nn.AdaptiveAvgPool2d((1, 3)), lambda m, x: F.adaptive_avg_pool2d(x, (1, 3)), IMAGE
    ),
    "Flatten": Form(nn.Flatten, lambda m, x: torch.flatten(x, 1), IMAGE),
    "Unflatten": Form(lambda: nn.Unflatten(1, (2, 3)), lambda m, x: x.reshape(-1, 2, 3), (6,)),
    "ZeroPad2d": Form(lambda: nn.ZeroPad2d((1, 0, 2, -1)), lambda m, x: F.pad(x, (1, 0, 2, -1)), IMAGE),
    "ConstantPad1d": Form(lambda: nn.ConstantPad1d(2, 0.0), lambda m, x: F.pad(x, (2, 2)), LINE),
    "Upsample": Form(lambda: nn.Upsample(scale_factor=2), lambda m, x: F.interpolate(x, scale_factor=2), IMAGE),
    "PixelShuffle": Form(lambda: nn.PixelShuffle(2), lambda m, x: F.pixel_shuffle(x, 2), (4, 2, 3)),
    "Add": _of(lambda x: x + x.relu(), lambda x: torch.add(x, F.relu(x)), (6,)),
    "Sub": _of(lambda x: x - x.relu(), lambda x: torch.sub(x, F.relu(x)), (6,)),
    "Mul": _of(lambda x: x * x.relu(), lambda x: torch.mul(x, F.relu(x)), (6,)),
    "MatMul": _of(lambda x: x @ x.mT, lambda x: torch.matmul(x, x.transpose(-2, -1)), (3, 4)),
    "Concat": _of(lambda x: torch.cat([x, x.relu()], 1), lambda x: torch.concat((x, F.relu(x)), dim=1), (3, 4)),
    "Transpose": _of(lambda x: x.permute(0, 2, 3, 1), lambda x: torch.movedim(x, 1, -1), IMAGE),
    "Slice": _of(lambda x: x[:, 1:, ::2], lambda x: x.narrow(1, 1, 2)[:, :, 0:5:2], IMAGE),
    "Split": _of(lambda x: x.chunk(2, 1)[1], lambda x: torch.split(x, 3, dim=1)[1], (6,)),
    "Clamp": _of(lambda x: x.clamp(-0.5, 1), lambda x: F.hardtanh(x, -0.5, 1), (6,)),
    "Clamp from 0": _of(lambda x: x.clamp(min=0), lambda x: x.relu(), (6,)),
    "Clamp to 1": _of(lambda x: x.clamp(max=1), lambda x: torch.clamp(x, max=1), (6,)),
    "Number in place": _of(lambda x: x.relu().div_(3), lambda x: F.relu(x) / 3, (6,)),
    "Number": _of(lambda x: 2 * x + 0.5, lambda x: torch.add(torch.mul(x, 2), 0.5), (6,)),
    "Mean": _of(lambda x: x.mean((2, 3)), lambda x: torch.mean(x, dim=(-2, -1)), IMAGE),
    "Embedding": Form(lambda: nn.Embedding(7, 3), lambda m, x: F.embedding(x, m.weight), (4,), integers=True),
    "MultiheadAttention": Form(
        lambda: nn.MultiheadAttention(4, 2, batch_first=True), lambda m, x: m(x, x, x, need_weights=False)[0], (3, 4)
    ),
}  # fmt: skip
_BY_CALL = {"MultiheadAttention": lambda m, x: m(x, x, x)[0]}


def _lowered(name: str, forward: Forward, form: Form) -> tuple[Any, Graph]:
    with seeded(0):
        layer = randomized(form.make(), 1)
        qmodel = quantize(Called(layer.eval(), forward), form.batch())
    return qmodel, lower(qmodel, name=f"form{list(FORMS).index(name)}")


def _numbered(graph: Graph) -> str:
    """The text of a graph whose nodes have numbers for names and no origins."""
    names = {node.name: f"n{number}" for number, node in enumerate(graph)}
    nodes = tuple(
        replace(node, name=names[node.name], inputs=tuple(names[source] for source in node.inputs), origin="")
        for node in graph
    )
    return to_text(Graph(graph.name, nodes, tuple(names[output] for output in graph.outputs)))


@pytest.fixture(scope="module")
def made() -> dict[str, tuple[Any, Graph]]:
    """The module forms, quantised and lowered."""
    return {name: _lowered(name, _BY_CALL.get(name, lambda m, x: m(x)), form) for name, form in FORMS.items()}


@pytest.mark.parametrize("name", FORMS)
def test_the_function_is_the_module(name: str, made: dict[str, tuple[Any, Graph]]):
    _, graph = _lowered(name, FORMS[name].function, FORMS[name])
    assert _numbered(graph) == _numbered(made[name][1])


@pytest.mark.parametrize("name", FORMS)
def test_torch_and_onnxruntime_show_every_code(name: str, made: dict[str, tuple[Any, Graph]], tmp_path: Path):
    qmodel, graph = made[name]
    codes = encode_input(qmodel, FORMS[name].batch())
    expected = trace(graph, codes)
    write_tree(tmp_path, export_onnx(graph))
    for shown in (simulate_torch(graph, qmodel, codes), simulate_onnxruntime(graph, tmp_path, codes)):
        assert list(shown) == list(expected)
        for node, value in expected.items():
            np.testing.assert_array_equal(shown[node], value, err_msg=f"{name}: {node}")
    assert sum(len(np.unique(value)) for value in expected.values()) > 2 * len(graph)


@pytest.mark.slow
def test_the_c_simulation_shows_every_code(made: dict[str, tuple[Any, Graph]], tmp_path: Path):
    """All of them in one program."""
    graphs = [graph for _, graph in made.values()]
    codes = [encode_input(qmodel, FORMS[name].batch()) for name, (qmodel, _) in made.items()]
    shown = simulate_together(graphs, codes, tmp_path / "all")
    compared = 0
    for name, graph, inputs, values in zip(made, graphs, codes, shown, strict=True):
        expected = trace(graph, inputs)
        assert list(values) == list(expected)
        for node, value in expected.items():
            np.testing.assert_array_equal(values[node], value, err_msg=f"{name}: {node}")
            compared += value.size
    assert compared == COUNT * sum(value.size for graph in graphs for value in graph.values.values())
