"""What is done when the last test is over, in each process that runs some."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import Any

_todo: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []


def at_end(do: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Have something done; what was asked for last is done first."""
    _todo.append((do, args, kwargs))


def end() -> None:
    """Do it. The processes of pytest-xdist do not end by themselves, so pytest calls this."""
    while _todo:
        do, args, kwargs = _todo.pop()
        do(*args, **kwargs)


atexit.register(end)
