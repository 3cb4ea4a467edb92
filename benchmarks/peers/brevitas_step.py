"""Brevitas: the same nets with its layers, int8 per tensor and e4m3; BatchNorm stays float, as its users keep it."""

from __future__ import annotations

import brevitas.nn as qnn
from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerTensorFloat, Uint8ActPerTensorFloat
from brevitas.quant.experimental.float_quant_ocp import (
    Fp8e4m3OCPActPerTensorFloat,
    Fp8e4m3OCPWeightPerTensorFloat,
)
from steps import Build, network, serve
from torch import Tensor, nn


def replaced(module: nn.Module, weight: type, act: type) -> nn.Module:
    """The module with each layer's counterpart in its place."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            new = qnn.QuantLinear(child.in_features, child.out_features, True, weight_quant=weight)
        elif isinstance(child, nn.Conv2d):
            shape = (child.in_channels, child.out_channels, child.kernel_size, child.stride, child.padding)
            new = qnn.QuantConv2d(*shape, bias=False, weight_quant=weight)
        elif isinstance(child, nn.ReLU):
            new = qnn.QuantReLU(act_quant=act)
        else:
            new = replaced(child, weight, act)
        setattr(module, name, new)
    return module


def quantised(weight: type, act: type, source: type) -> Build:
    def build(case: str, x: Tensor) -> nn.Module:
        return nn.Sequential(qnn.QuantIdentity(act_quant=source), replaced(network(case), weight, act))

    return build


if __name__ == "__main__":
    whole = quantised(Int8WeightPerTensorFloat, Uint8ActPerTensorFloat, Int8ActPerTensorFloat)
    e4m3 = quantised(Fp8e4m3OCPWeightPerTensorFloat, Fp8e4m3OCPActPerTensorFloat, Fp8e4m3OCPActPerTensorFloat)
    serve({"Brevitas, int8": whole, "Brevitas, e4m3": e4m3})
