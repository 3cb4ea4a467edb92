"""A training that stops being finite names the tensor and the step."""

import re

import pytest
import torch
from torch import nn

from flow.errors import DataError
from flow.training import fit, quantize
from tests.training.test_fit import TEST, TRAIN, network, quantised

POINT = "layers.0.bias_quantizer.frac"
SPOILT = f"Training needs finite numbers, but parameter '{POINT}' contains nan in step {{}}; lower the rate."


def refused(message, model, train=TRAIN, **options):
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        fit(model, train, TEST, **{"epochs": 3, "seed": 0, **options})


class Spoil(torch.autograd.Function):
    """Passes values on and sends NaN back, from the given call on."""

    @staticmethod
    def forward(ctx, x, spoilt):
        ctx.spoilt = spoilt
        return x.clone()

    @staticmethod
    def backward(ctx, upstream):
        return upstream * (float("nan") if ctx.spoilt else 1.0), None


def spoiling(qmodel, layer, call):
    """Let the gradient that reaches `layer`'s result be NaN in the given call."""
    calls = [0]

    def hook(module, given, result):
        calls[0] += 1
        return Spoil.apply(result, calls[0] == call)

    qmodel.layers[layer].register_forward_hook(hook)
    return qmodel


def test_a_gradient_of_nan_is_named_in_the_step_after():
    """240 samples in batches of 32 are 8 steps an epoch."""
    refused(SPOILT.format(4), spoiling(quantised(), "0", 3))


def test_the_last_step_of_an_epoch_is_looked_at_too():
    refused(SPOILT.format(8), spoiling(quantised(), "0", 8))


def test_a_binary_point_is_named_with_its_step():
    message = (
        "Training needs finite numbers, but parameter 'layers.0.weight_quantizer.frac' contains inf in step 1; lower "
        "the rate."
    )
    qmodel = quantised()
    with torch.no_grad():
        qmodel.layers["0"].weight_quantizer.frac.fill_(float("inf"))
    refused(message, qmodel)


def test_a_value_is_named_where_all_parameters_are_finite():
    class Log(nn.Module):
        def forward(self, x):
            return torch.log(x)

    model = nn.Sequential(nn.Linear(4, 8), Log(), nn.Linear(8, 3))
    with torch.no_grad():
        model[0].bias.fill_(-50.0)
    refused("Training needs finite numbers, but value '1' contains nan in step 1; lower the rate.", model)


def test_a_quantised_value_is_named():
    qmodel = quantize(nn.Sequential(nn.Linear(4, 3)), TRAIN[0][:64])
    qmodel.layers["0"].register_forward_hook(lambda module, given, result: torch.full_like(result, float("inf")))
    refused("Training needs finite numbers, but value '0' contains inf in step 1; lower the rate.", qmodel)


def test_a_sample_of_nan_is_refused_before_training():
    x = TRAIN[0].copy()
    x[17, 2] = float("nan")
    refused("Training needs finite samples, but sample 17 contains nan; repair it.", network(), (x, TRAIN[1]))


def test_another_refusal_of_the_model_passes_through():
    refused("The model takes samples [4], not [3].", quantised(), (TRAIN[0][:, :3], TRAIN[1]))
