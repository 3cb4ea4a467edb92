"""What the rows say about published claims: the extra area of minifloats, and what is Pareto-optimal."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flow.reporting.scatter import Mark, front
from flow.studies.compare.evidence import INTEGERS, KINDS, UNITS, Rows, extra_of, marks_of, memory_marks, per_mac

__all__ = ["ANCHORS", "Anchor", "anchor_lines", "pareto"]

_WHOLE = [KINDS[kind] for kind in INTEGERS]


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


def _verdict(anchor: Anchor, extra: Mapping[str, float]) -> str:
    inside = [name for name, value in extra.items() if anchor.low <= value <= anchor.high]
    below = [name for name, value in extra.items() if value < anchor.low]
    above = [name for name, value in extra.items() if value > anchor.high]
    share = len(inside) / len(extra)
    word = "agrees" if share == 1 else "agrees for most" if share > 0.5 else "does not agree"
    told = f"{word}: {len(inside)} of {len(extra)} formats lie in the range"
    told += f"; below it {', '.join(below)}" if below else ""
    return told + (f"; above it {', '.join(above)}" if above else "") + "."


def anchor_lines(held: Rows) -> Iterator[str]:
    """By target and unit, how far minifloats exceed integers of their size, and the verdict on each anchor."""
    for anchor in ANCHORS:
        yield f"\n**Published, {anchor.words}.**\n\n"
        for family in (family for family, with_dsp in held.targets() if not with_dsp):
            for unit in anchor.units:
                rows = held.of(family, False, unit)
                for base, words in (("s", "two's complement"), ("sm", "sign and magnitude")):
                    extra = extra_of(rows, base)
                    if not extra:
                        continue
                    low, high = min(extra, key=lambda n: extra[n]), max(extra, key=lambda n: extra[n])
                    yield (
                        f"- {family}, {UNITS[unit]}, against {words}: {extra[low]:+.0f} % ({low}) to "
                        f"{extra[high]:+.0f} % ({high}), median {statistics.median(extra.values()):+.0f} %; "
                        f"{_verdict(anchor, extra)}\n"
                    )


def _front_text(marks: Sequence[Mark], unit: str) -> str:
    if not marks:
        return "not measured.\n"
    best = front(marks)
    kinds = [mark.kind for mark in best]
    integers = sum(kind in _WHOLE for kind in kinds)
    listed = ", ".join(f"{mark.name} ({mark.value:.1f} % at {mark.cost:.4g} {unit})" for mark in best)
    return f"{integers} of {len(best)} on the front are integers: {listed}.\n"


def pareto(held: Rows) -> Iterator[str]:
    """What is on the front of every net, and whether integers are."""
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
