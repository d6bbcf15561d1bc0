"""What people ask for, and programs can't yet."""

from __future__ import annotations

from typing import ClassVar

from chatservice.messages.requests import Request, Talk


class Answer(Talk, frozen=True, tag="reply", kw_only=True):
    """Writes privately to who has written last."""


class TopicOf(Request, frozen=True, tag="topic", kw_only=True):
    """Asks what the topic of a room is."""

    room: str


class Ignore(Request, frozen=True, tag="ignore", kw_only=True):
    """Sees no more of somebody."""

    name: str


class Unignore(Request, frozen=True, tag="unignore", kw_only=True):
    """Sees somebody again."""

    name: str


class Ignored(Request, frozen=True, tag="ignored", kw_only=True):
    """Asks whom it ignores."""


class Operating(Request, frozen=True, kw_only=True):
    """What operators ask for."""

    for_operators: ClassVar[bool] = True


class Kick(Operating, frozen=True, tag="kick", kw_only=True):
    """Sends somebody away."""

    name: str
    reason: str = ""


class Ban(Operating, frozen=True, tag="ban", kw_only=True):
    """Lets nobody in from some addresses.

    :ivar who: one of them, a network of them, or the name of somebody who comes from one.
    :ivar seconds: for how long; None for good.
    """

    who: str
    seconds: int | None = None
    reason: str = ""


class ListBans(Operating, frozen=True, tag="bans", kw_only=True):
    """Asks who is banned."""


class Unban(Operating, frozen=True, tag="unban", kw_only=True):
    """Lets people in again from some addresses."""

    address: str


class Mute(Operating, frozen=True, tag="mute", kw_only=True):
    """Lets nobody read new words of somebody.

    :ivar seconds: for how long; None for good.
    """

    name: str
    seconds: int | None = None
    reason: str = ""


class Unmute(Operating, frozen=True, tag="unmute", kw_only=True):
    """Lets others read somebody again."""

    name: str


class Announce(Operating, frozen=True, tag="announce", kw_only=True):
    """Tells everybody something."""

    text: str


class Lock(Operating, frozen=True, tag="lock", kw_only=True):
    """Lets nobody else into a room."""

    room: str


class Unlock(Operating, frozen=True, tag="unlock", kw_only=True):
    """Opens a room again."""

    room: str


class Stats(Operating, frozen=True, tag="stats", kw_only=True):
    """Asks how the server is doing."""


class LookAtClock(Operating, frozen=True, tag="clock", kw_only=True):
    """Asks whether the time is right, or says that it is."""

    right: bool = False


class ShutDown(Operating, frozen=True, tag="shutdown", kw_only=True):
    """Stops the server.

    :ivar wait: in so many seconds; None to let it go on after all.
    """

    wait: int | None = 0
    reason: str = ""
