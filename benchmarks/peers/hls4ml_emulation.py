"""hls4ml's `predict()` on the project in a folder's `hls4ml/`; called with the folder.

hls4ml compiles with its own script and options, once: later calls load the library as its `compile()` does.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import sys
from pathlib import Path

import numpy as np
from emulators import serve
from hls4ml.converters import link_existing_project

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    os.chdir(folder / "hls4ml")  # where hls4ml looks for its script and the library for its weights
    with contextlib.redirect_stdout(io.StringIO()):
        model = link_existing_project(".")
        built = sorted(Path("firmware").resolve().glob("*.so"))
        if built:
            model._top_function_lib = ctypes.cdll.LoadLibrary(str(built[0]))
        else:
            model.compile()
    values = np.load(folder / "values.npy")
    serve(lambda: model.predict(values), folder, "hls4ml")
