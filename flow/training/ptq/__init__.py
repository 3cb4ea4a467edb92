"""Post-training quantisation: pure functions, one file a method, and `apply` for any combination of them."""

from flow.training.ptq.apply import Method, apply
from flow.training.ptq.bias_correction import correct_biases
from flow.training.ptq.equalise import equalise
from flow.training.ptq.gptq import feed_back, gptq
from flow.training.ptq.grids import Grid, fixed_grid, minifloat_grid
from flow.training.ptq.learned_rounding import Annealing, learn_rounding, learned_rounding
from flow.training.ptq.minifloat import MinifloatChoice, minifloat_weights, search_minifloat
from flow.training.ptq.mixed import allocate, mixed_precision, sensitivities
from flow.training.ptq.ranges import RangeMethod, calibrate_ranges
from flow.training.ptq.reference import LayerFit, Problem, float_twin, layer_problems
from flow.training.ptq.smooth import channel_exponents, fold_channel_exponents, smooth

__all__ = [
    "Annealing",
    "Grid",
    "LayerFit",
    "Method",
    "MinifloatChoice",
    "Problem",
    "RangeMethod",
    "allocate",
    "apply",
    "calibrate_ranges",
    "channel_exponents",
    "correct_biases",
    "equalise",
    "feed_back",
    "fixed_grid",
    "float_twin",
    "fold_channel_exponents",
    "gptq",
    "layer_problems",
    "learn_rounding",
    "learned_rounding",
    "minifloat_grid",
    "minifloat_weights",
    "mixed_precision",
    "search_minifloat",
    "sensitivities",
    "smooth",
]
