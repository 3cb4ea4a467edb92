"""Training in torch: trainable quantisers and layers, `quantize`, the fit loop, the networks of the demo."""

from flow.training.checkpoint import pack, unpack
from flow.training.cost import Words, accumulator_excess, bit_operations, constant_bits, words
from flow.training.descent import Descent
from flow.training.fit import Epoch, FitResult, fit, seeded, torch_threads
from flow.training.lessons import Lessons, lessons_of
from flow.training.lut_layer import LutDense
from flow.training.market import Market, Pricing
from flow.training.model import QuantizedModel, Step
from flow.training.nets import (
    NETS,
    digits_attention,
    digits_autoencoder,
    digits_branches,
    digits_conv1d,
    digits_luts,
    digits_mlp,
    digits_resnet,
    glyph_mlp,
    jet_mlp,
    lenet,
    mobilenet,
    resnet8,
    resnet20,
)
from flow.training.oscillation import Oscillation
from flow.training.outputs import Data, accuracy, answers, cross_entropy
from flow.training.quantize import quantize
from flow.training.quantizer import Quantizer, calibrating, freeze_points
from flow.training.rung import simulate_torch
from flow.training.spatial_cost import Calibration, SpatialCost, calibration
from flow.training.spec import BatchNormMode, Granularity, Lengths, Spec, Word

__all__ = [
    "NETS",
    "BatchNormMode",
    "Calibration",
    "Data",
    "Descent",
    "Epoch",
    "FitResult",
    "Granularity",
    "Lengths",
    "Lessons",
    "LutDense",
    "Market",
    "Oscillation",
    "Pricing",
    "QuantizedModel",
    "Quantizer",
    "SpatialCost",
    "Spec",
    "Step",
    "Word",
    "Words",
    "accumulator_excess",
    "accuracy",
    "answers",
    "bit_operations",
    "calibrating",
    "calibration",
    "constant_bits",
    "cross_entropy",
    "digits_attention",
    "digits_autoencoder",
    "digits_branches",
    "digits_conv1d",
    "digits_luts",
    "digits_mlp",
    "digits_resnet",
    "fit",
    "freeze_points",
    "glyph_mlp",
    "jet_mlp",
    "lenet",
    "lessons_of",
    "mobilenet",
    "pack",
    "quantize",
    "resnet8",
    "resnet20",
    "seeded",
    "simulate_torch",
    "torch_threads",
    "unpack",
    "words",
]
