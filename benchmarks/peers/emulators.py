"""What the emulation scripts share: when to stop, and the line that they end with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

LEAST_CALLS, LEAST_SECONDS = 3, 0.5


def serve(work: Callable[[], np.ndarray], folder: Path, who: str) -> None:
    """Store what `work` returns as float64[N, size] values, then time it; the last line printed is JSON."""
    values = work()
    np.save(folder / f"{who}.npy", np.asarray(values, dtype=np.float64).reshape(len(values), -1))
    found: dict[str, list[float]] = {"wall": [], "cpu": []}
    while len(found["wall"]) < LEAST_CALLS or sum(found["wall"]) < LEAST_SECONDS:
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        found["wall"].append(time.perf_counter() - wall)
        found["cpu"].append(time.process_time() - cpu)
    print("\n" + json.dumps(found))
