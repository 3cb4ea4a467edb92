"""Accuracy of the demo's nets on the test digits: float, post-training and learned, over seeds and word lengths."""

from __future__ import annotations

import dataclasses
import statistics

from common import Row, arguments, publish

from flow.recipe import Recipe, load_recipe
from flow.stages.models import dataset_of, network_of, quantized_of
from flow.training import accuracy, fit

KINDS = ("float", "post-training", "learned")


def trained(recipe: Recipe, bits: list[int]) -> dict[tuple[int, str], float]:
    """Test accuracy in percent by word length and kind; the float net is trained once per seed."""
    data, network = dataset_of(recipe), network_of(recipe)
    options = {"batch": recipe.train.batch, "lr": recipe.train.lr, "seed": recipe.seed}
    whole = fit(network, data.train, data.test, epochs=recipe.train.float_epochs, **options).accuracy
    found = {}
    for width in bits:
        words = {**recipe.quantize, "weights": f"s{width}", "activations": f"u{width}"}
        model = quantized_of(dataclasses.replace(recipe, quantize=words), data, network)
        found[width, "float"], found[width, "post-training"] = whole, accuracy(model, data.test)
        course = fit(
            model, data.train, data.test, epochs=recipe.train.epochs, point_lr=recipe.train.point_lr, **options
        )
        found[width, "learned"] = course.accuracy
    return {key: 100 * value for key, value in found.items()}


def rows(name: str, seeds: int, bits: list[int]) -> list[Row]:
    recipe = load_recipe(name)
    runs = [trained(dataclasses.replace(recipe, seed=seed), bits) for seed in range(seeds)]
    found = []
    for width in bits:
        for kind in KINDS:
            values = [run[width, kind] for run in runs]
            case = f"{name}, {width}-bit weights and activations, {seeds} seeds"
            found.append(Row(case, f"{kind}, mean", statistics.fmean(values), "%"))
            found.append(Row(case, f"{kind}, standard deviation", statistics.stdev(values), "points"))
    return found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--bits", type=int, nargs="+", default=[6, 4, 3])
    given = parser.parse_args()
    found = [row for name in ("digits_mlp", "digits_resnet") for row in rows(name, given.seeds, given.bits)]
    publish("Accuracy on 360 test digits", found, ["torch", "numpy", "scikit-learn", "qfx-flow"], given.json)


if __name__ == "__main__":
    main()
