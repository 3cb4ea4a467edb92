"""Hadamard rotation: what a layer sums over is turned, input and weight alike, so that no value stands out.

With `H` orthonormal and symmetric, `(W H) (H x) = W x`: the layer computes what it did, but its casts see flatter
tensors (QuaRot, arXiv 2404.00456; Quartet, arXiv 2505.14669). Neighbouring inputs or channels are turned in blocks of
4, 16 or 64: there the factor of `H` is a power of two, and turning is exact in fixed point, additions and one shift.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from flow.errors import RecipeError
from flow.training.calls import SOURCE, Call, Network, Weighted, distinct
from flow.training.fracs import Frac, Layer
from flow.training.overrides import LayerSpecs

__all__ = ["FixedRotation", "Rotate", "hadamard_signs", "rotate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotate(Call):
    """Blocks of `size` neighbouring values along the first axis of a sample, each times `H`.

    Attributes:
        size: 4, 16 or 64.
        weight: the key of the weight that the result meets, turned likewise.
        groups: of the convolution of that weight.
    """

    size: int
    weight: str
    groups: int = 1


def hadamard_signs(size: int) -> Tensor:
    """Sylvester's matrix of +1 and -1, float32[size, size]; divided by the root of `size` it is its own inverse.

    >>> hadamard_signs(4).int().tolist()
    [[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]
    """
    signs = torch.ones(1, 1)
    while len(signs) < size:
        signs = torch.kron(torch.tensor([[1.0, 1.0], [1.0, -1.0]]), signs)
    return signs


class FixedRotation(Layer):
    """float[B, K, ...] -> same shape, K a multiple of `size`; exact.

    Attributes:
        size: values turned together.
        channels: K.
        spatial: whether samples are [C, H, W] rather than [K].
        frac: fractional bits that the result has more than the input: `H` is `hadamard_signs * 2**-frac`.
    """

    signs: Tensor

    def __init__(self, size: int, weight: Tensor, groups: int) -> None:
        super().__init__()
        self.size, self.channels, self.spatial = size, weight.shape[1] * groups, weight.ndim == 4
        self.frac = (size.bit_length() - 1) // 2
        self.register_buffer("signs", hadamard_signs(size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return _turned(x, self.signs)

    def point(self, *given: Frac) -> Frac:
        return None if given[0] is None else given[0] + self.frac


def _turned(x: Tensor, signs: Tensor) -> Tensor:
    """`x` with blocks along axis 1 times `H`."""
    blocks = x.movedim(1, -1).unflatten(-1, (-1, len(signs)))
    turned = (blocks @ signs.to(x)).flatten(-2).movedim(-1, 1)
    return turned * len(signs) ** -0.5  # a power of two


def _sizes(network: Network, specs: LayerSpecs) -> dict[str, int]:
    """The block of each weight that is turned, by its key."""
    asked: dict[str, int | None] = {}
    for call in network.calls:
        if not isinstance(call, Weighted):
            continue
        size = specs.of(call).hadamard
        if asked.setdefault(call.weight, size) != size:
            raise RecipeError(
                f"Layers that share a weight turn it alike, but {call.name!r} has hadamard={size} and the layer before "
                f"that shares its weight has {asked[call.weight]}; name both alike."
            )
    found = {key: size for key, size in asked.items() if size and network.state[key].shape[1] % size == 0}
    if any(asked.values()) and not found:
        raise RecipeError(
            f"hadamard={max(size or 0 for size in asked.values())} turns nothing, since no Linear and no group of a "
            "convolution has a multiple of as many inputs; choose 4 or leave it out."
        )
    return found


def _before(call: Weighted, size: int, taken: set[str], shape: tuple[int, ...]) -> Rotate:
    """The rotation of what a layer reads, a value of that shape; its name is taken from then on."""
    name = distinct(f"{call.name}.hadamard", taken)
    taken.add(name)
    held = {"weight": call.weight, "groups": getattr(call, "groups", 1), "origin": call.origin, "shape": shape}
    return Rotate(name=name, inputs=call.inputs, size=size, **held)


def rotate(network: Network, specs: LayerSpecs) -> Network:
    """The same function with a `Rotate` before each Linear and Conv2d that asks for one, and its weight turned.

    A layer is left as it is where the block does not divide its inputs, those of one group in a convolution.

    Args:
        network: without casts, BatchNorm folded already where it shall be.
        specs: of its calls.

    Raises:
        RecipeError: no layer that asks can be turned, or two that share a weight differ.
    """
    sizes = _sizes(network, specs)
    made: dict[tuple[str, int, bool], Rotate] = {}
    calls: list[Call] = []
    shapes = {call.name: call.shape for call in network.calls}
    taken = {SOURCE, *(call.name for call in network.calls)}
    for call in network.calls:
        if isinstance(call, Weighted) and call.weight in sizes:
            key = (call.inputs[0], sizes[call.weight], network.state[call.weight].ndim == 4)
            if key not in made:
                made[key] = _before(call, key[1], taken, shapes.get(call.inputs[0], ()))
                calls.append(made[key])
            calls.append(replace(call, inputs=(made[key].name,)))
        else:
            calls.append(call)
    turned = {key: _turned(network.state[key], hadamard_signs(size)) for key, size in sizes.items()}
    return Network(tuple(calls), network.outputs, {**network.state, **turned})
