"""The table of commands as they are typed: their arguments, and the request that each makes.

The service and the client take their parsing, ``/help`` and completion from this one table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from chatservice.messages import (
    Away,
    Do,
    Join,
    Leave,
    LookUp,
    Names,
    Nick,
    Private,
    Quit,
    Request,
    Rooms,
    Say,
    Topic,
    Uptime,
    Who,
)
from chatservice.messages.typed import (
    Announce,
    Answer,
    Ban,
    Ignore,
    Ignored,
    Kick,
    ListBans,
    Lock,
    LookAtClock,
    Mute,
    ShutDown,
    Stats,
    TopicOf,
    Unban,
    Unignore,
    Unlock,
    Unmute,
)
from chatservice.text import durations, wording
from chatservice.text.listing import NAMES_A_PAGE

NOW: Final = "now"
CANCEL: Final = "cancel"
NO_TOPIC: Final = "-"
CLOCK_IS_RIGHT: Final = "right"


def seconds_of(word: str) -> int | None:
    """Read a number of seconds, or a duration: ``90`` or ``1m30s``; None if it is neither."""
    return int(word) if re.fullmatch("[0-9]{1,6}", word) else durations.parse(word)


def when_of(word: str) -> int | str | None:
    """Read a time from now: in seconds, 0 for ``now``, or ``cancel``; None if it is none."""
    word = word.lower()
    return word if word == CANCEL else 0 if word == NOW else seconds_of(word)


_REST: Final = ("TEXT", "REASON")
_LOOKS: Final[dict[str, Callable[[str], object]]] = {
    "DURATION": durations.parse,
    "WHEN": when_of,
}
"""Parsers of optional words. A parser returns None for a word of another kind; that word is then
read as the next argument, if the next argument may stand without this one."""
_MEANS: Final = {"WHEN": f"90, 10m, {NOW} or {CANCEL}"}
"""Values that a usage sentence lists, for a word of the usage whose name does not explain them."""


class Unclear(ValueError):
    """A command was typed wrongly; ``str()`` tells how to type it."""


class Row(NamedTuple):
    """A command.

    :ivar takes: its arguments: ``TEXT`` or ``REASON`` is the rest of the line, any other is one
        word. An argument in brackets may be left out; in ``[A [B]]``, B needs A. Completion reads
        this too.
    :ivar does: its description, in a few words.
    :ivar example: a line that one might type.
    :ivar makes: makes the request from the name of the current room (``""`` for none) and the
        typed string for each argument; may raise :exc:`Unclear`. None if the command changes only
        one's own view of the chat.
    :ivar nowhere: the answer to somebody in no room; ``""`` if the command needs no room. A command
        that takes a room needs no current room if one is typed.
    :ivar short: its aliases.
    :ivar operator: whether it is only for operators.
    """

    name: str
    takes: str
    does: str
    example: str
    makes: Callable[..., Request] | None = None
    nowhere: str = ""
    short: tuple[str, ...] = ()
    operator: bool = False

    @property
    def usage(self) -> str:
        """The command as one types it."""
        return f"/{self.name} {self.takes}".rstrip()

    @property
    def wanted(self) -> str:
        """The usage sentence that answers a command with wrong arguments."""
        means = [f", {word} is {_MEANS[word]}" for word in _MEANS if word in self.takes]
        return f"usage: {self.usage}{''.join(means)}"

    @property
    def kinds(self) -> list[str]:
        """The kind of each argument, for example ``ROOM``."""
        return [word.strip("[]") for word in self.takes.split()]

    def arguments(self, typed: str) -> list[str] | None:
        """Split the text typed behind the command into a string for each argument.

        :returns: the strings, ``""`` for an argument left out; None if the text does not fit.
        """
        values = []
        for word in self.takes.split():
            kind, optional = word.strip("[]"), word.startswith("[")
            if kind in _REST:
                value, typed = typed, ""
            else:
                value, _, rest = typed.partition(" ")
                rest = rest.strip()
                if optional and kind in _LOOKS:
                    if _LOOKS[kind](value) is not None:
                        if _goes_on(value, rest):
                            return None
                    elif value[:1].isdigit() or (value and not word.endswith("]")):
                        return None  # It was meant as this argument.
                    else:
                        value, rest = "", typed
                typed = rest
            if not value and not optional:
                return None
            values.append(value)
        return None if typed else values

    def request(self, here: str, typed: str) -> Request:
        """Return the request that the typed arguments make.

        :param here: the current room, or ``""``.
        :raises Unclear: if the arguments do not fit the command, or a room is needed.
        """
        assert self.makes is not None
        return self.makes(here, *self.words(here, typed))

    def words(self, here: str, typed: str) -> list[str]:
        """Return the typed string for each argument; raise as :meth:`request` does."""
        if self.nowhere and not here and not (typed and self.takes == "[ROOM]"):
            raise Unclear(self.nowhere)
        words = self.arguments(typed)
        if words is None:
            raise Unclear(self.wanted)
        return words


def _goes_on(first: str, rest: str) -> bool:
    """Return whether the second word belongs to the duration: ``5 minutes``, ``1h 30m``."""
    word = rest.partition(" ")[0]
    return bool(durations.names_unit(word) if first.isdigit() else durations.parse(word))


def number(typed: str, usual: int) -> int | None:
    """Read a number above 0, ``usual`` if it is left out; None if the text is none."""
    if not typed:
        return usual
    return (typed.isascii() and typed.isdigit() and int(typed[:9])) or None


def _names(here: str, typed: str) -> Request:
    page = number(typed, 1)
    if page is None:
        raise Unclear("usage: /names [PAGE]")
    return Names(page=page, limit=NAMES_A_PAGE)


def _topic(here: str, text: str) -> Request:
    if not text:
        return TopicOf(room=here)
    return Topic(room=here, text="" if text == NO_TOPIC else text)


def _clock(here: str, right: str) -> Request:
    if right.lower() not in ("", CLOCK_IS_RIGHT):
        raise Unclear(f"usage: /clock [{CLOCK_IS_RIGHT}]")
    return LookAtClock(right=bool(right))


def _shutdown(here: str, when: str, reason: str) -> Request:
    wait = when_of(when) if when else 0
    return ShutDown(wait=wait if isinstance(wait, int) else None, reason=reason)


PEOPLE: Final = (
    Row("help", "[COMMAND]", "list the commands", "/help join", short=("?",)),
    Row(
        "who",
        "[ROOM]",
        "list room members",
        "/who dev",
        lambda here, room: Who(room=room or here),
        nowhere="you are in no room: /who ROOM",
        short=("w",),
    ),
    Row("names", "[PAGE]", "list all members", "/names 2", _names),
    Row("rooms", "", "list the rooms", "/rooms", lambda here: Rooms(), short=("list",)),
    Row(
        "join",
        "ROOM",
        "go into a room",
        "/join dev",
        lambda here, room: Join(room=room),
        short=("j",),
    ),
    Row(
        "leave",
        "[ROOM]",
        "leave a room",
        "/leave dev",
        lambda here, room: Leave(room=room or here),
        nowhere="you are in no room",
        short=("part",),
    ),
    Row("history", "[N]", "show recent lines", "/history 100", nowhere=wording.NOWHERE),
    Row(
        "me",
        "TEXT",
        "describe an action",
        "/me waves",
        lambda here, text: Do(room=here, text=text),
        nowhere=wording.NOWHERE,
    ),
    Row(
        "say",
        "ROOM TEXT",
        "say TEXT in ROOM",
        "/say dev it works!",
        lambda here, room, text: Say(room=room, text=text),
    ),
    Row(
        "msg",
        "NAME TEXT",
        "write privately",
        "/msg ana lunch?",
        lambda here, name, text: Private(to=name, text=text),
        short=("query",),
    ),
    Row(
        "reply",
        "TEXT",
        "answer privately",
        "/reply yes, at one",
        lambda here, text: Answer(text=text),
    ),
    Row(
        "topic",
        "[TEXT]",
        "show or set topic",
        f"/topic the next release ({NO_TOPIC} for none)",
        _topic,
        nowhere=wording.NOWHERE,
    ),
    Row(
        "away",
        "[TEXT]",
        "mark yourself away",
        "/away out for lunch",
        lambda here, text: Away(text=text),
    ),
    Row(
        "ignore",
        "NAME",
        "hide what they say",
        "/ignore bob",
        lambda here, name: Ignore(name=name),
    ),
    Row(
        "unignore",
        "NAME",
        "show them again",
        "/unignore bob",
        lambda here, name: Unignore(name=name),
    ),
    Row("ignored", "", "list ignored names", "/ignored", lambda here: Ignored()),
    Row("nick", "NAME", "change your name", "/nick anna", lambda here, name: Nick(name=name)),
    Row("whois", "NAME", "describe a person", "/whois bob", lambda here, name: LookUp(name=name)),
    Row("set", "[WHAT] [TO]", "change your view", "/set timestamps short"),
    Row("uptime", "", "show server uptime", "/uptime", lambda here: Uptime()),
    Row(
        "quit",
        "[TEXT]",
        "leave the chat",
        "/quit see you",
        lambda here, text: Quit(text=text),
        short=("exit",),
    ),
)
"""The commands for everybody."""

OPERATORS: Final = tuple(
    Row(name, takes, does, example, makes, operator=True)
    for name, takes, does, example, makes in (
        (
            "kick",
            "NAME [REASON]",
            "disconnect someone",
            "/kick bob calm down",
            lambda here, name, reason: Kick(name=name, reason=reason),
        ),
        (
            "ban",
            "WHO [DURATION] [REASON]",
            "ban an address",
            "/ban 192.0.2.0/24 1h spam",
            lambda here, who, duration, reason: Ban(
                who=who, seconds=durations.parse(duration), reason=reason
            ),
        ),
        ("bans", "", "list the bans", "/bans", lambda here: ListBans()),
        (
            "unban",
            "ADDRESS",
            "lift a ban",
            "/unban 192.0.2.0/24",
            lambda here, address: Unban(address=address),
        ),
        (
            "mute",
            "NAME [DURATION] [REASON]",
            "silence someone",
            "/mute bob 10m caps",
            lambda here, name, duration, reason: Mute(
                name=name, seconds=durations.parse(duration), reason=reason
            ),
        ),
        (
            "unmute",
            "NAME",
            "lift a mute",
            "/unmute bob",
            lambda here, name: Unmute(name=name),
        ),
        (
            "announce",
            "TEXT",
            "tell everyone",
            "/announce cake in the lobby",
            lambda here, text: Announce(text=text),
        ),
        ("lock", "ROOM", "keep newcomers out", "/lock dev", lambda here, room: Lock(room=room)),
        (
            "unlock",
            "ROOM",
            "open it again",
            "/unlock dev",
            lambda here, room: Unlock(room=room),
        ),
        ("stats", "", "show statistics", "/stats", lambda here: Stats()),
        ("clock", "[RIGHT]", "check the clock", f"/clock {CLOCK_IS_RIGHT}", _clock),
        (
            "shutdown",
            "[WHEN [REASON]]",
            "stop the server",
            "/shutdown 60 back in five minutes",
            _shutdown,
        ),
    )
)
"""The commands for operators."""

SHORT: Final = {word: row.name for row in PEOPLE for word in row.short}
"""Command names by their aliases."""
