"""What a stream test is made of: a driver, a receiver, monitors on both sides, a checker fed by them."""

from __future__ import annotations

import random
from collections.abc import Iterator

from cocotb.triggers import FallingEdge, ReadOnly

from tests.rtl.bench.case import Case


def chances(seed: int, share: float) -> Iterator[bool]:
    generator = random.Random(seed)  # noqa: S311  # stimulus, not a secret
    while True:
        yield generator.random() < share


class Driver:
    """Offers beats, holds each until it is taken, and leaves idle cycles between them."""

    def __init__(self, dut, case: Case, beats: list[int], idle: Iterator[bool]):
        self.data, self.valid, self.ready = (
            getattr(dut, f"{case.name}_{port}") for port in ("data_i", "valid_i", "ready_o")
        )
        self.clock, self.beats, self.idle = dut.clk_i, beats, idle

    async def run(self) -> None:
        for beat in self.beats:
            while next(self.idle):
                self.valid.value = 0
                self.data.value = random.getrandbits(len(self.data))  # nobody may look at it
                await FallingEdge(self.clock)
            self.valid.value, self.data.value = 1, beat
            taken = False
            while not taken:
                taken = await edge_takes(self.clock, self.valid, self.ready)
        self.valid.value = 0


async def edge_takes(clock, valid, ready) -> bool:
    """Whether the coming rising edge moves a beat; ends on the falling edge after it."""
    await ReadOnly()
    moves = bool(valid.value) and bool(ready.value)
    await FallingEdge(clock)
    return moves


class Receiver:
    """Pulls ready up and down, whatever valid does; down from the start for `deaf` cycles."""

    def __init__(self, dut, case: Case, stalls: Iterator[bool], deaf: int):
        self.ready, self.clock, self.stalls, self.deaf = getattr(dut, f"{case.name}_ready_i"), dut.clk_i, stalls, deaf

    async def run(self) -> None:
        self.ready.value = 0
        for _ in range(self.deaf):
            await FallingEdge(self.clock)
        while True:
            self.ready.value = int(not next(self.stalls))
            await FallingEdge(self.clock)


class Monitor:
    """Beats that move on one side, and the two rules of a stream: offered beats stay, and do not change."""

    def __init__(self, dut, case: Case, side: str):
        data, valid, ready = ("data_i", "valid_i", "ready_o") if side == "in" else ("data_o", "valid_o", "ready_i")
        self.signals = tuple(getattr(dut, f"{case.name}_{port}") for port in (data, valid, ready))
        self.name = f"{case.name} {side}"
        self.beats: list[int] = []
        self.offered_deaf = False
        self._waiting: int | None = None

    def sample(self) -> None:
        """Look at the settled signals before the rising edge."""
        data, valid, ready = (signal.value for signal in self.signals)
        if self._waiting is not None:
            assert valid, f"{self.name}: an offered beat was taken back"
            assert data.to_unsigned() == self._waiting, f"{self.name}: an offered beat changed"
        self.offered_deaf |= bool(valid) and not bool(ready)
        if valid and ready:
            self.beats.append(data.to_unsigned())
        self._waiting = data.to_unsigned() if valid and not ready else None


class Checker:
    """Compares what came out with what the model makes of what went in, and waits a little for what comes too much."""

    def __init__(self, case: Case, beats: int, taken: Monitor, given: Monitor, grace: int = 20):
        self.case, self.beats, self.taken, self.given, self.grace = case, beats, taken, given, grace
        self._results: int | None = None

    def sample(self) -> bool:
        """Look at both sides; False once all is there and the grace is over."""
        self.taken.sample()
        self.given.sample()
        if self._results is None and len(self.taken.beats) == self.beats:
            self._results = len(self.case.model(self.taken.beats))
        if self._results is not None and len(self.given.beats) >= self._results:
            self.grace -= 1
        return self.grace > 0

    def check(self) -> int:
        """The number of beats compared; all of them are equal."""
        given, expected = self.given.beats, self.case.model(self.taken.beats)
        wrong = [i for i, pair in enumerate(zip(given, expected, strict=False)) if pair[0] != pair[1]][:8]
        shown = f"beats {wrong}: {[given[i] for i in wrong]} is not {[expected[i] for i in wrong]}"
        assert len(self.taken.beats) == self.beats, f"{self.case.name} took {len(self.taken.beats)} of {self.beats}"
        assert given == expected, f"{self.case.name}: {len(given)} of {len(expected)} beats; {shown}"
        return len(expected)
