"""What each aten overload of an exported program means to us: one handler each, in one table.

The names are those of torch.export's own graph, before any decomposition; `linear` and `conv2d` stay whole there, and
the functional and the module form of a layer look the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx

from flow.training.calls import Add, AvgPool2d, BatchNorm, Call, Conv2d, Dense, Flatten, MaxPool2d, Relu

__all__ = ["HANDLERS", "SUPPORTED", "Arguments", "Draft", "RefusedError"]

SUPPORTED = (
    "Linear, Conv2d (zero padding, dilation 1), BatchNorm1d and BatchNorm2d, ReLU, the sum of two values of one shape, "
    "MaxPool2d, AvgPool2d and AdaptiveAvgPool2d (whole windows, no padding), Flatten, Dropout and Identity"
)


class RefusedError(Exception):
    """Why one node cannot be expressed; the importer collects them into one UnsupportedError."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A call without its name.

    Attributes:
        kind: the class of the call; None where the node passes its input on unchanged.
        inputs: the nodes it reads.
        fields: the rest of the class's arguments.
        shares: whether the result lies in the memory of the first input.
        in_place: whether the node also changes its first input.
    """

    kind: type[Call] | None
    inputs: tuple[fx.Node, ...]
    fields: dict[str, Any] = field(default_factory=dict)
    shares: bool = False
    in_place: bool = False


class Arguments:
    """The arguments of a node by the names of its operator's schema, defaults filled in."""

    def __init__(self, node: fx.Node, constants: Mapping[str, str]) -> None:
        schema = node.target._schema.arguments  # type: ignore[union-attr]  # an OpOverload, as export promises
        self.node, self._constants = node, constants
        self._held = {entry.name: entry.default_value for entry in schema}
        self._held.update(zip((entry.name for entry in schema), node.args, strict=False))
        self._held.update(node.kwargs)

    def __getitem__(self, name: str) -> Any:
        return self._held[name]

    def value(self, name: str) -> fx.Node:
        """A tensor that depends on the model's input."""
        found = self._held[name]
        if not isinstance(found, fx.Node):
            raise RefusedError(f"{name}={found} is a constant")
        if found.name in self._constants:
            raise RefusedError(f"{name} is the constant {self._constants[found.name]!r}")
        return found

    def constant(self, name: str) -> str:
        """The name of a parameter or buffer of the user's model."""
        found = self._held[name]
        if not isinstance(found, fx.Node) or found.name not in self._constants:
            raise RefusedError(f"{name} is not a parameter or buffer of the model")
        return self._constants[found.name]

    def constant_or_none(self, name: str) -> str | None:
        """As `constant`, for what may be absent."""
        return None if self._held[name] is None else self.constant(name)

    def pair(self, name: str) -> tuple[int, int]:
        """One or two numbers as height and width."""
        found = self._held[name]
        pair = tuple(found) if isinstance(found, (list, tuple)) else (found, found)
        return (pair[0], pair[0]) if len(pair) == 1 else pair


def _shape(node: fx.Node) -> tuple[int, ...]:
    return tuple(int(size) for size in node.meta["val"].shape)


def _linear(given: Arguments) -> Draft:
    source = given.value("input")
    if len(_shape(source)) != 2:
        raise RefusedError(f"its input has the shape {_shape(source)[1:]} a sample; flatten it to one axis first")
    return Draft(Dense, (source,), {"weight": given.constant("weight"), "bias": given.constant_or_none("bias")})


def _convolution(given: Arguments, padding: tuple[int, int]) -> Draft:
    if given.pair("dilation") != (1, 1):
        raise RefusedError(f"dilation {given.pair('dilation')}; use dilation 1")
    fields = {
        "weight": given.constant("weight"),
        "bias": given.constant_or_none("bias"),
        "stride": given.pair("stride"),
        "padding": padding,
        "groups": given["groups"],
    }
    return Draft(Conv2d, (given.value("input"),), fields)


def _conv2d(given: Arguments) -> Draft:
    return _convolution(given, given.pair("padding"))


def _conv2d_padding(given: Arguments) -> Draft:
    if given["padding"] == "valid":
        return _convolution(given, (0, 0))
    kernel = _shape(given["weight"])[2:]
    if any(size % 2 == 0 for size in kernel):
        raise RefusedError(f"padding 'same' with the even kernel {kernel} pads one side more; use odd sizes")
    return _convolution(given, (kernel[0] // 2, kernel[1] // 2))


def _batch_norm(given: Arguments) -> Draft:
    if given["training"] or given["running_mean"] is None or given["running_var"] is None:
        raise RefusedError("it uses the statistics of the batch; track running statistics and export in eval mode")
    fields = {
        "mean": given.constant("running_mean"),
        "variance": given.constant("running_var"),
        "gamma": given.constant_or_none("weight"),
        "beta": given.constant_or_none("bias"),
        "eps": float(given["eps"]),
    }
    return Draft(BatchNorm, (given.value("input"),), fields)


def _relu(given: Arguments) -> Draft:
    return Draft(Relu, (given.value("self"),))


def _relu_in_place(given: Arguments) -> Draft:
    return Draft(Relu, (given.value("self"),), shares=True, in_place=True)


def _add(given: Arguments) -> Draft:
    a, b = given.value("self"), given.value("other")
    if given["alpha"] != 1:
        raise RefusedError(f"alpha={given['alpha']}; scale the operand's layer instead")
    if _shape(a) != _shape(b):
        raise RefusedError(f"shapes {_shape(a)[1:]} and {_shape(b)[1:]} differ; bring both to one shape first")
    return Draft(Add, (a, b))


def _add_in_place(given: Arguments) -> Draft:
    return Draft(Add, _add(given).inputs, shares=True, in_place=True)


def _window(given: Arguments) -> dict[str, Any]:
    kernel = given.pair("kernel_size")
    stride = given.pair("stride") if given["stride"] else kernel
    source, result = _shape(given.value("self")), _shape(given.node)
    if len(source) != 4:
        raise RefusedError(f"its input has the shape {source[1:]} a sample; only [C, H, W] can be pooled")
    if given.pair("padding") != (0, 0):
        raise RefusedError(f"padding {given.pair('padding')}; pad in the convolution before it")
    whole = tuple((size - k) // s + 1 for size, k, s in zip(source[2:], kernel, stride, strict=True))
    if result[2:] != whole:
        raise RefusedError("ceil_mode makes windows that are cut off at the border; use ceil_mode=False")
    return {"kernel": kernel, "stride": stride}


def _max_pool(given: Arguments) -> Draft:
    if given.pair("dilation") != (1, 1):
        raise RefusedError(f"dilation {given.pair('dilation')}; use dilation 1")
    return Draft(MaxPool2d, (given.value("self"),), _window(given))


def _avg_pool(given: Arguments) -> Draft:
    window = _window(given)
    divisor = given["divisor_override"]
    if divisor not in (None, math.prod(window["kernel"])):
        raise RefusedError(f"divisor_override={divisor}; leave it out")
    return Draft(AvgPool2d, (given.value("self"),), window)


def _adaptive_avg_pool(given: Arguments) -> Draft:
    source, result = _shape(given.value("self")), _shape(given.node)
    if len(source) != 4:
        raise RefusedError(f"its input has the shape {source[1:]} a sample; only [C, H, W] can be pooled")
    if any(size % out for size, out in zip(source[2:], result[2:], strict=True)):
        raise RefusedError(
            f"output size {result[2:]} does not divide the input size {source[2:]}; choose one that does"
        )
    kernel = (source[2] // result[2], source[3] // result[3])
    return Draft(AvgPool2d, (given.value("self"),), {"kernel": kernel, "stride": kernel})


def _reshape(given: Arguments) -> Draft:
    source = given.value("self")
    before, after = _shape(source), _shape(given.node)
    if before == after:
        return Draft(None, (source,), shares=True)
    if after != (before[0], math.prod(before[1:])):
        raise RefusedError(f"shape {before[1:]} a sample becomes {after[1:]}; only flattening to one axis is supported")
    return Draft(Flatten, (source,), shares=True)


def _dropout(given: Arguments) -> Draft:
    if given["train"]:
        raise RefusedError("it is active in eval mode; pass training=self.training")
    return Draft(None, (given.value("input"),), shares=True)


def _pass_on(given: Arguments) -> Draft:
    return Draft(None, (given.value("self"),), shares=True)


def _copy(given: Arguments) -> Draft:
    return Draft(None, (given.value("self"),))


_ATEN = torch.ops.aten
HANDLERS: dict[Any, Callable[[Arguments], Draft]] = {
    _ATEN.linear.default: _linear,
    _ATEN.conv2d.default: _conv2d,
    _ATEN.conv2d.padding: _conv2d_padding,
    _ATEN.batch_norm.default: _batch_norm,
    _ATEN.relu.default: _relu,
    _ATEN.relu_.default: _relu_in_place,
    _ATEN.add.Tensor: _add,
    _ATEN.add_.Tensor: _add_in_place,
    _ATEN.max_pool2d.default: _max_pool,
    _ATEN.avg_pool2d.default: _avg_pool,
    _ATEN.adaptive_avg_pool2d.default: _adaptive_avg_pool,
    _ATEN.flatten.using_ints: _reshape,
    _ATEN.view.default: _reshape,
    _ATEN.reshape.default: _reshape,
    _ATEN.squeeze.dim: _reshape,
    _ATEN.squeeze.dims: _reshape,
    _ATEN.squeeze.default: _reshape,
    _ATEN.dropout.default: _dropout,
    _ATEN.dropout_.default: _dropout,
    _ATEN.feature_dropout.default: _dropout,
    _ATEN.feature_dropout_.default: _dropout,
    _ATEN.alias.default: _pass_on,
    _ATEN.contiguous.default: _pass_on,
    _ATEN.clone.default: _copy,
}
