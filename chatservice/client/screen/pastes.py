"""What is pasted: each line of it is one message, and many are asked about first."""

from __future__ import annotations

from typing import Final

from wcwidth import clip

from chatservice.text.sanitising import safe

LINES_MOST: Final = 5
CHARACTERS_MOST: Final = 2000
"""More than that is shown, and asked about, before it is sent."""

SHOWN: Final = 3
"""So many of its lines are shown."""


def lines_of(text: str) -> list[str]:
    """Take a text apart, as it would be said; blank lines don't count."""
    return [line for line in map(safe, text.replace("\r", "\n").split("\n")) if line]


def is_long(text: str) -> bool:
    """Tell whether it is better to ask before this is sent."""
    return len(lines_of(text)) > LINES_MOST or len(text) > CHARACTERS_MOST


def count(lines: list[str]) -> str:
    """Count lines, as one would say it."""
    return "1 line" if len(lines) == 1 else f"{len(lines):,} lines"


def preview(lines: list[str], columns: int) -> list[str]:
    """Show what was pasted: how much it is, and how it begins."""
    characters = sum(map(len, lines))
    shown = [f"  {clip(line, 0, max(8, columns - 5)).rstrip()}" for line in lines[:SHOWN]]
    if len(lines) > SHOWN:
        shown.append(f"  … and {len(lines) - SHOWN:,} more")
    return [f"you pasted {count(lines)}, {characters:,} characters:", *shown]
