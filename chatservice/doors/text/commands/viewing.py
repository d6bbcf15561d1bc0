"""The commands about how one sees the chat, and what was said: they concern no one else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timezone
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from twisted.internet.defer import Deferred

from chatservice.core.actions.rooms import HISTORY_MOST
from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.permissions import check_in_room
from chatservice.doors.text.view import TextView
from chatservice.text.grammar import Unclear, number
from chatservice.text.layout import table
from chatservice.text.times import OFF, STAMPS

HISTORY_USUAL: Final = 20

ON: Final = "on"

_ZONES: Final = {name.lower(): name for name in available_timezones()}
"""Looked up at the start: to look for each that somebody types takes a dozen files."""


def history(chat: Chat, member: Member, typed: str) -> Deferred[None] | None:
    """Show the last things said in the current room."""
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
    # It is none, or the files of the system have changed.
    with suppress(KeyError, ValueError, OSError):
        return replace(view, zone=ZoneInfo(_ZONES[name]))
    raise Unclear("there is no such time zone: one is Europe/Berlin, or UTC")


def _moves(view: TextView, value: str) -> TextView:
    if value.lower() not in (ON, OFF):
        raise Unclear(f"joins are {ON} or {OFF}")
    return replace(view, moves=value.lower() == ON)


_Setting = tuple[Callable[[TextView, str], TextView], Callable[[TextView], str]]

SETTINGS: Final[dict[str, _Setting]] = {
    "timestamps": (_stamps, lambda view: view.stamps),
    "zone": (_zone, lambda view: view.zone_name),
    "joins": (_moves, lambda view: ON if view.moves else OFF),
}
"""By name: what makes a view one that is set so, and what tells how a view is set."""

_shared = lru_cache(maxsize=1000)(TextView)
"""Equal views are one, so that those who see the same share what is rendered."""


def set_view(chat: Chat, member: Member, what: str, value: str) -> None:
    """Show how somebody sees the chat, and change it if that is asked for."""
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
