"""Which points are measured, and the smallest form of each unit.

Every form of a product competes as a multiplier and with its accumulator; dot products are built of the form that won
with the accumulator, or of every form where that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flow.studies.compare.area import Areas, Point, Target, sites
from flow.studies.compare.entries import Entry, Kind
from flow.studies.compare.products import Product, products
from flow.studies.compare.units import Unit, units_of
from flow.synthesis import Area, Family

__all__ = ["Best", "Sweep", "best", "measure"]

_SINGLE = (Unit.MULTIPLIER, Unit.MAC)
_DSP_KINDS = (Kind.INTEGER, Kind.SIGN_MAGNITUDE, Kind.MINIFLOAT)  # the others would use none, or are integers there


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is measured.

    Attributes:
        entries: the formats.
        families: what they are mapped to.
        units: of every format.
        every: all forms in all units, dot products with DSPs too.
    """

    entries: tuple[Entry, ...]
    families: tuple[Family, ...]
    units: tuple[Unit, ...]
    every: bool = False

    @property
    def targets(self) -> list[Target]:
        """Every family without DSPs, then every family with them."""
        return [Target(family, dsp) for dsp in (False, True) for family in self.families]

    def units_on(self, target: Target) -> tuple[Unit, ...]:
        """What is measured on a target."""
        return self.units if self.every or not target.dsp else tuple(unit for unit in self.units if unit in _SINGLE)

    def entries_on(self, target: Target) -> list[Entry]:
        """Formats that a target makes a difference for."""
        return [entry for entry in self.entries if not target.dsp or entry.kind in _DSP_KINDS]


@dataclass(frozen=True, slots=True)
class Best:
    """The smallest form of a unit, and the LUT places of all that were measured."""

    form: str
    area: Area
    forms: dict[str, int]


def _rank(areas: Areas, point: Point) -> tuple[int, int, int] | None:
    area = areas.find(point)
    return None if area is None else (sites(area, point.target.family), area.dsp, area.carry)


def _won(areas: Areas, sweep: Sweep, entry: Entry, target: Target) -> list[Product]:
    """The form that won with its accumulator; of a block format the form with which its elements won."""
    held = products(entry, target.family, target.dsp, sweep.every)
    if sweep.every:
        return held
    plain = [other for other in sweep.entries if other.block is None and _alike(other, entry)]
    ranks = {
        product.name: _rank(areas, Point(other, product, Unit.MAC, target))
        for other in plain[:1]
        for product in products(other, target.family, target.dsp)
    }
    known = {name: rank for name, rank in ranks.items() if rank is not None}
    if not known:
        return held
    first = min(known, key=lambda name: known[name])
    return [product for product in held if product.name == first]


def _alike(plain: Entry, entry: Entry) -> bool:
    """Whether the elements of `entry` are codes of `plain`."""
    if entry.block is None:
        return plain == entry
    same = (plain.bits, plain.exponent, plain.mantissa) == (entry.bits, entry.exponent, entry.mantissa)
    return same and plain.kind is entry.element


def measure(areas: Areas, sweep: Sweep) -> None:
    """Measure what is not stored yet."""
    for target in sweep.targets:
        entries, units = sweep.entries_on(target), sweep.units_on(target)
        summed = any(unit not in _SINGLE for unit in units)
        single = [unit for unit in _SINGLE if unit in units or (summed and unit is Unit.MAC)]
        first = [
            Point(entry, product, unit, target)
            for entry in entries
            if entry.block is None
            for product in products(entry, target.family, target.dsp, sweep.every)
            for unit in single
        ]
        areas.measure(first, f"area: {target}, multipliers")
        areas.measure(
            [
                Point(entry, product, unit, target)
                for entry in entries
                for product in _won(areas, sweep, entry, target)
                for unit in units
                if unit not in _SINGLE and unit in units_of(entry)
            ],
            f"area: {target}, dot products",
        )


def best(areas: Areas, entry: Entry, unit: Unit, target: Target, forms: Iterable[Product]) -> Best | None:
    """The smallest measured form of a unit, of equals that with fewer DSPs and carry cells; None where none is."""
    ranked = {}
    for product in forms:
        point = Point(entry, product, unit, target)
        rank = _rank(areas, point)
        if rank is not None:
            ranked[product.name] = (rank, point)
    if not ranked:
        return None
    form = min(ranked, key=lambda name: ranked[name][0])
    area = areas.find(ranked[form][1])
    return None if area is None else Best(form, area, {name: rank[0] for name, (rank, _) in ranked.items()})
