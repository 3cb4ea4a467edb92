"""Makes the ONNX files of this folder with Brevitas itself, and writes down what Brevitas computes.

Run it where brevitas[export]==0.13.4 and torch==2.13.0 are installed, which flow's own environment is not made for:

    python -m venv brevitas-venv && brevitas-venv/bin/pip install 'brevitas[export]==0.13.4' torch==2.13.0
    brevitas-venv/bin/python tests/lowering/data/make_brevitas.py

Each NAME.onnx has a NAME.npz beside it: `x` float32[32, ...], inputs of all sizes, and `y` float32[32, ...], the
outputs of the Brevitas model in eval mode. Of the metadata, machine paths are cut to the file's name.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import brevitas.nn as qnn
import numpy as np
import onnx
import torch
from brevitas.export import export_onnx_qcdq, export_qonnx
from brevitas.quant import (
    Int8ActPerTensorFixedPoint,
    Int8ActPerTensorFloat,
    Int8WeightPerChannelFixedPointMSE,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFixedPoint,
    Int8WeightPerTensorFloat,
    Int16Bias,
    ShiftedUint8ActPerTensorFixedPoint,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    Uint8ActPerTensorFixedPoint,
    Uint8ActPerTensorFloat,
)
from torch import nn

HERE = Path(__file__).parent
COUNT = 32
POWERS = (Int8ActPerTensorFixedPoint, Uint8ActPerTensorFixedPoint)
FLOATS = (Int8ActPerTensorFloat, Uint8ActPerTensorFloat)


def identity(acts, bits=6):
    return qnn.QuantIdentity(act_quant=acts[0], bit_width=bits, return_quant_tensor=True)


def relu(acts, bits=5):
    return qnn.QuantReLU(act_quant=acts[1], bit_width=bits, return_quant_tensor=True)


def linear(fan_in, fan_out, weights, bias=Int16Bias, bits=4):
    return qnn.QuantLinear(
        fan_in, fan_out, bias=True, weight_quant=weights, weight_bit_width=bits, bias_quant=bias
    )  # fmt: skip


def conv(channels, out, weights, bias=Int16Bias, **more):
    return qnn.QuantConv2d(
        channels, out, 3, bias=True, weight_quant=weights, weight_bit_width=4, bias_quant=bias, **more
    )  # fmt: skip


def mlp(acts, weights, bias=Int16Bias):
    return nn.Sequential(identity(acts), linear(16, 12, weights, bias), relu(acts), linear(12, 5, weights, bias))


def cnn(acts, weights, bias=Int16Bias):
    return nn.Sequential(
        identity(acts),
        conv(2, 4, weights, bias, padding=1),
        relu(acts),
        nn.MaxPool2d(2),
        conv(4, 4, weights, bias, padding=1, stride=2, groups=2),
        relu(acts),
        qnn.TruncAvgPool2d(2, bit_width=5, return_quant_tensor=True),
        nn.Flatten(),
        linear(4, 5, weights, bias),
    )


class Residual(nn.Module):
    """A join of two branches in one format, as Brevitas asks for, and a quantised output."""

    def __init__(self, acts, weights):
        super().__init__()
        self.source, self.join = identity(acts), identity(acts, 7)
        self.stem = conv(2, 4, weights, padding=1, stride=2)
        self.body = conv(4, 4, weights, padding=1)
        self.act, self.out = relu(acts), relu(acts)
        self.pool, self.flat, self.head = nn.AvgPool2d(2), nn.Flatten(), linear(16, 3, weights, bias=None)

    def forward(self, x):
        x = self.join(self.act(self.stem(self.source(x))))
        y = self.join(self.body(x))
        return self.head(self.flat(self.pool(self.out(x + y))))


def binary(acts, weights):
    sign = qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst.let(scaling_init=0.5), return_quant_tensor=True)
    signs = SignedBinaryWeightPerTensorConst.let(scaling_init=0.125)
    return nn.Sequential(
        identity(acts),
        qnn.QuantLinear(16, 12, bias=False, weight_quant=signs),
        sign,
        linear(12, 5, weights, bias=None),
    )


def shifted(acts, weights):
    """Activations with a zero point."""
    middle = qnn.QuantIdentity(act_quant=ShiftedUint8ActPerTensorFixedPoint, bit_width=6, return_quant_tensor=True)
    return nn.Sequential(
        identity(acts), linear(16, 12, weights, bias=None), middle, linear(12, 5, weights, bias=None)
    )  # fmt: skip


def batchnorm(acts, weights):
    return nn.Sequential(identity(acts), conv(2, 3, weights), nn.BatchNorm2d(3), relu(acts))


TENSOR, CHANNEL = Int8WeightPerTensorFixedPoint, Int8WeightPerChannelFixedPointMSE
VECTOR, IMAGE = (16,), (2, 8, 8)

# Name -> the model, a sample's shape, the exporter, and whether torch.export or TorchScript traces it.
CASES = {
    "mlp_qonnx": (lambda: mlp(POWERS, TENSOR), VECTOR, export_qonnx, True),
    "mlp_qonnx_script": (lambda: mlp(POWERS, TENSOR), VECTOR, export_qonnx, False),
    "mlp_channels_qonnx": (lambda: mlp(POWERS, CHANNEL, None), VECTOR, export_qonnx, True),
    "mlp_qcdq": (lambda: mlp(POWERS, TENSOR, None), VECTOR, export_onnx_qcdq, True),
    "mlp_qcdq_script": (lambda: mlp(POWERS, TENSOR), VECTOR, export_onnx_qcdq, False),
    "cnn_qonnx": (lambda: cnn(POWERS, TENSOR), IMAGE, export_qonnx, True),
    "cnn_qonnx_script": (lambda: cnn(POWERS, CHANNEL, None), IMAGE, export_qonnx, False),
    "residual_qonnx": (lambda: Residual(POWERS, TENSOR), IMAGE, export_qonnx, True),
    "residual_qcdq": (lambda: Residual(POWERS, TENSOR), IMAGE, export_onnx_qcdq, False),
    "binary_qonnx": (lambda: binary(POWERS, TENSOR), VECTOR, export_qonnx, True),
    "shifted_qonnx": (lambda: shifted(POWERS, TENSOR), VECTOR, export_qonnx, True),
    "shifted_qcdq_script": (lambda: shifted(POWERS, TENSOR), VECTOR, export_onnx_qcdq, False),
    "mlp_float_qonnx": (lambda: mlp(FLOATS, Int8WeightPerTensorFloat), VECTOR, export_qonnx, True),
    "cnn_float_qonnx": (lambda: cnn(FLOATS, Int8WeightPerChannelFloat), IMAGE, export_qonnx, True),
    "mlp_float_qcdq_script": (lambda: mlp(FLOATS, Int8WeightPerChannelFloat), VECTOR, export_onnx_qcdq, False),
    "batchnorm_qonnx": (lambda: batchnorm(POWERS, TENSOR), IMAGE, export_qonnx, True),
}


def calibrated(make, shape, seed):
    """The model with scales learned from data, weights on a grid of 2**-16 so that float32 sums stay exact."""
    torch.manual_seed(seed)
    model = make()
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith(("weight", "bias")):
                wide = tensor * (3.0 if tensor.ndim > 1 else 1.0)
                tensor.copy_(torch.round(wide * 2.0**10) / 2.0**10)
    model.train()
    for _ in range(4):
        model(torch.randn(64, *shape))
    return model.eval()


def cleaned(path):
    """Without the folders of the machine that exported it."""
    proto = onnx.load(path)
    for node in proto.graph.node:
        for entry in node.metadata_props:
            entry.value = re.sub(r'"[^"]*?/(site-packages/[^"]*|[^"/]*)"', r'"\1"', entry.value)
    for message in (proto, proto.graph, *proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        message.ClearField("doc_string")
        if hasattr(message, "metadata_props"):
            del message.metadata_props[:]
    onnx.save(proto, path)


def main():
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for seed, (name, (make, shape, export, dynamo)) in enumerate(CASES.items()):
        path = HERE / f"{name}.onnx"
        model = calibrated(make, shape, seed)
        x = torch.randn(COUNT, *shape) * torch.logspace(-1, 1, COUNT).reshape(-1, *[1] * len(shape))
        with torch.no_grad():
            y = model(x)
        y = getattr(y, "value", y)
        export(model, args=torch.zeros(1, *shape), export_path=str(path), dynamo=dynamo)
        cleaned(path)
        np.savez_compressed(path.with_suffix(".npz"), x=x.numpy(), y=y.numpy())
        print(f"{name}: {path.stat().st_size} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
