"""Clean-ups after the last test, in each process that runs tests."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import Any

_todo: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []


def at_end(do: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Register a call for the end; the last registered runs first."""
    _todo.append((do, args, kwargs))


def end() -> None:
    """Run the registered calls. Workers of pytest-xdist skip ``atexit``, so pytest calls this."""
    while _todo:
        do, args, kwargs = _todo.pop()
        do(*args, **kwargs)


atexit.register(end)
