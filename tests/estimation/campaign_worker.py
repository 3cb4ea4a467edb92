"""What the workers of the campaign's tests run: no synthesis, but a note of every start and of every end."""

import os
import time
from pathlib import Path

from flow.estimation.characterise import Batch
from flow.synthesis import Area

LOG = "FLOW_CAMPAIGN_LOG"


def noted(batch: Batch) -> list[Area]:
    """Areas that tell the parameters; slow enough that a worker can be killed at its work."""
    folder, name = Path(os.environ[LOG]), f"{batch.cell}-{'_'.join(str(p['Width']) for p in batch.parameters)}"
    _note(folder / "started", f"{name} {os.getpid()}")
    time.sleep(0.4)
    _note(folder / "ended", name)
    return [Area(lut=p["Width"] * 10 + p["Depth"]) for p in batch.parameters]


def _note(path: Path, text: str) -> None:
    """One write of one line: appends of several processes do not mix."""
    with path.open("a") as stream:
        stream.write(f"{text}\n")
