"""The cocotb side of the RTL rung: AXI-Stream driver and sinks with random pauses, one monitor for every stream.

Everything it needs stands in the JSON file that FLOW_BENCH names; what the monitors saw goes to the file it names.
It imports nothing of flow, so that the simulator's process starts quickly.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, SimTimeoutError, with_timeout
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

_PERIOD_NS = 10
_SETTLE_CYCLES = 10_000


def pauses(seed: int, share: float) -> Iterator[bool]:
    """For every cycle whether to pause; `share` of them on average, in runs of one cycle or a few."""
    generator = random.Random(seed)  # noqa: S311  # stimulus, not a secret
    while True:
        pausing = generator.random() < share
        for _ in range(generator.choice((1, 1, 2, 5))):
            yield pausing


class Monitor:
    """Every beat of a stream as (cycle, data), sampled while the clock is low, when all signals are settled."""

    def __init__(self, dut: Any, data: str, valid: str, ready: str) -> None:
        self.beats: list[tuple[int, int]] = []
        self._data, self._valid, self._ready = (getattr(dut, name) for name in (data, valid, ready))

    def sample(self, cycle: int) -> None:
        """Note the beat that the coming clock edge will move, if there is one."""
        if self._valid.value and self._ready.value:
            self.beats.append((cycle, int(self._data.value)))  # a lone bit is no array and has no to_unsigned


async def watch(dut: Any, monitors: dict[str, Monitor]) -> None:
    """Sample all monitors every cycle; one coroutine, because waking many costs more than the sampling."""
    cycle = 0
    while True:
        await FallingEdge(dut.clk_i)
        for monitor in monitors.values():
            monitor.sample(cycle)
        cycle += 1


async def reset(dut: Any) -> None:
    """Hold reset for three cycles."""
    dut.rst_ni.value = 0
    for _ in range(3):
        await RisingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    await RisingEdge(dut.clk_i)


def _sinks(dut: Any, job: dict[str, Any]) -> list[AxiStreamSink]:
    sinks = []
    for number, prefix in enumerate(job["outputs"]):
        sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, prefix), dut.clk_i, dut.rst_ni, reset_active_level=False)
        if job["pause"]:
            sink.set_pause_generator(pauses(job["seed"] + 1 + number, job["pause"]))
        sinks.append(sink)
    return sinks


async def _drain(sinks: list[AxiStreamSink], samples: int) -> None:
    for sink in sinks:
        for _ in range(samples):
            await sink.recv(compact=False)


async def _settle(dut: Any, monitors: dict[str, Monitor], expected: dict[str, int]) -> None:
    """Wait for beats that no result needs, such as the last columns of an image beyond the windows."""
    for _ in range(_SETTLE_CYCLES):
        if all(len(monitors[name].beats) >= count for name, count in expected.items()):
            break
        await FallingEdge(dut.clk_i)


@cocotb.test()
async def stream(dut: Any) -> None:
    """Send every sample, take every result, write down what moved."""
    job = json.loads(Path(os.environ["FLOW_BENCH"]).read_text())
    Clock(dut.clk_i, _PERIOD_NS, unit="ns").start()
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk_i, dut.rst_ni, reset_active_level=False)
    source.log.setLevel("WARNING")
    sinks = _sinks(dut, job)
    for sink in sinks:
        sink.log.setLevel("WARNING")
    await reset(dut)
    monitors = {name: Monitor(dut, *signals) for name, signals in job["monitors"].items()}
    cocotb.start_soon(watch(dut, monitors))
    if job["pause"]:
        source.set_pause_generator(pauses(job["seed"], job["pause"]))
    for frame in job["frames"]:
        source.send_nowait(AxiStreamFrame(bytes.fromhex(frame)))
    try:
        await with_timeout(_drain(sinks, len(job["frames"])), job["timeout_cycles"] * _PERIOD_NS, "ns")
    except SimTimeoutError:
        raise AssertionError(f"no result after {job['timeout_cycles']} cycles; a stream is stuck") from None
    await _settle(dut, monitors, job["beats"])
    seen = {name: monitor.beats for name, monitor in monitors.items()}
    frame_error = bool(dut.frame_error_o.value)
    Path(job["result"]).write_text(json.dumps({"beats": seen, "frame_error": frame_error}))
