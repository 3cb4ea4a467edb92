"""Areas as tables, and what they say about formats that ought to be alike."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from flow.studies.compare.evidence import LANES, UNITS, Row, Rows, table

__all__ = ["area_table", "families", "identity", "khot", "lmul", "shared", "won"]


def area_table(held: Rows, family: str, with_dsp: bool, kinds: Sequence[str]) -> str:
    """LUT places of every format, and the form of the product with its accumulator."""
    units = [unit for unit in UNITS if held.of(family, with_dsp, unit)]
    tables = {unit: held.of(family, with_dsp, unit) for unit in units}
    names = dict.fromkeys(name for rows in tables.values() for name in rows)
    lines = []
    for name in names:
        rows = [tables[unit].get(name) for unit in units]
        first = next(row for row in rows if row is not None)
        if first["kind"] not in kinds:
            continue
        shown = ["–" if row is None else _shown(row, with_dsp) for row in rows]
        summed = tables.get("mac", {}).get(name, first)
        lines.append((name, str(first["bits"]), *shown, summed["form"]))
    return table(("format", "bits", *(UNITS[unit] for unit in units), "form of the MAC"), lines) if lines else ""


def _place(family: str, with_dsp: bool) -> str:
    return f"{family}{' with DSP' * with_dsp}"


def _shown(row: Row, with_dsp: bool) -> str:
    return f"{row['sites']:,}" + (f" + {row['dsp']} DSP" if with_dsp and row["dsp"] else "")


def identity(held: Rows) -> str:
    """Whether a minifloat of one exponent bit costs what sign and magnitude costs."""
    equal, differing = 0, []
    for family, with_dsp in held.targets():
        for unit in UNITS:
            rows = held.of(family, with_dsp, unit)
            for name, row in rows.items():
                twin = rows.get(f"e1m{row['bits'] - 2}")
                if row["kind"] != "sign_magnitude" or twin is None:
                    continue
                if twin["sites"] == row["sites"]:
                    equal += 1
                else:
                    place = f"{_place(family, with_dsp)}, {UNITS[unit]}"
                    differing.append(f"{name} {row['sites']}, {twin['format']} {twin['sites']} ({place})")
    text = f"Of {equal + len(differing)} pairs {equal} take the same number of LUT places"
    if not differing:
        return text + ": one exponent bit shifts nothing, and what is left is the multiplier of magnitudes.\n"
    return (
        f"{text}. The others, whose numbers are the same but whose source is written differently before the same "
        f"logic, which the mapper covers by other LUTs: {'; '.join(differing)}.\n"
    )


def won(held: Rows) -> Iterator[str]:
    """Which forms won, of a product with its accumulator and of a sum."""
    for family, with_dsp in held.targets():
        for unit in ("mac", "dot32"):
            forms: dict[str, list[str]] = {}
            for name, row in held.of(family, with_dsp, unit).items():
                if len(row["forms"]) > 1:
                    forms.setdefault(row["form"], []).append(name)
            if forms:
                told = "; ".join(f"{form}: {', '.join(names)}" for form, names in forms.items())
                yield f"- {_place(family, with_dsp)}, {UNITS[unit]}, where there was a choice: {told}.\n"


def _each(row: Row | None) -> str:
    """LUT places and DSPs a product."""
    if row is None:
        return "–"
    lanes = LANES[row["unit"]]
    return f"{row['sites'] / lanes:.1f} + {row['dsp'] / lanes:.3g} DSP"


def shared(held: Rows) -> Iterator[str]:
    """What products take that share a DSP, beside those of dot-8 with one DSP each or none."""
    for family in dict.fromkeys(family for family, with_dsp in held.targets() if with_dsp):
        tiles, alone, logic = (
            held.of(family, dsp, unit) for dsp, unit in ((True, "tile"), (True, "dot8"), (False, "dot8"))
        )
        lines = [
            (name, row["form"].removeprefix("packed"), _each(row), _each(alone.get(name)), _each(logic.get(name)))
            for name, row in tiles.items()
        ]
        if lines:
            yield f"\n{family}, a product:\n\n"
            yield table(("format", "products in a DSP", "2 x 2 dot-8", "dot-8", "dot-8, LUTs only"), lines)


def families(held: Rows, one: str = "xcup", other: str = "xc7") -> Iterator[str]:
    """Whether two families of the same LUTs take the same number of them."""
    for with_dsp in (False, True):
        pairs = [
            (row, twin)
            for unit in UNITS
            for name, row in held.of(one, with_dsp, unit).items()
            for twin in (held.of(other, with_dsp, unit).get(name),)
            if twin is not None
        ]
        if not pairs:
            continue
        extra = [100 * (twin["sites"] / row["sites"] - 1) for row, twin in pairs if row["sites"]]
        equal = sum((row["sites"], row["dsp"]) == (twin["sites"], twin["dsp"]) for row, twin in pairs)
        span = f"; of LUT places {min(extra):+.0f} % to {max(extra):+.0f} %" if extra else ""
        span += f", median {statistics.median(extra):+.1f} %" if extra else ""
        place = "DSPs allowed" if with_dsp else "LUTs only"
        yield f"- {place}: {equal} of {len(pairs)} units take on {other} what they take on {one}{span}.\n"


def lmul(held: Rows) -> Iterator[str]:
    """What the approximate product saves."""
    for family, with_dsp in held.targets():
        if with_dsp:
            continue
        rows = held.of(family, with_dsp, "mac")
        ratios = {
            name: row["sites"] / rows[name.removeprefix("lmul_")]["sites"]
            for name, row in rows.items()
            if row["kind"] == "lmul" and name.removeprefix("lmul_") in rows
        }
        if ratios:
            low, high = min(ratios, key=lambda n: ratios[n]), max(ratios, key=lambda n: ratios[n])
            middle = statistics.median(ratios.values())
            yield (
                f"- {family}: a MAC by L-Mul, whose code is decoded to whole steps, takes {ratios[low]:.2f} "
                f"({low}) to {ratios[high]:.2f} ({high}) of the exact one's LUT places, {middle:.2f} in the median.\n"
            )


def khot(held: Rows) -> Iterator[str]:
    """Weights of few digits against the integer of their length."""
    for family, with_dsp in held.targets():
        rows = held.of(family, with_dsp, "mac")
        told = [
            f"{name} {row['sites']} by {row['form']} (integer {rows[plain]['sites']})"
            for name, row in rows.items()
            for plain in (f"s{row['bits']}",)
            if row["kind"] == "khot" and plain in rows
        ]
        if told:
            yield f"- {family}, MAC: {'; '.join(told)}.\n"
