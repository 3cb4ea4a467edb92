"""What a file cannot say: one message with every node, its module, its line, and the way out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn
from torch.nn import functional

import flow
from flow.errors import DataError, FlowError, UnsupportedError
from flow.ir import Conv2d, Dense, Requantize, interpret
from flow.lowering.from_onnx import HANDLERS, load_onnx
from tests.lowering.onnx_models import Model

SUPPORTED = ", ".join(sorted(kind.removeprefix("qonnx.") for kind in HANDLERS))


def refused(model: Model | bytes, **options: Any) -> str:
    with pytest.raises(UnsupportedError) as caught:
        load_onnx(model if isinstance(model, bytes) else model.content(), **options)
    return str(caught.value)


def test_all_refusals_come_at_once_and_those_behind_them_too():
    model = Model((4,))
    model.quant(0.25)
    model.op("LpNormalization", axis=1)
    model.op("Relu")
    model.op("LogSoftmax", axis=1)
    model.quant(0.3, source="v0")
    model.op("Einsum", model.last, equation="bi,bi->bi")
    assert refused(model) == (
        "ONNX graph 'hand' uses what has no fixed-point form: LpNormalization 'n1'; LogSoftmax 'n3'; "
        "qonnx.Quant 'n4' (its scale 0.300000012 is no power of two); Einsum 'n5'; "
        f"supported are {SUPPORTED}; train with scales that are powers of two, or load with scales='dyadic'."
    )


WEIGHT, STEP = np.eye(4), 2.0**-4
UNQUANTISED = np.full((4, 4), 1 / 3)

# What is built on a quantised input [4] (or as given), and what is said of it.
REFUSALS: dict[str, tuple[tuple[int, ...], Callable[[Model], Any], str]] = {
    "weight": (
        (4,), lambda m: m.op("MatMul", np.array([[1 / 3, 1e-9]] * 4)),
        "MatMul 'n1' (its weight is not quantised (it needs more than 24 bits); put a Quant on it)",
    ),
    "product": (
        (4,), lambda m: m.op("Gemm", m.last),
        "Gemm 'n1' (its second factor is no constant; products of two values of the network are Mul and MatMul only)",
    ),
    "alpha": ((4,), lambda m: m.op("Gemm", WEIGHT, alpha=0.5),
              "Gemm 'n1' (only alpha=1, beta=1 and transA=0 are supported)"),
    "reduced": ((2, 4), lambda m: m.op("ReduceMax", np.array([1, 2]), keepdims=0),
                "ReduceMax 'n1' (it leaves no axis behind the batch; keep them by keepdims=1)"),
    "reduced_batch": ((2, 4), lambda m: m.op("ReduceSum", np.array([0])),
                      "ReduceSum 'n1' (it reduces the batch; name axes behind it)"),
    "shared_batch": ((2, 4), lambda m: m.op("Softmax", axis=0),
                     "Softmax 'n1' (it shares the whole among the batch; name an axis behind it)"),
    "shared_channels": (
        (2, 4), lambda m: (m.quant(np.array([[[0.5], [0.25]]]), 4.0), m.op("Softmax")),
        "Softmax 'n2' (it compares values with a scale per channel; quantise per tensor)",
    ),
    "axes": ((2, 4), lambda m: m.op("MatMul", WEIGHT),
             "MatMul 'n1' (it needs one axis behind the batch and a matrix, not [2, 4]; flatten before it)"),
    "auto_pad": ((1, 4, 4), lambda m: m.op("Conv", np.ones((1, 1, 3, 3)), auto_pad="SAME_UPPER"),
                 "Conv 'n1' (auto_pad=SAME_UPPER leaves the padding open; write pads)"),
    "auto_pad_transposed": (
        (1, 4, 4), lambda m: m.op("ConvTranspose", np.ones((1, 1, 3, 3)), auto_pad="SAME_LOWER"),
        "ConvTranspose 'n1' (auto_pad=SAME_LOWER leaves the padding open; write pads)",
    ),
    "output_shape": ((1, 4, 4), lambda m: m.op("ConvTranspose", np.ones((1, 1, 3, 3)), output_shape=[9, 9]),
                     "ConvTranspose 'n1' (output_shape=[9, 9] leaves the padding open; write pads)"),
    "uncounted": ((1, 4, 4), lambda m: m.op("AveragePool", kernel_shape=[2, 2], pads=[0, 1, 1, 1]),
                  "AveragePool 'n1' (pads=[0, 1, 1, 1] that its means do not count; pad before it)"),
    "pool_dilated": ((1, 4, 4), lambda m: m.op("MaxPool", kernel_shape=[2, 2], dilations=[2, 1]),
                     "MaxPool 'n1' (dilations=[2, 1] of a pooling are not supported; use 1)"),
    "pad_mode": ((1, 4, 4), lambda m: m.op("Pad", np.array([0, 0, 1, 1, 0, 0, 1, 1]), mode="reflect"),
                 "Pad 'n1' (mode=reflect pads other numbers than zeros; pad with zeros)"),
    "pad_value": ((4,), lambda m: m.op("Pad", np.array([0, 1, 0, 1]), 2.5),
                  "Pad 'n1' (value 2.5 pads other numbers than zeros; pad with zeros)"),
    "pad_batch": ((4,), lambda m: m.op("Pad", np.array([1, 0, 0, 0])),
                  "Pad 'n1' (pads=[1, 0, 0, 0] change the batch; pad axes behind it)"),
    "pad_all": ((4,), lambda m: m.op("Pad", np.array([0, -2, 0, -2])),
                "Pad 'n1' (Pad 'v1/pad': before=(-2,) and after=(-2,) crop all of the input (4,))"),
    "resize_linear": ((1, 4, 4), lambda m: m.op("Resize", "", np.array([1.0, 1.0, 2.0, 2.0]), mode="linear"),
                      "Resize 'n1' (mode=linear computes between the values; only nearest repeats them)"),
    "resize_fraction": ((1, 4, 4), lambda m: m.op("Resize", "", np.array([1.0, 1.0, 1.5, 2.0]), mode="nearest"),
                        "Resize 'n1' (it scales by [1.0, 1.0, 1.5, 2.0]; only whole factors behind the batch repeat "
                        "every value alike)"),
    "resize_corners": (
        (1, 4, 4),
        lambda m: m.op("Resize", "", np.array([1.0, 1.0, 2.0, 2.0]), mode="nearest",
                       coordinate_transformation_mode="align_corners"),
        "Resize 'n1' (align_corners with round_prefer_floor shows some values less often than others; use asymmetric "
        "and floor)",
    ),
    "pool_pads": ((1, 4, 4), lambda m: m.op("MaxPool", kernel_shape=[2, 2], pads=[1, 1, 1, 1]),
                  "MaxPool 'n1' (pads=[1, 1, 1, 1] of values that may be negative; put a Relu before it)"),
    "ceil": ((1, 5, 5), lambda m: m.op("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
             "MaxPool 'n1' (ceil_mode=1 lets the window hang over the edge; use sizes that it fits)"),
    "transpose": ((2, 3), lambda m: m.op("Transpose", perm=[1, 0, 2]),
                  "Transpose 'n1' (perm=[1, 0, 2] moves the axis of the batch; leave that one first)"),
    "concat_batch": ((2, 3), lambda m: m.op("Concat", m.last, axis=0),
                     "Concat 'n1' (axis=0 is that of the batch; name one behind it)"),
    "concat_constant": ((2, 3), lambda m: m.op("Concat", np.ones((1, 2, 3)), axis=1),
                        "Concat 'n1' (its input 1 is no quantised value of the network; put a Quant before it)"),
    "slice_batch": ((2, 3), lambda m: m.op("Slice", np.array([1]), np.array([2])),
                    "Slice 'n1' (it takes part of the batch; slice axes behind it)"),
    "slice_backwards": (
        (2, 3), lambda m: m.op("Slice", np.array([2]), np.array([0]), np.array([2]), np.array([-1])),
        "Slice 'n1' (its step -1 along axis 2 goes backwards; use positive steps)",
    ),
    "slice_nothing": ((2, 3), lambda m: m.op("Slice", np.array([2]), np.array([1]), np.array([2])),
                      "Slice 'n1' (it picks nothing of the 3 places of axis 2)"),
    "split_batch": ((2, 3), lambda m: m.op("Split", num_outputs=2, count=2),
                    "Split 'n1' (axis=0 is that of the batch; name one behind it)"),
    "split_short": ((2, 3), lambda m: m.op("Split", np.array([1, 1]), axis=2, count=2),
                    "Split 'n1' (its parts [1, 1] are not the 3 places of axis 2 in 2 outputs)"),
    "gather_uneven": ((2, 3), lambda m: m.op("Gather", np.array([0, 2, 1]), axis=2),
                      "Gather 'n1' (its indices [0, 2, 1] are not evenly spaced; use a slice)"),
    "gather_data": ((2, 3), lambda m: m.op("Gather", m.last, axis=2),
                    "Gather 'n1' (its indices depend on the data; only constant ones have a form here)"),
    "rows_fraction": ((4,), lambda m: m.op("Gather", np.eye(4), m.last, source="", axis=0),
                      "Gather 'n1' (its indices are no integers but s8.4; put a Quant of scale 1 before it)"),
    "rows_axis": ((4,), lambda m: m.op("Gather", np.eye(4), m.last, source="", axis=1),
                  "Gather 'n1' (it picks by data from other than rows of a matrix; only those have a form here)"),
    "rows_few": ((4,), lambda m: (m.quant(1.0, 3.0, signed=0), m.op("Gather", np.eye(4), m.last, source="", axis=0)),
                 "Gather 'n2' (its indices range over 0..7, but there are 4 rows; add rows up to the last code that "
                 "the Quant before it lets through)"),
    "gather_axis": ((3,), lambda m: m.op("Gather", np.array(1), axis=1),
                    "Gather 'n1' (it leaves samples without an axis; gather a list of one index)"),
    "reshape": ((2, 3), lambda m: m.op("Reshape", np.array([2, 3])),
                "Reshape 'n1' (its shape [2, 3] does not keep the batch apart from samples of [2, 3])"),
    "rounding": ((4,), lambda m: m.quant(0.5, 4.0, mode="UP"),
                 "qonnx.Quant 'n1' (rounding mode UP has no counterpart in ap_fixed for values of both signs; "
                 "use HALF_UP)"),
    "rounding_name": ((4,), lambda m: m.quant(0.5, 4.0, mode="SIDEWAYS"),
                      "qonnx.Quant 'n1' (QONNX has no rounding mode 'SIDEWAYS'; choose among ROUND, CEIL, FLOOR, UP, "
                      "DOWN, HALF_UP, HALF_DOWN)"),
    "zero_point": ((4,), lambda m: m.quant(0.5, 4.0, 0.5),
                   "qonnx.Quant 'n1' (its zero point and bit width must be integers)"),
    "width": ((4,), lambda m: m.quant(0.5, 63.0), "qonnx.Quant 'n1' (its bit width must lie in 1..62, not 63)"),
    "scale": ((4,), lambda m: m.quant(-0.5), "qonnx.Quant 'n1' (its scale must be positive and finite, not -0.5)"),
    "argmax": ((2, 4), lambda m: m.op("ArgMax", axis=2),
               "ArgMax 'n1' (it must pick the first highest value along the only axis behind the batch)"),
    "channels": ((2, 3), lambda m: m.op("Add", np.array([1.0, 2.0, 4.0])),
                 "Add 'n1' (its constant of shape [3] varies along other axes than the channels)"),
    "shapes": ((2, 2), lambda m: m.op("Sub", m.op("Flatten"), source="v0"),
               "Sub 'n2' (Sub 'v2/sub': input shapes (2, 2) and (4,) do not match; each axis must agree or be 1)"),
    "table_width": ((4,), lambda m: (m.quant(2.0**-10, 16.0), m.op("Sigmoid"), m.quant(2.0**-7)),
                    "qonnx.Quant 'n3' (its table would serve codes -16384..16256 of s16.10; put a Quant of at most 12 "
                    "bits, with one scale, before and after it)"),
    "function": ((4,), lambda m: (m.op("Tanh"), m.op("Relu")),
                 "Relu 'n2' (it reads 'v1', a function without a grid: put a Quant behind it)"),
    "cast": ((4,), lambda m: m.op("Cast", to=TensorProto.INT8),
             "Cast 'n1' (int8 does not hold every value of s8.4; put a Quant before it)"),
    "infinity": ((4,), lambda m: m.op("MatMul", np.full((4, 4), np.inf)),
                 "MatMul 'n1' (its constant holds NaN or infinity; train the network again)"),
}  # fmt: skip


def test_rows_of_an_embedding_with_a_scale_each_are_refused():
    model = Model((4,))
    index = model.quant(1.0, 3.0, signed=0)
    steps, zero, width = 0.3 + np.arange(8.0)[:, None] / 7, np.asarray(0.0), np.asarray(4.0)
    rows = model.op("Quant", np.ones((8, 2)), steps, zero, width, source="", signed=1, narrow=0, rounding_mode="ROUND")
    model.op("Gather", rows, index, source="", axis=0)
    assert refused(model, scales="dyadic") == (
        "ONNX graph 'hand' uses what has no fixed-point form: Gather 'n2' (its rows have a scale each; quantise them "
        "per tensor)."
    )


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_said_of_each(name: str):
    shape, build, wanted = REFUSALS[name]
    model = Model(shape)
    model.quant(STEP if name != "table_width" else 2.0**-3)
    build(model)
    assert refused(model) == f"ONNX graph 'hand' uses what has no fixed-point form: {wanted}."


def test_factors_that_are_no_powers_of_two_are_refused_by_name():
    model = Model((1, 3, 3))
    model.quant(0.25)
    model.op("AveragePool", kernel_shape=[3, 3])
    assert refused(model) == (
        "ONNX graph 'hand' uses what has no fixed-point form: AveragePool 'n1' (its mean of 9 values, a factor of "
        "0.111111111 is no power of two); train with scales that are powers of two, or load with scales='dyadic'."
    )
    assert load_onnx(model.content(), scales="dyadic").outputs == ("v1",)


def test_an_input_that_is_quantised_twice_is_refused():
    model = Model((4,))
    model.quant(0.25)
    model.quant(0.5, source="x")
    assert refused(model) == (
        "ONNX graph 'hand' uses what has no fixed-point form: qonnx.Quant 'n1' (the input 'x' is quantised twice, as "
        "s8.2 and as s8.1; quantise it once)."
    )


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (
            lambda m: m.quant(0.25, zero=np.array([[1.0, 2.0, 3.0]])),
            "n0' (the input needs one scale and one zero point for all channels; quantise it per tensor).",
        ),
        (lambda m: m.quant(0.25, 1.0, 1.0), "n0' (a sign with a zero point has no cast; use zero point 0)."),
        (
            lambda m: (m.op("Relu"), m.quant(0.25)),
            "n1' (it reads what is computed from real numbers; put a Quant right behind the input).",
        ),
        (
            lambda m: (m.op("Cast", to=TensorProto.INT32), m.quant(0.25)),
            "n1' (it reads what is computed from real numbers; put a Quant right behind the input).",
        ),
    ],
    ids=["zero points", "sign", "relu", "integers"],
)
def test_the_quant_of_the_input(build: Callable[[Model], Any], reason: str):
    model = Model((3,))
    build(model)
    assert refused(model) == f"ONNX graph 'hand' uses what has no fixed-point form: qonnx.Quant '{reason}"


def test_an_output_that_is_not_quantised_is_refused():
    model = Model((4,))
    model.quant(0.25)
    model.op("Sigmoid")
    assert refused(model) == (
        "Output 'v1' of ONNX graph 'hand' is not a quantised value that depends on the input; put a Quant on it."
    )


def test_two_inputs_are_refused():
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ("a", "b", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"])], "two", infos[:2], infos[2:])
    content = helper.make_model(graph).SerializeToString()
    assert refused(content) == "A design has one input, but the ONNX file has 2 ('a', 'b'); join them."


def test_an_input_of_unknown_size_is_refused():
    model = Model((0,))
    model.quant(0.25)
    assert refused(model) == (
        "Input 'x' needs a batch axis and fixed sizes behind it, but the file says [1, 0] (0: unknown); export with a "
        "static shape."
    )


def test_what_is_no_onnx_file_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"^The ONNX file 'no.onnx' cannot be read: No such file or directory\.$"):
        load_onnx("no.onnx")
    (tmp_path / "text.onnx").write_text("no protobuf")
    with pytest.raises(DataError, match=r"text.onnx' are no ONNX model; export the network once more\.$"):
        load_onnx(tmp_path / "text.onnx")
    with pytest.raises(DataError, match=r"^The bytes given are no ONNX model; export the network once more\.$"):
        load_onnx(b"no protobuf")
    message = r"^Scales that are no powers of two are 'error' or 'dyadic', not 'round'\.$"
    with pytest.raises(FlowError, match=message):
        load_onnx(b"", scales="round")


class Float(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(64, 3)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        x = torch.cumsum(x, 1)
        return self.fc(x.flatten(1))


class FakeQuantised(nn.Module):
    """Quantised by torch alone: what its exporter writes is QCDQ."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(64, 3)

    def forward(self, x):
        x = self.cast(x, 2.0**-4, -128, 127)
        x = torch.relu(functional.conv2d(x, self.cast(self.conv.weight, 2.0**-6, -128, 127), padding=1))
        x = self.cast(x, 2.0**-5, 0, 255)
        return functional.linear(x.flatten(1), self.cast(self.fc.weight, 2.0**-7, -128, 127))

    @staticmethod
    def cast(x, scale, low, high):
        return torch.fake_quantize_per_tensor_affine(x, scale, 0, low, high)


def exported(model: nn.Module, shape: tuple[int, ...], path: Path, dynamo: bool) -> Path:
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = (torch.zeros(1, *shape),)
        torch.onnx.export(model.eval(), example, path, dynamo=dynamo, verbose=False, opset_version=18 if dynamo else 17)
    return path


def test_a_float_model_of_torch_onnx_is_refused_with_its_lines(tmp_path: Path):
    path = exported(Float(), (1, 4, 4), tmp_path / "float.onnx", dynamo=True)
    with pytest.raises(UnsupportedError) as caught:
        load_onnx(path)
    text = str(caught.value)
    start = "ONNX graph 'main_graph' uses what has no fixed-point form: Conv 'node_conv2d' in 'conv' at `"
    assert text.startswith(start)
    assert "test_onnx_refusals.py:" in text
    with pytest.raises(
        DataError, match="keeps its weights in a file beside it, which bytes do not have; pass the path"
    ):
        load_onnx(path.read_bytes())
    assert "x = torch.relu(self.conv(x))` (it reads 'x', which is not quantised: put a Quant behind it); CumSum" in text
    assert "x = torch.cumsum(x, 1)`; Gemm 'node_linear' in 'fc' at `" in text
    assert text.endswith(f"; supported are {SUPPORTED}; a float model goes through flow.quantize first.")


@pytest.mark.parametrize("dynamo", [True, False], ids=["export", "script"])
def test_a_fake_quantised_model_of_torch_onnx_is_exact(tmp_path: Path, dynamo: bool):
    torch.manual_seed(0)
    model = FakeQuantised()
    graph = flow.load_onnx(exported(model, (1, 4, 4), tmp_path / "qcdq.onnx", dynamo))
    assert [type(node) for node in graph if isinstance(node, Conv2d | Dense | Requantize)] == [
        Conv2d,
        Requantize,
        Dense,
    ]
    codes = np.random.default_rng(0).integers(-128, 128, (200, 1, 4, 4))
    with torch.no_grad():
        wanted = model(torch.from_numpy(np.ldexp(codes, -4).astype(np.float32))).numpy()
    found = np.ldexp(interpret(graph, codes)[0].astype(np.float64), -graph.values[graph.outputs[0]].format.frac)
    assert np.array_equal(found, wanted)
    assert found.size == 600
