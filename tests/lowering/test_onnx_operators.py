"""Every operator and every parameter of the quantisers against qonnx's executor, on all codes or many random ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from qonnx.custom_op.general.floatquant import float_quant
from qonnx.custom_op.general.intquant import int_quant

from flow.errors import UnsupportedError
from flow.ir import Relu, Requantize, RequantizeEach, RequantizeMinifloat, Softmax, Table, interpret
from flow.lowering.from_onnx import HANDLERS, Scales, load_onnx, read_onnx
from flow.lowering.from_onnx.constants import FOLDED
from tests.lowering.onnx_models import Model, executed, interpreted

MODES = ("ROUND", "HALF_EVEN", "CEIL", "FLOOR", "DOWN", "HALF_UP", "HALF_DOWN")
S8 = np.arange(-128, 128)


def whole(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """What the graph makes of every code of an s8.4 input of one value, and the inputs themselves."""
    return interpreted(load_onnx(model.content((1,))), S8[:, None]), np.ldexp(S8[:, None], -4)


@pytest.mark.parametrize("mode", MODES)
def test_every_quant_of_every_code(mode: str):
    compared = 0
    for signed, narrow, width, power, zero in itertools.product((0, 1), (0, 1), (2, 3, 6), (-2, 1, 5), (0, 1, -3, 6)):
        model = Model((1,))
        model.quant(2.0**-4)
        model.quant(2.0**-power, width, zero, signed=signed, narrow=narrow, mode=mode)
        found, x = whole(model)
        wanted = int_quant(x, 2.0**-power, zero, np.float64(width), signed, narrow, mode)
        assert np.array_equal(found, wanted), (signed, narrow, width, power, zero)
        compared += found.size
    assert compared == 2 * 2 * 3 * 3 * 4 * 256


@pytest.mark.parametrize("model", ["relu", "negative"])
def test_rounding_away_from_zero_on_one_sign(model: str):
    built = Model((1,))
    built.quant(2.0**-4)
    built.op("Clip", *((0.0, 100.0) if model == "relu" else (-100.0, 0.0)))
    built.quant(0.5, 6.0, mode="UP")
    found, x = whole(built)
    clipped = np.clip(x, 0, None) if model == "relu" else np.clip(x, None, 0)
    assert np.array_equal(found, int_quant(clipped, 0.5, 0, np.float64(6), 1, 0, "UP"))


@pytest.mark.parametrize("zero", [0, 1, 2, -5, 127])
@pytest.mark.parametrize("number", [np.int8, np.uint8])
@pytest.mark.parametrize("power", [1, 3, 5])
def test_quantize_linear_of_every_code(number: type, zero: int, power: int):
    """Ties go to even before the zero point is added; then a Clip to fewer bits."""
    if zero < 0 and number is np.uint8:
        zero = 128
    model, scale, limits = Model((1,)), np.float32(2.0**-power), np.iinfo(number)
    low, high = max(limits.min, zero - 77), min(limits.max, zero + 50)
    model.quant(2.0**-4)
    model.op("QuantizeLinear", scale, number(zero))
    model.op("Clip", number(low), number(high))
    model.op("DequantizeLinear", scale, number(zero))
    found, x = whole(model)
    codes = np.clip(np.rint(x / scale) + zero, low, high)
    assert np.array_equal(found, (codes - zero) * scale)
    assert len(np.unique(found)) > 10


def test_shapes_before_the_first_quant():
    """The input keeps the shape of the file, and its Quant is that behind the moves."""
    model = Model((2, 3, 1))
    model.op("Cast", to=TensorProto.DOUBLE)
    model.op("Squeeze", np.array([3]))
    model.op("Flatten")
    model.quant(2.0**-4)
    model.op("Add", np.arange(6.0))
    graph = load_onnx(model.content())
    assert graph.input.shape == (2, 3, 1)
    x = np.random.default_rng(0).integers(-128, 128, (50, 2, 3, 1))
    assert np.array_equal(interpreted(graph, x), np.ldexp(x.reshape(50, 6), -4) + np.arange(6))


@pytest.mark.parametrize(("power", "number"), [(0, TensorProto.INT8), (-1, TensorProto.INT16), (3, TensorProto.FLOAT)])
def test_casts_that_hold_every_value(power: int, number: int):
    model = Model((1,))
    model.quant(2.0**-power)
    model.op("Cast", to=number)
    assert np.array_equal(interpreted(load_onnx(model.content()), S8[:, None]), np.ldexp(S8[:, None], -power))


def test_a_constant_cast_to_integers_loses_its_fraction():
    model = Model((4,))
    model.quant(2.0**-4)
    added = model.op("Cast", np.array([-1.5, 0.5, 2.0, 3.9]), source="", to=TensorProto.INT64)
    model.op("Add", added, source="v0")
    codes = np.random.default_rng(0).integers(-128, 128, (20, 4))
    found = interpreted(load_onnx(model.content()), codes)
    assert np.array_equal(found, np.ldexp(codes, -4) + np.array([-1, 0, 2, 3]))


def test_bipolar_of_every_code():
    model = Model((1,))
    model.quant(2.0**-4)
    model.op("BipolarQuant", np.float32(0.25))
    found, x = whole(model)
    assert np.array_equal(found, np.where(x >= 0, 0.25, -0.25))


def test_an_input_of_signs():
    model = Model((3,))
    model.op("BipolarQuant", np.float32(2.0))
    model.op("MatMul", np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 4.0]]))
    graph = load_onnx(model.content((2,)))
    codes = np.array(list(itertools.product((0, 1), repeat=3)))
    assert np.array_equal(interpreted(graph, codes), (4.0 * codes - 2) @ np.array([[1, 2], [3, -1], [0.5, 4]]))


@pytest.mark.parametrize("mode", ["FLOOR", "ROUND", "CEIL", "round"])
def test_trunc_of_every_code(mode: str):
    model = Model((1,))
    model.quant(2.0**-4)
    model.op("Trunc", *map(np.float32, (2.0**-4, 0, 8, 2.0**-2, 5)), rounding_mode=mode, signed=1, narrow=0)
    found, x = whole(model)
    wanted = executed(model, load_onnx(model.content((1,))), x)
    assert np.array_equal(found, wanted)


def test_the_first_version_of_trunc():
    model = Model((1,), version=1)
    model.quant(2.0**-4)
    model.op("Trunc", *map(np.float32, (2.0**-4, 0, 8, 5)), rounding_mode="FLOOR")
    found, x = whole(model)
    assert np.array_equal(found, np.floor(x * 16 / 8) / 16)


@pytest.mark.parametrize(("e", "m", "bias", "scale"), [(3, 2, 3, 1.0), (4, 3, 7, 0.25), (2, 1, 1, 2.0), (2, 3, 1, 1.0)])
@pytest.mark.parametrize("mode", ["ROUND", "CEIL", "FLOOR"])
def test_minifloats_of_every_code(e: int, m: int, bias: int, scale: float, mode: str):
    model = Model((1,))
    model.quant(2.0**-4)
    most = float((2 - 2.0**-m) * 2.0 ** (2**e - 1 - bias))
    flags = {"has_inf": 0, "has_nan": 0, "has_subnormal": 1, "saturation": 1}
    model.op("FloatQuant", *map(np.float32, (scale, e, m, bias, most)), rounding_mode=mode, **flags)
    found, x = whole(model)
    assert np.array_equal(found, float_quant(x, scale, e, m, bias, True, most, rounding_mode=mode))
    assert any(isinstance(node, RequantizeMinifloat) for node in load_onnx(model.content((1,))))


def test_a_minifloat_weight():
    model, weight = Model((4,)), np.random.default_rng(0).normal(0, 2, (4, 3)).astype(np.float32)
    model.quant(0.25, 6.0)
    flags = {"has_inf": 0, "has_nan": 0, "has_subnormal": 1, "saturation": 1}
    parameters = [np.float32(v) for v in (0.5, 3, 2, 3, 28)]
    x = model.last
    model.op("FloatQuant", weight, *parameters, source="", **flags)
    model.op("MatMul", model.last, source=x)
    graph, codes = load_onnx(model.content((3,))), np.random.default_rng(1).integers(-32, 32, (50, 4))
    wanted = (codes / 4) @ float_quant(weight.astype(np.float64), 0.5, 3, 2, 3, True, 28.0)
    assert np.array_equal(interpreted(graph, codes), wanted)


def test_a_step_per_channel():
    """Activations with a power of two per channel become one cast with a binary point per channel."""
    model = Model((3, 2, 2))
    model.quant(2.0**-4)
    model.quant(np.exp2([-2.0, 0.0, -3.0]).reshape(1, 3, 1, 1), 4.0)
    graph = load_onnx(model.content((3, 2, 2)))
    codes = np.random.default_rng(0).integers(-128, 128, (60, 3, 2, 2))
    assert any(isinstance(node, RequantizeEach) for node in graph)
    assert np.array_equal(interpreted(graph, codes), executed(model, graph, np.ldexp(codes, -4)))


WEIGHT = np.random.default_rng(5).integers(-8, 8, (4, 2, 3, 3)) / 8
VECTOR = np.random.default_rng(6).integers(-8, 8, (8, 3)) / 8
SMALL = np.array([0.5, -1.25]).reshape(1, 2, 1, 1)
NORM = [np.array(v, dtype=np.float32) for v in ([2, 1], [0.5, -1], [0.25, 0.75], [0.5, 2])]

# Name -> the sample's shape, what is built on a quantised input; each is one more way an operator may be written.
BUILDS: dict[str, tuple[tuple[int, ...], Callable[[Model], Any]]] = {
    "conv": ((2, 5, 5), lambda m: m.op("Conv", WEIGHT)),
    "conv_padded_strided": ((2, 5, 5), lambda m: m.op("Conv", WEIGHT, np.ones(4), pads=[1, 0, 1, 0], strides=[2, 1])),
    "conv_dilated": ((2, 7, 6), lambda m: m.op("Conv", WEIGHT, dilations=[2, 1])),
    "conv_grouped": ((4, 5, 5), lambda m: m.op("Conv", WEIGHT, group=2)),
    "conv_one_dimension": ((2, 9), lambda m: m.op("Conv", WEIGHT[:, :, 0], pads=[1, 1], strides=[2])),
    "conv_one_dimension_dilated": ((2, 9), lambda m: m.op("Conv", WEIGHT[:, :, 1], dilations=[3])),
    "conv_padded_unevenly": ((2, 5, 5), lambda m: m.op("Conv", WEIGHT, pads=[1, 0, 0, 2], strides=[1, 2])),
    "conv_one_dimension_padded_unevenly": ((2, 9), lambda m: m.op("Conv", WEIGHT[:, :, 0], pads=[0, 2])),
    "conv_transpose": ((4, 3, 4), lambda m: m.op("ConvTranspose", WEIGHT, np.array([0.5, -1.0]))),
    "conv_transpose_strided": (
        (4, 3, 4),
        lambda m: m.op("ConvTranspose", WEIGHT, strides=[2, 3], pads=[1, 0, 0, 2], output_padding=[1, 0]),
    ),
    "conv_transpose_dilated": (
        (4, 3, 4), lambda m: m.op("ConvTranspose", WEIGHT, strides=[2, 1], dilations=[2, 3], pads=[2, 1, 2, 1]),
    ),
    "conv_transpose_grouped": (
        (4, 3, 4), lambda m: m.op("ConvTranspose", WEIGHT, np.arange(4.0), group=2, strides=[2, 2]),
    ),
    "conv_transpose_cropped": (
        (4, 3, 4), lambda m: m.op("ConvTranspose", WEIGHT[..., :1], strides=[3, 2], pads=[0, 2, 0, 1]),
    ),
    "conv_transpose_one_dimension": (
        (4, 5), lambda m: m.op("ConvTranspose", WEIGHT[:, :, 0], strides=[3], pads=[1, 0], output_padding=[2]),
    ),
    "conv_transpose_quantised": (
        (4, 3, 4),
        lambda m: m.op(
            "ConvTranspose", m.quant(2.0 ** -np.arange(2.0).reshape(1, 2, 1, 1), 3.0, source=m.constant(WEIGHT)),
            source="v0", strides=[2, 2],
        ),
    ),
    "pad": ((2, 3, 4), lambda m: m.op("Pad", np.array([0, 0, 1, 0, 0, 0, 0, 2]))),
    "pad_channels_by_zero": ((2, 3), lambda m: m.op("Pad", np.array([0, 1, 0, 0, 2, 3]), 0.0, mode="constant")),
    "pad_some_axes": ((2, 3, 4), lambda m: m.op("Pad", np.array([1, 2, 0, 3]), "", np.array([2, -1]))),
    "pad_and_crop": ((2, 3, 4), lambda m: m.op("Pad", np.array([0, 0, -1, 2, 0, 0, 0, -1]))),
    "resize": ((2, 3, 4), lambda m: m.op("Resize", "", np.array([1.0, 1.0, 2.0, 3.0]), mode="nearest",
                                         coordinate_transformation_mode="asymmetric", nearest_mode="floor")),
    "resize_half_pixel": ((2, 3, 4), lambda m: m.op("Resize", "", np.array([1.0, 1.0, 3.0, 2.0]), mode="nearest")),
    "resize_to_sizes": ((2, 3, 4), lambda m: m.op("Resize", "", "", np.array([1, 2, 6, 4]), mode="nearest",
                                                  nearest_mode="round_prefer_ceil")),
    "resize_line": ((2, 4), lambda m: m.op("Resize", "", np.array([1.0, 1.0, 5.0]), mode="nearest")),
    "gemm": ((8,), lambda m: m.op("Gemm", VECTOR, np.arange(3) / 4)),
    "gemm_transposed": ((8,), lambda m: m.op("Gemm", VECTOR.T.copy(), transB=1)),
    "gemm_one_bias": ((8,), lambda m: m.op("Gemm", VECTOR, np.array([0.375]))),
    "matmul_and_add": ((8,), lambda m: (m.op("MatMul", VECTOR), m.op("Add", np.array([[1.5, 0, -2]])))),
    "batchnorm": ((2, 3, 3), lambda m: m.op("BatchNormalization", *NORM[:3], NORM[3] ** 2, epsilon=0.0)),
    "add_channels": ((2, 3, 3), lambda m: m.op("Add", SMALL)),
    "sub_channels": ((2, 3, 3), lambda m: m.op("Sub", SMALL)),
    "sub_from_constant": ((2, 3, 3), lambda m: m.op("Sub", SMALL, m.last, source="")),
    "mul_channels": ((2, 3, 3), lambda m: m.op("Mul", SMALL)),
    "mul_scalar": ((2, 3, 3), lambda m: m.op("Mul", np.array(0.75))),
    "add_itself": ((5,), lambda m: m.op("Add", m.last)),
    "mul_itself": ((5,), lambda m: m.op("Mul", m.last)),
    "sub_branches": ((5,), lambda m: m.op("Sub", m.quant(0.5, 4.0), source="v0")),
    "relu": ((2, 3), lambda m: m.op("Relu")),
    "relu6": ((4,), lambda m: m.op("Clip", 0.0, 6.0)),
    "clip_power": ((4,), lambda m: m.op("Clip", -4.0, 4.0 - 2**-4)),
    "clip_symmetric": ((4,), lambda m: m.op("Clip", -4.0 + 2**-4, 4.0 - 2**-4)),
    "clip_odd": ((4,), lambda m: m.op("Clip", -1.3125, 2.71875)),
    "clip_low_only": ((4,), lambda m: m.op("Clip", -1.5)),
    "max_pool": ((2, 5, 6), lambda m: m.op("MaxPool", kernel_shape=[2, 3], strides=[2, 1])),
    "max_pool_padded": (
        (2, 5, 6), lambda m: (m.op("Relu"), m.op("MaxPool", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1])),
    ),
    "average_pool_padded": (
        (2, 4, 4), lambda m: m.op("AveragePool", kernel_shape=[2, 2], pads=[1, 0, 1, 1], count_include_pad=1),
    ),
    "max_pool_padded_line": ((2, 8), lambda m: (m.op("Relu"), m.op("MaxPool", kernel_shape=[2], pads=[1, 1]))),
    "max_pool_one_dimension": ((2, 8), lambda m: m.op("MaxPool", kernel_shape=[2], strides=[2])),
    "max_pool_ceil_idle": ((2, 4, 4), lambda m: m.op("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)),
    "average_pool": ((2, 4, 4), lambda m: m.op("AveragePool", kernel_shape=[2, 2], strides=[1, 2])),
    "average_pool_one_dimension": ((2, 8), lambda m: m.op("AveragePool", kernel_shape=[4], strides=[2])),
    "global_average_pool": ((3, 4, 2), lambda m: m.op("GlobalAveragePool")),
    "reduce_mean": ((3, 4, 2), lambda m: m.op("ReduceMean", np.array([2, 3]), keepdims=0)),
    "reduce_max": ((3, 4, 2), lambda m: m.op("ReduceMax", np.array([1, -1]), keepdims=0)),
    "reduce_max_of_planes": ((3, 4, 2), lambda m: m.op("ReduceMax", np.array([2, 3]))),
    "reduce_sum": ((3, 4, 2), lambda m: m.op("ReduceSum", np.array([2]), keepdims=1)),
    "flatten": ((2, 3, 2), lambda m: m.op("Flatten")),
    "reshape": ((2, 3, 2), lambda m: m.op("Reshape", np.array([1, -1, 2]))),
    "reshape_zero": ((2, 3, 2), lambda m: m.op("Reshape", np.array([0, 0, -1]))),
    "transpose": ((1, 3, 2), lambda m: m.op("Transpose", perm=[0, 2, 1, 3])),
    "transpose_channels": ((2, 3, 4), lambda m: m.op("Transpose", perm=[0, 2, 3, 1])),
    "transpose_matrix": ((3, 4), lambda m: m.op("Transpose", perm=[0, 2, 1])),
    "concat": ((2, 3), lambda m: m.op("Concat", m.quant(0.5, 4.0), m.last, source="v0", axis=1)),
    "concat_last_axis": ((2, 3), lambda m: m.op("Concat", m.quant(0.5, 4.0), source="v0", axis=-1)),
    "concat_of_channels": (
        (2, 3), lambda m: m.op("Concat", m.quant(2.0 ** -np.arange(2.0).reshape(1, 2, 1), 4.0), source="v0", axis=1),
    ),
    "slice": ((4, 6), lambda m: m.op("Slice", np.array([1, -5]), np.array([2**62, -1]), np.array([1, 2]),
                                     np.array([2, 1]))),
    "slice_batch_whole": ((4, 6), lambda m: m.op("Slice", np.array([0, 1]), np.array([2**62, 3]))),
    "split": ((4, 6), lambda m: m.op("Split", np.array([1, 2, 3]), axis=2, count=3)),
    "split_evenly": ((5, 2), lambda m: m.op("Split", axis=1, num_outputs=2, count=2)),
    "split_and_joined": ((4, 6), lambda m: m.op("Concat", "v1", source=m.op("Split", axis=1, num_outputs=2, count=2),
                                                axis=1)),
    "gather_place": ((4, 6), lambda m: m.op("Gather", np.array(-2), axis=2)),
    "gather_channel": ((4, 6), lambda m: m.op("Gather", np.array(1), axis=1)),
    "gather_steps": ((6, 2), lambda m: m.op("Gather", np.array([1, 3, 5]), axis=1)),
    "squeeze": ((1, 3, 1), lambda m: m.op("Squeeze", np.array([1, 3]))),
    "unsqueeze": ((3,), lambda m: m.op("Unsqueeze", np.array([1]))),
    "identity": ((3,), lambda m: (m.op("Identity"), m.op("Relu"))),
    "dropout": ((3,), lambda m: (m.op("Dropout"), m.op("Relu"))),
}  # fmt: skip


@pytest.mark.parametrize("name", BUILDS)
def test_operators_against_qonnx(name: str):
    shape, build = BUILDS[name]
    model = Model(shape)
    model.quant(2.0**-4, 7.0)
    build(model)
    graph = load_onnx(model.content())
    codes = np.random.default_rng(0).integers(-64, 64, (20, *shape))
    codes[0], codes[1] = -64, 63
    wanted, found = executed(model, graph, np.ldexp(codes, -4)), interpreted(graph, codes)
    assert np.array_equal(wanted, found)
    assert wanted.size >= 40
    assert len(np.unique(wanted)) > 5


def test_padding_and_upsampling_of_old_files():
    """As attributes, and as the operator that Resize took the place of; ONNX Runtime reads neither any more."""
    model = Model((2, 3))
    model.quant(2.0**-4)
    model.op("Pad", pads=[0, 0, 1, 0, 0, 2], mode="constant", value=0.0)
    model.op("Upsample", np.array([1.0, 1.0, 3.0]), mode="nearest")
    model.op("Upsample", mode="nearest", scales=[1.0, 2.0, 1.0])
    codes = np.random.default_rng(0).integers(-128, 128, (20, 2, 3))
    wanted = np.pad(codes, ((0, 0), (0, 0), (1, 2))).repeat(3, axis=2).repeat(2, axis=1)
    assert np.array_equal(interpreted(load_onnx(model.content()), codes), np.ldexp(wanted, -4))


FUNCTIONS = {
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Tanh": np.tanh,
    "HardSigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "Softplus": lambda x: np.log1p(np.exp(x)),
    "LeakyRelu": lambda x: np.where(x < 0, 0.01 * x, x),
    "Exp": np.exp,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_between_two_quants_are_tables(name: str):
    model = Model((1,))
    model.quant(2.0**-4)
    model.op(name)
    model.quant(2.0**-6, 8.0, signed=1)
    found, x = whole(model)
    assert np.array_equal(found, np.clip(np.rint(FUNCTIONS[name](x) * 64), -128, 127) / 64)
    tables = [node for node in load_onnx(model.content((1,))) if isinstance(node, Table)]
    assert [table.entries.shape for table in tables] == [(256,)]


@pytest.mark.parametrize(("shape", "axis"), [((5,), None), ((3, 4), 1), ((2, 3, 4), -2)])
@pytest.mark.parametrize(("scale", "scales"), [(2.0**-4, "error"), (0.07, "dyadic")])
def test_a_softmax_is_the_real_one_away_from_ties(shape, axis, scale, scales):
    """Of the codes behind a Quant, those whose real share lies no nearer to a tie than a tenth of a step: equal."""
    model = Model(shape)
    model.quant(scale)
    model.op("Softmax", **({} if axis is None else {"axis": axis}))
    model.quant(2.0**-8, 8.0, signed=0)
    loaded = read_onnx(model.content(), Scales.named(scales))
    codes = np.random.default_rng(0).integers(-128, 128, (200, *shape))
    found = interpreted(loaded.graph, codes) * 256
    powers = np.exp(codes * scale)
    exact = 256 * powers / powers.sum(axis=-1 if axis is None else axis, keepdims=True)
    clear = np.abs(exact - np.floor(exact) - 0.5) > 0.1
    assert np.array_equal(found[clear], np.clip(np.rint(exact), 0, 255)[clear])
    assert clear.mean() > 0.8 and np.abs(found - exact).max() < 1
    assert sum(isinstance(node, Softmax) for node in loaded.graph) == 1


def test_a_softmax_of_an_old_file_is_that_of_its_last_axis_or_none():
    model = Model((3, 4))
    model.quant(2.0**-4)
    model.op("Softmax", axis=2)
    proto = onnx.load_from_string(model.content())
    proto.opset_import[0].version = 12
    assert any(isinstance(node, Softmax) for node in load_onnx(proto.SerializeToString()))
    del proto.graph.node[-1].attribute[:]
    with pytest.raises(UnsupportedError, match="before opset 13 it shares the whole among all axes from 1 on; flatten"):
        load_onnx(proto.SerializeToString())


@pytest.mark.parametrize(("low", "high", "text"), [(0, 4 - 2**-4, "u6.4"), (-2, 2 - 2**-4, "s6.4"), (0, 100, None)])
def test_a_clip_to_a_format_is_one_cast(low: float, high: float, text: str | None):
    model = Model((1,))
    model.quant(2.0**-4)
    model.op("Clip", float(low), float(high))
    nodes = load_onnx(model.content((1,))).nodes
    assert len(nodes) == 2
    assert isinstance(nodes[1], Relu if text is None else Requantize)
    assert text is None or str(nodes[1].format) == text


def test_argmax_picks_the_first():
    model = Model((4,))
    model.quant(0.5, 3.0)
    model.op("ArgMax", axis=1, keepdims=1)
    graph = load_onnx(model.content((1,)))
    codes = np.random.default_rng(0).integers(-4, 4, (100, 4))
    assert np.array_equal(interpret(graph, codes)[0], codes.argmax(axis=1)[:, None])


def test_integers_at_the_input_are_codes():
    model = Model((3,), TensorProto.INT8)
    model.op("DequantizeLinear", np.float32(0.125), np.int8(3))
    graph = load_onnx(model.content((3,)))
    assert str(graph.input.format) == "s8.0"
    codes = np.stack([S8, S8[::-1], S8], axis=1)
    assert np.array_equal(interpreted(graph, codes), (codes - 3) * 0.125)


def test_a_zero_point_at_the_input():
    model = Model((1,))
    model.quant(0.25, 6.0, 20.0, signed=0)
    graph = load_onnx(model.content((1,)))
    codes = np.arange(64)[:, None]
    assert str(graph.input.format) == "u6.2"
    assert np.array_equal(interpreted(graph, codes), (codes - 20) * 0.25)


def test_odd_scales_become_sixteen_bits():
    """A requantisation by 0.3 / 0.7: the factor is the nearest of 16 bits, and the rest is exact."""
    model = Model((1,))
    model.quant(0.3, 8.0)
    model.quant(0.7, 5.0)
    model.quant(0.7 * 4, 3.0)
    loaded = read_onnx(model.content((1,)), Scales(dyadic=True))
    (first, second) = loaded.factors
    assert abs(float(first.used) / (0.3 / 0.7) - 1) < 2.0**-16
    assert (float(loaded.input_unit), first.error < 2.0**-16) == (np.float32(0.3), True)
    codes = np.clip(np.rint(np.clip(np.rint(S8 * float(first.used)), -16, 15) / 4), -4, 3)
    assert np.array_equal(interpreted(loaded.graph, S8[:, None])[:, 0], codes * 4 * float(second.used))


def test_every_handler_is_tested_here():
    source = Path(__file__).read_text(encoding="utf-8")
    names = {kind.removeprefix("qonnx.") for kind in HANDLERS} - {"IntQuant", "Quant", "Cast"}
    tabled = {"HardSwish", "Elu", "Softsign", "Gelu", "Erf", "Sin", "Cos", "Abs", "Neg"}  # as the others of their table
    assert {name for name in names if f'"{name}"' not in source} == set()
    assert {"Transpose", "Reshape", "Cast"} <= FOLDED
    assert tabled <= set(HANDLERS)
