"""Accuracies as tables: at equal bits, and weights and activations apart."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from flow.studies.compare.evidence import INTEGERS, Rows, table

__all__ = ["apart", "approximate", "same_bits", "scopes"]

_LMUL = "lmul_"  # before the name of the minifloat that it multiplies
_FROM = 4  # bits, from which on minifloats are published to be more accurate


def _best(held: Rows, net: str, scope: str, method: str, kinds: tuple[str, ...], bits: int) -> tuple[float, str] | None:
    """Percent and name of the best format of some kinds and so many bits; one exponent bit counts as an integer."""
    reached = held.accuracy(net, scope, method)
    rows = held.content["accuracies"]
    names = dict.fromkeys(row["format"] for row in rows if row["kind"] in kinds and row["bits"] == bits)
    found = [(reached[name], name) for name in names if name in reached and not name.startswith("e1m")]
    return max(found, key=lambda pair: pair[0], default=None)  # of equals the first


_Pair = tuple[tuple[float, str], tuple[float, str]]


def _pairs(held: Rows, net: str, scope: str, method: str) -> dict[int, _Pair]:
    """The best integer and the best minifloat of each length."""
    lengths = sorted({row["bits"] for row in held.content["accuracies"] if row["format"] != "float"})
    found = {}
    for bits in lengths:
        one, two = (_best(held, net, scope, method, kinds, bits) for kinds in (INTEGERS, ("minifloat",)))
        if one is not None and two is not None:
            found[bits] = one, two
    return found


def _told(reached: tuple[float, str]) -> str:
    return f"{reached[0]:.2f} ({reached[1]})"


def _compared(held: Rows, net: str) -> Iterator[tuple[str, ...]]:
    for method in ("ptq", "qat"):
        for bits, (one, two) in _pairs(held, net, "both", method).items():
            yield str(bits), method.upper(), _told(one), _told(two), f"{two[0] - one[0]:+.2f}"


def _verdict(held: Rows, net: str, method: str, sample: float) -> str:
    """The claim that minifloats are more accurate from 4 bits on, by more than one test sample."""
    pairs = [pair for bits, pair in _pairs(held, net, "both", method).items() if bits >= _FROM]
    gains = [two[0] - one[0] for one, two in pairs]
    if not gains:
        return ""
    more, less = (sum(sign * gain > 1.001 * sample for gain in gains) for sign in (1, -1))
    word = "agrees" if more == len(gains) else "agrees in part" if more else "does not agree"
    return (
        f"- {net}, {method.upper()}: {word}: by more than one test sample the best minifloat is ahead at {more} of "
        f"{len(gains)} lengths, the best integer at {less}.\n"
    )


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
        samples = _samples(held, net)
        yield (
            f"\n{net}, weights and activations in the format, in percent, mean over seeds: {_seeds(held, net)}. One of "
            f"the {samples:,} test samples is {100 / samples:.2f}. Of several splits the best is shown, which favours "
            "minifloats by chance.\n\n"
        )
        yield table(("bits", "method", "best integer", "best minifloat", "difference"), lines)
    told = "".join(
        _verdict(held, net, method, 100 / _samples(held, net)) for net in held.nets() for method in ("ptq", "qat")
    )
    if told:
        yield f"\nThe claim that minifloats are the more accurate from {_FROM} bits on:\n\n{told}"


def _samples(held: Rows, net: str) -> int:
    return next(int(row["samples"]) for row in held.content["accuracies"] if row["net"] == net)


def apart(held: Rows) -> Iterator[str]:
    """Weights alone and activations alone at equal bits, the rest at 16 bits of fixed point."""
    lines = []
    for net in held.nets():
        for method in ("ptq", "qat"):
            weights, activations = (_pairs(held, net, scope, method) for scope in ("weights", "activations"))
            for bits in sorted(weights.keys() & activations.keys()):
                told = [_told(one) for pairs in (weights, activations) for one in pairs[bits]]
                lines.append((net, method.upper(), str(bits), *told))
    if lines:
        sides = [f"{side}: {kind}" for side in ("weights", "activations") for kind in ("integer", "minifloat")]
        yield table(("net", "method", "bits", *sides), lines)


def approximate(held: Rows) -> Iterator[str]:
    """What L-Mul makes of the accuracy, beside exact products of the same minifloat."""
    lines = []
    for net in held.nets():
        columns = [held.accuracy(net, "both", method) for method in ("ptq", "qat")]
        names = dict.fromkeys(name for column in columns for name in column if name.startswith(_LMUL))
        for name in names:
            exact = name.removeprefix(_LMUL)
            cells = [f"{column[key]:.2f}" if key in column else "–" for column in columns for key in (exact, name)]
            lines.append((net, exact, *cells))
    if lines:
        sides = ("exact", "L-Mul", "exact, trained", "L-Mul, trained")
        yield "\nTest accuracy in percent, every product of a network exact or by L-Mul:\n\n"
        yield table(("net", "format", *sides), lines)


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
