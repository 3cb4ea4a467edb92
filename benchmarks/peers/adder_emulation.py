"""da4ml's and alkaid's own C++ interpreters on an MLP; called with the library's name and the folder.

`mlp.npz` there holds the real weights and biases of each layer as `w0`, `b0`, .., and `mlp.json` the input's format and
each activation as both libraries take it. What is traced and solved once is kept in the folder.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from emulators import serve

ARRAY = {"alkaid": "FVArray", "da4ml": "FixedVariableArray"}
TRACE = {"alkaid": "trace", "da4ml": "comb_trace"}


def traced(library: str, folder: Path) -> Any:
    """The MLP as shifts and adds, with the library's own options."""
    tracing, layers = importlib.import_module(f"{library}.trace"), json.loads((folder / "mlp.json").read_text())
    with np.load(folder / "mlp.npz") as held:
        constants = dict(held)
    form = [np.full(constants["w0"].shape[1], layers["input"][key]) for key in "kif"]
    x = source = getattr(tracing, ARRAY[library]).from_kif(*form)
    for place, layer in enumerate(layers["layers"]):
        x = x @ constants[f"w{place}"].T + constants[f"b{place}"]
        if layer.get("relu"):
            x = x.relu()
        if "cast" in layer:
            x = x.quantize(**layer["cast"])
    return getattr(tracing, TRACE[library])(source, x)


def main(library: str, folder: Path) -> None:
    kept = folder / f"{library}.json"
    if not kept.exists():
        traced(library, folder).save(kept)
    logic = importlib.import_module(f"{library}.types").CombLogic.load(kept)
    values = np.load(folder / "values.npy")
    serve(lambda: logic.predict(values, n_threads=1), folder, library)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
