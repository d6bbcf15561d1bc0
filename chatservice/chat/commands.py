"""What a line does: it is said, or, if it begins with ``/``, it is a command.

One table: what a command takes is checked by its usage, in one place, and /help is made from it.
In a usage, ``TEXT`` is the rest of the line and any other word in capitals is one word; what
stands in brackets may be left out.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from difflib import get_close_matches
from itertools import islice
from typing import Final, NamedTuple

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice import wording
from chatservice.chat import names
from chatservice.chat.chat import Chat, TooMany
from chatservice.chat.claims import NameTaken
from chatservice.chat.members import Member
from chatservice.chat.views import people
from chatservice.journal.events import DID, SAID

HISTORY_MOST: Final = 1000
HISTORY_USUAL: Final = 20
NAMES_LISTED: Final = 500
ROOMS_LISTED: Final = 100
WIDTH: Final = 72

Run = Callable[[Chat, Member, str], "Deferred[None] | None"]


class Command(NamedTuple):
    """A row of the table.

    :ivar takes: what stands behind the command: nothing, ``ROOM``, ``[TEXT]``, …
    :ivar in_room: only for who is in a room.
    """

    name: str
    takes: str
    does: str
    run: Run
    in_room: bool = False

    @property
    def usage(self) -> str:
        """The command as one types it."""
        return f"/{self.name} {self.takes}".rstrip()

    def accepts(self, argument: str) -> bool:
        """Tell whether what was typed behind the command is what it takes."""
        if not argument:
            return not self.takes or self.takes.startswith("[")
        return bool(self.takes) and ("TEXT" in self.takes or len(argument.split()) == 1)


class Refused(Exception):
    """A command can't be done; ``str()`` says why to who typed it."""


def obey(chat: Chat, member: Member, line: str) -> Deferred[None] | None:
    """Do what a line from a member says.

    :param line: safe to show, as :func:`.text.safe` makes it.
    :returns: a Deferred if the next line has to wait until this one is done.
    """
    if line.startswith("/") and not line.startswith("//"):
        # A command finds done what the same member asked for before: /who after /join, say.
        settled = chat.settled(member)
        if settled is None:
            return _command(chat, member, line[1:].strip())
        return settled.addCallback(lambda _: _command(chat, member, line[1:].strip()))
    if line:
        chat.say(member, SAID, line[1:] if line.startswith("//") else line)
    return None


def _command(chat: Chat, member: Member, line: str) -> Deferred[None] | None:
    word, _, argument = line.partition(" ")
    argument = argument.strip()
    command = COMMANDS.get(word.lower())
    if not word:
        member.tell("/help shows what you can do")
    elif command is None:
        near = get_close_matches(word.lower(), COMMANDS, n=1)
        hint = f"did you mean /{near[0]}?" if near else "/help shows what there is"
        member.tell(f"there is no /{word[:24]}: {hint}")
    elif not command.accepts(argument):
        member.tell(f"usage: {command.usage}")
    elif command.in_room and member.current is None:
        member.tell(wording.NOWHERE)
    else:
        return _run(command, chat, member, argument)
    return None


def _run(command: Command, chat: Chat, member: Member, argument: str) -> Deferred[None] | None:
    def refused(failure: Failure) -> None:
        failure.trap(NameTaken)
        member.tell(failure.getErrorMessage())

    try:
        doing = command.run(chat, member, argument)
    except (Refused, names.BadName, TooMany) as error:
        member.tell(str(error))
        return None
    return doing.addErrback(refused) if doing is not None else None


def _help(chat: Chat, member: Member, argument: str) -> None:
    width = max(len(command.usage) for command in COMMANDS.values())
    rows = [f"{command.usage:{width}}  {command.does}" for command in COMMANDS.values()]
    member.tell(*rows, f"{'//TEXT':{width}}  say /TEXT")


def _who(chat: Chat, member: Member, argument: str) -> None:
    if not argument and member.current is None:
        raise Refused("you are in no room: /who ROOM")
    name = names.room_name(argument, chat.limits.max_name) if argument else _current(member)
    room = chat.rooms.get(name)
    if room is None or not room.members:
        member.tell(f"nobody is in #{name}")
        return
    count = len(room.members)
    listed = ", ".join(other.name for other in islice(room.members, NAMES_LISTED))
    more = f" and {count - NAMES_LISTED:,} more" if count > NAMES_LISTED else ""
    lines = textwrap.wrap(listed + more, WIDTH, break_long_words=False, break_on_hyphens=False)
    member.tell(f"{people(count)} in #{name}:", *(f"  {line}" for line in lines))


def _rooms(chat: Chat, member: Member, argument: str) -> None:
    rooms = sorted(chat.rooms.values(), key=lambda room: (-len(room.members), room.name))
    yours = {
        m.room: " (you are here)" if m is member.current else " (yours)" for m in member.rooms()
    }
    width = max(len(f"{len(rooms[0].members):,}"), 1)
    rows = [
        f"{len(r.members):>{width},}  #{r.name}{yours.get(r, '')}" for r in rooms[:ROOMS_LISTED]
    ]
    if len(rooms) > ROOMS_LISTED:
        rows.append(f"and {len(rooms) - ROOMS_LISTED:,} more")
    member.tell(*rows)


def _join(chat: Chat, member: Member, argument: str) -> None:
    name = names.room_name(argument, chat.limits.max_name)
    if member.membership(name) is None:
        chat.join(member, name)
    elif name == _current(member):
        member.tell(f"you are in #{name} already")
    else:
        chat.join(member, name)
        member.tell(f"you are in #{name} now")


def _leave(chat: Chat, member: Member, argument: str) -> None:
    if not argument and member.current is None:
        raise Refused("you are in no room")
    name = names.room_name(argument, chat.limits.max_name) if argument else _current(member)
    membership = member.membership(name)
    if membership is None:
        raise Refused(f"you are not in #{name}")
    moves = membership is member.current
    chat.leave(membership)
    now = _current(member)
    if not now:
        member.tell(f"you left #{name}; /join another")
    else:
        member.tell(f"you left #{name}" + (f" and are in #{now} now" if moves else ""))


def _me(chat: Chat, member: Member, argument: str) -> None:
    chat.say(member, DID, argument)


def _nick(chat: Chat, member: Member, argument: str) -> Deferred[None] | None:
    name = names.nickname(argument, chat.limits.max_name)
    if name == member.name:
        raise Refused(f"you are {name} already")
    renamed = chat.rename(member, name)
    return renamed.addCallback(lambda _: member.tell(f"you are {name} now"))


def _history(chat: Chat, member: Member, argument: str) -> Deferred[None] | None:
    if argument and not (argument.isascii() and argument.isdigit() and int(argument[:9])):
        raise Refused(f"usage: {COMMANDS['history'].usage}, N up to {HISTORY_MOST:,}")
    count = int(argument[:9]) if argument else HISTORY_USUAL
    return chat.look_back(member, _current(member), min(count, HISTORY_MOST))


def _quit(chat: Chat, member: Member, argument: str) -> None:
    member.tell(wording.GOODBYE.format(name=member.name))
    chat.quit(member, argument)


def _current(member: Member) -> str:
    return member.current.room.name if member.current is not None else ""


COMMANDS: Final[dict[str, Command]] = {
    command.name: command
    for command in (
        Command("help", "", "show this list", _help),
        Command("who", "[ROOM]", "who is in a room", _who),
        Command("rooms", "", "which rooms there are", _rooms),
        Command("join", "ROOM", "go into a room", _join),
        Command("leave", "[ROOM]", "leave a room", _leave),
        Command("me", "TEXT", "say what you do", _me, in_room=True),
        Command("nick", "NAME", "change your name", _nick),
        Command("history", "[N]", "what was said before", _history, in_room=True),
        Command("quit", "[TEXT]", "leave the chat", _quit),
    )
}
