"""HGQ2 on jax at one price of bits: trained, traced by alkaid and da4ml, and written as their own combinational
Verilog.

Called with a folder that holds `data.npz` (train_x, train_y, test_x, test_y; samples in one axis; where a teacher is
there also lessons_x [K, N, I] and lessons_y [K, N, classes], N samples for each of K epochs, taken in turn) and
`asked.json` (sizes, beta, seed, seconds of processor time). Prints one line of JSON: accuracy of keras, of each
library's interpreter of the very design, EBOPs, epochs and seconds. The Verilog lies in `LIBRARY/src`, its top is
`peer`.

Learned lengths start at HGQ2's own defaults, weights and activations per element; Adam at 3e-3 with a cosine over the
training time, batches of 128, the same price throughout: a ramp to it was tried, and came out behind.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
from hgq.config import LayerConfigScope, QuantizerConfigScope
from hgq.layers import QDense
from hgq.utils import trace_minmax
from numpy.typing import NDArray

PEAK, BATCH = 3e-3, 128
EPOCHS_A_CALL = 5  # the rate moves that often


def network(sizes: list[int], beta: float) -> keras.Model:
    """Dense layers with ReLU between them; the price enters the loss layer by layer."""
    first, *rest = sizes
    scopes = (
        QuantizerConfigScope(place="all", default_q_type="kbi", overflow_mode="SAT_SYM"),
        QuantizerConfigScope(place="datalane", default_q_type="kif", overflow_mode="WRAP"),
        LayerConfigScope(enable_ebops=True, beta0=beta),
    )
    with scopes[0], scopes[1], scopes[2]:
        dense = [QDense(size, activation="relu" if place < len(rest) - 1 else None) for place, size in enumerate(rest)]
        return keras.Sequential([keras.layers.Input((first,)), *dense])


def train(model: keras.Model, data: dict[str, NDArray[Any]], seconds: float) -> int:
    """Epochs until so much processor time has passed; compiling the step counts, as it does for every user."""
    taught = "lessons_x" in data
    kind = keras.losses.CategoricalCrossentropy if taught else keras.losses.SparseCategoricalCrossentropy
    loss = kind(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(PEAK), loss=loss)
    start, epochs = time.process_time(), 0
    while (done := (time.process_time() - start) / seconds) < 1:
        model.optimizer.learning_rate.assign(PEAK * 0.5 * (1 + math.cos(math.pi * done)))
        if taught:
            turns = np.arange(epochs, epochs + EPOCHS_A_CALL) % len(data["lessons_x"])
            x, y = (np.concatenate(data[key][turns]) for key in ("lessons_x", "lessons_y"))
            model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0)
        else:
            model.fit(data["train_x"], data["train_y"], batch_size=BATCH, epochs=EPOCHS_A_CALL, verbose=0)
        epochs += EPOCHS_A_CALL
    return epochs


def write(library: str, model: keras.Model, folder: Path, x: NDArray[Any]) -> NDArray[Any]:
    """Verilog, and what the library's interpreter of it answers for `x`."""
    if library == "alkaid":
        from alkaid.codegen import RTLModel
        from alkaid.converter import trace_model
        from alkaid.trace import trace

        logic = trace(*trace_model(model))
        RTLModel(logic, folder / library, "peer", ternary_fuse=False).write()
    else:
        from da4ml.codegen import RTLModel
        from da4ml.converter import trace_model
        from da4ml.trace import comb_trace

        logic = comb_trace(*trace_model(model))
        RTLModel(logic, "peer", folder / library).write()
    return np.asarray(logic.predict(x, n_threads=1))


def main(folder: Path) -> None:
    asked = json.loads((folder / "asked.json").read_text())
    with np.load(folder / "data.npz") as held:
        data = dict(held)
    keras.utils.set_random_seed(asked["seed"])
    model = network(asked["sizes"], asked["beta"])
    start = time.process_time()
    epochs = train(model, data, asked["seconds"])
    found: dict[str, Any] = {"epochs": epochs, "seconds": time.process_time() - start}
    found["ebops"] = float(trace_minmax(model, data["train_x"], verbose=0))
    answers = np.asarray(model.predict(data["test_x"], verbose=0, batch_size=1024))
    found["keras"] = float((answers.argmax(1) == data["test_y"]).mean())
    for library in asked["libraries"]:
        own = write(library, model, folder, data["test_x"]).reshape(answers.shape)
        found[library] = float((own.argmax(1) == data["test_y"]).mean())
        found[f"{library}_differ"] = int((own != answers).sum())
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
