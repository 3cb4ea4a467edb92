"""Which points are measured, and the smallest form of each unit.

Every form of a product competes as a multiplier and with its accumulator; dot products are built of the form that won
with the accumulator, or of every form where that is asked for, and of the forms that only sums have.
"""

from __future__ import annotations

from dataclasses import dataclass

from flow.studies.compare.area import Areas, Point, Target, sites
from flow.studies.compare.dots import dots
from flow.studies.compare.entries import Entry, Kind
from flow.studies.compare.packed import packed
from flow.studies.compare.products import CELL_EXPONENT, Product, products
from flow.studies.compare.units import Unit, units_of
from flow.synthesis import Area, Family

__all__ = ["Best", "Sweep", "best", "forms", "measure"]

_SINGLE = (Unit.MULTIPLIER, Unit.MAC)
# The others would use none, or are integers there.
_DSP_KINDS = (Kind.INTEGER, Kind.SIGN_MAGNITUDE, Kind.MINIFLOAT, Kind.BLOCK)


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is measured.

    Attributes:
        entries: the formats.
        families: what they are mapped to.
        units: of every format.
        every: all forms in all units, whatever the exponent.
    """

    entries: tuple[Entry, ...]
    families: tuple[Family, ...]
    units: tuple[Unit, ...]
    every: bool = False

    @property
    def targets(self) -> list[Target]:
        """Every family without DSPs, then every family with them."""
        return [Target(family, dsp) for dsp in (False, True) for family in self.families]

    def units_of(self, entry: Entry, target: Target) -> list[Unit]:
        """What is measured of a format on a target: sums of hundreds of bits only where everything is."""
        held = units_of(entry)
        if not self.every and entry.exponent > CELL_EXPONENT:
            held = _SINGLE
        if forms(entry, Unit.TILE, target):
            held = (*held, Unit.TILE)
        return [unit for unit in self.units if unit in held]

    def entries_on(self, target: Target) -> list[Entry]:
        """Formats that a target makes a difference for."""
        return [entry for entry in self.entries if not target.dsp or entry.kind in _DSP_KINDS]


@dataclass(frozen=True, slots=True)
class Best:
    """The smallest form of a unit, the day when it was measured, and the LUT places of all that were measured."""

    form: str
    area: Area
    date: str
    forms: dict[str, int]


def forms(entry: Entry, unit: Unit, target: Target, every: bool = True) -> list[Product]:
    """The forms of a unit, the usual ones or all of them."""
    if unit is Unit.TILE:
        return list(packed(entry, target.family)) if target.dsp else []
    summed = [] if unit in _SINGLE else dots(entry, target.family, target.dsp, every)
    return products(entry, target.family, target.dsp, every) + summed


def _rank(areas: Areas, point: Point) -> tuple[int, int, int] | None:
    area = areas.find(point)
    return None if area is None else (sites(area, point.target.family), area.dsp, area.carry)


def _won(areas: Areas, sweep: Sweep, entry: Entry, target: Target) -> list[Product]:
    """For a sum: the form that won with its accumulator, of a block format that of its elements, and forms of sums."""
    held = forms(entry, Unit.DOT32, target, sweep.every)
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
    return [product for product in held if product.name == first or product.lanes > 1]


def _candidates(areas: Areas, sweep: Sweep, entry: Entry, unit: Unit, target: Target) -> list[Product]:
    return forms(entry, unit, target) if unit is Unit.TILE else _won(areas, sweep, entry, target)


def _alike(plain: Entry, entry: Entry) -> bool:
    """Whether the elements of `entry` are codes of `plain`."""
    if entry.block is None:
        return plain == entry
    same = (plain.bits, plain.exponent, plain.mantissa) == (entry.bits, entry.exponent, entry.mantissa)
    return same and plain.kind is entry.element


def measure(areas: Areas, sweep: Sweep) -> None:
    """Measure what is not stored yet."""
    summed = any(unit not in _SINGLE for unit in sweep.units)
    single = [unit for unit in _SINGLE if unit in sweep.units or (summed and unit is Unit.MAC)]
    for target in sweep.targets:
        entries = sweep.entries_on(target)
        first = [
            Point(entry, product, unit, target)
            for entry in entries
            if entry.block is None
            for unit in single
            for product in forms(entry, unit, target, sweep.every)
        ]
        areas.measure(first, f"area: {target}, multipliers")
        sums = [
            Point(entry, product, unit, target)
            for entry in entries
            for unit in sweep.units_of(entry, target)
            if unit not in _SINGLE
            for product in _candidates(areas, sweep, entry, unit, target)
        ]
        areas.measure(sums, f"area: {target}, dot products")


def _ranked(areas: Areas, entry: Entry, unit: Unit, target: Target) -> dict[str, tuple[tuple[int, int, int], Point]]:
    """Rank and point of every form that was measured on a target."""
    points = [Point(entry, product, unit, target) for product in forms(entry, unit, target)]
    ranks = [(point, _rank(areas, point)) for point in points]
    return {point.product.name: (rank, point) for point, rank in ranks if rank is not None}


def best(areas: Areas, entry: Entry, unit: Unit, target: Target) -> Best | None:
    """The smallest measured form of a unit, of equals that with fewer DSPs and carry cells; None where none is.

    Where DSPs are allowed the forms without compete too: products too narrow for a DSP block are smallest as those, so
    that one without a DSP says nothing before they are measured.
    """
    ranked = _ranked(areas, entry, unit, target)
    if not ranked:
        return None
    plain = _ranked(areas, entry, unit, Target(target.family, False)) if target.dsp else ranked
    ranked |= plain
    form = min(ranked, key=lambda name: ranked[name][0])
    area, date = areas.find(ranked[form][1]), areas.date(ranked[form][1])
    if area is None or date is None or not (area.dsp or plain):
        return None
    return Best(form, area, date, {name: rank[0] for name, (rank, _) in ranked.items()})
