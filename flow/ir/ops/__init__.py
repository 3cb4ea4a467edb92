"""The operators: one frozen dataclass each. Attributes are data; `infer` is the type rule and gives exact ranges.

Every operator is exact: results are as wide as they need, and only those of `casts` ever lose a bit, `Table`, `Lookup`
and `LutDense`, whose entries are what their maker rounded, and `Softmax`, whose mantissas have a given length. In the
formulas `F` is the number of fractional bits of a value and all letters stand for integer codes.
"""

from flow.ir.ops.casts import Requantize, RequantizeEach, RequantizeMinifloat
from flow.ir.ops.elementwise import Add, Mul, Relu, Sub, Table
from flow.ir.ops.linear import Conv2d, Dense, Linear, ScaleShift
from flow.ir.ops.lookup import Lookup
from flow.ir.ops.lut_dense import LutDense
from flow.ir.ops.matmul import MatMul
from flow.ir.ops.node import Input, Node
from flow.ir.ops.reductions import ArgMax, ReduceMax, ReduceSum
from flow.ir.ops.shapes import Concat, Flatten, Reshape, Slice, Transpose, keeps_order
from flow.ir.ops.softmax import Softmax
from flow.ir.ops.spatial import Pad, Upsample, padded_places
from flow.ir.ops.windows import AvgPool2d, MaxPool2d, pooled_shape

__all__ = [
    "OPERATORS",
    "Add",
    "ArgMax",
    "AvgPool2d",
    "Concat",
    "Conv2d",
    "Dense",
    "Flatten",
    "Input",
    "Linear",
    "Lookup",
    "LutDense",
    "MatMul",
    "MaxPool2d",
    "Mul",
    "Node",
    "Pad",
    "ReduceMax",
    "ReduceSum",
    "Relu",
    "Requantize",
    "RequantizeEach",
    "RequantizeMinifloat",
    "Reshape",
    "ScaleShift",
    "Slice",
    "Softmax",
    "Sub",
    "Table",
    "Transpose",
    "Upsample",
    "keeps_order",
    "padded_places",
    "pooled_shape",
]

OPERATORS: dict[str, type[Node]] = {
    cls.op: cls
    for cls in (
        Input, Dense, Conv2d, ScaleShift, Relu, Table, Lookup, LutDense, Add, Sub, Mul, MatMul, MaxPool2d, AvgPool2d,
        ReduceMax, ReduceSum, Flatten, Reshape, Concat, Slice, Transpose, Pad, Upsample, Requantize, RequantizeEach,
        RequantizeMinifloat, ArgMax, Softmax,
    )
}  # fmt: skip
