"""`flow.interpret` on the stored design of a folder; called with the folder."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from emulators import serve

from flow.ir import interpret, load

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    graph = load({name: (folder / name).read_bytes() for name in ("design.json", "design.npz")})
    codes, (name,) = np.load(folder / "codes.npy"), graph.outputs
    step = float(graph.values[name].format.step)
    serve(lambda: interpret(graph, codes)[0], folder, "flow")
    np.save(folder / "flow.npy", np.load(folder / "flow.npy") * step)
