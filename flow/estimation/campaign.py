"""`flow characterize`: every sweep on every family, in parallel, resumable, here or on a Dask cluster.

Work goes out in batches of one cell and one family. A batch's points are stored as soon as it is back, by the process
that hands out the work and by no other; whatever stops the campaign, a finished point is never measured again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

from flow.errors import ToolError
from flow.estimation.characterise import (
    Batch,
    cell_batch,
    cell_digest,
    measure_batch,
    needed_by,
    rtl_sources,
    text_digest,
)
from flow.estimation.generated import GENERATED
from flow.estimation.points import DATA, Points
from flow.estimation.sweeps import SWEEPS, cell_of, measured_on
from flow.synthesis import Area, Family

__all__ = ["FAMILIES", "characterise", "digests", "run_local", "run_on_cluster"]

FAMILIES = tuple(family for family in Family if measured_on("flow_fifo", family) is family)
_BATCH = 12  # cases a run: long enough to hide Yosys' start, short enough that little is lost when it is stopped

Measure = Callable[[Batch], list[Area]]
Runner = Callable[[Sequence[Batch]], Iterator[tuple[Batch, list[Area]]]]
Report = Callable[[str, int, int], None]


def digests() -> dict[str, str]:
    """The digest of every swept cell and of every generated module."""
    sources = rtl_sources()
    found = {name: cell_digest(cell_of(name), sources) for name in SWEEPS}
    return found | {name: text_digest([text for _, text in make()], sources) for name, make in GENERATED.items()}


def _batches(points: Points, cells: Sequence[str]) -> list[Batch]:
    """What is not finished yet."""
    found: list[Batch] = []
    for cell in cells:
        if measured_on(cell, points.family) is not points.family:
            continue
        if cell in GENERATED:
            made = [(p, text) for p, text in GENERATED[cell]() if not points.has(cell, p)]
            size = _BATCH // 4 or 1 if cell == "spatial" else _BATCH  # whole designs take longer
            chunks = [made[i : i + size] for i in range(0, len(made), size)]
            found += [_generated_batch(cell, points.family, chunk) for chunk in chunks]
        else:
            missing = [p for p in SWEEPS[cell](points.family) if not points.has(cell, p)]
            chunks_ = [missing[i : i + _BATCH] for i in range(0, len(missing), _BATCH)]
            found += [replace(cell_batch(cell_of(cell), chunk, points.family), cell=cell) for chunk in chunks_]
    return found


def _generated_batch(cell: str, family: Family, made: Sequence[tuple[Mapping[str, int], str]]) -> Batch:
    modules = {f"case_{i}": text.replace("GENERATED", f"case_{i}") for i, (_, text) in enumerate(made)}
    sources = needed_by(modules.values(), rtl_sources())
    return Batch(cell, family, tuple(p for p, _ in made), modules, sources)


def run_local(workers: int | None = None, measure: Measure = measure_batch) -> Runner:
    """Batches in this process' own pool; each is a Yosys process of its own, so threads are enough."""

    def run(batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Area]]]:
        pool = ThreadPoolExecutor(workers or os.cpu_count() or 1)
        try:
            waiting = {pool.submit(measure, batch): batch for batch in batches}
            while waiting:
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield waiting.pop(future), future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    return run


def run_on_cluster(address: str, measure: Measure = measure_batch) -> Runner:
    """Batches on a Dask cluster: a batch whose worker dies goes to another one.

    Args:
        address: of the scheduler, as `tcp://host:8786`.
        measure: what a worker does with a batch; it must be importable there.

    Raises:
        ToolError: Dask is not installed, or nobody answers at the address.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise ToolError(
            "A cluster needs Dask, which is not installed; run: pip install 'qfx-flow[cluster]', here and on every "
            "worker, or leave out --scheduler."
        ) from None

    def run(batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Area]]]:
        try:
            client = Client(address, timeout=_PATIENCE_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise ToolError(
                f"No Dask scheduler answers at {address!r} ({type(error).__name__}); start one with: dask scheduler, "
                "or leave out --scheduler."
            ) from None
        with client:
            futures = {client.submit(measure, batch, pure=False, retries=_RETRIES): batch for batch in batches}
            for future, areas in as_completed(list(futures), loop=client.loop, with_results=True):
                yield futures[future], areas
                future.release()

    return run


_PATIENCE_SECONDS = 10
_RETRIES = 3


def characterise(
    families: Sequence[Family] = FAMILIES,
    *,
    cells: Sequence[str] | None = None,
    folder: Path = DATA,
    runner: Runner | None = None,
    report: Report = lambda task, done, total: None,
) -> dict[str, int]:
    """Run what is missing of every sweep, and store each batch when it is back.

    Args:
        families: to map to.
        cells: which sweeps; all where None.
        folder: of the store.
        runner: `run_local()` or `run_on_cluster(address)`.
        report: told of finished points by family.

    Returns:
        Points measured by this call, by family.

    Raises:
        ToolError: an unknown cell, or the synthesiser or the cluster fails.
    """
    held = digests()
    for cell in cells or ():
        if cell not in held:
            raise ToolError(f"There is no sweep of cell {cell!r}; choose among {', '.join(sorted(held))}.")
    asked = {cell: held[cell] for cell in cells or held}
    stores = {family: Points.open(folder, family, asked, others=cells is not None) for family in families}
    work = [batch for family in families for batch in _batches(stores[family], tuple(asked))]
    totals = {family: sum(len(b.parameters) for b in work if b.family is family) for family in families}
    done = dict.fromkeys(families, 0)
    for family in families:
        report(f"characterize: {family.value}", 0, totals[family])
    for batch, areas in (runner or run_local())(work):
        stores[batch.family].add(batch.cell, zip(batch.parameters, areas, strict=True))
        done[batch.family] += len(areas)
        report(f"characterize: {batch.family.value}", done[batch.family], totals[batch.family])
    return {family.value: done[family] for family in families}
