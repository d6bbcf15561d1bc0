"""The effect of a typed line: a command if its first visible sign is ``/``, else talk.

The row of a command (:mod:`.grammar`) tells its words and their completion, as for the service.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from typing import Any, Final

from chatservice import messages
from chatservice.client.screen.conversation import Conversation
from chatservice.client.screen.people import IGNORED_MOST
from chatservice.client.screen.rendering import LOCAL, zone_name
from chatservice.client.screen.views import View
from chatservice.client.stored.state import BELLS, STAMPS
from chatservice.text import answers, names, wording
from chatservice.text.grammar import PEOPLE, SHORT, Row, Unclear
from chatservice.text.layout import listed, table, wrap
from chatservice.text.listing import directed
from chatservice.text.sanitising import safe
from chatservice.text.slash import LOOKS_LIKE, LooksLikeCommand, from_slash

HISTORY_USUAL: Final = 50
HISTORY_MOST: Final = 1000

ON: Final = "on"
OFF: Final = "off"

SETTINGS: Final[dict[str, tuple[str, ...]]] = {
    "timestamps": STAMPS,
    "zone": (LOCAL, "UTC"),
    "joins": (ON, OFF),
    "bell": BELLS,
}
"""The settings with their values; there are more zones."""

ALL: Final = "all"
"""The view of all rooms and private talks."""

NAME_MOST: Final = 200
"""Characters of a room's name at most, here; the server has its own limit."""


class Refused(Exception):
    """The refusal of a typed line; ``str()`` says why."""


def obey(typist: Conversation, text: str) -> None:
    """Say a typed or pasted text, line by line, or run the command in it.

    :raises Refused: if nothing was said or done.
    """
    lines = [line for line in map(safe, text.split("\n")) if line]
    longest = typist.longest
    for line in lines:
        if longest is not None and len(line) > longest:
            raise Refused(f"a line has at most {longest:,} characters; that one has {len(line):,}")
    if not lines:
        return
    first, word, typed = _taken_apart(lines[0])
    if first is None:
        raise Refused(LOOKS_LIKE)
    if word is not None and (len(lines) == 1 or _is_meant(word)):
        _command(typist, word, [typed, *lines[1:]])
        return
    # In a text of many lines, a line that begins with a slash is no command. It may have been meant
    # as one, and then it must not be said to everybody.
    for line in lines[1:]:
        _, word, _ = _taken_apart(line)
        if word is not None and _is_meant(word):
            raise Refused(f"one of these lines begins with /{word[:24]}: type that by itself")
    if not typist.came:
        raise Refused("there was no connection yet: try it again when there is")
    if typist.here is None:
        raise Refused(wording.NOWHERE)
    for line in [first] if len(lines) == 1 else lines:
        typist.say(line)


def _taken_apart(line: str) -> tuple[str | None, str | None, str]:
    """Return the text of a line, the word of its command, and the rest after that word.

    :return: None as text if the line only looks like a command; None as word if it is talk.
    """
    try:
        slashed = from_slash(line)
    except LooksLikeCommand:
        return None, None, ""
    if slashed is None or slashed.startswith("//"):
        return line if slashed is None else slashed[1:], None, ""
    word, _, typed = slashed[1:].lstrip().partition(" ")
    return line, word, typed.strip()


def _is_meant(word: str) -> bool:
    """Return whether a word is a command, or nearly one; a path, for example, is not."""
    return row_of(word) is not None or bool(get_close_matches(word.lower(), COMMANDS, n=1))


def usage_of(typed: str) -> str | None:
    """Return the usage of the command that is being typed, from its first space on, or None."""
    word, space, _ = typed.partition(" ")
    command = row_of(word[1:]) if word.startswith("/") else None
    return f"{command.usage}: {command.does}" if command is not None and space else None


def _command(typist: Conversation, word: str, typed: list[str]) -> None:
    if not word:
        raise Refused("/help shows what you can do")
    command = _find(word)
    if len(typed) > 1 and command.name not in _OF_LINES:
        raise Refused(f"/{command.name} takes one line, and these are {len(typed)}")
    here = typist.here
    try:
        words = command.words("" if here is None else here.label, typed[0])
    except Unclear as error:
        raise Refused(str(error)) from None
    needs_room = command.nowhere and not ("ROOM" in command.kinds and words[0])
    if needs_room and here is not None and here.room is None and command.name != "leave":
        raise Refused(f"this is private, with {here.shown}: /go ROOM first")
    run = _RUN.get(command.name, partial(_pass_on, command))
    if len(typed) == 1:
        run(typist, *words)
    else:
        for text in filter(None, [words[-1], *typed[1:]]):
            run(typist, *words[:-1], text)


def _pass_on(command: Row, typist: Conversation, *words: str) -> None:
    """Send the request that a command makes, and show the answer."""
    assert command.makes is not None
    try:
        request = command.makes(typist.room or "", *words)
    except Unclear as error:
        raise Refused(str(error)) from None
    if isinstance(request, messages.Talk):
        typist.talk(request)
    else:
        typist.ask(request, lambda reply: typist.tell(*_ANSWERS[command.name](typist, reply)))


def row_of(word: str) -> Row | None:
    """Return the row of a command, by its name or an alias; None if there is none."""
    return COMMANDS.get(SHORT.get(word.lower(), word.lower()))


def _find(word: str) -> Row:
    command = row_of(word.removeprefix("/"))
    if command is None:
        near = get_close_matches(word.lower(), COMMANDS, n=1)
        hint = f"did you mean /{near[0]}?" if near else "/help shows what there is"
        raise Refused(f"there is no /{word.removeprefix('/')[:24]}: {hint}")
    return command


def _room(typed: str) -> str:
    """Return a typed room name in its normal form.

    :raises Refused: if it can't be the name of a room.
    """
    try:
        return names.room_name(typed, NAME_MOST)
    except names.BadName as error:
        raise Refused(str(error)) from None


def _own_room(typist: Conversation, typed: str) -> str:
    """Return the canonical name of an own room; of the current room if none was typed."""
    name = _room(typed) if typed else typist.room
    if name is None or name not in typist.rooms:
        raise Refused(f"you are not in #{name}: /join it first")
    return name


def _help(typist: Conversation, word: str) -> None:
    if word:
        command = _find(word)
        lines = (f"{command.usage}: {command.does}", f"for example: {command.example}")
        typist.tell(*(part for line in lines for part in wrap(line.split())))
        return
    rows = [(command.usage, command.does) for command in COMMANDS.values()]
    keys = [
        ("Alt-1 … Alt-9", "go to that view"),
        ("Alt-0", "see all in one view"),
        ("Tab", "complete a name"),
        ("Up", "bring a line back"),
        ("Ctrl-D", "leave"),
    ]
    typist.tell(*table([*rows, ("//TEXT", "say /TEXT"), *keys]), "/help COMMAND tells more of one")


def _join(typist: Conversation, typed: str) -> None:
    name = _room(typed)
    if name == typist.room:
        typist.tell(f"you are in #{name} already")
    elif name in typist.rooms:
        typist.turn_to(typist.book.of_room(name))
    else:
        typist.ask(
            messages.Join(room=name),
            lambda reply: typist.arrive(getattr(reply, "room", None) or name),
        )


def _leave(typist: Conversation, typed: str) -> None:
    here = typist.here
    if not typed and here is not None and here.room is None:
        typist.left(here)
        return
    name = _own_room(typist, typed)
    typist.ask(messages.Leave(room=name), lambda reply: typist.left(typist.book.of_room(name)))


def _go(typist: Conversation, typed: str) -> None:
    if not typed:
        rows = []
        for number, view in enumerate(typist.views, 1):
            unread = f" ({view.unread:,} unread)" if view.unread else ""
            mark = " (you are here)" if view is typist.here else ""
            rows.append((f"{number}", f"{view.shown}{unread}{mark}"))
        typist.tell(*table([*rows, (ALL, "all in one view")]))
    elif typed.lower() == ALL:
        typist.go_everywhere()
    else:
        typist.go(_view(typist, typed))


def _view(typist: Conversation, typed: str) -> View:
    """Return the view with a number or a name; begin a talk with a person who has none yet."""
    views = typist.views
    if re.fullmatch("[0-9]{1,3}", typed):
        if not 0 < int(typed) <= len(views):
            raise Refused(f"there is no view {typed}: /go lists them")
        return views[int(typed) - 1]
    if typed.startswith("#"):
        return typist.book.of_room(_own_room(typist, typed))
    for view in views:
        if names.key(view.label.removeprefix("#")) == names.key(typed):
            return view
    return typist.book.with_person(_known(typist, typed))


def _known(typist: Conversation, typed: str) -> str:
    """Return the name, as spelt, of another person who is known to be here."""
    wanted = names.key(typed)
    if wanted == names.key(typist.name):
        raise Refused("that is you")
    for name in typist.people.known(typist.room):
        if names.key(name) == wanted:
            return name
    raise Refused(f"there is no {typed[:24]} here: /who shows who is")


def _say_in(typist: Conversation, room: str, text: str) -> None:
    typist.talk(messages.Say(room=_own_room(typist, room), text=text))


def _reply(typist: Conversation, text: str) -> None:
    to = typist.correspondent
    if to is None:
        raise Refused("nobody wrote to you privately yet")
    if to.session is None:
        # Sent by name, it might reach a stranger who has taken that name.
        raise Refused(f"this server does not tell whether that is still {to.shown}: /msg NAME TEXT")
    typist.talk(messages.Private(session=to.session, text=text))


def _topic(typist: Conversation, text: str) -> None:
    if text:
        _pass_on(COMMANDS["topic"], typist, text)
        return
    seen = typist.rooms.get(typist.room or "")
    topic = seen.topic if seen is not None else ""
    typist.tell(f"the topic: {topic}" if topic else f"#{typist.room} has no topic")


def _history(typist: Conversation, typed: str) -> None:
    if typed and not (typed.isascii() and typed.isdigit() and 0 < int(typed[:9]) <= HISTORY_MOST):
        raise Refused(f"usage: /history [N], N from 1 to {HISTORY_MOST:,}")
    limit = int(typed or HISTORY_USUAL)
    typist.ask(messages.History(room=typist.room or "", limit=limit), typist.look_back)


def _ignore(typist: Conversation, typed: str) -> None:
    name = _known(typist, typed)
    if not typist.ignoring.ignore(name):
        raise Refused(f"you ignore {IGNORED_MOST} people already")
    typist.tell(f"you see no more of {directed(name)}")


def _unignore(typist: Conversation, typed: str) -> None:
    name = typist.ignoring.heed(typed)
    if name is None:
        raise Refused(f"you don't ignore {typed[:24]}")
    typist.tell(f"you see {name} again")


def _ignored(typist: Conversation) -> None:
    ignored = typist.ignoring.names
    if ignored:
        typist.tell("you ignore:", *listed([directed(name) for name in ignored], "  "))
    else:
        typist.tell("you ignore nobody")


def _set(typist: Conversation, what: str, value: str) -> None:
    settings = typist.settings
    if what:
        what = what.lower()
        if what not in SETTINGS or not value:
            raise Refused(f"usage: /set [WHAT] [TO], WHAT is {', '.join(SETTINGS)}")
        _change(typist, what, value)
    typist.tell(
        *table(
            [
                ("timestamps", settings.timestamps),
                ("zone", settings.zone),
                ("joins", ON if settings.joins else OFF),
                ("bell", settings.bell),
            ]
        )
    )


def _change(typist: Conversation, what: str, value: str) -> None:
    choices = SETTINGS[what]
    if what == "zone":
        zone = zone_name(value)
        if zone is None:
            raise Refused(f"there is no such time zone: one is Europe/Berlin, UTC or {LOCAL}")
        typist.settings.change(zone=zone)
    elif value.lower() not in choices:
        told = "the bell rings" if what == "bell" else f"{what} are"
        raise Refused(f"{told} {', '.join(choices[:-1])} or {choices[-1]}")
    else:
        value = value.lower()
        typist.settings.change(**{what: value == ON if what == "joins" else value})


def _bell(typist: Conversation, typed: str) -> None:
    if typed:
        _change(typist, "bell", typed)
    typist.tell(f"bell: {typist.settings.bell}")


_BELL: Final = Row("bell", "[MODE]", "set the bell", f"/bell mentions ({', '.join(BELLS)})")

_GO: Final = Row("go", "[VIEW]", "go to a view", f"/go dev (or bob, 2, {ALL})")

COMMANDS: Final[dict[str, Row]] = {row.name: row for row in (*PEOPLE[:-1], _GO, _BELL, PEOPLE[-1])}

_ANSWERS: Final[dict[str, Callable[[Conversation, Any], list[str]]]] = {
    "who": lambda typist, reply: answers.who(reply.room, reply.people, reply.count),
    "rooms": lambda typist, reply: answers.rooms(
        reply.rooms, reply.count - len(reply.rooms), typist.rooms, typist.room or ""
    ),
    "names": lambda typist, reply: answers.names(reply, typist.columns),
    "away": lambda typist, reply: ["you are away until you speak"],
    "nick": lambda typist, reply: [f"you are {typist.name} now"],
    "whois": lambda typist, reply: answers.about(reply, typist.moment),
    "uptime": lambda typist, reply: answers.up(reply, typist.moment),
}
"""The look of the answer to each command that only asks the server."""

_RUN: Final[dict[str, Callable[..., None]]] = {
    "help": _help,
    "join": _join,
    "leave": _leave,
    "history": _history,
    "say": _say_in,
    "reply": _reply,
    "topic": _topic,
    "ignore": _ignore,
    "unignore": _unignore,
    "ignored": _ignored,
    "set": _set,
    "go": _go,
    "bell": _bell,
    "quit": Conversation.quit,
}
"""The functions of all other commands. Each takes the typist, and a string for each word of its
usage."""

_OF_LINES: Final = ("me", "say", "msg", "reply")
"""The commands whose text may have many lines, each sent by itself."""
