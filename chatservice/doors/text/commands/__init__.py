"""Handle a line: a line that shows a ``/`` first is a command, any other line is said.

One table: what a command takes is checked by its usage, who may by its row, each in one place, and
/help is made from it.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.refusals import REFUSALS, Refusal
from chatservice.doors.text.commands.base import (
    Command,
    current,
    may_not,
)
from chatservice.doors.text.commands.operators import OPERATING
from chatservice.doors.text.commands.people import PEOPLE
from chatservice.doors.text.commands.rooms import ROOMS
from chatservice.doors.text.commands.talking import TALKING
from chatservice.journal.events import SAID
from chatservice.messages import Code
from chatservice.text import wording
from chatservice.text.layout import table, wrap
from chatservice.text.slash import LooksLikeCommand, from_slash

WORD_SHOWN: Final = 24
"""Characters of a word that is no command, of which is made anything."""


def obey(chat: Chat, member: Member, line: str) -> Deferred[None] | None:
    """Do what a line from a member says.

    :param line: safe to show, as :func:`.sanitising.safe` makes it.
    :returns: a Deferred if the next line has to wait until this one is done.
    """
    member.active = chat.clock.seconds()
    try:
        slashed = from_slash(line)
    except LooksLikeCommand as error:
        member.tell(str(error))
        return None
    if slashed is None:
        if line:
            _say(chat, member, line)
        return None
    if slashed.startswith("//"):
        _say(chat, member, slashed[1:])
        return None
    # A command finds done what the same member asked for before: /who after /join, say.
    settled = chat.settled(member)
    if settled is None:
        return _command(chat, member, slashed[1:].strip())
    return settled.addCallback(lambda _: _command(chat, member, slashed[1:].strip()))


def _say(chat: Chat, member: Member, text: str) -> None:
    room = current(member)
    if not room:
        member.tell(wording.NOWHERE)
        return
    try:
        chat.say(member, room, SAID, text)
    except Refusal as error:
        member.tell(str(error))


def _command(chat: Chat, member: Member, line: str) -> Deferred[None] | None:
    if member.gone:  # It was sent away while what it had asked for before was done.
        return None
    word, _, typed = line.partition(" ")
    command = COMMANDS.get(word.lower())
    if not word:
        member.tell("/help shows what you can do")
        return None
    if command is None:
        there = [command.name for command in _for(member)]
        near = get_close_matches(word[:WORD_SHOWN].lower(), there, n=1)
        hint = f"did you mean /{near[0]}?" if near else "/help shows what there is"
        member.tell(f"there is no /{word[:WORD_SHOWN]}: {hint}")
        return None
    typed = typed.strip()
    why = may_not(member, command)
    values = command.arguments(typed)
    if why is not None:
        member.tell(why)
    elif values is None:
        member.tell(command.wanted)
    else:
        return _run(command, chat, member, values)
    return None


def _run(command: Command, chat: Chat, member: Member, values: list[str]) -> Deferred[None] | None:
    def refused(failure: Failure) -> None:
        failure.trap(*REFUSALS)
        member.tell(failure.getErrorMessage())

    try:
        doing = command.run(chat, member, *values)
    except REFUSALS as error:
        member.tell(str(error))
        return None
    return doing.addErrback(refused) if doing is not None else None


def _for(member: Member) -> list[Command]:
    """List the commands that somebody may use."""
    return [c for c in COMMANDS.values() if member.operator or not c.operator]


@lru_cache(maxsize=4)
def _overview(commands: tuple[Command, ...]) -> list[str]:
    """List commands, once for all who may use the same."""
    rows = [(command.usage, command.does) for command in commands]
    return [*table([*rows, ("//TEXT", "say /TEXT")]), "/help COMMAND tells more of one"]


def _help(chat: Chat, member: Member, word: str) -> None:
    if not word:
        member.tell(*_overview(tuple(_for(member))))
        return
    command = COMMANDS.get(word.lower().removeprefix("/"))
    if command is None:
        raise Refusal(
            Code.BAD_FIELD,
            f"there is no /{word.removeprefix('/')[:WORD_SHOWN]}: /help shows what there is",
        )
    lines = (f"{command.usage}: {command.does}", f"for example: {command.example}")
    member.tell(*(part for line in lines for part in wrap(line.split())))


COMMANDS: Final[dict[str, Command]] = {
    command.name: command
    for command in (
        Command("help", "[COMMAND]", "what you can do", "/help join", _help),
        *ROOMS,
        *TALKING,
        *PEOPLE,
        *OPERATING,
    )
}
