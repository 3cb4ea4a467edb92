"""`flow check` says yes to what can be lowered, and everything that stands in the way of the rest."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flow.cli import app
from flow.errors import FlowError, RecipeError, UnsupportedError
from flow.stages.check import check_model

DATA = Path(__file__).parents[1] / "lowering" / "data"
NEIGHBOUR = """
from torch import nn

def rectifier():
    return nn.ReLU()
"""
NETS = """
from __future__ import annotations
from dataclasses import dataclass
from torch import nn
from neighbour import rectifier

@dataclass
class Sizes:
    classes: int = 10

def good():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), rectifier(), nn.Linear(8, Sizes().classes))

def words():
    return nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 2))

def strange():
    return nn.Sequential(nn.Softshrink(), nn.Flatten(), nn.Hardshrink(), nn.Linear(64, 10))

def raising():
    return nn.Linear(64, Sizes().outputs)
"""


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "neighbour.py").write_text(NEIGHBOUR)
    (tmp_path / "empty.py").write_text("import nothing_like_it\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "neighbour", raising=False)
    return "nets.py"


def test_a_recipe_is_checked_with_its_data():
    assert check_model("digits_mlp").operators == {"flatten": 1, "dense": 3, "relu": 2}


def test_a_function_is_checked_with_a_shape(nets: str):
    assert check_model(f"{nets}:good", (1, 8, 8)).operators == {"flatten": 1, "dense": 2, "relu": 1}


def test_a_function_whose_input_numbers_rows_is_checked_with_integers(nets: str):
    assert check_model(f"{nets}:words", (3,)).operators == {"lookup": 1, "flatten": 1, "dense": 1}


def test_a_function_lists_all_that_is_missing(nets: str):
    with pytest.raises(UnsupportedError, match=r"softshrink.* in '0'.*; .*hardshrink.* in '2'"):
        check_model(f"{nets}:strange", (1, 8, 8))


def test_a_function_needs_a_shape(nets: str):
    message = (
        r"^A function says nothing of its input: give a sample's shape for 'nets.py:good', as in --shape 1,28,28\.$"
    )
    with pytest.raises(RecipeError, match=message):
        check_model(f"{nets}:good")


def test_a_function_that_is_not_there(nets: str):
    with pytest.raises(RecipeError, match=r"^The model names the function 'bad', which 'nets.py' does not define\.$"):
        check_model(f"{nets}:bad", (1,))


def test_a_function_that_raises_is_told_with_its_line(nets: str):
    line = NETS.splitlines().index("    return nn.Linear(64, Sizes().outputs)") + 1
    message = f"^The model: 'nets.py:{line}' raises AttributeError: 'Sizes' object has no attribute 'outputs'; "
    with pytest.raises(RecipeError, match=message):
        check_model(f"{nets}:raising", (1, 8, 8))


@pytest.mark.usefixtures("nets")
def test_a_file_that_raises_is_told_with_its_line():
    with pytest.raises(RecipeError, match=r"^The model: 'empty.py:1' raises ModuleNotFoundError: No module named "):
        check_model("empty.py:good", (1, 8, 8))


def test_a_file_finds_its_neighbours_and_nothing_of_that_stays(nets: str):
    before = list(sys.path)
    check_model(f"{nets}:good", (1, 8, 8))
    assert sys.path == before


def test_an_onnx_file_is_checked():
    found = check_model(str(DATA / "mlp_qonnx.onnx"))
    assert found.operators == {"input": 1, "dense": 2, "relu": 1, "requantize": 1}
    assert found.factors == ()


def test_an_onnx_file_with_odd_scales_shows_what_stands_for_them():
    path = str(DATA / "mlp_float_qonnx.onnx")
    with pytest.raises(UnsupportedError, match="uses what has no fixed-point form"):
        check_model(path)
    found = check_model(path, scales="dyadic")
    factors = found.factors
    assert found.input_unit != 1
    assert len(factors) == 2
    assert [factor.node.split()[0] for factor in factors] == ["qonnx.Quant", "Output"]
    assert all(0 < factor.error < 2.0**-15 for factor in factors)


def test_scales_belong_to_onnx_files():
    message = r"^--scales says how to read an ONNX file, but 'digits_mlp' is none; leave it out\.$"
    with pytest.raises(RecipeError, match=message):
        check_model("digits_mlp", scales="dyadic")


def run(*arguments: str) -> int:
    """The exit status that the command asks for."""
    with pytest.raises(SystemExit) as caught:
        app(["check", *arguments], standalone_mode=True)
    return int(caught.value.code or 0)


def test_the_command_prints_what_there_is(capsys: pytest.CaptureFixture[str]):
    assert run(str(DATA / "mlp_float_qonnx.onnx"), "--scales", "dyadic") == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "is supported: 1 input, 2 dense, 1 relu, 2 scale_shift, 1 requantize." in text
    assert "stands for 0.0517493336, off by 2e-06." in text


def test_the_command_takes_a_shape_and_refuses_another(nets: str, capsys: pytest.CaptureFixture[str]):
    assert run(f"{nets}:good", "--shape", "1,8,8") == 0
    assert "Every node of 'nets.py:good' is supported: 1 flatten, 2 dense, 1 relu." in capsys.readouterr().out
    message = r"^A shape is positive integers between commas, as 1,28,28, not '1,x'\.$"
    with pytest.raises(FlowError, match=message):
        app(["check", f"{nets}:good", "--shape", "1,x"])
