"""Budgets as text: what they mean, and what each wrong one is told."""

import pytest

from flow.errors import RecipeError
from flow.estimation.budget import Budget


def test_the_text_parses_back():
    assert Budget.parse(" lut <= 8000 ") == Budget("lut", 8000)
    assert Budget.parse(str(Budget("lut", 750))) == Budget("lut", 750)


def test_a_budget_is_met_from_97_to_100_percent_of_it():
    assert [n for n in range(900, 1100) if Budget("lut", 1000).met(n)] == list(range(970, 1001))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8000", "A budget is a resource and its limit such as 'lut<=8000', not '8000'."),
        ("lut<8000", "A budget is a resource and its limit such as 'lut<=8000', not 'lut<8000'."),
        ("lut<=-3", "A budget is a resource and its limit such as 'lut<=8000', not 'lut<=-3'."),
        ("lut<=8e3", "A budget is a resource and its limit such as 'lut<=8000', not 'lut<=8e3'."),
        ("lut<=7", "A budget of LUTs starts at 50, which ports alone take, not 7; give more."),
        ("ff<=900", "Training lowers LUTs only, not 'ff' as in 'ff<=900'; give 'lut<=900'."),
        (
            "dsp<=4",
            "Training lowers LUTs only, not 'dsp' as in 'dsp<=4': a design of shifts and additions has none, and in "
            "the streaming one folding sets them: verilog.folding.",
        ),
        (
            "latency<=9",
            "Training lowers LUTs only, not 'latency' as in 'latency<=9': registers set it, not word lengths: "
            "verilog.depth.",
        ),
    ],
)
def test_wrong_budgets_are_told_why(text, message):
    with pytest.raises(RecipeError) as caught:
        Budget.parse(text)
    assert str(caught.value) == message


def test_a_design_within_the_limit_is_nearer_than_one_beyond():
    budget = Budget("lut", 1000)
    assert sorted([1001, 400, 990, 1300, 1000], key=budget.distance) == [1000, 990, 400, 1001, 1300]
