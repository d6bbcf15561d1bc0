"""What one said that is not stored yet, although it should be: shown until it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from wcwidth import clip

from chatservice.client.session.seat import Sent
from chatservice.text.layout import width

SLOW: Final = 0.5
"""Seconds that it may take before it is shown."""

SHOWN: Final = 3
"""So many lines are shown, the last ones; the status counts all."""


class Unsent:
    """Knows since when what was said is on its way."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._since: dict[Sent, float] = {}

    def said(self, sent: Sent) -> None:
        """Note that something was said."""
        self._since[sent] = self._reactor.seconds()

    def settled(self, sent: Sent) -> None:
        """Note that it is stored, or will not be."""
        self._since.pop(sent, None)

    def late(self, unstored: Sequence[Sent], connected: bool) -> list[Sent]:
        """List what should be stored by now, or can't be."""
        then = self._reactor.seconds() - SLOW
        return [sent for sent in unstored if not connected or self._since.get(sent, then) <= then]

    def rows(self, late: Sequence[Sent], columns: int) -> list[str]:
        """Render the last of it, a row each."""
        return [_row(f"… {sent.request.text}", columns) for sent in late[-SHOWN:]]


def _row(text: str, columns: int) -> str:
    return text if width(text) < columns else clip(text, 0, columns - 2) + "…"
