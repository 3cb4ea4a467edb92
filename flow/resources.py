"""Where the hand-written files are: inside the installed wheel, or at the top of the checkout."""

from __future__ import annotations

from pathlib import Path

from flow.errors import ToolMissingError

__all__ = ["folder"]

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """The folder `rtl`, `hls_templates`, `boards` or `recipes`.

    Raises:
        ToolMissingError: neither the wheel nor a checkout brings it.
    """
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise ToolMissingError(
        f"flow's own folder {name!r} is missing; install flow again: pip install --force-reinstall qfx-flow."
    )
