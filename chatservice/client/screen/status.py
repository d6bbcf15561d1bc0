"""The status line below the typed line: the view, the unread lines elsewhere, the connection.

The line is shortened until it fits; words are dropped before numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from wcwidth import clip

from chatservice.client.screen.rendering import Text
from chatservice.text.layout import width
from chatservice.text.listing import people

BETWEEN: Final = " · "

BAR: Final = "class:status"
STRONG: Final = "class:status class:status.strong"


class Other(NamedTuple):
    """A view other than the current one.

    :ivar number: its place among all views; up to 9, also its key.
    :ivar label: the name as it is shown.
    :ivar unread: the number of its unread lines.
    """

    number: int
    label: str
    unread: int


def status(
    here: str,
    crowd: int | None,
    others: Sequence[Other],
    unsent: int,
    connection: Sequence[str],
    columns: int,
) -> Text:
    """Render the status line.

    :param here: the view to which typed lines go.
    :param crowd: the number of people in that room; None if not known, or in a private talk.
    :param others: the other views.
    :param unsent: the number of own lines that should be stored by now and are not.
    :param connection: the state of the connection, see :func:`connected_as`.
    :param columns: the width at most.
    """
    there = "" if crowd is None else people(crowd)
    late = f"{unsent} unsent" if unsent else ""
    unread = [other for other in others if other.unread]
    every = _listed("", others)
    first = _listed("", unread[:1], len(unread) - 1)
    long, short, shortest = connection
    for parts in (
        (here, there, _listed("Alt-", others), late, long),
        (here, there, every, late, long),
        (here, there, every, late, short),
        (here, "", every, late, short),
        (here, "", _listed("", unread), late, short),
        (here, "", first, late, shortest),
        (here, "", [], late, shortest),
        ("", "", [], late, shortest),
        ("", "", [], "", shortest),
    ):
        one, count, views, unstored, how = parts
        texts = [[(STRONG, one)], [(BAR, count)], views, [(STRONG, unstored)], [(BAR, how)]]
        rendered = _joined(BETWEEN, [text for text in texts if any(part for _, part in text)])
        if width("".join(part for _, part in rendered)) <= columns - 2:
            break
    cut = [(style, clip(part, 0, max(1, columns - 2))) for style, part in rendered]
    return [(BAR, " "), *cut, (BAR, " ")]


def _listed(key: str, others: Sequence[Other], more: int = 0) -> Text:
    """Render views, each with its number; those with unread lines stand out.

    :param key: the key to show before each number.
    :param more: the number of views left out.
    """
    parts = []
    for number, label, unread in others:
        shown = f"{key}{number} {label}{f' ({unread:,})' if unread else ''}"
        parts.append([(STRONG if unread else BAR, shown)])
    return _joined(", ", parts) + ([(BAR, f" +{more}")] if more > 0 else [])


def _joined(between: str, parts: Sequence[Text]) -> Text:
    joined: Text = []
    for part in parts:
        joined += [(BAR, between), *part] if joined else part
    return joined


def hint(text: str, columns: int) -> Text:
    """Render a hint in place of the status."""
    return [(BAR, f" {clip(text, 0, max(1, columns - 2))} ")]


def connected_as(
    connected: bool, latency: float | None = None, pause: int | None = None
) -> tuple[str, str, str]:
    """Return the state of the connection in three lengths: long, short, shortest.

    :param connected: whether there is a connection, and the server has welcomed.
    :param latency: the latency of the last ping, in seconds.
    :param pause: seconds until the next attempt to connect; None or 0 during an attempt.
    """
    if connected:
        if latency is None:
            return "connected", "connected", "on"
        shown = f"{latency * 1000:.0f} ms" if latency < 1 else f"{latency:.1f} s"
        return f"connected {shown}", shown, shown
    if not pause:
        return "no connection: trying now", "connecting", "offline"
    return (
        f"no connection: trying again in {pause} s",
        f"no connection: {pause} s",
        f"offline: {pause} s",
    )
