"""da4ml's and alkaid's own Verilog of an MLP; called with the library's name and the folder that holds the MLP.

The Verilog is combinational, which is the smallest that both make; alkaid's without sums of three, which cost more LUTs
under Yosys. Prints the top module's name; the sources lie in `LIBRARY/src`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from adder_emulation import traced


def write(library: str, folder: Path) -> str:
    """The project, and its top module."""
    logic = traced(library, folder)
    if library == "da4ml":
        from da4ml.codegen import RTLModel

        RTLModel(logic, "peer", folder / library).write()
    else:
        from alkaid.codegen import RTLModel

        RTLModel(logic, folder / library, "peer", ternary_fuse=False).write()
    return "peer"


if __name__ == "__main__":
    print(json.dumps(write(sys.argv[1], Path(sys.argv[2]))))
