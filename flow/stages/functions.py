"""The user's own functions: `file.py:function`, and what goes wrong inside them told with the line of that file."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import Any

from flow.errors import FlowError, RecipeError

__all__ = ["function_of"]


def function_of(
    model: str, folder: Path, known: tuple[str, ...] = (), place: str = "Recipe key 'model'"
) -> Callable[[], Any]:
    """The function that `file.py:function` names, the file as seen from `folder`; it may import its neighbours.

    Args:
        model: the text.
        folder: where relative files start.
        known: names that would have done as well, for the message.
        place: what holds the text, for the message.

    Raises:
        RecipeError: no such file or function, the text names none, or the file or, later, the function itself raises.
    """
    file, colon, name = model.partition(":")
    if not colon:
        raise RecipeError(f"{place} must be file.py:function or one of {', '.join(known)}, not {file!r}.")
    path = folder / file
    if path.suffix != ".py" or not path.is_file():
        raise RecipeError(f"{place} names the file {str(path)!r}, which is not a Python file that exists.")
    with _running(path, place):
        make = getattr(_module(path), name, None)
    if not callable(make):
        raise RecipeError(f"{place} names the function {name!r}, which {str(path)!r} does not define.")

    @wraps(make)
    def made() -> Any:
        with _running(path, place):
            return make()

    return made


def _module(path: Path) -> Any:
    """The file as a module of a name of its own, so that a file called like a package hides none."""
    name = f"flow_user.{path.stem}"
    loader = SourceFileLoader(name, str(path))
    module = importlib.util.module_from_spec(ModuleSpec(name, loader, origin=str(path)))
    sys.modules[name] = module  # where dataclasses look their fields up
    loader.exec_module(module)
    return module


@contextmanager
def _running(path: Path, place: str) -> Iterator[None]:
    """The user's code runs: its folder is where imports look first, and what it raises becomes one sentence."""
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    except FlowError:
        raise
    except Exception as error:
        raise RecipeError(
            f"{place}: {_line(path, error)!r} raises {type(error).__name__}: {error}; correct it there."
        ) from error
    finally:
        sys.path.remove(folder)


def _line(path: Path, error: Exception) -> str:
    """The last line of `path` that was running, or that cannot be read, as `file:line`."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == path.resolve()]
    line = lines[-1] if lines else getattr(error, "lineno", None)
    return f"{path}:{line}" if line else str(path)
