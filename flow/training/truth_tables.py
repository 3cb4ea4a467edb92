"""Truth tables while they are trained: the cast that addresses them, and their sums."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from flow.errors import RecipeError
from flow.training.cast_points import GroupedCast
from flow.training.chosen import constant_quantizer
from flow.training.fracs import Constant, Frac, Layer, point_of
from flow.training.lut_layer import edges
from flow.training.points import power_of_two
from flow.training.priced_tables import PricedTables, adder_bits
from flow.training.quantizer import Quantizer
from flow.training.spec import Granularity, Spec
from flow.training.words import Word

__all__ = ["AddressCast", "FixedLutDense", "address_cast", "table_quantizer"]


class AddressCast(GroupedCast):
    """Casts float[B, .., I] to words of few bits with a binary point, or a whole word, for each of the I inputs."""

    def rows(self, x: Tensor) -> Tensor:
        return x.detach().movedim(-1, 0).reshape(self.frac.numel(), -1)

    def shifts(self) -> NDArray[np.int64]:
        """int64[I]: where in its code an input's word begins."""
        return (self.format.frac - self.positions().flatten()).to(torch.int64).cpu().numpy()

    def numbers(self) -> Tensor:
        """int64[2**width]: what the bits of an address stand for, as a signed or an unsigned number."""
        codes = torch.arange(1 << self.word.width, device=self.frac.device)
        return torch.where(codes < len(codes) // 2, codes, codes - len(codes)) if self.word.signed else codes


def address_cast(spec: Spec, word: Word, place: str, shape: tuple[int, ...]) -> AddressCast:
    """The cast of a value of `shape` whose codes address truth tables."""
    axes = (*[1] * (len(shape) - 1), shape[-1])
    made = AddressCast(word, spec.rounding, spec.overflow, place, axes, Granularity.ELEMENT, learned=False)
    made.stochastic = spec.stochastic
    return made


def table_quantizer(spec: Spec, shape: tuple[int, int, int], place: str) -> tuple[Quantizer, tuple[int, ...]]:
    """The quantiser of the tables [O, I, 2**w] as [*groups, N], and the shape of the groups.

    Raises:
        RecipeError: entries in minifloats or blocks.
    """
    word = spec.word("weights")
    if not isinstance(word, Word):
        raise RecipeError(
            f"Truth tables have fixed-point entries like s6, but {place!r} has {word}; give such weights."
        )
    outputs, inputs, _ = shape
    if spec.priced:
        return PricedTables(word, shape, place), (outputs, inputs)
    count = {Granularity.TENSOR: 1, Granularity.CHANNEL: outputs, Granularity.ELEMENT: outputs * inputs}[
        spec.granularity
    ]
    rows = replace(spec, granularity=Granularity.CHANNEL if count > 1 else Granularity.TENSOR, khot=None)
    return constant_quantizer(rows, "weights", (count, 1), place), (count,)


class _Chosen(torch.autograd.Function):
    """Sums of the entries of rows; goes back to the entries as they are, and to the values by the slopes there."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, places: Tensor, entries: Tensor, slopes: Tensor) -> Tensor:
        ctx.save_for_backward(places, slopes)
        return functional.embedding_bag(places, entries, mode="sum")

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        places, slopes = ctx.saved_tensors
        by_x = by_entries = None
        if ctx.needs_input_grad[0]:
            by_x = (upstream @ slopes.T).gather(1, places)
        if ctx.needs_input_grad[2]:
            hot = torch.zeros(len(places), len(slopes), dtype=upstream.dtype, device=upstream.device)
            by_entries = hot.scatter_(1, places, 1.0).T @ upstream
        return by_x, None, by_entries, None


class FixedLutDense(Layer):
    """float[B, .., I] -> float[B, .., O]: every connection's function at the codes of its input, quantised.

    Entries are computed in float64, so that none depends on the precision that carries the values.

    Args:
        constants: weight, slopes, offsets and heights of `flow.training.LutDense`.
        address: the cast before, which holds the words of the inputs.
        quantizer: of the entries, given as float64[*groups, N].
        groups: of entries that share a word.
    """

    def __init__(
        self, constants: tuple[nn.Parameter, ...], address: AddressCast, quantizer: Quantizer, groups: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.weight, self.slopes, self.offsets, self.heights = constants
        self.quantizer, self.groups = quantizer, groups
        self.__dict__["address"] = address  # a part of the cast, of which there is one
        self.__dict__["seen"] = None

    @property
    def functions(self) -> tuple[Tensor, ...]:
        """What `edges` takes beside the inputs."""
        return self.weight, self.slopes, self.offsets, self.heights

    def tables(self) -> Tensor:
        """float64[O, I, 2**width] before the cast."""
        at = self.address.positions().flatten()
        values = self.address.numbers().unsqueeze(1) * power_of_two(-at, torch.float64)
        return edges(values, *(held.double() for held in self.functions)).permute(1, 2, 0)

    def grouped(self, tables: Tensor) -> Tensor:
        """Entries that share a word in one row: float64[*groups, N]."""
        return tables.reshape(*self.groups, -1)

    def codes(self) -> NDArray[np.int64]:
        """int64[O, I, 2**width] in the quantiser's format."""
        tables = self.tables()
        return self.quantizer.codes(self.grouped(tables)).reshape(tables.shape)

    def forward(self, x: Tensor) -> Tensor:
        if not isinstance(self.quantizer, Quantizer):
            return edges(x, *self.functions).sum(-1)
        tables = self.tables()
        if tables.requires_grad:
            tables.retain_grad()  # what a market looks at
        self.__dict__["seen"] = tables
        entries = self.quantizer(self.grouped(tables)).view_as(tables).to(x.dtype)
        sums = _Chosen.apply(*self._places(x), _rows(entries), _rows(self._slopes(tables.detach()).to(x.dtype)))
        return sums.unflatten(0, x.shape[:-1])

    def _places(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs as float[N, I], and the rows that they read."""
        flat, size = x.reshape(-1, x.shape[-1]), 1 << self.address.word.width
        codes = (flat.detach() * power_of_two(self.address.positions().flatten(), x.dtype)).long()
        return flat, (codes & (size - 1)) + torch.arange(0, size * x.shape[-1], size, device=x.device)

    def _slopes(self, tables: Tensor) -> Tensor:
        """The slope of every table at each of its entries, from the neighbours of a code or the one that it has."""
        order = self.address.numbers().argsort()
        rise = torch.gradient(tables[..., order], dim=-1)[0]
        points = power_of_two(self.address.positions().flatten(), rise.dtype)
        return (rise * points.unsqueeze(1))[..., order.argsort()]

    def bits(self) -> Tensor:
        """float[O, I]: the word lengths of the tables, 0 where a connection is pruned; with a gradient."""
        held = self.quantizer.bits().reshape(-1, 1)
        return (held.view_as(self.weight) if len(held) == self.weight.numel() else held).expand(self.weight.shape)

    def adder_bits(self) -> Tensor:
        """float[O, I]: what every table takes, with a gradient to learned lengths."""
        if isinstance(self.quantizer, PricedTables):
            return self.quantizer.taken
        return adder_bits(torch.full_like(self.weight, self.address.word.width), self.bits())

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "seen": None}  # a part of the last step's graph

    def constants(self) -> tuple[Constant, ...]:
        return ((self.grouped(self.tables()), self.quantizer),)

    def point(self, *given: Frac) -> Frac:
        return point_of(self.quantizer)


def _rows(tables: Tensor) -> Tensor:
    """[O, I, K] as a row for every input and address: [I * K, O]."""
    return tables.permute(1, 2, 0).reshape(-1, len(tables))
