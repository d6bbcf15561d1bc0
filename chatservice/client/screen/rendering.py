"""How what happens looks: the same marks as in the chat's own text view, with times and colours.

``<ana> hi`` was said, ``* ana waves`` was done, ``[ana -> you] hi`` is private, ``#dev`` stands
before what is of another room, and ``-- `` before all that is the service's own. When it was stands
in front of that (:mod:`.times`) once it is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import IntEnum
from typing import Final, NamedTuple

from prompt_toolkit.formatted_text import StyleAndTextTuples

from chatservice import messages
from chatservice.client.screen.mentions import mentions
from chatservice.client.screen.styles import of_name
from chatservice.client.state import Bell
from chatservice.text.listing import FACES, directed, directed_room, faces

MARK: Final = len("-- ")

WIDE: Final = 60
"""From so many columns on, a long line goes on below itself; on fewer, a little to the right."""

NARROW_INDENT: Final = 2

QUIET: Final = "class:quiet"


class Weight(IntEnum):
    """How much somebody may want to be called because of a line."""

    NONE = 0
    TALK = 1
    MENTION = 2

    def rings(self, bell: Bell) -> bool:
        """Tell whether the bell is to ring, by when somebody wants it to."""
        return bell != "off" and self >= (Weight.TALK if bell == "all" else Weight.MENTION)


class Line(NamedTuple):
    """A line to show.

    :ivar fragments: what it looks like.
    :ivar timed: it is of a time, and that stands in front of it.
    :ivar at: the time; None if that is not known.
    :ivar weight: whether it may ring the bell.
    :ivar id: of the event, if it is one.
    """

    fragments: StyleAndTextTuples
    timed: bool = False
    at: datetime | None = None
    weight: Weight = Weight.NONE
    id: int = 0

    def indent(self, columns: int, stamp: int) -> int:
        """Return by how much its second row is indented.

        :param stamp: columns of the time in front of it.
        """
        if not self.timed:
            return MARK
        return max(stamp, NARROW_INDENT) if columns >= WIDE else NARROW_INDENT


def notice(text: str) -> Line:
    """Render what the service, or the client, has to say."""
    return Line([(QUIET, "-- "), ("", text)])


def rule(text: str) -> Line:
    """Render what stands between two parts of the conversation."""
    return Line([(QUIET, f"-- {text} --")])


def day(of: date) -> Line:
    """Render the line above the first of a day."""
    return rule(f"{of:%A}, {of.day} {of:%B %Y}")


def happened(event: messages.Event, here: str | None, me: str) -> Line | None:
    """Render an event.

    :param here: the room that one is in now; what is of another has its name in front.
    :param me: one's own name.
    :return: None if there is nothing to be shown.
    """
    at = event.time
    room = event.room or ""
    # Who has another name has it everywhere.
    elsewhere = bool(room) and room != here and event.type != "renamed"
    author, text = event.author or "", event.text or ""
    weight = Weight.MENTION if mentions(text, me) else Weight.TALK
    if event.type in ("said", "did"):
        words = _talk(event.type, author, text, me)
        return _line(at, _room(room, elsewhere), words, weight, event.id)
    if event.type == "private":
        words = [(QUIET, "["), _name(author), (QUIET, " -> "), ("class:me", "you")]
        return _line(at, words, [(QUIET, "] "), *_marked(text, me)], Weight.MENTION, event.id)
    told = _told(event, author, text, me)
    if told is None:
        return None
    where: StyleAndTextTuples = [(QUIET, f"-- #{directed_room(room)}: " if elsewhere else "-- ")]
    return _line(at, where, told, weight if event.type == "announced" else Weight.NONE, event.id)


def _name(name: str) -> tuple[str, str]:
    return of_name(name), directed(name)


def _told(event: messages.Event, author: str, text: str, me: str) -> StyleAndTextTuples | None:
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


def _moved(event: messages.Event, text: str, me: str) -> StyleAndTextTuples | None:
    others = [name for name in event.names or () if name != me]
    count = (event.count or 0) - (len(event.names or ()) - len(others))
    if not others:
        return None
    words = f" ({text})" if text else ""
    if len(others) == 1 and count <= 1:
        return [_name(others[0]), (QUIET, f" {event.type}{words}")]
    return [(QUIET, f"{_faces(others, count)} {event.type}{words}")]


def _faces(names: Sequence[str], count: int) -> str:
    """List names, and how many more there are of whom no name is known."""
    more = max(count, len(names)) - min(len(names), FACES)
    if not more:
        return faces(names)
    return f"{', '.join(map(directed, names[:FACES]))} and {more:,} more"


def _topic(text: str) -> StyleAndTextTuples:
    if not text:
        return [(QUIET, " took the topic away")]
    return [(QUIET, " set the topic: "), ("", text)]


def sent(request: messages.Talk, here: str | None, me: str, at: datetime, id: int = 0) -> Line:
    """Render what one said oneself, once it is stored."""
    text = request.text
    if isinstance(request, messages.Private):
        name = request.to or ""
        words: StyleAndTextTuples = [(QUIET, "["), ("class:me", "you"), (QUIET, " -> ")]
        return _line(at, words, [_name(name), (QUIET, "] "), ("", text)], id=id)
    room = getattr(request, "room", "")
    elsewhere = room != here
    if isinstance(request, messages.Topic):
        where: StyleAndTextTuples = [
            (QUIET, f"-- #{directed_room(room)}: " if elsewhere else "-- ")
        ]
        return _line(at, where, [("class:me", "you"), *_topic(text)], id=id)
    return _line(at, _room(room, elsewhere), _talk(request.type, me, text, me, own=True), id=id)


def past(event: messages.Event, me: str) -> Line:
    """Render something that was said or done before, in the room that was asked for."""
    author, text = event.author or "", event.text or ""
    if event.type == "acted":
        words: StyleAndTextTuples = [(QUIET, "-- "), (of_name(author), author), ("", f" {text}")]
    else:
        words = _talk("did" if event.type == "did" else "said", author, text, me, author == me)
    return _line(event.time, [], words, id=event.id)


def _talk(type: str, author: str, text: str, me: str, own: bool = False) -> StyleAndTextTuples:
    style = "class:me" if own else of_name(author)
    words: StyleAndTextTuples = [("", text)] if own else _marked(text, me)
    if type in ("did", "do"):
        return [(QUIET, "* "), (style, directed(author)), ("", " "), *words]
    return [(QUIET, "<"), (style, directed(author)), (QUIET, "> "), *words]


def _marked(text: str, me: str) -> StyleAndTextTuples:
    """Render what somebody says, with one's own name in it marked."""
    words: StyleAndTextTuples = []
    place = 0
    for start, end in mentions(text, me):
        words += [("", text[place:start]), ("class:mention", text[start:end])]
        place = end
    return [*words, ("", text[place:])]


def _room(room: str, elsewhere: bool) -> StyleAndTextTuples:
    return [(QUIET, f"#{directed_room(room)} ")] if elsewhere else []


def _line(
    at: datetime | None,
    before: StyleAndTextTuples,
    words: StyleAndTextTuples,
    weight: Weight = Weight.NONE,
    id: int = 0,
) -> Line:
    fragments = [fragment for fragment in (*before, *words) if fragment[1]]
    return Line(fragments, True, at, weight, id)


def missed(count: int) -> Line:
    """Render what stands above the lines that one missed."""
    lines = "1 line" if count == 1 else f"{count:,} lines"
    return rule(f"you were away: {lines}")


def where_one_is(room: str, people: Sequence[str], count: int, topic: str) -> list[Line]:
    """Tell into which room one came, and who is there.

    :param people: the others; maybe not all of them.
    :param count: how many the others are.
    """
    company = f" with {_faces(people, count)}" if people else ": no one else yet"
    lines = [notice(f"you are in #{directed_room(room)}{company}")]
    if topic:
        lines.append(notice(f"the topic: {topic}"))
    return lines
