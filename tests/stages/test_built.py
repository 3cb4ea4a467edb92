"""`dsp<=N` and `latency<=N`: what is asked, what the model says, and what Yosys or the simulated clock finds."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from flow import show
from flow.errors import RecipeError
from flow.estimation import estimate, exported_options, load_board
from flow.progress import silent
from flow.recipe import Recipe, load_recipe
from flow.stages.built import built
from flow.stages.estimate import estimate_stage
from flow.stages.export import export_stage
from flow.stages.train import train_stage
from tests.graphs import mlp_graph, random_codes

GRAPH = mlp_graph(sizes=(16, 12, 8, 4))
RECIPE = Recipe("mlp", "digits", "digits_mlp", boards=("pynq_z2",))
NET = """
import torch

def small():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4), torch.nn.ReLU(), torch.nn.Linear(4, 10))
"""


@pytest.mark.slow
def test_yosys_finds_as_many_dsps_as_the_model_says_and_no_more_than_asked():
    found = built(GRAPH, RECIPE.with_budget("dsp<=9"), random_codes(GRAPH, 1))
    assert found["met"] is True
    assert 0 < found["measured"] == found["estimated"] <= 9


@pytest.mark.parametrize(("architecture", "limit"), [("stream", 60), ("spatial", 10)])
def test_the_simulated_clock_finds_as_many_cycles_as_the_model_says(architecture, limit):
    recipe = Recipe("mlp", "digits", "digits_mlp", verilog={"architecture": architecture}, boards=("pynq_z2",))
    found = built(GRAPH, recipe.with_budget(f"latency<={limit}"), random_codes(GRAPH, 1))
    assert found["met"] is True
    assert limit / 2 < found["measured"] == found["estimated"] <= limit


def test_what_was_chosen_is_exported_and_estimated(tmp_path):
    (tmp_path / "nets.py").write_text(NET)
    (tmp_path / "r.yaml").write_text(
        "name: small\ndataset: digits\nmodel: nets.py:small\ntrain: {float_epochs: 1, epochs: 1}\n"
        "quantize: {weights: s6, activations: u6}\nexports: [verilog]\nboards: [pynq_z2]\n"
    )
    recipe = load_recipe(str(tmp_path / "r.yaml")).with_budget("dsp<=8")
    project = train_stage(recipe, str(tmp_path / "r.yaml"), tmp_path, silent)
    found = project.read_json("train.json", "train")["budget"]
    assert found["met"] and 0 < found["measured"] <= 8
    graph = export_stage(project)
    assert json.loads(project.path("rtl/stream.json").read_text())["dsp"] == found["verilog"]["dsp"]
    assert (
        estimate(graph, load_board("pynq_z2"), **exported_options(project.path("rtl"))).total.dsp == found["measured"]
    )
    assert estimate_stage(project, "pynq_z2")["total"]["dsp"] == found["measured"]
    console = Console(width=120, record=True, file=io.StringIO())
    show.training(console, project)
    table = console.export_text().partition("Budget dsp<=8")[2]
    assert "measured dsp" in table and "accuracy" not in table  # the one net's stands above


@pytest.mark.parametrize(
    ("verilog", "budget", "message"),
    [
        (
            {"architecture": "spatial"},
            "dsp<=4",
            "Recipe key 'train.budget'='dsp<=4' is for streaming designs, not for verilog.architecture: spatial, whose "
            "verilog.dsp is a number; give stream, or leave the budget out.",
        ),
        (
            {"dsp": True},
            "dsp<=4",
            "Recipe key 'train.budget'='dsp<=4' chooses verilog.dsp itself, not True; leave one of them out.",
        ),
        (
            {"fit": True},
            "latency<=4",
            "Recipe key 'train.budget'='latency<=4' chooses verilog.fit itself, not True; leave one of them out.",
        ),
    ],
)
def test_options_that_a_budget_chooses_are_refused_beside_it(verilog, budget, message):
    with pytest.raises(RecipeError) as caught:
        Recipe("mlp", "digits", "digits_mlp", verilog=verilog).with_budget(budget)
    assert str(caught.value) == message
