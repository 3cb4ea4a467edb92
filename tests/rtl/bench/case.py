"""What a stream test drives: one cell of the harness, and beats as codes and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flow.formats import FixedPoint

Model = Callable[[list[int]], list[int]]


@dataclass(frozen=True)
class Case:
    """One instance in the harness with one stream in and one out.

    Attributes:
        name: prefix of its ports.
        body: the instance, with `{p}` for the prefix.
        in_width: bits per beat in.
        out_width: bits per beat out.
        beats: beats that the cell takes as a whole.
        model: expected beats out for beats in, a multiple of `beats`.
        vectors: how many times `beats` are sent.
        sent: what is sent in place of random beats, made from them.
    """

    name: str
    body: str
    in_width: int
    out_width: int
    beats: int
    model: Model
    vectors: int = 12
    sent: Model = list


STREAM = (
    ".clk_i, .rst_ni, .data_i({p}_data_i), .valid_i({p}_valid_i), .ready_o({p}_ready_o), "
    ".data_o({p}_data_o), .valid_o({p}_valid_o), .ready_i({p}_ready_i)"
)


def split(beat: int, lanes: int, form: FixedPoint) -> list[int]:
    """A beat as codes, lane 0 first."""
    mask = (1 << form.width) - 1
    codes = [(beat >> (lane * form.width)) & mask for lane in range(lanes)]
    return [code - (1 << form.width) if form.signed and code > form.high else code for code in codes]


def join(codes: list[int], width: int) -> int:
    """Codes as a beat."""
    return sum((code & ((1 << width) - 1)) << (lane * width) for lane, code in enumerate(codes))
