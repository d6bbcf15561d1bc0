"""The texts of all replies to people, made to fit forty columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final

from msgspec.structs import replace

from chatservice.messages import (
    Error,
    Notice,
    Ok,
    Person,
    Replaced,
    Reply,
    RoomSeen,
    Up,
    time_of,
)
from chatservice.messages.shown import (
    Bans,
    Company,
    Crowd,
    Entered,
    Figures,
    Goodbye,
    Ignoring,
    IsAway,
    Left,
    LookBack,
    Named,
    NotDone,
    Overview,
    Profile,
    Sent,
    TimeOfDay,
    TopicIs,
    Turned,
)
from chatservice.text import answers, durations, wording
from chatservice.text.layout import listed, table
from chatservice.text.listing import directed, directed_room, faces

ROOMS_LISTED: Final = 100

_DONE: Final = {
    "away": "you are away until you speak",
    "ignore": "you see no more of {name}",
    "unignore": "you see {name} again",
}
"""The sentence for an ``ok``, by its request. Other requests show their effect instead."""


def _lines(*told: str) -> str:
    return "".join(f"-- {line}".rstrip() + "\r\n" for line in told)


def _notice(zone: str, reply: Notice | Error | Replaced) -> str:
    return _lines(reply.text)


def _entered(zone: str, reply: Entered) -> str:
    company = f" with {faces(reply.others, reply.count)}" if reply.others else ": no one else yet"
    return _lines(
        f"you are in #{directed_room(reply.room)}{company}",
        *([f"the topic: {reply.topic}"] if reply.topic else []),
    )


def _left(zone: str, reply: Left) -> str:
    then = f" and are in #{reply.now} now" if reply.moved else ""
    return _lines(f"you left #{reply.room}{then if reply.now else '; /join another'}")


def _look_back(zone: str, reply: LookBack) -> str:
    lines = "the last line" if reply.count == 1 else f"the last {reply.count:,} lines"
    return _lines(f"{lines} of #{reply.room}, times in {zone}:")


def _topic_is(zone: str, reply: TopicIs) -> str:
    none = "the topic is gone" if reply.new else f"#{reply.room} has no topic"
    return _lines(f"the topic: {reply.topic}" if reply.topic else none)


def _ignoring(zone: str, reply: Ignoring) -> str:
    if not reply.names:
        return _lines("you ignore nobody")
    return _lines("you ignore:", *listed(sorted(map(directed, reply.names)), "  "))


def _profile(zone: str, reply: Profile) -> str:
    return _lines(
        *answers.about(
            reply.about,
            _moment,
            *([("from", reply.address or "this machine")] if reply.address is not None else []),
            *([("muted", reply.muted)] if reply.muted is not None else []),
        )
    )


def _moment(at: str) -> str:
    return f"{time_of(at):%Y-%m-%d %H:%M} UTC"


def _bans(zone: str, reply: Bans) -> str:
    if not reply.rows:
        return _lines("nobody is banned")
    more = reply.count - len(reply.rows)
    return _lines(*table(reply.rows), *([f"and {more:,} more"] if more else []))


def _time_of_day(zone: str, reply: TimeOfDay) -> str:
    if reply.doubted is None:
        return _lines(f"it is {reply.now}, and nothing speaks against it")
    return _lines(
        f"it is {reply.now}, or so says the clock, which jumped",
        f"nothing old is deleted in the next {durations.say(reply.doubted)}",
        "/clock right says that it is right",
    )


SAID: Final[dict[type[Reply], Callable[[str, Any], str]]] = {
    Notice: _notice,
    Error: _notice,
    Replaced: _notice,
    NotDone: lambda zone, reply: _lines(": ".join(filter(None, (reply.error.text, reply.hint)))),
    Ok: lambda zone, reply: (
        _lines(_DONE[reply.to].format(name=directed(reply.name or ""))) if reply.to in _DONE else ""
    ),
    Entered: _entered,
    Turned: lambda zone, reply: _lines(
        f"you are in #{reply.room.room} {'already' if reply.already else 'now'}"
    ),
    Left: _left,
    LookBack: _look_back,
    Sent: lambda zone, reply: f"[you -> {directed(reply.to)}] {reply.text}\r\n",
    IsAway: lambda zone, reply: _lines(
        directed(reply.name) + (f" is away: {reply.why}" if reply.why else " is away")
    ),
    TopicIs: _topic_is,
    Named: lambda zone, reply: _lines(
        f"you are {reply.name} already"
        if reply.already
        else wording.RENAMED.format(name=reply.name)
    ),
    Goodbye: lambda zone, reply: _lines(wording.GOODBYE.format(name=reply.name)),
    Ignoring: _ignoring,
    Profile: _profile,
    Up: lambda zone, reply: _lines(*answers.up(reply, _moment)),
    Bans: _bans,
    TimeOfDay: _time_of_day,
    Figures: lambda zone, reply: _lines(*table(reply.rows)),
}
"""For each type of reply, the function that makes its text from the reader's zone and the reply."""


def _company(reply: Company, there: Iterable[Person]) -> list[str]:
    told = answers.who(reply.room, there, reply.count)
    return [*told, reply.stale] if reply.count and reply.stale else told


def _crowd(reply: Crowd, names: Iterable[str]) -> list[str]:
    told = answers.names(replace(reply.wire(), names=list(names)))
    return [*told, reply.stale] if reply.stale else told


def _overview(reply: Overview, rooms: Iterable[RoomSeen]) -> list[str]:
    locked = [RoomSeen(room=room, people=0, locked=True) for room in reply.locked[:ROOMS_LISTED]]
    return answers.rooms(
        [*islice(rooms, ROOMS_LISTED), *locked],
        reply.count - ROOMS_LISTED,
        reply.yours,
        reply.here,
    )


LISTED: Final[dict[type[Reply], Callable[[Any, Iterable[Any]], list[str]]]] = {
    Company: _company,
    Crowd: _crowd,
    Overview: _overview,
}
"""For each type of reply sent in parts, the function that makes its lines from reply and items."""
