"""What a command is: how it is typed, who may, and what it does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from twisted.internet.defer import Deferred

from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.refusals import Refusal
from chatservice.messages import Code
from chatservice.text import durations, names, wording

Run = Callable[..., "Deferred[None] | None"]
"""Is called with the chat, the member, and what was typed for each word of the usage."""


def seconds_of(word: str) -> int | None:
    """Read a number of seconds, or a duration: ``90`` or ``1m30s``; None if it is neither."""
    return int(word) if re.fullmatch("[0-9]{1,6}", word) else durations.parse(word)


NOW: Final = "now"
CANCEL: Final = "cancel"


def when_of(word: str) -> int | str | None:
    """Read when something is to be: in so many seconds, ``now`` being 0, or ``cancel``."""
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


class Command(NamedTuple):
    """A row of the table.

    :ivar takes: what stands behind the command: ``TEXT`` or ``REASON`` is the rest of the line,
        any other word one word; what stands in brackets may be left out, and in ``[A [B]]`` there
        is no B without an A.
    :ivar does: what it does, in a few words.
    :ivar example: what one might type.
    :ivar in_room: only for who is in a room.
    :ivar operator: only for operators.
    """

    name: str
    takes: str
    does: str
    example: str
    run: Run
    in_room: bool = False
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

    def arguments(self, typed: str) -> list[str] | None:
        """Take apart what was typed behind the command, a string for each word of the usage.

        :returns: with ``""`` for what was left out; None if it is not what the command takes.
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
                    alone = word.endswith("]")
                    if _LOOKS[kind](value) is not None:
                        if _goes_on(value, rest):
                            return None
                    elif value[:1].isdigit() or (value and not alone):
                        return None  # It was to be one.
                    else:
                        value, rest = "", typed
                typed = rest
            if not value and not optional:
                return None
            values.append(value)
        return None if typed else values


def _goes_on(first: str, rest: str) -> bool:
    """Tell whether the second word belongs to the duration: ``5 minutes``, ``1h 30m``."""
    word = rest.partition(" ")[0]
    more = durations.names_unit(word) if first.isdigit() else durations.parse(word)
    return bool(more)


def may_not(member: Member, command: Command) -> str | None:
    """Return the sentence that refuses a command to a member, or None if the command is allowed.

    A mute is not checked here: :mod:`.permissions` checks it where words reach others.
    """
    if command.operator and not member.operator:
        return f"/{command.name} is for operators"
    return wording.NOWHERE if command.in_room and member.current is None else None


def current(member: Member) -> str:
    """Name the room that a member's lines go to; ``""`` if it is in none."""
    return member.current.room.name if member.current is not None else ""


def somebody(chat: Chat, name: str) -> Member:
    """Find who is meant.

    :raises Refusal: if nobody is called so.
    """
    member = chat.find(name)
    if member is None:
        raise Refusal(Code.NOT_HERE, f"there is no {name[:24]} here: /who shows who is")
    return member


def room_name(chat: Chat, typed: str) -> str:
    """Check the name of a room, as it was typed.

    :raises BadName: if it can't be one.
    """
    return names.room_name(typed, chat.limits.max_name)
