"""Files that Brevitas exported: our interpreter against the outputs of Brevitas itself (data/make_brevitas.py)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flow.errors import UnsupportedError
from flow.formats import Overflow, Rounding, encode
from flow.ir import Requantize, interpret, to_text
from flow.lowering.from_onnx import Loaded, Scales, load_onnx, read_onnx
from flow.lowering.passes import simplify

DATA = Path(__file__).parent / "data"
FILES = sorted(DATA.glob("*.onnx"))
ROUNDED = {"batchnorm_qonnx", "cnn_float_qonnx", "mlp_float_qcdq_script", "mlp_float_qonnx"}
EXACT = [path for path in FILES if path.stem not in ROUNDED]


def outputs(loaded: Loaded, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """What Brevitas and what our interpreter computed, as float64."""
    graph, stored = loaded.graph, np.load(path.with_suffix(".npz"))
    x = stored["x"].astype(np.float64) / float(loaded.input_unit)
    codes = encode(x, graph.input.format, Rounding.RND_CONV, Overflow.SAT)
    (found,) = interpret(graph, codes)
    return stored["y"].astype(np.float64), np.ldexp(
        found.astype(np.float64), -graph.values[graph.outputs[0]].format.frac
    )


def test_all_files_are_there():
    assert len(FILES) == 16
    assert len(EXACT) == 12
    assert max(path.stat().st_size for path in FILES) < 100_000


@pytest.mark.parametrize("path", EXACT, ids=lambda path: path.stem)
def test_powers_of_two_are_bit_exact(path: Path):
    wanted, found = outputs(read_onnx(path), path)
    assert np.array_equal(wanted, found)
    assert wanted.size >= 96
    assert len(np.unique(wanted)) > 30


@pytest.mark.parametrize("path", EXACT, ids=lambda path: path.stem)
def test_lowering_twice_is_a_fixed_point(path: Path):
    graph = load_onnx(path)
    assert simplify(graph) == graph


def test_a_file_and_its_bytes_are_the_same_model():
    assert load_onnx(EXACT[0]) == load_onnx(EXACT[0].read_bytes()) == load_onnx(str(EXACT[0]))


@pytest.mark.parametrize("name", sorted(ROUNDED))
def test_other_scales_are_refused_unless_asked_for(name: str):
    with pytest.raises(UnsupportedError, match=r"or load with scales='dyadic'\.$"):
        load_onnx(DATA / f"{name}.onnx")


@pytest.mark.parametrize("name", sorted(ROUNDED))
def test_dyadic_factors_stay_within_the_error_they_report(name: str):
    """Every factor has 16 bits; the outputs differ by no more than the last factor's error."""
    loaded = read_onnx(DATA / f"{name}.onnx", Scales(dyadic=True))
    assert loaded.factors
    assert max(factor.error for factor in loaded.factors) < 2.0**-15
    wanted, found = outputs(loaded, DATA / f"{name}.onnx")
    assert np.abs(wanted - found).max() <= 2.0**-15 * np.abs(wanted).max()


def test_batchnorm_behind_a_cast_loses_nothing():
    path = DATA / "batchnorm_qonnx.onnx"
    wanted, found = outputs(read_onnx(path, Scales(dyadic=True)), path)
    assert np.array_equal(wanted, found)
    assert wanted.size > 3000


def test_every_scale_is_named_with_its_module():
    with pytest.raises(UnsupportedError) as caught:
        load_onnx(DATA / "mlp_float_qonnx.onnx")
    text = str(caught.value)
    assert text.startswith(
        "ONNX graph 'main_graph' uses what has no fixed-point form: qonnx.Quant 'node__symbolic' in '0."
    )
    assert [f"in '{module}" in text for module in ("0.act_quant", "1'", "2.act_quant", "3'")] == [True] * 4
    assert text.count("is no power of two") == 4


def test_a_changed_rounding_is_seen():
    """The comparison can fail."""
    path = DATA / "mlp_qonnx.onnx"
    loaded = read_onnx(path)
    graph = loaded.graph
    (cast,) = (node for node in graph if isinstance(node, Requantize))
    floor = replace(graph, nodes=tuple(replace(n, rounding=Rounding.TRN) if n is cast else n for n in graph.nodes))
    wanted, found = outputs(replace(loaded, graph=floor), path)
    assert not np.array_equal(wanted, found)


@pytest.mark.parametrize("name", ["residual_qonnx", "mlp_qcdq_script"])
def test_the_text_of_what_was_loaded(name: str):
    graph = load_onnx(DATA / f"{name}.onnx")
    assert to_text(graph) == (DATA / f"{name}.txt").read_text(encoding="utf-8")


def test_modules_and_lines_come_from_the_metadata():
    graph = load_onnx(DATA / "residual_qonnx.onnx")
    assert {"stem", "body", "head"} <= {node.origin for node in graph}
