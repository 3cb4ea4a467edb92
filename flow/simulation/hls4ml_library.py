"""Runs the library of an hls4ml project on inputs, in a process of its own: hls4ml's C++ ends the process on an error.

Arguments: the library, the bridge that it was compiled from, the top function, `x.npy` with float64[N, size] inputs,
and the `.npz` to write: float64[N, size] values as `output0`, `output1`, .. in the order of the top function's
arguments, and as `layer NAME` for every layer that the bridge traces. Numpy and the standard library only.
"""

from __future__ import annotations

import ctypes
import math
import re
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Values = dict[str, NDArray[np.float64]]

_TRACED = re.compile(r'"(\w+)", \(void \*\) malloc\(([\d*]+) \* element_size\)')
_OUTPUT = re.compile(r"convert_data<\w+, double, ([\d*]+)>")


class _Trace(ctypes.Structure):
    """`trace_data` of hls4ml's bridge."""

    _fields_ = (("name", ctypes.c_char_p), ("data", ctypes.POINTER(ctypes.c_double)))


def _product(text: str) -> int:
    return math.prod(map(int, text.split("*")))


def _evaluate(library: ctypes.CDLL, bridge: str, top: str, x: NDArray[np.float64]) -> Values:
    layers = {name: _product(size) for name, size in _TRACED.findall(bridge)}
    outputs = [np.zeros((len(x), _product(size))) for size in _OUTPUT.findall(bridge)]
    values = {f"output{place}": output for place, output in enumerate(outputs)}
    values.update({f"layer {name}": np.zeros((len(x), size)) for name, size in layers.items()})
    traced = (_Trace * len(layers))()
    library.allocate_trace_storage(ctypes.c_size_t(ctypes.sizeof(ctypes.c_double)))
    for sample, row in enumerate(x):
        arguments = [row, *(output[sample] for output in outputs)]
        library[f"{top}_double"](*(ctypes.c_void_p(array.ctypes.data) for array in arguments))
        library.collect_trace_output(traced)
        for entry in traced:
            name = entry.name.decode()
            values[f"layer {name}"][sample] = np.ctypeslib.as_array(entry.data, (layers[name],))
    return values


def main(library: str, bridge: str, top: str, source: str, target: str) -> None:
    """Evaluate every sample of `source` and write `target`."""
    x = np.ascontiguousarray(np.load(source), dtype=np.float64)
    np.savez(target, **_evaluate(ctypes.CDLL(library), Path(bridge).read_text(encoding="utf-8"), top, x))


if __name__ == "__main__":
    main(*sys.argv[1:])
