"""What people ask for, and programs can't yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chatservice.messages.requests import Request, Talk


@dataclass(frozen=True, kw_only=True)
class Answer(Talk):
    """Writes privately to who has written last."""

    type: ClassVar[str] = "reply"


@dataclass(frozen=True, kw_only=True)
class TopicOf(Request):
    """Asks what the topic of a room is."""

    type: ClassVar[str] = "topic"
    room: str


@dataclass(frozen=True, kw_only=True)
class Ignore(Request):
    """Sees no more of somebody."""

    type: ClassVar[str] = "ignore"
    name: str


@dataclass(frozen=True, kw_only=True)
class Unignore(Request):
    """Sees somebody again."""

    type: ClassVar[str] = "unignore"
    name: str


@dataclass(frozen=True, kw_only=True)
class Ignored(Request):
    """Asks whom it ignores."""

    type: ClassVar[str] = "ignored"


@dataclass(frozen=True, kw_only=True)
class Operating(Request):
    """What operators ask for."""

    for_operators: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class Kick(Operating):
    """Sends somebody away."""

    type: ClassVar[str] = "kick"
    name: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Ban(Operating):
    """Lets nobody in from some addresses.

    :ivar who: one of them, a network of them, or the name of somebody who comes from one.
    :ivar seconds: for how long; None for good.
    """

    type: ClassVar[str] = "ban"
    who: str
    seconds: int | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ListBans(Operating):
    """Asks who is banned."""

    type: ClassVar[str] = "bans"


@dataclass(frozen=True, kw_only=True)
class Unban(Operating):
    """Lets people in again from some addresses."""

    type: ClassVar[str] = "unban"
    address: str


@dataclass(frozen=True, kw_only=True)
class Mute(Operating):
    """Lets nobody read new words of somebody.

    :ivar seconds: for how long; None for good.
    """

    type: ClassVar[str] = "mute"
    name: str
    seconds: int | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Unmute(Operating):
    """Lets others read somebody again."""

    type: ClassVar[str] = "unmute"
    name: str


@dataclass(frozen=True, kw_only=True)
class Announce(Operating):
    """Tells everybody something."""

    type: ClassVar[str] = "announce"
    text: str


@dataclass(frozen=True, kw_only=True)
class Lock(Operating):
    """Lets nobody else into a room."""

    type: ClassVar[str] = "lock"
    room: str


@dataclass(frozen=True, kw_only=True)
class Unlock(Operating):
    """Opens a room again."""

    type: ClassVar[str] = "unlock"
    room: str


@dataclass(frozen=True, kw_only=True)
class Stats(Operating):
    """Asks how the server is doing."""

    type: ClassVar[str] = "stats"


@dataclass(frozen=True, kw_only=True)
class LookAtClock(Operating):
    """Asks whether the time is right, or says that it is."""

    type: ClassVar[str] = "clock"
    right: bool = False


@dataclass(frozen=True, kw_only=True)
class ShutDown(Operating):
    """Stops the server.

    :ivar wait: in so many seconds; None to let it go on after all.
    """

    type: ClassVar[str] = "shutdown"
    wait: int | None = 0
    reason: str = ""
