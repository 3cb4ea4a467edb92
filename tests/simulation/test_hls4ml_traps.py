"""Where hls4ml's own front doors are silently wrong or shut, and the same nets through ours: every code of them equal.

Double rounding of the input is in test_hls4ml.py, distributed arithmetic of raw weights in exporters/test_hls4ml.py.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from flow.exporters.hls4ml.exact import reasons
from flow.exporters.onnx import export_qonnx
from flow.formats import FixedPoint
from flow.ir import Graph, Input, RequantizeEach, Slice, Softmax, Table, interpret
from flow.ir import Tensor as Codes
from flow.lowering import lower
from flow.training import quantize, seeded
from tests.simulation.test_hls4ml import assert_exact
from tests.simulation.test_hls4ml import flags as flags  # a fixture

SOURCE = (16,)


class Traps(nn.Module):
    """A slice, a Linear of rows, and logits that reach far beyond a table's ten bits, squashed or as shares."""

    def __init__(self, end: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.end = end
        self.last, self.rows, self.wide = nn.Linear(8, 6), nn.Linear(4, 3), nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.rows(x[:, :8].reshape(-1, 2, 4)).flatten(1)
        return self.end(40 * self.wide(torch.cat([self.last(x[:, 8:]), rows], 1)))


def made(end: Callable[[Tensor], Tensor]) -> Graph:
    with seeded(0):
        model, x = Traps(end).eval(), torch.randn(128, *SOURCE)
        words = {"weights": "s9", "activations": "s14", "sums": "s16", "tables": "u10"}
        return lower(quantize(model, x, granularity="channel", cast_granularity="channel", **words), name="traps")


def converted(model: nn.Module, shape: tuple[int, ...], folder: Path, monkeypatch: pytest.MonkeyPatch):
    """What hls4ml's own converter makes of a model: its layers."""
    import hls4ml

    monkeypatch.chdir(folder)
    with contextlib.redirect_stdout(io.StringIO()):
        config = hls4ml.utils.config_from_pytorch_model(model.eval(), shape, granularity="name", backend="Vitis")
        made = hls4ml.converters.convert_from_pytorch_model(
            model, hls_config=config, backend="Vitis", output_dir="project"
        )
    return list(made.get_layers())


class Half(nn.Module):
    """A Linear of the last eight inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x[:, 8:])


@pytest.mark.filterwarnings("ignore")
def test_hls4mls_own_converter_drops_a_slice_and_turns_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The first eight inputs are read instead of the last; four rows of eight results become eight of sixteen."""
    layers = converted(Half(), SOURCE, tmp_path, monkeypatch)
    assert [layer.class_name for layer in layers] == ["Input", "Dense"]
    rows = converted(nn.Sequential(nn.Linear(16, 8)), (4, 16), tmp_path, monkeypatch)
    assert list(rows[-1].get_output_variable().shape) == [8, 16]


@pytest.mark.filterwarnings("ignore")
def test_hls4mls_own_softmax_reads_ten_bits_of_wide_logits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    dense, softmax = converted(nn.Sequential(nn.Linear(16, 8), nn.Softmax(1)), SOURCE, tmp_path, monkeypatch)[1:]
    assert dense.get_output_variable().type.precision.width > 30
    assert softmax.attributes["table_size"] == 1024


@pytest.mark.slow
def test_the_same_nets_through_our_door_are_exact(tmp_path: Path, flags: list[str]):
    graph = made(lambda logits: torch.tanh(logits / 64))
    ops = [type(node) for node in graph]
    assert ops.count(Slice) == 2
    assert ops.count(Table) == 1
    assert RequantizeEach in ops
    logits = max(graph.operands(node)[0].format.width for node in graph if isinstance(node, Table))
    assert max(value.format.width for value in graph.values.values()) > 20 > 10 == logits
    assert len(assert_exact(graph, tmp_path, 200, flags)) > len(graph) / 2


def test_softmax_of_wide_logits_is_refused_and_not_uniform():
    """hls4ml's own gives 1/8 everywhere; here the shares of a sample differ, and nearly add up to 1."""
    graph = made(lambda logits: torch.softmax(logits, 1))
    assert list(reasons(graph)) == [node.name for node in graph if isinstance(node, Softmax)] != []
    codes = np.random.default_rng(0).integers(graph.input.format.low, graph.input.format.high, (200, *SOURCE))
    shares = interpret(graph, codes)[0] * float(graph.values[graph.outputs[0]].format.step)
    assert np.abs(shares.sum(axis=1) - 1).max() < 0.02
    assert (shares.max(axis=1) > 0.9).mean() > 0.5


@pytest.mark.filterwarnings("ignore")
def test_a_scale_per_channel_shuts_hls4mls_qonnx_door_and_not_ours(tmp_path: Path, flags: list[str], monkeypatch):
    """Casts with a binary point per channel: hls4ml's reader of QONNX stops, its project from us is exact."""
    import hls4ml
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.cleanup import cleanup_model

    fracs, widths = Codes(np.array([1, 2, 3, 4]), FixedPoint(4, 0)), Codes(np.full(4, 5), FixedPoint(4, 0))
    nodes = (
        Input(name="x", shape=(4,), format=FixedPoint(8, 5)),
        RequantizeEach(name="y", inputs=("x",), fracs=fracs, widths=widths, signed=True),
    )
    graph = Graph("channels", nodes, ("y",))
    (content,) = export_qonnx(graph).values()
    model = cleanup_model(ModelWrapper(content))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IndexError), contextlib.redirect_stdout(io.StringIO()):
        config = hls4ml.utils.config_from_onnx_model(model, granularity="name", backend="Vitis")
        hls4ml.converters.convert_from_onnx_model(model, hls_config=config, backend="Vitis", output_dir="own")
    assert assert_exact(graph, tmp_path / "ours", 200, flags) == {"y"}
