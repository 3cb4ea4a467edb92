"""The times of all beats of a design, from the equations of its processes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flow.exporters.verilog.processes import Channel, Process, Times

__all__ = ["go_on", "period_of", "run"]


def run(processes: Sequence[Process]) -> bool:
    """Settle everything, downstream and upstream in turn.

    Args:
        processes: senders before receivers.

    Returns:
        Whether all beats move; a design stops where a beat waits for itself, and then times grow for ever.
    """
    users: dict[Channel, list[int]] = {}
    for index, process in enumerate(processes):
        for channel in process.channels:
            users.setdefault(channel, []).append(index)
    # As if nothing moved at the same time as anything else; no cell takes more than three cycles for a beat.
    limit = 3 * sum(len(channel.moved) for channel in users) + sum(process.cycles for process in processes)
    stale = [True] * len(processes)
    while any(stale):
        for index in (*range(len(processes)), *range(len(processes) - 1, -1, -1)):
            if stale[index]:
                _settle(processes[index], index, users, stale)
        if any(channel.moved[-1] > limit for channel in users):
            return False
    return True


def _settle(process: Process, index: int, users: dict[Channel, list[int]], stale: list[bool]) -> None:
    before = [channel.changes for channel in process.channels]
    process.settle()
    for channel, changes in zip(process.channels, before, strict=True):
        if channel.changes != changes:
            for user in users[channel]:
                stale[user] = True
    stale[index] = False


def period_of(processes: Sequence[Process], samples: int) -> int | None:
    """By how much every beat of the last sample came after that of the one before; None where they differ."""
    channels = [channel for process in processes for channel in process.channels]
    whole = [times.reshape(samples, -1) for channel in channels for times in (channel.offered, channel.moved)]
    periods = np.concatenate([times[-1] - times[-2] for times in whole])
    return int(periods[0]) if (periods == periods[0]).all() else None


def go_on(processes: Sequence[Process], settled: Sequence[Process], samples: int, period: int | None) -> None:
    """Begin a run with the times of a shorter one, and where it has found its rhythm, go on in it.

    This is a guess, which `run` turns into times that fit. A rhythm that all beats of the last two samples agree on is
    right wherever no buffer holds more than a sample; a guess that is late by little would cost more rounds than none.

    Args:
        processes: of the longer run.
        settled: the same ones, of the shorter run.
        samples: that went through the shorter run.
        period: of the shorter run.
    """
    for cell, before in zip(processes, settled, strict=True):
        for new, old in zip(cell.channels, before.channels, strict=True):
            new.offered = _longer(old.offered, len(new.offered), samples, period)
            new.moved = _longer(old.moved, len(new.moved), samples, period)


def _longer(times: Times, beats: int, samples: int, period: int | None) -> Times:
    more = beats - len(times)
    if period is None:
        return np.concatenate((times, np.zeros(more, dtype=np.int64)))
    last = times[-len(times) // samples :]
    repeats = np.arange(1, more // len(last) + 1, dtype=np.int64)[:, None]
    return np.concatenate((times, (last + period * repeats).reshape(-1)))
