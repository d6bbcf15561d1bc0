"""The line below the line that is typed: where one is, what waits elsewhere, how the connection is.

It is shortened until it fits: words go before numbers do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from prompt_toolkit.formatted_text import StyleAndTextTuples
from wcwidth import clip

from chatservice.text.layout import width
from chatservice.text.listing import people

BETWEEN: Final = " · "

BAR: Final = "class:status"
STRONG: Final = "class:status class:status.strong"


@dataclass(frozen=True)
class State:
    """What there is to tell.

    :ivar room: in which one is.
    :ivar people: how many are in it; None if that is not known.
    :ivar unread: what waits elsewhere, by where it is.
    :ivar unsent: own lines that are not stored yet, although they should be.
    :ivar connected: whether there is a connection, with a name.
    :ivar latency: of the last ping, in seconds.
    :ivar pause: seconds until it is tried again to connect; None if that is tried right now.
    """

    room: str | None = None
    people: int | None = None
    unread: Mapping[str, int] = field(default_factory=dict)
    unsent: int = 0
    connected: bool = True
    latency: float | None = None
    pause: int | None = None


def status(state: State, columns: int) -> StyleAndTextTuples:
    """Render it in at most so many columns."""
    room = f"#{state.room}" if state.room else "no room" if state.connected else ""
    unsent = f"{state.unsent} unsent" if state.unsent else ""
    counts = [f"{label} {count:,}" for label, count in reversed(list(state.unread.items()))]
    crowd = "" if state.people is None or not state.room else people(state.people)
    number = "" if state.people is None or not state.room else f"{state.people:,}"
    long, short, shortest = _connection(state)
    waiting = ", ".join(counts)
    rest = f"{counts[0]} +{len(counts) - 1}" if len(counts) > 1 else waiting
    for parts in (
        (room, crowd, waiting and f"unread elsewhere: {waiting}", unsent, long),
        (room, crowd, waiting and f"unread: {waiting}", unsent, long),
        (room, crowd, waiting, unsent, short),
        (room, number, waiting, unsent, short),
        (room, number, rest, unsent, short),
        (room, "", rest, unsent, shortest),
        (room, "", "", unsent, shortest),
        ("", "", "", unsent, shortest),
        ("", "", "", "", shortest),
    ):
        if width(BETWEEN.join(filter(None, parts))) <= columns - 2:
            break
    return _rendered(parts, columns)


def hint(text: str, columns: int) -> StyleAndTextTuples:
    """Render something else in its place."""
    return [(BAR, f" {clip(text, 0, max(1, columns - 2))} ")]


def _rendered(parts: tuple[str, ...], columns: int) -> StyleAndTextTuples:
    # What calls for being looked at is the unread and the unsent.
    styles = (STRONG, BAR, STRONG, STRONG, BAR)
    rendered: StyleAndTextTuples = [(BAR, " ")]
    for style, part in zip(styles, parts, strict=True):
        if part:
            if len(rendered) > 1:
                rendered.append((BAR, BETWEEN))
            # The words before the numbers need not stand out.
            words, colon, numbers = part.rpartition(": ") if style == STRONG else ("", "", part)
            if colon:
                rendered.append((BAR, words + colon))
            rendered.append((style, clip(numbers, 0, max(1, columns - 2))))
    return [*rendered, (BAR, " ")]


def _connection(state: State) -> tuple[str, str, str]:
    """Tell how the connection is: in a sentence, in few words, in fewer."""
    if state.connected:
        if state.latency is None:
            return "connected", "connected", "on"
        shown = f"{state.latency * 1000:.0f} ms" if state.latency < 1 else f"{state.latency:.1f} s"
        return f"connected {shown}", shown, shown
    if not state.pause:
        return "no connection: trying now", "connecting", "offline"
    seconds = f"{state.pause} s"
    return (
        f"no connection: trying again in {seconds}",
        f"no connection: {seconds}",
        f"offline: {seconds}",
    )
