"""Requests that people can type, and that programs can't send yet."""

from __future__ import annotations

from typing import ClassVar

from chatservice.messages.requests import OfName, OfRoom, Request, Talk


class Answer(Talk, frozen=True, tag="reply", kw_only=True):
    """Write privately to the person who wrote last."""


class TopicOf(OfRoom, frozen=True, tag="topic", kw_only=True):
    """Ask for the topic of a room."""


class Ignore(OfName, frozen=True, tag="ignore", kw_only=True):
    """Hide what somebody says from now on."""


class Unignore(OfName, frozen=True, tag="unignore", kw_only=True):
    """Show again what somebody says."""


class Ignored(Request, frozen=True, tag="ignored", kw_only=True):
    """Ask for the names of all who are ignored."""


class Operating(Request, frozen=True, kw_only=True):
    """A request that only operators may send."""

    for_operators: ClassVar[bool] = True


class Kick(OfName, Operating, frozen=True, tag="kick", kw_only=True):
    """Send somebody away."""

    reason: str = ""


class Ban(Operating, frozen=True, tag="ban", kw_only=True):
    """Let nobody in from some addresses.

    :ivar who: an address, a network, or the name of a person, whose address is meant.
    :ivar seconds: for how long; None for good.
    """

    who: str
    seconds: int | None = None
    reason: str = ""


class ListBans(Operating, frozen=True, tag="bans", kw_only=True):
    """Ask for the list of bans."""


class Unban(Operating, frozen=True, tag="unban", kw_only=True):
    """Remove the ban of an address or a network."""

    address: str


class Mute(OfName, Operating, frozen=True, tag="mute", kw_only=True):
    """Mute a person: nobody reads what they say from now on.

    :ivar seconds: for how long; None for good.
    """

    seconds: int | None = None
    reason: str = ""


class Unmute(OfName, Operating, frozen=True, tag="unmute", kw_only=True):
    """Unmute a person."""


class Announce(Operating, frozen=True, tag="announce", kw_only=True):
    """Tell everybody something."""

    text: str


class Lock(OfRoom, Operating, frozen=True, tag="lock", kw_only=True):
    """Lock a room: nobody else can join it."""


class Unlock(OfRoom, Operating, frozen=True, tag="unlock", kw_only=True):
    """Unlock a room."""


class Stats(Operating, frozen=True, tag="stats", kw_only=True):
    """Ask for the figures of the server."""


class LookAtClock(Operating, frozen=True, tag="clock", kw_only=True):
    """Ask whether the clock is right, or confirm that it is."""

    right: bool = False


class ShutDown(Operating, frozen=True, tag="shutdown", kw_only=True):
    """Stop the server.

    :ivar wait: in so many seconds; None to cancel the stop.
    """

    wait: int | None = 0
    reason: str = ""
