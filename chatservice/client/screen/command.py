"""The means that a command has: to ask the server, to print, to change the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from chatservice import messages
from chatservice.client.screen.ignoring import Ignoring
from chatservice.client.screen.people import People
from chatservice.client.stored.state import Settings


class Correspondent(NamedTuple):
    """Somebody who wrote privately.

    :ivar name: how they were called last.
    :ivar session: where an answer reaches them, and nobody else; None if the server does not tell.
    """

    name: str
    session: str | None


class Typist(Protocol):
    """Who types commands, and what these can do.

    :ivar name: their own.
    :ivar room: to which goes what they say; None if they are in none.
    :ivar correspondent: who wrote to them privately last.
    :ivar settings: how they want it to be.
    :ivar ignoring: whom they don't want to see.
    :ivar people: who is where.
    """

    room: str | None
    correspondent: Correspondent | None
    settings: Settings
    ignoring: Ignoring
    people: People

    @property
    def name(self) -> str:
        """Return their own name."""

    @property
    def rooms(self) -> Mapping[str, messages.RoomSeen]:
        """Return the rooms that they are in."""

    def talk(self, request: messages.Talk) -> None:
        """Say something."""

    def ask(self, request: messages.Request, then: Callable[[messages.Reply], None]) -> None:
        """Ask for something; then what is to be done with the answer."""

    @property
    def columns(self) -> int:
        """Return how wide the terminal is."""

    def tell(self, *lines: str) -> None:
        """Show them an answer."""

    def look_back(self, past: messages.Past) -> None:
        """Show what was said in a room."""

    def go(self, room: str) -> None:
        """Turn to another room that they are in."""

    def arrive(self, room: str) -> None:
        """Turn to a room that they have just come into."""

    def left(self, room: str) -> None:
        """Forget a room that they are not in any more."""

    def heard_of(self, rooms: list[messages.RoomSeen]) -> None:
        """Note which rooms there are."""

    def moment(self, at: str) -> str:
        """Write out a time that the server tells."""

    def quit(self, text: str) -> None:
        """Leave the chat."""


class Refused(Exception):
    """A line can't be obeyed; ``str()`` says why."""
