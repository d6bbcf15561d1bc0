"""How the answers of the server to questions look, laid out for forty columns."""

from __future__ import annotations

from collections.abc import Callable, Container

from chatservice import messages
from chatservice.text import durations
from chatservice.text.layout import listed, table, wrap
from chatservice.text.listing import people


def who(answer: messages.WhoIs) -> list[str]:
    """List who is in a room."""
    if not answer.count:
        return [f"nobody is in #{answer.room}"]
    shown = [
        person.name if person.away is None else f"{person.name} (away)" for person in answer.people
    ]
    more = answer.count - len(shown)
    return [
        *wrap(f"{people(answer.count)} in #{answer.room}:".split()),
        *listed(shown, "  "),
        *([f"  and {more:,} more"] if more > 0 else []),
    ]


def rooms(answer: messages.RoomList, yours: Container[str], here: str | None) -> list[str]:
    """List rooms, those with most people first, as the server has them."""
    if not answer.rooms:
        return ["there are no rooms"]
    columns = max(len(f"{room.people:,}") for room in answer.rooms)
    rows = []
    for room in answer.rooms:
        mark = " (you are here)" if room.room == here else ""
        if not mark and room.room in yours:
            mark = " (yours)"
        locked = " (locked)" if room.locked else ""
        rows.append(f"{room.people:>{columns},}  #{room.room}{mark}{locked}")
    more = answer.count - len(answer.rooms)
    return rows + ([f"and {more:,} more"] if more > 0 else [])


def about(answer: messages.About, moment: Callable[[str], str]) -> list[str]:
    """Tell about one person.

    :param moment: writes out a time.
    """
    rows = [
        ("in", ", ".join(f"#{room}" for room in answer.rooms) or "no room"),
        ("since", moment(answer.since)),
        ("idle", durations.say(answer.idle)),
    ]
    if answer.away is not None:
        rows.append(("away", answer.away or "yes"))
    operator = " (operator)" if answer.operator else ""
    return [f"{answer.name}{operator}", *table(rows)]


def up(answer: messages.Up, moment: Callable[[str], str]) -> list[str]:
    """Tell since when the server runs."""
    return [f"up {durations.say(answer.seconds)}", f"since {moment(answer.since)}"]
