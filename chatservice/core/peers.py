"""The other processes that have a part in a chat, and their stand-in in a chat that has none.

A chat decides by itself about its own members. Members who are on other processes
(:attr:`.Member.remote`) are brought in, and taken out, by its peers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import Deferred, succeed

from chatservice.core.feed.batch import Presence
from chatservice.core.members import Member
from chatservice.core.nicknames import Claims, Names
from chatservice.core.sessions import Session
from chatservice.journal.events import Fact
from chatservice.text import wording


class Trouble(NamedTuple):
    """The reason why nothing can be stored now.

    :ivar says: that, and what comes of what is said, in a sentence.
    :ivar over: the sentence for when it is over.
    """

    says: str
    over: str


class Peers(Protocol):
    """The other processes, as a chat sees them."""

    @property
    def claims(self) -> Names:
        """The names that are held, on all of them."""

    def restore(self, facts: Sequence[Fact]) -> Sequence[Fact]:
        """Bring in who is elsewhere, by what holds at the start.

        :return: the facts by which programs were here at the last stop, and are here again.
        """

    def follow(self) -> None:
        """Take part, from now on: the chat has started.

        :raises JournalError: if that can't be.
        """

    def arrives(self, member: Member) -> None:
        """Let others know of somebody without a token who asks to be let in; tell the member if
        that may take a while.
        """

    def leaves(self, member: Member) -> None:
        """Let others forget a member of this process, which leaves, with the next commit."""

    def send_away(self, member: Member, cause: str, why: str, words: str) -> None:
        """Ask the process of a remote member to let it go; see :meth:`.Attendance.send_away`."""

    def take(self, find: Callable[[], Session | None]) -> Deferred[Session | None]:
        """Find a session, and see to it that what it does is decided in this process.

        The Deferred fails with :exc:`.Refusal` if that can't be.

        :param find: looks for it among those that are known by now.
        """

    def hold(self, facts: Sequence[Fact]) -> None:
        """Let members who are elsewhere change by facts that were committed."""

    def shown(self, sends: int, missing: Sequence[Presence]) -> int:
        """Note that a commit was shown.

        :param sends: so many it took.
        :param missing: those who were to come or go in it, and whom it does not show.
        :return: so many of the sends are to be paid for before the next commit.
        """

    def trouble(self, refusing: bool) -> Trouble | None:
        """Tell why nothing can be stored now; None if it can.

        :param refusing: the journal refused what was committed last.
        """

    def stats(self) -> list[tuple[str, str]]:
        """Return what else operators are to know, each with its name."""


class Alone:
    """The :class:`Peers` of a chat that is one process: there is nobody else."""

    def __init__(self) -> None:
        self.claims = Claims()

    def restore(self, facts: Sequence[Fact]) -> Sequence[Fact]:
        """Let all who were here at the last stop be here again."""
        return facts

    def _nothing(self, *_: Any, **__: Any) -> None:
        """Do nothing: nobody else has to know, and no member is elsewhere."""

    follow = arrives = leaves = hold = send_away = _nothing

    def take(self, find: Callable[[], Session | None]) -> Deferred[Session | None]:
        """Find it: all is decided here."""
        return succeed(find())

    def shown(self, sends: int, missing: Sequence[Presence]) -> int:
        """Have each commit paid for; nobody is ever missing in one."""
        return sends

    def trouble(self, refusing: bool) -> Trouble | None:
        """Tell of trouble while the journal refuses."""
        return Trouble(wording.UNSTORED, wording.STORED_AGAIN) if refusing else None

    def stats(self) -> list[tuple[str, str]]:
        """Return nothing: there is nothing else to know."""
        return []
