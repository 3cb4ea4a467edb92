"""cocotb: every stream cell at once, crossed with random idle cycles and random back-pressure."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

from tests.rtl.bench.cells import CASES
from tests.rtl.bench.parts import Checker, Driver, Monitor, Receiver, chances

DEAF_CYCLES = 120
LIMIT_CYCLES = 20_000
# Beats that every cell takes before the first of its results is taken. FIFOs of joins count on them, not on those of
# flow_delay, which moves as a whole: it stands in spatial designs only, where nothing forks.
HELD: dict[str, int] = {}
_MOVES_AS_A_WHOLE = "delay"


async def start(dut) -> None:
    Clock(dut.clk_i, 10, unit="ns").start()
    dut.rst_ni.value = 0
    for case in CASES:
        getattr(dut, f"{case.name}_valid_i").value = 0
        getattr(dut, f"{case.name}_ready_i").value = 0
    for _ in range(3):
        await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    await FallingEdge(dut.clk_i)


async def watch(dut, checkers) -> None:
    """Look at every cell in every cycle until it is done, which takes most of the time that this test takes."""
    busy = list(checkers)
    for cycle in range(LIMIT_CYCLES):
        await ReadOnly()
        if cycle == DEAF_CYCLES:
            held = {c.case.name: len(c.taken.beats) for c in checkers if not c.case.name.startswith(_MOVES_AS_A_WHOLE)}
            other = {name: (count, HELD[name]) for name, count in held.items() if HELD and HELD[name] != count}
            assert not other, f"what a cell holds depends on when its beats came: {other}"
            HELD.update(held)
        busy = [checker for checker in busy if checker.sample()]
        if not busy:
            break
        await FallingEdge(dut.clk_i)


def stimulus(case, generator: random.Random) -> list[int]:
    """Random beats, whole vectors, the first vector all zeros, the second all ones; or what the case makes of them."""
    count, top = case.vectors * case.beats, (1 << case.in_width) - 1
    beats = [generator.getrandbits(case.in_width) for _ in range(count)]
    beats[: 2 * case.beats] = [0] * case.beats + [top] * case.beats
    return case.sent(beats)


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.5], stall=[0.0, 0.6])
async def crossed(dut, idle, stall):
    """Every beat arrives once, in order, whatever the pauses; valid comes although ready does not."""
    await start(dut)
    generator = random.Random(1 + int(10 * idle) + int(100 * stall))  # noqa: S311  # stimulus, not a secret
    checkers = []
    for number, case in enumerate(CASES):
        beats = stimulus(case, generator)
        cocotb.start_soon(Driver(dut, case, beats, chances(number, idle)).run())
        cocotb.start_soon(Receiver(dut, case, chances(number + 100, stall), DEAF_CYCLES).run())
        checkers.append(Checker(case, len(beats), Monitor(dut, case, "in"), Monitor(dut, case, "out")))
    await watch(dut, checkers)
    compared = [checker.check() for checker in checkers]
    assert all(count >= case.vectors for count, case in zip(compared, CASES, strict=True))
    assert all(checker.given.offered_deaf for checker in checkers), "a cell waits for ready before it offers"
    cocotb.log.info("compared %d beats of %d cells", sum(compared), len(compared))
