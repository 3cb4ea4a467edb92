"""Many exported HLS projects as one program: most of the time of a small one goes into what all of them share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flow.exporters.hls import export_hls
from flow.exporters.names import identifier
from flow.exporters.vectors import to_lines
from flow.exporters.writer import Files, write_file, write_tree
from flow.ir import Graph
from flow.simulation.csim import hash_of, split_trace, tool
from flow.simulation.precompiled import precompiled
from flow.tools import ap_headers, program, run

# Without optimisation; g++ would spend a tenth of its time on collecting garbage.
UNOPTIMISED = ("-std=c++11", "-O0", "--param=ggc-min-expand=10000")
_INCLUDE = re.compile(r"^#include .*\n", re.MULTILINE)
_MAIN = """
#include <string>

static int run(int (*design)(int, char **), const std::string &stem) {
    std::string input = stem + ".dat", trace = stem + ".bin";
    char *given[3] = {&input[0], &input[0], &trace[0]};
    return design(3, given);
}

int main(int, char **argv) {
    const std::string folder = std::string(argv[1]) + "/";
    return 0%s;
}
"""


def _below(files: Files, folder: str) -> dict[str, str]:
    """The C++ of a project as it stands in a folder beside others: its files include each other by that folder."""
    own = {path: str(text) for path, text in files.items() if path.endswith((".h", ".cpp")) and "include/" not in path}
    found = {}
    for path, text in own.items():
        for other in own:
            text = text.replace(f'#include "{other}"', f'#include "{folder}/{other}"')
        found[f"{folder}/{path}"] = text
    return found


def _unit(folder: str, files: dict[str, str]) -> str:
    """All sources of a project in one; its main program becomes a function in a namespace of its own."""
    trace = files[f"{folder}/trace.cpp"]
    sources = [path for path in files if path.startswith(f"{folder}/layers/")]
    included = "".join(f'#include "{path}"\n' for path in [*sources, f"{folder}/top.cpp"])
    return f"{included}{''.join(_INCLUDE.findall(trace))}namespace {folder}_program {{\n{_INCLUDE.sub('', trace)}}}\n"


def _program(graphs: Sequence[Graph], names: Sequence[str], folder: Path) -> Path:
    texts, headers = [], {}
    for graph, name in zip(graphs, names, strict=True):
        exported = export_hls(graph)
        headers.update({path: text for path, text in exported.items() if path.startswith("include/")})
        files = _below(exported, name)
        texts.append(_unit(name, files))
        write_tree(folder / name, {path.removeprefix(f"{name}/"): text for path, text in files.items()})
    write_tree(folder / "include", {path.removeprefix("include/"): text for path, text in headers.items()})
    calls = "".join(f'\n        | run({name}_program::main, folder + "{name}")' for name in names)
    write_file(folder / "all.cpp", "".join(texts) + _MAIN % calls)
    included = (f"-I{folder}", f"-I{folder / 'include'}", "-isystem", ap_headers())
    options = [*UNOPTIMISED, "-w", "-DFLOW_TRACE", *read_once(), *included]
    run([program("g++"), *options, folder / "all.cpp", "-o", folder / "all"])
    return folder / "all"


def read_once() -> tuple[str, ...]:
    """Options that make g++ read the vendor's headers precompiled for `UNOPTIMISED`."""
    return precompiled(UNOPTIMISED, hash_of([tool(), *UNOPTIMISED]))


def simulate_together(
    graphs: Sequence[Graph], codes: Sequence[np.ndarray], folder: Path
) -> list[dict[str, np.ndarray]]:
    """As `simulate_csim` of each graph on its codes; the graphs' names differ."""
    names = [identifier(graph.name) for graph in graphs]
    built = _program(graphs, names, folder)
    for name, inputs in zip(names, codes, strict=True):
        write_file(folder / f"{name}.dat", to_lines(inputs))
    run([built, folder])
    flat = [np.fromfile(folder / f"{name}.bin", dtype=np.int64) for name in names]
    return [split_trace(*each) for each in zip(graphs, flat, map(len, codes), strict=True)]
