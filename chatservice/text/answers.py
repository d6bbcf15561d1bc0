"""The layout of answers to questions, for a terminal of forty columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from chatservice.messages import About, NameList, Person, RoomSeen, Up
from chatservice.text import durations
from chatservice.text.layout import COLUMNS, WIDTH, grid, listed, table, wrap
from chatservice.text.listing import directed, people


def who(room: str, there: Iterable[Person], count: int) -> list[str]:
    """List the members of a room: the first are in ``there``, ``count`` are all."""
    if not count:
        return [f"nobody is in #{room}"]
    shown = [directed(one.name) + ("" if one.away is None else " (away)") for one in there]
    more = count - len(shown)
    return [
        *wrap(f"{people(count)} in #{room}:".split()),
        *listed(shown, "  "),
        *([f"  and {more:,} more"] if more > 0 else []),
    ]


def names(answer: NameList, columns: int = COLUMNS) -> list[str]:
    """List one page of the people here.

    :param columns: the width of the terminal.
    """
    page, pages = answer.page, answer.pages
    if not answer.names:
        return [f"there is no page {page:,}: the last is {pages:,}"]
    where = f", page {page:,} of {pages:,}" if pages > 1 else ""
    return [
        *wrap(f"{people(answer.count)} here{where}:".split()),
        *grid([directed(name) for name in answer.names], "  ", columns - COLUMNS + WIDTH),
        *([f"/names {page + 1} shows the next"] if page < pages else []),
    ]


def rooms(shown: Sequence[RoomSeen], more: int, yours: Iterable[str], here: str) -> list[str]:
    """List rooms in the order given, and count those that are not shown."""
    if not shown:
        return ["there are no rooms"]
    columns = max(len(f"{room.people:,}") for room in shown)
    marks = {**dict.fromkeys(yours, " (yours)"), here: " (you are here)"}
    return [
        *(
            f"{room.people:>{columns},}  #{room.room}{marks.get(room.room, '')}"
            f"{' (locked)' if room.locked else ''}"
            for room in shown
        ),
        *([f"and {more:,} more"] if more > 0 else []),
    ]


def about(answer: About, moment: Callable[[str], str], *more: tuple[str, str]) -> list[str]:
    """Describe one person.

    :param moment: writes out a time.
    :param more: further rows, each a label and a text.
    """
    rows = [
        ("in", ", ".join(f"#{room}" for room in answer.rooms) or "no room"),
        ("since", moment(answer.since)),
        ("idle", durations.say(answer.idle)),
        *([("away", answer.away or "yes")] if answer.away is not None else []),
    ]
    return [
        f"{directed(answer.name)}{' (operator)' if answer.operator else ''}",
        *table([*rows, *more]),
    ]


def up(answer: Up, moment: Callable[[str], str]) -> list[str]:
    """Return the lines that say how long, and since when, the server has been running."""
    return [f"up {durations.say(answer.seconds)}", f"since {moment(answer.since)}"]
