"""GPTQ (2210.17323): column by column, the error of each rounding is fed into the columns still to come.

With `H = E[x x']` damped and `U` the upper Cholesky factor of its inverse: `q_j = round(w_j)`, then
`w_k -= (w_j - q_j) U_jk / U_jj` for every k > j.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from flow.formats import Minifloat
from flow.training.model import QuantizedModel
from flow.training.ptq.grids import weight_grids
from flow.training.ptq.reference import layer_problems, weighted_layers

__all__ = ["feed_back", "gptq"]


def _inverse_factor(hessian: Tensor, damping: float) -> Tensor:
    """The upper Cholesky factor of the damped matrix's inverse; a column without input counts as one of its own."""
    diagonal = hessian.diagonal()
    mean = float(diagonal.mean()) or 1.0
    ridge = damping * mean + torch.where(diagonal == 0, mean, 0.0)
    lower = torch.linalg.cholesky(hessian + torch.diag(ridge))
    return torch.linalg.cholesky(torch.cholesky_inverse(lower), upper=True)


def feed_back(
    weight: Tensor,
    hessian: Tensor,
    nearest: Callable[[Tensor], Tensor],
    damping: float = 0.01,
    by_importance: bool = False,
) -> Tensor:
    """The weights on the grid, each error fed into the columns after it.

    Args:
        weight: float64[O, K].
        hessian: float64[K, K], E[x x'].
        nearest: rounds float64[O, 1] to the grid.
        damping: share of the mean diagonal that is added to the diagonal.
        by_importance: columns in falling order of the diagonal instead of from left to right.
    """
    count = len(hessian)
    order = hessian.diagonal().argsort(descending=True, stable=True) if by_importance else torch.arange(count)
    factor = _inverse_factor(hessian[order][:, order], damping)
    rest, result = weight.detach().double()[:, order].clone(), torch.empty_like(weight, dtype=torch.float64)
    for column in range(count):
        chosen = nearest(rest[:, column : column + 1]).squeeze(1)
        error = (rest[:, column] - chosen) / factor[column, column]
        rest[:, column + 1 :] -= error.unsqueeze(1) * factor[column, column + 1 :]
        result[:, order[column]] = chosen
    return result


def gptq(
    model: QuantizedModel,
    twin: QuantizedModel,
    data: Tensor,
    forms: Mapping[str, Minifloat] | None = None,
    damping: float = 0.01,
    by_importance: bool = False,
) -> QuantizedModel:
    """A copy whose weights lie on their grids, layer after layer, each seeing the inputs that the ones before made.

    Args:
        model: quantised; left as it is.
        twin: `float_twin` of the model with its float weights.
        data: float[B, ...].
        forms: minifloats of some layers, by key.
        damping: as in `feed_back`.
        by_importance: as in `feed_back`.
    """
    result = copy.deepcopy(model)
    for key, grids in weight_grids(result, forms).items():
        fit, layer = layer_problems(result, twin, key, data), weighted_layers(result)[key]
        rows = zip(fit.groups, fit.split(twin.layers[key].weight), grids, strict=True)
        chosen = [
            feed_back(part, problem.hessian, grid.nearest, damping, by_importance) for problem, part, grid in rows
        ]
        with torch.no_grad():
            layer.weight.copy_(torch.cat(chosen).reshape(layer.weight.shape))
    return result
