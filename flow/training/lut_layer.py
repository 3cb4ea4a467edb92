"""A layer whose every connection is a function of its own, small enough to become a truth table.

`y[o] = sum_i t[o, i](x[i])`, where each `t[o, i]` is a network of one input and one hidden layer, as in LUT-Dense of
HGQ-LUT (arXiv 2604.22293), beside a plain factor. In hardware `x[i]` has a few bits, so that `t[o, i]` is a table of as
many entries as they have codes; how the function came about no longer matters there.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from flow.errors import RecipeError

__all__ = ["OPERATOR", "LutDense", "edges"]

OPERATOR = "lut_dense"  # in torch.ops.flow

_STEEPEST = 4.0  # of a fresh hidden unit, for inputs that lie within about -1..1


def edges(x: Tensor, weight: Tensor, slopes: Tensor, offsets: Tensor, heights: Tensor) -> Tensor:
    """Every connection's function of its input: float[.., I] -> float[.., O, I].

    Args:
        x: of any axes in front.
        weight: float[O, I], the plain factors.
        slopes: float[H, O, I], of the hidden units.
        offsets: the same.
        heights: the same.
    """
    given = x.unsqueeze(-2)
    total = given * weight
    for slope, offset, height in zip(slopes, offsets, heights, strict=True):
        total = total + height * torch.tanh(slope * given + offset)
    return total


@torch.library.custom_op(f"flow::{OPERATOR}", mutates_args=())
def lut_dense(x: Tensor, weight: Tensor, slopes: Tensor, offsets: Tensor, heights: Tensor) -> Tensor:
    """`edges` summed over the inputs, float[.., I] -> float[.., O]: one operator, which torch.export shows whole."""
    return edges(x, weight, slopes, offsets, heights).sum(-1)


@lut_dense.register_fake
def _shape(x: Tensor, weight: Tensor, slopes: Tensor, offsets: Tensor, heights: Tensor) -> Tensor:
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


def _keep(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _back(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    pairs = zip(ctx.saved_tensors, ctx.needs_input_grad, strict=True)
    held = [given.detach().requires_grad_(needed) for given, needed in pairs]
    wanted = [given for given in held if given.requires_grad]
    with torch.enable_grad():
        # Without hidden units nothing depends on theirs.
        found = iter(torch.autograd.grad(edges(*held).sum(-1), wanted, upstream, allow_unused=True))
    return tuple(next(found) if given.requires_grad else None for given in held)


lut_dense.register_autograd(_back, setup_context=_keep)


class LutDense(nn.Module):
    """float[.., in_features] -> float[.., out_features]; there is no bias, since every function has its own.

    After `flow.quantize` its inputs have the word `addresses`, of at most 6 bits, with a binary point for each of them,
    and its functions the word `weights`; after `flow.lower` it is a sum of truth tables.

    Args:
        in_features: of a row.
        out_features: of a row.
        hidden: units of each connection's network; 0 for none, which leaves its plain factor.

    Raises:
        RecipeError: no inputs or outputs, or fewer than 0 hidden units.
    """

    def __init__(self, in_features: int, out_features: int, hidden: int = 8) -> None:
        super().__init__()
        if in_features < 1 or out_features < 1 or hidden < 0:
            raise RecipeError(
                "LutDense needs inputs and outputs from 1 on and hidden units from 0 on, not in_features="
                f"{in_features}, out_features={out_features}, hidden={hidden}; give such numbers."
            )
        shape, fan = (hidden, out_features, in_features), 1 / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.empty(out_features, in_features).uniform_(-fan, fan))
        self.slopes = nn.Parameter(torch.empty(shape).uniform_(-_STEEPEST, _STEEPEST))
        self.offsets = nn.Parameter(torch.empty(shape).uniform_(-_STEEPEST / 2, _STEEPEST / 2))
        self.heights = nn.Parameter(torch.empty(shape).uniform_(-fan, fan) / math.sqrt(max(hidden, 1)))

    def forward(self, x: Tensor) -> Tensor:
        """The sums of all functions."""
        return lut_dense(x, self.weight, self.slopes, self.offsets, self.heights)

    def extra_repr(self) -> str:
        """What print(model) shows of it."""
        hidden, outputs, inputs = self.slopes.shape
        return f"in_features={inputs}, out_features={outputs}, hidden={hidden}"
