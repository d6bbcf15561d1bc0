"""The line below the line that is typed: where one is, what waits elsewhere, how the connection is.

It is shortened until it fits: words go before numbers do.
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
    """A view where one is not now.

    :ivar number: which one it is of all: the key that goes there.
    :ivar label: as one would type it.
    :ivar unread: how many lines of it were not seen.
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
    """Render it in at most so many columns.

    :param here: where goes what is typed.
    :param crowd: how many are in that room; None if that is not known, or it is none.
    :param others: the other views.
    :param unsent: own lines that are not stored yet, although they should be.
    :param connection: how it is, see :func:`connected_as`.
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
    """Render views, each with what brings one there; what calls for being looked at stands out."""
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
    """Render something else in its place."""
    return [(BAR, f" {clip(text, 0, max(1, columns - 2))} ")]


def connected_as(
    connected: bool, latency: float | None = None, pause: int | None = None
) -> tuple[str, str, str]:
    """Tell how the connection is: in a sentence, in few words, in fewer.

    :param connected: whether there is one, with a name.
    :param latency: of the last ping, in seconds.
    :param pause: seconds until it is tried again to connect; None if that is tried right now.
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
