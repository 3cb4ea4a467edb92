"""Budgets as text: what they mean, and what each wrong one is told."""

import pytest

from flow.errors import RecipeError
from flow.estimation.budget import Budget


def test_the_text_parses_back():
    assert Budget.parse(" lut <= 8000 ") == Budget("lut", 8000)
    assert Budget.parse(str(Budget("lut", 750))) == Budget("lut", 750)


def test_a_budget_is_met_from_97_to_100_percent_of_it():
    assert [n for n in range(900, 1100) if Budget("lut", 1000).met(n)] == list(range(970, 1001))


def test_what_a_design_is_built_for_is_met_by_all_that_is_not_more():
    assert [n for n in range(6) if Budget.parse("dsp<=3").met(n)] == [0, 1, 2, 3]
    assert [Budget.parse(text).trained for text in ("lut<=900", "dsp<=0", "latency<=9")] == [True, False, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8000", "A budget is a resource and its limit such as 'lut<=8000', not '8000'."),
        ("lut<8000", "A budget is a resource and its limit such as 'lut<=8000', not 'lut<8000'."),
        ("lut<=-3", "A budget is a resource and its limit such as 'lut<=8000', not 'lut<=-3'."),
        ("lut<=8e3", "A budget is a resource and its limit such as 'lut<=8000', not 'lut<=8e3'."),
        ("lut<=7", "A budget of lut starts at 50, what any design takes, not 7; give more."),
        ("latency<=0", "A budget of latency starts at 1, what any design takes, not 0; give more."),
        ("ff<=900", "A budget is of lut, dsp, latency, not of 'ff' as in 'ff<=900'; give 'lut<=900'."),
    ],
)
def test_wrong_budgets_are_told_why(text, message):
    with pytest.raises(RecipeError) as caught:
        Budget.parse(text)
    assert str(caught.value) == message


def test_a_design_within_the_limit_is_nearer_than_one_beyond():
    budget = Budget("lut", 1000)
    assert sorted([1001, 400, 990, 1300, 1000], key=budget.distance) == [1000, 990, 400, 1001, 1300]
