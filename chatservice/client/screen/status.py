"""The line below the line that is typed: where one is, what waits elsewhere, how the connection is.

It is shortened until it fits: words go before numbers do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from wcwidth import clip

from chatservice.client.screen.wrapping import Text
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


@dataclass(frozen=True)
class State:
    """What there is to tell.

    :ivar here: where goes what is typed; ``""`` if it is nowhere.
    :ivar together: all is looked at in one view.
    :ivar people: how many are in the room; None if that is not known, or it is none.
    :ivar others: the other views.
    :ivar unsent: own lines that are not stored yet, although they should be.
    :ivar connected: whether there is a connection, with a name.
    :ivar latency: of the last ping, in seconds.
    :ivar pause: seconds until it is tried again to connect; None if that is tried right now.
    """

    here: str = ""
    together: bool = False
    people: int | None = None
    others: Sequence[Other] = ()
    unsent: int = 0
    connected: bool = True
    latency: float | None = None
    pause: int | None = None


def status(state: State, columns: int) -> Text:
    """Render it in at most so many columns."""
    here = state.here or ("no room" if state.connected else "")
    if state.together and state.here:
        here = f"all, to {here}"
    crowd = people(state.people) if state.people is not None and state.here else ""
    unread = [other for other in state.others if other.unread]
    keys, every, waiting = (
        _listed("Alt-", state.others),
        _listed("", state.others),
        _listed("", unread),
    )
    first = _listed("", unread[:1], len(unread) - 1)
    unsent = f"{state.unsent} unsent" if state.unsent else ""
    long, short, shortest = _connection(state)
    for one, count, others, late, connection in (
        (here, crowd, keys, unsent, long),
        (here, crowd, every, unsent, long),
        (here, crowd, every, unsent, short),
        (here, "", every, unsent, short),
        (here, "", waiting, unsent, short),
        (here, "", first, unsent, shortest),
        (here, "", [], unsent, shortest),
        ("", "", [], unsent, shortest),
        ("", "", [], "", shortest),
    ):
        parts = [[(STRONG, one)], [(BAR, count)], others, [(STRONG, late)], [(BAR, connection)]]
        rendered = _joined(BETWEEN, [part for part in parts if any(text for _, text in part)])
        if width("".join(text for _, text in rendered)) <= columns - 2:
            break
    cut = [(style, clip(text, 0, max(1, columns - 2))) for style, text in rendered]
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
