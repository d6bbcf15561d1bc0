"""The requests that people can type, but programs can't send yet."""

from __future__ import annotations

from typing import ClassVar

from chatservice.messages.requests import OfName, OfRoom, Request, Talk


class Answer(Talk, frozen=True, tag="reply", kw_only=True):
    """Answer the last private message."""


class TopicOf(OfRoom, frozen=True, tag="topic", kw_only=True):
    """Ask for the topic of a room."""


class Ignore(OfName, frozen=True, tag="ignore", kw_only=True):
    """Hide a person's messages from now on."""


class Unignore(OfName, frozen=True, tag="unignore", kw_only=True):
    """Show the messages of an ignored person again."""


class Ignored(Request, frozen=True, tag="ignored", kw_only=True):
    """Ask for the names of all ignored people."""


class Operating(Request, frozen=True, kw_only=True):
    """A request that only operators may send."""

    for_operators: ClassVar[bool] = True


class Kick(OfName, Operating, frozen=True, tag="kick", kw_only=True):
    """Remove a person from the chat."""

    reason: str = ""


class Ban(Operating, frozen=True, tag="ban", kw_only=True):
    """Ban an address or a network: nobody is let in from there.

    :ivar who: an address, a network, or the name of a person, whose address is banned.
    :ivar seconds: how long the ban lasts; None for ever.
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
    """Mute a person: nobody is shown their messages from now on.

    :ivar seconds: how long they are muted; None for ever.
    """

    seconds: int | None = None
    reason: str = ""


class Unmute(OfName, Operating, frozen=True, tag="unmute", kw_only=True):
    """Unmute a person."""


class Announce(Operating, frozen=True, tag="announce", kw_only=True):
    """Announce a text to everybody."""

    text: str


class Lock(OfRoom, Operating, frozen=True, tag="lock", kw_only=True):
    """Lock a room: nobody else can join it."""


class Unlock(OfRoom, Operating, frozen=True, tag="unlock", kw_only=True):
    """Unlock a room."""


class Stats(Operating, frozen=True, tag="stats", kw_only=True):
    """Ask for the figures of the server."""


class LookAtClock(Operating, frozen=True, tag="clock", kw_only=True):
    """Ask whether the server's clock is right, or confirm that it is."""

    right: bool = False


class ShutDown(Operating, frozen=True, tag="shutdown", kw_only=True):
    """Stop the server.

    :ivar wait: seconds until the stop; None to cancel a stop.
    """

    wait: int | None = 0
    reason: str = ""
