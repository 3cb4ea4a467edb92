"""The page of findings: a pure function of `compare.json`, every number and every verdict computed from its rows."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flow.reporting.scatter import Mark, front
from flow.studies.compare.evidence import KINDS, UNITS, Row, Rows, extra_of, marks_of, memory_marks, per_mac

__all__ = ["ANCHORS", "Anchor", "findings"]

_INTEGERS = ("integer", "sign_magnitude")
_WHOLE = [KINDS[kind] for kind in _INTEGERS]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A published range of what minifloats cost beyond integers of the same size, in percent."""

    words: str
    units: tuple[str, ...]
    low: float
    high: float


# Damsgaard, Hossfeld, Nurmi, Preusser, IEEE TCAD 44(6) 2025, abstract: exact-sum MACCs on Versal.
ANCHORS = (
    Anchor("without conversion back: +20..180 %", ("mac", "dot8", "dot32"), 20.0, 180.0),
    Anchor("with conversion back: +60..300 %", ("dot8_back",), 60.0, 300.0),
)


def _table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (headings, rule, *lines))


def _verdict(anchor: Anchor, extra: Mapping[str, float]) -> str:
    inside = [name for name, value in extra.items() if anchor.low <= value <= anchor.high]
    below = [name for name, value in extra.items() if value < anchor.low]
    above = [name for name, value in extra.items() if value > anchor.high]
    share = len(inside) / len(extra)
    word = "agrees" if share == 1 else "agrees for most" if share > 0.5 else "does not agree"
    told = f"{word}: {len(inside)} of {len(extra)} formats lie in the range"
    told += f"; below it {', '.join(below)}" if below else ""
    return told + (f"; above it {', '.join(above)}" if above else "") + "."


def _anchor_lines(held: Rows) -> Iterator[str]:
    for anchor in ANCHORS:
        yield f"\n**Published, {anchor.words}.**\n\n"
        for family, with_dsp in held.targets():
            for unit in anchor.units:
                rows = held.of(family, with_dsp, unit)
                for base, words in (("s", "two's complement"), ("sm", "sign and magnitude")):
                    extra = extra_of(rows, base)
                    if with_dsp or not extra:
                        continue
                    low, high = min(extra, key=lambda n: extra[n]), max(extra, key=lambda n: extra[n])
                    yield (
                        f"- {family}, {UNITS[unit]}, against {words}: {extra[low]:+.0f} % ({low}) to "
                        f"{extra[high]:+.0f} % ({high}), median {statistics.median(extra.values()):+.0f} %; "
                        f"{_verdict(anchor, extra)}\n"
                    )


def _area_table(held: Rows, family: str, with_dsp: bool, kinds: Sequence[str]) -> str:
    """LUT places of every format, and the form of the product."""
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
    return _table(("format", "bits", *(UNITS[unit] for unit in units), "form of the MAC"), lines) if lines else ""


def _shown(row: Row, with_dsp: bool) -> str:
    return f"{row['sites']:,}" + (f" + {row['dsp']} DSP" if with_dsp and row["dsp"] else "")


def _identity(held: Rows) -> str:
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
                    place = f"{family}{' with DSP' * with_dsp}, {UNITS[unit]}"
                    differing.append(f"{name} {row['sites']}, {twin['format']} {twin['sites']} ({place})")
    text = f"Of {equal + len(differing)} pairs {equal} take the same number of LUT places"
    if not differing:
        return text + ": one exponent bit shifts nothing, and what is left is the multiplier of magnitudes.\n"
    return (
        f"{text}. The others, whose numbers are the same but whose source is written differently before the same "
        f"logic, which the mapper covers by other LUTs: {'; '.join(differing)}.\n"
    )


def _front_text(marks: Sequence[Mark], unit: str) -> str:
    if not marks:
        return "not measured.\n"
    best = front(marks)
    kinds = [mark.kind for mark in best]
    integers = sum(kind in _WHOLE for kind in kinds)
    listed = ", ".join(f"{mark.name} ({mark.value:.1f} % at {mark.cost:.4g} {unit})" for mark in best)
    return f"{integers} of {len(best)} on the front are integers: {listed}.\n"


def _pareto(held: Rows) -> Iterator[str]:
    counts = []
    for net in held.nets():
        for method, words in (("ptq", "after post-training"), ("qat", "after training")):
            for family in dict.fromkeys(family for family, dsp in held.targets() if not dsp):
                unit, costs = per_mac(held.content, family)
                marks = marks_of(held.content, net, method, costs)
                if marks:
                    best = front(marks)
                    counts.append(sum(m.kind in _WHOLE for m in best) / len(best))
                    yield f"- {net}, {words}, {family}, LUT a MAC by {UNITS[unit]}: {_front_text(marks, 'LUT')}"
            marks = memory_marks(held.content, net, method)
            if marks:
                yield f"- {net}, {words}, memory: {_front_text(marks, 'bits')}"
    if counts:
        often = sum(share > 0 for share in counts)
        mean = 100 * statistics.fmean(counts)
        word = "agrees" if often == len(counts) else "agrees in part" if often else "does not agree"
        yield (
            f"\nThe claim that integers often stay Pareto-optimal {word}: on {often} of the {len(counts)} "
            f"fronts of accuracy against LUTs there are some, {mean:.0f} % of a front in the mean.\n"
        )


def _same_bits(held: Rows) -> Iterator[str]:
    """The best minifloat against the best integer of the same bits."""
    for net in held.nets():
        lines = []
        first = next(row for row in held.content["accuracies"] if row["net"] == net)
        samples, seeds = first["samples"], first["seeds"]
        for method in ("ptq", "qat"):
            reached = held.accuracy(net, "both", method)
            kinds = {row["format"]: (row["kind"], row["bits"]) for row in held.content["accuracies"]}
            for bits in sorted({bits for _, bits in kinds.values() if bits < 32}):
                by_kind = {
                    group: max(
                        ((reached[name], name) for name, (kind, width) in kinds.items()
                         if kind in members and width == bits and name in reached and not name.startswith("e1m")),
                        default=None)
                    for group, members in (("integer", _INTEGERS), ("minifloat", ("minifloat",)))
                }  # fmt: skip
                one, two = by_kind["integer"], by_kind["minifloat"]
                if one is not None and two is not None:
                    shown = (f"{one[0]:.2f} ({one[1]})", f"{two[0]:.2f} ({two[1]})", f"{two[0] - one[0]:+.2f}")
                    lines.append((str(bits), method.upper(), *shown))
        if lines:
            yield (
                f"\n{net}, weights and activations in the format, in percent, mean of {seeds} seed{'s' * (seeds > 1)}; "
                f"one of the {samples} test samples is {100 / samples:.2f}. Of several splits the best is shown, which "
                "favours minifloats by chance.\n\n"
            )
            yield _table(("bits", "method", "best integer", "best minifloat", "difference"), lines)


def _scopes(held: Rows) -> Iterator[str]:
    """Weights and activations apart, after post-training."""
    for net in held.nets():
        tables = {scope: held.accuracy(net, scope, "ptq") for scope in ("both", "weights", "activations")}
        trained = held.accuracy(net, "both", "qat")
        names = [name for name in tables["both"] if name != "float"]
        if not names:
            continue
        whole = held.accuracy(net, "both", "float").get("float")
        yield f"\n{net}" + (f", float {whole:.2f} %" if whole is not None else "") + ":\n\n"
        columns = (*tables.values(), trained)
        lines = [(name, *(f"{column[name]:.2f}" if name in column else "–" for column in columns)) for name in names]
        yield _table(("format", "both", "weights", "activations", "both, trained"), lines)


def _forms(held: Rows) -> Iterator[str]:
    """Which forms won."""
    for family, with_dsp in held.targets():
        won: dict[str, list[str]] = {}
        for name, row in held.of(family, with_dsp, "mac").items():
            if len(row["forms"]) > 1:
                won.setdefault(row["form"], []).append(name)
        if won:
            told = "; ".join(f"{form}: {', '.join(names)}" for form, names in won.items())
            yield f"- {family}{' with DSP' * with_dsp}, MAC, where there was a choice: {told}.\n"


def _lmul(held: Rows) -> Iterator[str]:
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


def _khot(held: Rows) -> Iterator[str]:
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


def _section(title: str, lines: Iterator[str] | str) -> str:
    text = lines if isinstance(lines, str) else "".join(lines)
    return f"\n## {title}\n\n{text.lstrip()}" if text else ""


_INTRODUCTION = """# Minifloat against integer: findings

Written by `flow compare` from the measured rows; every number here is computed from them.

Tool: {tool}, {date}; the recipe of each target stands in `compare.json`. Areas are LUT places: LUT6 on Xilinx, LUT4
on ECP5, where a carry cell is two places. Yosys does not pair LUT5s in one LUT6, on either side. Both operands of a
product have the format, signed. A MAC has an accumulator that holds 1,024 products exactly; a dot product is a tree of
carry chains, and `and back` rounds the sum to the format again, saturating. Each product was measured in several forms,
and the smallest counts: integers by Booth rows on carry chains or by table, minifloats by the same array over the
significands or by table. Signs of minifloats and of sign-magnitude integers go through the adders as additions or
subtractions, so that no product is negated. Nothing is pipelined.
"""


def _words(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".svg").replace("_", " ")


def findings(content: Row, plots: Sequence[str] = ()) -> str:
    """Markdown of `compare.json`; `plots` are names of pictures to show."""
    held = Rows(content)
    pages = [_INTRODUCTION.format(tool=content["tool"], date=content["date"])]
    pages.append(_section("What the published ranges say", _anchor_lines(held)))
    pages.append(_section("Which formats are worth their area", _pareto(held)))
    pages.append("".join(f"\n![{_words(name)}]({name})\n" for name in plots))
    pages.append(_section("At equal bits", _same_bits(held)))
    pages.append(_section("One exponent bit is sign and magnitude", _identity(held)))
    pages.append(_section("L-Mul", _lmul(held)))
    pages.append(_section("K-hot weights that are no constants", _khot(held)))
    pages.append(_section("Which form of a product won", _forms(held)))
    for family, with_dsp in held.targets():
        place = f"{family}, {'DSPs allowed' if with_dsp else 'LUTs only'}"
        kinds = ("integer", "sign_magnitude", "minifloat", "block", "lmul", "khot")
        pages.append(_section(f"Area on {place}", _area_table(held, family, with_dsp, kinds)))
    pages.append(_section("Test accuracy in percent", _scopes(held)))
    return "".join(page for page in pages if page)
