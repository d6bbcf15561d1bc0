"""Which colours there are: readable on a light background and on a dark one."""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Final

from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import BaseStyle, Style

from chatservice.text import names

PALETTE: Final = (
    "#d7005f",
    "#af5f00",
    "#5f8700",
    "#008700",
    "#00875f",
    "#008787",
    "#0087af",
    "#5f5fff",
    "#875fff",
    "#af5faf",
    "#d700af",
    "#af5f5f",
)
"""Colours of names. Each is one of the 256 that terminals have, and its contrast is at least 4 to
black and to white (WCAG 2, success criterion 1.4.3)."""

QUIET: Final = "#767676"
"""A grey whose contrast is 4.5 to both, for what is not to be read first."""


@lru_cache(maxsize=1000)
def of_name(name: str) -> str:
    """Return the style of a name, which is the same each time, on each screen."""
    return f"fg:{PALETTE[zlib.crc32(names.key(name).encode()) % len(PALETTE)]}"


def style_for(depth: ColorDepth) -> BaseStyle:
    """Return what the classes look like, with so many colours."""
    many = depth in (ColorDepth.DEPTH_8_BIT, ColorDepth.DEPTH_24_BIT)
    quiet = QUIET if many else "dim"
    bar = "bg:#3a3a3a #d0d0d0" if many else "reverse"
    chosen = "bg:#d0d0d0 #1c1c1c" if many else "noreverse bold"
    return Style(
        [
            ("quiet", quiet),
            ("me", "bold"),
            ("mention", "bold bg:#d7af5f #1c1c1c" if many else "bold reverse"),
            ("announced", "bold"),
            ("prompt", "bold"),
            ("unsent", quiet),
            ("status", bar),
            ("status.strong", "bold #ffffff" if many else "bold"),
            ("completion-toolbar", f"noinherit {bar}"),
            ("completion-toolbar.completion", f"noinherit {bar}"),
            ("completion-toolbar.completion.current", f"noinherit {chosen}"),
            ("completion-toolbar.arrow", f"noinherit {bar} bold"),
            ("search-toolbar", "noinherit"),
            ("search-toolbar.prompt", "bold"),
        ]
    )
