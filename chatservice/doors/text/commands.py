"""Lines of members: a line that begins with a visible ``/`` is a command, any other is said.

Each command has a row (:mod:`.grammar`) with its arguments and the request that it makes. The
commands without a request are done here: ``/help``, ``/history`` and ``/set``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timezone
from difflib import get_close_matches
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from twisted.internet.defer import Deferred

from chatservice.core.actions import perform
from chatservice.core.actions.meant import current_room
from chatservice.core.actions.rooms import HISTORY_MOST
from chatservice.core.actions.talking import say_here
from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.permissions import check_in_room, check_operator
from chatservice.core.refusals import Refusal
from chatservice.doors.text.view import TextView
from chatservice.text.grammar import OPERATORS, PEOPLE, SHORT, Row, Unclear, number
from chatservice.text.layout import table, wrap
from chatservice.text.slash import LooksLikeCommand, from_slash
from chatservice.text.times import OFF, STAMPS

WORD_SHOWN: Final = 24
"""Characters of an unknown command that are shown, and compared with the known commands."""

HISTORY_USUAL: Final = 20
"""Lines that ``/history`` shows if no number is given."""

ON: Final = "on"

_ZONES: Final = {name.lower(): name for name in available_timezones()}
"""Time zones by lower-case name, listed once at the start: each listing reads a dozen files."""


def obey(chat: Chat, member: Member, line: str) -> Deferred[None] | None:
    """Say a member's line in the member's room, or do the command in the line.

    :param line: the line, safe to show, as :func:`.sanitising.safe` makes it.
    :returns: a Deferred if the next line has to wait until this one is done.
    """
    member.active = chat.clock.seconds()
    try:
        slashed = from_slash(line)
        if slashed is None or slashed.startswith("//"):
            text = line if slashed is None else slashed[1:]
            if text:
                say_here(chat, member, text)
            return None
    except (LooksLikeCommand, Refusal) as error:
        member.tell(str(error))
        return None
    # A command waits for the member's earlier requests, so /who sees the effect of a /join before.
    command = slashed[1:].strip()
    settled = chat.settled(member)
    if settled is None:
        return _command(chat, member, command)
    return settled.addCallback(lambda _: _command(chat, member, command))


def _command(chat: Chat, member: Member, line: str) -> Deferred[None] | None:
    if member.gone:  # Kicked while the command waited.
        return None
    word, _, typed = line.partition(" ")
    try:
        if not word:
            raise Unclear("/help shows what you can do")
        row = _find(word)
        if row is None:
            near = get_close_matches(word[:WORD_SHOWN].lower(), [r.name for r in _for(member)], n=1)
            raise _no_such(word, f"did you mean /{near[0]}?" if near else "")
        if row.operator:
            check_operator(member, row.name)
        here, typed = current_room(member), typed.strip()
        if row.makes is None:
            return _OWN[row.name](chat, member, *row.words(here, typed))
        request = row.request(here, typed)
    except (Unclear, Refusal) as error:
        member.tell(str(error))
        return None
    return perform(chat, member, request)


def _find(word: str) -> Row | None:
    return COMMANDS.get(SHORT.get(word.lower(), word.lower()))


def _no_such(word: str, hint: str = "") -> Unclear:
    return Unclear(f"there is no /{word[:WORD_SHOWN]}: {hint or '/help shows what there is'}")


def _for(member: Member) -> list[Row]:
    """List the commands that a member may use."""
    return [row for row in COMMANDS.values() if member.operator or not row.operator]


@lru_cache(maxsize=4)
def _overview(commands: tuple[Row, ...]) -> list[str]:
    """Return the lines of ``/help``, cached for each set of permitted commands."""
    rows = [(command.usage, command.does) for command in commands]
    return [*table([*rows, ("//TEXT", "say /TEXT")]), "/help COMMAND tells more of one"]


def _help(chat: Chat, member: Member, word: str) -> None:
    if not word:
        member.tell(*_overview(tuple(_for(member))))
        return
    row = _find(word.removeprefix("/"))
    if row is None:
        raise _no_such(word.removeprefix("/"))
    member.tell(
        *wrap(f"{row.usage}: {row.does}".split()), *wrap(f"for example: {row.example}".split())
    )


def history(chat: Chat, member: Member, typed: str) -> Deferred[None] | None:
    """Show the latest lines of the current room (``/history``)."""
    count = number(typed, HISTORY_USUAL)
    if count is None:
        raise Unclear(f"usage: /history [N], N up to {HISTORY_MOST:,}")
    return chat.look_back(member, check_in_room(member), min(count, HISTORY_MOST))


def _stamps(view: TextView, value: str) -> TextView:
    if value.lower() not in STAMPS:
        raise Unclear(f"timestamps are {', '.join(STAMPS)}")
    return replace(view, stamps=value.lower())


def _zone(view: TextView, value: str) -> TextView:
    name = value.lower()
    if name == "utc":
        return replace(view, zone=timezone.utc)
    # The name may be unknown, or the system's files may have changed.
    with suppress(KeyError, ValueError, OSError):
        return replace(view, zone=ZoneInfo(_ZONES[name]))
    raise Unclear("there is no such time zone: one is Europe/Berlin, or UTC")


def _moves(view: TextView, value: str) -> TextView:
    if value.lower() not in (ON, OFF):
        raise Unclear(f"joins are {ON} or {OFF}")
    return replace(view, moves=value.lower() == ON)


SETTINGS: Final[
    dict[str, tuple[Callable[[TextView, str], TextView], Callable[[TextView], str]]]
] = {
    "timestamps": (_stamps, lambda view: view.stamps),
    "zone": (_zone, lambda view: str(view.zone)),
    "joins": (_moves, lambda view: ON if view.moves else OFF),
}
"""The settings by name, each with a function that changes it in a view and one that returns it."""

_shared = lru_cache(maxsize=1000)(TextView)
"""Returns one object for equal views, so that their readers share rendered events."""


def set_view(chat: Chat, member: Member, what: str, value: str) -> None:
    """Show the settings of a member's view, after changing the named one, if any (``/set``)."""
    view = member.view
    assert isinstance(view, TextView)
    if what:
        setting = SETTINGS.get(what.lower())
        if setting is None or not value:
            raise Unclear(f"usage: /set [WHAT] [TO], WHAT is {', '.join(SETTINGS)}")
        view = setting[0](view, value)
        view = _shared(view.stamps, view.zone, view.moves)
        member.turn_to(member.current, view)
    member.tell(*table([(name, shown(view)) for name, (_, shown) in SETTINGS.items()]))


_OWN: Final[dict[str, Callable[..., Deferred[None] | None]]] = {
    "help": _help,
    "history": history,
    "set": set_view,
}

COMMANDS: Final[dict[str, Row]] = {row.name: row for row in (*PEOPLE, *OPERATORS)}
