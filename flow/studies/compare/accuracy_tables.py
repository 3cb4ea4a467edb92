"""Accuracies as tables: at equal bits, and weights and activations apart."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from flow.studies.compare.evidence import INTEGERS, Rows, table

__all__ = ["same_bits", "scopes"]


def _best(held: Rows, net: str, method: str, kinds: tuple[str, ...], bits: int) -> tuple[float, str] | None:
    """Percent and name of the best format of some kinds and so many bits; one exponent bit counts as an integer."""
    reached = held.accuracy(net, "both", method)
    rows = held.content["accuracies"]
    names = dict.fromkeys(row["format"] for row in rows if row["kind"] in kinds and row["bits"] == bits)
    found = [(reached[name], name) for name in names if name in reached and not name.startswith("e1m")]
    return max(found, default=None)


def _compared(held: Rows, net: str) -> Iterator[tuple[str, ...]]:
    lengths = sorted({row["bits"] for row in held.content["accuracies"] if row["format"] != "float"})
    for method in ("ptq", "qat"):
        for bits in lengths:
            one, two = (_best(held, net, method, kinds, bits) for kinds in (INTEGERS, ("minifloat",)))
            if one is not None and two is not None:
                difference = f"{two[0] - one[0]:+.2f}"
                yield str(bits), method.upper(), f"{one[0]:.2f} ({one[1]})", f"{two[0]:.2f} ({two[1]})", difference


def _seeds(held: Rows, net: str) -> str:
    """How many seeds a mean has, by method, and by how much they differ."""
    told = []
    for method in ("ptq", "qat"):
        rows = [row for row in held.content["accuracies"] if (row["net"], row["method"]) == (net, method)]
        counts = sorted({row["seeds"] for row in rows if row["scope"] == "both"})
        spreads = [100 * row["spread"] for row in rows if row["spread"] is not None]
        if counts:
            differ = f" (standard deviation {statistics.median(spreads):.2f} in the median)" if spreads else ""
            told.append(f"{method.upper()} {'..'.join(map(str, dict.fromkeys((counts[0], counts[-1]))))}{differ}")
    return ", ".join(told)


def same_bits(held: Rows) -> Iterator[str]:
    """The best minifloat against the best integer of the same bits."""
    for net in held.nets():
        lines = list(_compared(held, net))
        if not lines:
            continue
        samples = next(row["samples"] for row in held.content["accuracies"] if row["net"] == net)
        yield (
            f"\n{net}, weights and activations in the format, in percent, mean over seeds: {_seeds(held, net)}. One of "
            f"the {samples:,} test samples is {100 / samples:.2f}. Of several splits the best is shown, which favours "
            "minifloats by chance.\n\n"
        )
        yield table(("bits", "method", "best integer", "best minifloat", "difference"), lines)


def scopes(held: Rows) -> Iterator[str]:
    """Weights and activations together and apart, after post-training and after training."""
    for net in held.nets():
        columns = [
            held.accuracy(net, scope, method)
            for method in ("ptq", "qat")
            for scope in ("both", "weights", "activations")
        ]
        names = list(columns[0])
        if not names:
            continue
        whole = held.accuracy(net, "both", "float").get("float")
        yield f"\n{net}" + (f", float {whole:.2f} %" if whole is not None else "") + ":\n\n"
        lines = [(name, *(f"{column[name]:.2f}" if name in column else "–" for column in columns)) for name in names]
        shown = ("both", "weights", "activations", "both, trained", "weights, trained", "activations, trained")
        yield table(("format", *shown), lines)
