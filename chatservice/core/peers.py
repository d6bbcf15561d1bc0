"""The interface to the other processes of a chat, and its version for a single process.

A chat decides about its own members. Its peers add and remove the members of other processes
(:attr:`.Member.remote`).
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
    """The reason why nothing can be stored now, as sentences for members.

    :ivar says: the reason, and what happens to lines meanwhile.
    :ivar over: the sentence for the end of the trouble.
    """

    says: str
    over: str


class Peers(Protocol):
    """The other processes, as a chat sees them."""

    @property
    def claims(self) -> Names:
        """The names in use, in all processes."""

    def restore(self, facts: Sequence[Fact]) -> Sequence[Fact]:
        """Add the members of other processes, from the facts at the start.

        :return: the facts of programs that were in this process at the last stop.
        """

    def follow(self) -> None:
        """Begin to take part, now that the chat has started.

        :raises JournalError: if that is impossible.
        """

    def arrives(self, member: Member) -> None:
        """Announce a new member without a token to the other processes.

        Tell the member if that may take a while.
        """

    def leaves(self, member: Member) -> None:
        """Tell the others, with the next commit, that a member of this process leaves."""

    def send_away(self, member: Member, cause: str, why: str, words: str) -> None:
        """Ask the process of a remote member to let it go; see :meth:`.Attendance.send_away`."""

    def take(self, find: Callable[[], Session | None]) -> Deferred[Session | None]:
        """Find a session, and take it over from another process if needed.

        The Deferred fires with the session or None. It fails with :exc:`.Refusal` if the session
        can't be taken over.

        :param find: looks the session up among those known at the time of the call.
        """

    def hold(self, facts: Sequence[Fact]) -> None:
        """Change the members of other processes according to committed facts."""

    def shown(self, sends: int, missing: Sequence[Presence]) -> int:
        """Note that a commit was delivered.

        :param sends: the number of sends that the delivery took.
        :param missing: the joins and leaves of the batch that the commit does not show.
        :return: the number of sends that delay the next commit.
        """

    def trouble(self, refusing: bool) -> Trouble | None:
        """Return the reason why nothing can be stored now; None if there is none.

        :param refusing: whether the journal refused the last commit.
        """

    def stats(self) -> list[tuple[str, str]]:
        """Return further figures for operators, each with its name."""


class Alone:
    """The :class:`Peers` of a chat in a single process, which has no other."""

    def __init__(self) -> None:
        self.claims = Claims()

    def restore(self, facts: Sequence[Fact]) -> Sequence[Fact]:
        """Return all facts: every program was in this process."""
        return facts

    def _nothing(self, *_: Any, **__: Any) -> None:
        """Do nothing: there is no other process."""

    follow = arrives = leaves = hold = send_away = _nothing

    def take(self, find: Callable[[], Session | None]) -> Deferred[Session | None]:
        """Find the session: it is in this process, if anywhere."""
        return succeed(find())

    def shown(self, sends: int, missing: Sequence[Presence]) -> int:
        """Let all sends count; no join or leave is ever missing."""
        return sends

    def trouble(self, refusing: bool) -> Trouble | None:
        """Return the trouble while the journal refuses, else None."""
        return Trouble(wording.UNSTORED, wording.STORED_AGAIN) if refusing else None

    def stats(self) -> list[tuple[str, str]]:
        """Return no figures: there are no other processes."""
        return []
