"""`flow train --budget`: the training that ends at a budget, measured by synthesis and corrected by what it says.

The training itself only knows adder bits (`flow.training.SpatialCost`). What the solver shares and what Yosys packs
into one LUT is a factor that differs from net to net by a fifth or so; so the design is exported and synthesised once
while it trains, or estimated if it is large, where prices have brought it to its budget and still move, and the factor
taken from it. The trained design is synthesised again, and trained on for a few epochs at a time, each at the price
that leads to the budget by the estimate of the graph, a second's work, times what the designs so far took of theirs.
Then the design is measured again, which takes a minute. No price moves without training behind it: what it leaves out
costs more accuracy than the sensitivities say, ten points for a twentieth of the LUTs in one net, until the others have
made up for it. One price for all digits may jump over the budget, though, from a twentieth above it to a twentieth
below. So a fully connected net that two such corrections have not brought there goes the rest of the way digit by
digit, each by its exact effect on the loss (`flow.training.Descent`).
"""

from __future__ import annotations

import copy
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flow.datasets import Dataset
from flow.errors import RecipeError
from flow.estimation import estimate, load_board
from flow.estimation.budget import Budget
from flow.exporters.verilog.spatial import export_spatial
from flow.progress import Report, silent
from flow.recipe import Recipe
from flow.synthesis import Family, synthesise, tool
from flow.synthesis import recipe as synthesis_recipe

__all__ = [
    "QUANTIZE",
    "Round",
    "check_alive",
    "correct",
    "estimated_luts",
    "measured_luts",
    "pricing_of",
    "report_of",
    "settle",
    "starting_words",
]

# What a budget needs where the recipe does not say otherwise; where lengths start besides, `starting_words` says.
QUANTIZE: dict[str, Any] = {
    "weights": "s8",
    "biases": "s8",
    "activations": "u3",
    "priced": True,
    "lengths": "learned",
    "cast_granularity": "element",
    "rounding": "TRN",
}
_NARROW = 2  # bits from which learned lengths of activations start in small designs
_WIDER = (3.0, 6.0)  # LUTs a product from which they start with one bit more, and with another one
_ROUNDS = 8  # corrections at most
_LARGE = 2  # of them that train at all rates, the others at the last one only, or not at all
_AIM = 0.985  # of the limit: the middle of what meets it
_RATES = (0.3, 0.1, 0.03)  # of the training's rate, one after the other between two measurements
_MORE = 4  # times at the last rate, at most, where the estimate is not near the aim yet
_NEAR = 0.005  # share of the aim that it may miss it by
_SHARE = 18  # at each rate so many times fewer epochs than in the training
_HALVINGS = 40
_FREE = -60.0  # the logarithm of a rate that is none
_DESCENT = 1 / 3  # of the last rate of the training, with which sweeps change the size least
_TRIES = 12  # sweeps between two measurements, at most
_FASTER = 1.5  # by which a sweep's rate is above that of the one before, or below where digits shall come back
_SYNTHESISED = 20_000  # LUTs up to which a design is synthesised while it trains: Yosys takes a minute for so many
_SHOWN = 256  # training samples that a net must tell apart


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement.

    Attributes:
        bits: adder bits of the model.
        estimated: LUTs that were expected of them.
        measured: LUTs that Yosys found.
        accuracy: on the test samples, 0..1.
        priced: whether digits had a price; without one the net has all that it wants.
    """

    bits: float
    estimated: int
    measured: int
    accuracy: float
    priced: bool = True


def _family(recipe: Recipe) -> Family:
    return load_board(recipe.boards[0]).family


def pricing_of(recipe: Recipe, data: Dataset) -> Any:
    """The course of prices for a recipe's budget, None without one; its training raises as `check_alive`."""
    from flow.training import Pricing, SpatialCost, calibration

    if not recipe.priced:
        return None
    aim = Budget.parse(recipe.train.budget).limit * _AIM

    def retarget(model: Any) -> float:
        """The bits at which this net would meet the budget, from what Yosys makes of it, or should if it is large."""
        check_alive(model, data, recipe)
        luts = estimated_luts(model, recipe)
        if luts <= _SYNTHESISED:
            luts = measured_luts(model, recipe)
        return aim * max(float(SpatialCost(model)().detach()), 1.0) / luts

    return Pricing(calibration().bits(aim), retarget=retarget)


def starting_words(recipe: Recipe, products: int) -> dict[str, str]:
    """Where lengths of activations start, and what the input keeps, one bit more, if the recipe says neither.

    Args:
        recipe: with a budget of LUTs.
        products: with a constant that a sample takes; a net that has none starts as `QUANTIZE` says.
    """
    if not products or {"activations", "input"} & set(recipe.quantize):
        return {}
    share = Budget.parse(recipe.train.budget or "").limit / products
    bits = _NARROW + sum(share >= least for least in _WIDER)
    return {"activations": f"u{bits}", "input": f"u{bits + 1}"}


def check_alive(model: Any, data: Dataset, recipe: Recipe) -> None:
    """Refuse a net whose results are the same whatever it is shown: its design has no figure that leads to a budget.

    Raises:
        RecipeError: prices have left nothing between its input and its output.
    """
    from flow.training import answers

    found = answers(model, data.train_x[:_SHOWN])
    if bool((found == found[0]).all()):
        raise RecipeError(
            f"Recipe key 'train.budget'={recipe.train.budget!r} is less than {recipe.model!r} needs as shifts and "
            "additions: training has left out so many digits that its results are the same for every sample; give a "
            "larger budget, or a net with fewer weights, those of a convolution counted once for each position."
        )


def _options(recipe: Recipe) -> dict[str, int]:
    return {key: recipe.verilog[key] for key in ("depth", "dsp", "adder") if key in recipe.verilog}


def estimated_luts(model: Any, recipe: Recipe) -> int:
    """What `measured_luts` should find, by the cost model, which needs no Yosys."""
    from flow.lowering import lower

    graph = lower(model, name=recipe.name, argmax=recipe.argmax)
    return estimate(graph, load_board(recipe.boards[0]), architecture="spatial", **_options(recipe)).total.lut


def measured_luts(model: Any, recipe: Recipe) -> int:
    """LUTs of the exported design, ports and registers included."""
    from flow.lowering import lower

    files = export_spatial(lower(model, name=recipe.name, argmax=recipe.argmax), **_options(recipe))
    sources = {name: str(text) for name, text in files.items() if name.endswith(".sv")}
    (top,) = (name.removesuffix(".sv") for name in sources if name.endswith("_top.sv"))
    return synthesise(sources, top, _family(recipe)).area.lut


def _reprice(model: Any, market: dict[str, Any], target: float) -> bool:
    """Set the one rate for all digits at which the model costs the target, as near below it as digits allow; whether
    it needs one.
    """
    from flow.training import Market, Pricing

    held = Market(model, Pricing(target), 1)
    held.restore(market)
    low, high = _FREE, -_FREE  # of the rate's logarithm
    held.set_rate(low)
    model.settle()
    if float(held.cost().detach()) <= target:
        return False
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        held.set_rate(middle)
        model.settle()
        low, high = (low, middle) if float(held.cost().detach()) <= target else (middle, high)
    held.set_rate(high)
    model.settle()
    return True


def correct(
    model: Any, data: Dataset, train: Any, recipe: Recipe, market: dict[str, Any], report: Report
) -> list[Round]:
    """Measure a trained model, and change it in place until its design meets the budget, keeps to it though its digits
    have no price, or the rounds are over.

    Args:
        model: trained with `pricing_of(recipe)`.
        data: its data set.
        train: samples and labels that it learnt from, or `Lessons`.
        recipe: with a budget.
        market: the state of the market in which it was trained.
        report: told of every round.

    Returns:
        All measurements, the one that came nearest last; the model is left as that one found it.

    Raises:
        RecipeError: as `check_alive`.
    """
    from flow.training import Descent, SpatialCost, accuracy, calibration, lessons_of

    budget, cost = Budget.parse(recipe.train.budget or ""), SpatialCost(model)
    model.settle()
    check_alive(model, data, recipe)
    descent = Descent(model, *lessons_of(train).plain(), seed=recipe.seed) if Descent.serves(model) else None
    rate = market["rate"] * _DESCENT
    aim, expected = budget.limit * _AIM, calibration().luts(float(cost().detach()))
    rounds: list[Round] = []
    ratios: list[float] = []  # two per cent apart from one correction to the next, further from what was not corrected
    kept: list[dict[str, Any]] = []
    priced = True
    while True:
        bits = float(cost().detach())
        found = Round(bits, round(expected), measured_luts(model, recipe), accuracy(model, data.test), priced)
        rounds.append(found)
        kept.append(copy.deepcopy(model.state_dict()))
        report("train: budget", len(rounds), _ROUNDS + 1)
        if _met(budget, found.measured, priced) or len(rounds) > _ROUNDS:
            break
        ratios.append(found.measured / estimated_luts(model, recipe))
        ratio, bits = statistics.mean(ratios[1:] or ratios), aim * max(bits, 1.0) / found.measured
        if descent and len(rounds) > _LARGE:
            # Few digits differ from the last design.
            rate, expected = descend(descent, recipe, ratios[-1], rate, report)
            priced = True
            continue
        rates = _RATES if len(rounds) <= _LARGE else _RATES[-1:]
        expected, priced = settle(model, data, train, recipe, market, ratio, bits, rates)
    report("train: budget", len(rounds), len(rounds))
    best = min(range(len(rounds)), key=lambda place: budget.distance(rounds[place].measured))
    model.load_state_dict(kept[best])
    model.settle()
    return [*rounds[:best], *rounds[best + 1 :], rounds[best]]


def _met(budget: Budget, measured: int, priced: bool) -> bool:
    """Whether a design uses its budget, or as much of it as a net wants whose digits have no price."""
    return budget.met(measured) or (not priced and measured <= budget.limit)


def descend(descent: Any, recipe: Recipe, ratio: float, rate: float, report: Report = silent) -> tuple[float, float]:
    """Sweep over a model's digits at rates that lead it to its budget.

    Args:
        descent: of the model.
        recipe: with a budget.
        ratio: LUTs that its design takes, over those that are estimated.
        rate: loss per adder bit, of the sweeps before.
        report: told of every sweep, which takes a minute where a net has some thousand weights.

    Returns:
        The last rate, and the LUTs that are expected of the model.
    """
    from flow.training import SpatialCost

    aim = Budget.parse(recipe.train.budget or "").limit * _AIM
    expected = ratio * estimated_luts(descent.model, recipe)
    for number in range(1, _TRIES + 1):
        rate *= _FASTER if expected > aim else 1 / _FASTER
        descent.sweep(rate, float(SpatialCost(descent.model)().detach()) * aim / expected)
        expected = ratio * estimated_luts(descent.model, recipe)
        near = abs(expected - aim) <= _NEAR * aim
        report("train: sweeps", number, number if near else _TRIES)
        if near:
            break
    return rate, expected


def settle(
    model: Any,
    data: Dataset,
    train: Any,
    recipe: Recipe,
    market: dict[str, Any],
    ratio: float,
    bits: float,
    rates: Sequence[float] = _RATES,
) -> tuple[float, bool]:
    """Train a model on, at prices that lead it to its budget, or at none where it costs less.

    Args:
        model: changed in place.
        data: its data set.
        train: samples and labels that it learns from, or `Lessons`.
        recipe: with a budget.
        market: the state of the market in which it was trained.
        ratio: LUTs that its design takes, over those that are estimated.
        bits: adder bits of the first price; the others follow the estimate.
        rates: of the training's rate, one after the other; the last one up to four times more.

    Returns:
        The LUTs that are expected of it, and whether its digits have a price.
    """
    from flow.training import fit

    aim = Budget.parse(recipe.train.budget or "").limit * _AIM
    for number, rate in enumerate([*rates, *[rates[-1]] * _MORE], 1):
        priced = _reprice(model, market, bits)
        fit(
            model,
            train,
            data.test,
            epochs=max(1, recipe.train.epochs // _SHARE),
            seed=recipe.seed + number,
            batch=recipe.train.batch,
            lr=recipe.train.lr * rate,
            point_lr=0.0,
            frozen_from=0.0,
        )
        expected = ratio * estimated_luts(model, recipe)
        near = abs(expected - aim) <= _NEAR * aim or (not priced and expected <= aim)
        if number >= len(rates) and near:
            break
        bits *= aim / expected
    return expected, priced


def report_of(recipe: Recipe, rounds: list[Round]) -> dict[str, Any]:
    """What `train.json` holds of a budget."""
    budget, family, last = Budget.parse(recipe.train.budget or ""), _family(recipe), rounds[-1]
    priced = not any(_met(budget, entry.measured, entry.priced) for entry in rounds if not entry.priced)
    return {
        "asked": str(budget),
        "met": _met(budget, last.measured, priced),
        "priced": priced,
        "estimated": last.estimated,
        "measured": last.measured,
        "percent_of_limit": 100 * last.measured / budget.limit,
        "rounds": [asdict(entry) for entry in rounds],
        "family": family.value,
        "tool": tool(),
        "recipe": list(synthesis_recipe(family)),
    }
