"""Where the binary point of a value stands, layer by layer: the rules of `flow.ir.ops` on fractional bits alone.

Where a quantiser was taken out, as in the float twin of a model, a value has no binary point: None.
"""

from __future__ import annotations

from torch import Tensor, nn

from flow.training.quantizer import Quantizer

__all__ = ["AtPoint", "Constant", "Frac", "Layer", "finest", "point_of", "summed"]

Frac = int | None
Constant = tuple[Tensor, Quantizer]  # values and what casts them


def point_of(quantizer: nn.Module | None) -> Frac:
    """Fractional bits of what a quantiser makes."""
    return quantizer.format.frac if isinstance(quantizer, Quantizer) else None


def summed(*fracs: Frac) -> Frac:
    """Those of a product: the sum of its factors'."""
    known = [frac for frac in fracs if frac is not None]
    return sum(known) if len(known) == len(fracs) else None


def finest(*fracs: Frac) -> Frac:
    """Those of a sum: the most that one of its terms has."""
    known = [frac for frac in fracs if frac is not None]
    return max(known) if len(known) == len(fracs) else None


class Layer(nn.Module):
    """What computes one value from others."""

    def constants(self) -> tuple[Constant, ...]:
        """Its trained values with their quantisers, first what it multiplies by; here none."""
        return ()

    def point(self, *given: Frac) -> Frac:
        """Fractional bits of the result from those of the inputs; here it has those of the first."""
        return given[0]


class AtPoint(Layer):
    """A layer that must know where its input's binary point stands."""

    def forward(self, x: Tensor, frac: Frac) -> Tensor:
        """The result for `x`, whose values are multiples of `2**-frac`."""
        raise TypeError(f"{type(self).__name__} computes nothing.")
