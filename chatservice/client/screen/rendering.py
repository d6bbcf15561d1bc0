"""The look of events: the same marks as in the chat's own text view, with times and colours.

``<ana> hi`` was said, ``* ana waves`` was done, ``[ana -> you] hi`` is private. ``#dev`` comes
before a line of another room, and ``-- `` before a line of the service itself. The time
(:class:`Times`) is put in front when the line is printed.

Lines too long for the terminal are folded by columns (:func:`wrap`), between words, with a hanging
indent. So no words of a person begin a row, where they could be taken for a line of their own.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from datetime import date, datetime, tzinfo
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from wcwidth import iter_graphemes

from chatservice import messages
from chatservice.client.screen.mentions import mentions
from chatservice.client.stored.state import Bell, Settings
from chatservice.text import names
from chatservice.text.layout import width
from chatservice.text.listing import FACES, directed, directed_room, faces
from chatservice.text.times import OFF, STAMPS

Text = list[tuple[str, str]]
"""Text to show: pairs of a style and a part of the text."""

LEAST: Final = 8
"""Columns that a row has after its indent, at least, on any terminal."""

# An address is left whole, to be clicked and copied. Without brackets and spaces, it can't look
# like the beginning of a line either.
_ADDRESS: Final = re.compile(r"https?://[!#-;=?-Z\\^-z|~]+")

LOCAL: Final = "local"
"""The zone of this machine."""

UNKNOWN: Final = "[--:--] "
"""The stamp in place of a time that can't be read."""

MARK: Final = "-- "

WIDE: Final = 60
"""The columns from which rows are indented to the text after the stamp; below, only a little."""

NARROW_INDENT: Final = 2

QUIET: Final = "class:quiet"

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


@lru_cache(maxsize=1000)
def of_name(name: str) -> str:
    """Return the style of a name, the same each time and on each screen."""
    return f"fg:{PALETTE[zlib.crc32(names.key(name).encode()) % len(PALETTE)]}"


class Weight(IntEnum):
    """The importance of a line, which decides whether it rings the bell."""

    NONE = 0
    TALK = 1
    MENTION = 2

    def rings(self, bell: Bell) -> bool:
        """Return whether this weight rings the bell under a setting of ``bell``."""
        return bell != "off" and self >= (Weight.TALK if bell == "all" else Weight.MENTION)


class Line(NamedTuple):
    """A line to show.

    :ivar fragments: the styled text.
    :ivar timed: whether the line gets a time in front.
    :ivar at: the time; None if it is not known.
    :ivar weight: decides whether the line rings the bell and counts as unread.
    :ivar id: the id of the event; 0 if the line is not an event.
    """

    fragments: Text
    timed: bool = False
    at: datetime | None = None
    weight: Weight = Weight.NONE
    id: int = 0

    def indent(self, columns: int, stamp: int) -> int:
        """Return the indent of the second and later rows, in columns.

        :param columns: the width of the terminal.
        :param stamp: the width of the time in front.
        """
        if not self.timed:
            return len(MARK)
        return max(stamp, NARROW_INDENT) if columns >= WIDE else NARROW_INDENT

    def elsewhere(self, room: str) -> Line:
        """Return the line with the name of its room in front, for a view of other rooms."""
        first, *rest = self.fragments
        if first == (QUIET, MARK):
            return self._replace(fragments=[(QUIET, f"{MARK}#{directed_room(room)}: "), *rest])
        return self._replace(fragments=[(QUIET, f"#{directed_room(room)} "), first, *rest])


def notice(text: str) -> Line:
    """Render a sentence of the service, or of the client."""
    return Line([(QUIET, MARK), ("", text)])


def rule(text: str) -> Line:
    """Render a rule with a text, between two parts of the conversation."""
    return Line([(QUIET, f"-- {text} --")])


def day(of: date) -> Line:
    """Render the rule above the first line of a day."""
    return rule(f"{of:%A}, {of.day} {of:%B %Y}")


def happened(event: messages.Event, me: str) -> Line | None:
    """Render an event.

    :param me: the person's own name.
    :return: None if the event is not shown.
    """
    author, text = event.author or "", event.text or ""
    weight = Weight.MENTION if mentions(text, me) else Weight.TALK
    if event.type in ("said", "did"):
        return _line(event.time, _talk(event.type, author, text, me), weight, event.id)
    if event.type == "private":
        words = [(QUIET, "["), _name(author), (QUIET, " -> "), ("class:me", "you"), (QUIET, "] ")]
        return _line(event.time, [*words, *_marked(text, me)], Weight.MENTION, event.id)
    told = _told(event, author, text, me)
    if told is None:
        return None
    weight = weight if event.type == "announced" else Weight.NONE
    return _line(event.time, [(QUIET, MARK), *told], weight, event.id)


def _name(name: str) -> tuple[str, str]:
    return of_name(name), directed(name)


def _told(event: messages.Event, author: str, text: str, me: str) -> Text | None:
    who = _name(author)
    if event.type in ("joined", "left"):
        return _moved(event, text, me)
    if event.type == "renamed":
        return [who, (QUIET, " is now "), _name(event.name or "")]
    if event.type == "topic":
        return [who, *_topic(text)]
    if event.type == "announced":
        return [who, ("class:announced", f" announces: {text}")]
    return [who, ("", f" {text}")]


def _moved(event: messages.Event, text: str, me: str) -> Text | None:
    others = [name for name in event.names or () if name != me]
    count = (event.count or 0) - (len(event.names or ()) - len(others))
    if not others:
        return None
    moved = f" {event.type} ({text})" if text else f" {event.type}"
    if len(others) == 1 and count <= 1:
        return [_name(others[0]), (QUIET, moved)]
    return [(QUIET, f"{_faces(others, count)}{moved}")]


def _faces(people: Sequence[str], count: int) -> str:
    """List names, and the number of people beyond those named."""
    more = max(count, len(people)) - min(len(people), FACES)
    if not more:
        return faces(people)
    return f"{', '.join(map(directed, people[:FACES]))} and {more:,} more"


def _topic(text: str) -> Text:
    if not text:
        return [(QUIET, " took the topic away")]
    return [(QUIET, " set the topic: "), ("", text)]


def sent(request: messages.Request, me: str, at: datetime, id: int = 0, to: str = "") -> Line:
    """Render the person's own talk, once it is stored.

    :param me: the person's own name.
    :param to: the name of the receiver, if the talk was private.
    """
    text = getattr(request, "text", "")
    if isinstance(request, messages.Private):
        between = [("class:me", "you"), (QUIET, " -> "), _name(to)]
        return _line(at, [(QUIET, "["), *between, (QUIET, "] "), ("", text)], id=id)
    if isinstance(request, messages.Topic):
        return _line(at, [(QUIET, MARK), ("class:me", "you"), *_topic(text)], id=id)
    return _line(at, _talk(request.type, me, text, me), id=id)


def _talk(type: str, author: str, text: str, me: str) -> Text:
    own = author == me
    style = "class:me" if own else of_name(author)
    words: Text = [("", text)] if own else _marked(text, me)
    if type in ("did", "do"):
        return [(QUIET, "* "), (style, directed(author)), ("", " "), *words]
    return [(QUIET, "<"), (style, directed(author)), (QUIET, "> "), *words]


def _marked(text: str, me: str) -> Text:
    """Render somebody's words, with each mention of the person's own name marked."""
    words: Text = []
    place = 0
    for start, end in mentions(text, me):
        words += [("", text[place:start]), ("class:mention", text[start:end])]
        place = end
    return [*words, ("", text[place:])]


def _line(at: datetime | None, words: Text, weight: Weight = Weight.NONE, id: int = 0) -> Line:
    return Line([fragment for fragment in words if fragment[1]], True, at, weight, id)


def counted(number: int, what: str = "line") -> str:
    """Return a number with its noun: ``1 line``, ``2 lines``."""
    return f"1 {what}" if number == 1 else f"{number:,} {what}s"


def where_one_is(room: str, people: Sequence[str], count: int, topic: str) -> list[Line]:
    """Render the room that the person came into, the people in it, and its topic.

    :param people: the names of the others; maybe not all of them.
    :param count: the number of the others.
    """
    company = f" with {_faces(people, count)}" if people else ": no one else yet"
    lines = [notice(f"you are in #{directed_room(room)}{company}")]
    if topic:
        lines.append(notice(f"the topic: {topic}"))
    return lines


class Times(NamedTuple):
    """Formats times as the settings ask for, even times outside the calendar."""

    wanted: Settings

    def local(self, at: datetime) -> datetime:
        """Convert a time to the zone of the settings, unless it falls outside the calendar."""
        try:
            return at.astimezone(_zone(self.wanted.zone))
        except (ValueError, OverflowError, OSError):
            return at  # For example, in the first or the last year.

    def stamp(self, at: datetime | None) -> str:
        """Return the stamp of a time, to put before a line; empty if stamps are off.

        :param at: None if the time can't be read.
        """
        if self.wanted.timestamps == OFF:
            return ""
        return UNKNOWN if at is None else self.local(at).strftime(STAMPS[self.wanted.timestamps])


def zone_name(typed: str) -> str | None:
    """Return the exact name of a time zone that was typed; None if there is no such zone."""
    return LOCAL if typed.lower() == LOCAL else _zones().get(typed.lower())


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in (*available_timezones(), "UTC")}


@lru_cache(maxsize=4)
def _zone(name: str) -> tzinfo | None:
    return None if name == LOCAL else ZoneInfo(name)


def wrap(fragments: Text, columns: int, indent: int) -> Text:
    """Fold a line into rows.

    :param fragments: the line, without newlines.
    :param columns: the width of the terminal.
    :param indent: the columns by which all rows but the first are indented.
    :return: the line with a newline between rows, in place of the spaces there.
    """
    text = "".join(part for _, part in fragments)
    if width(text) <= columns:
        return fragments
    indent = max(0, min(indent, columns - LEAST))
    starts = _starts(text, columns, indent)
    wrapped: Text = []
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        if wrapped:
            wrapped.append(("", "\n" + " " * indent))
        end = start + len(text[start:end].rstrip(" "))
        place = 0
        for style, part in fragments:
            if inside := part[max(0, start - place) : max(0, end - place)]:
                wrapped.append((style, inside))
            place += len(part)
    return wrapped


def _starts(text: str, columns: int, indent: int) -> list[int]:
    """Return the place in the text at which each row begins."""
    room = columns - indent
    starts = [0]
    used = place = 0
    for word in _words(text):
        # A word too long for a row is broken, and not moved to the next; an address is left whole.
        fits = width(word.rstrip(" ")) <= room or _ADDRESS.search(word)
        for part in [word] if fits else iter_graphemes(word):
            needed = width(part.rstrip(" "))
            if needed and used + needed > columns and place > starts[-1]:
                starts.append(place)
                used = indent
            used += width(part)
            place += len(part)
    return starts


def _words(text: str) -> list[str]:
    """Split a text at the places where a row may end, among them the end of each address."""
    spans = [found.span() for found in _ADDRESS.finditer(text)]
    within = {place for start, end in spans for place in range(start + 1, end)}
    behind = {end for _, end in spans}
    words = [""]
    before = ""
    place = 0
    for character in iter_graphemes(text):
        if place in behind or (before and place not in within and _may_break(before, character)):
            words.append("")
        words[-1] += character
        before = character
        place += len(character)
    return words


def _may_break(before: str, character: str) -> bool:
    if before == " " or (before == "-" and character.isalpha()):
        return True
    # Most scripts whose characters are two columns wide have no spaces between words.
    return width(before) > 1 or (width(character) > 1 and character.isalpha())
