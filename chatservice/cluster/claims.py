"""The names that members hold on all nodes, granted in the order of the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.internet.defer import Deferred, fail, succeed

from chatservice.cluster.entries import NAME
from chatservice.cluster.journal import ClusterJournal
from chatservice.core.feed.ticker import Ticker
from chatservice.core.members import Member
from chatservice.core.nicknames import NameTaken
from chatservice.journal.events import Fact
from chatservice.text import names


class SharedClaims:
    """The names that members of all nodes hold: the :class:`.Names` of a cluster.

    A claim is published to the log, and its position there decides whether the name is free. So a
    claim waits while the log is out of reach, and no two nodes ever grant one name.

    :param here: all members, by origin.
    """

    def __init__(self, journal: ClusterJournal, ticker: Ticker, here: Mapping[int, Member]) -> None:
        self._journal = journal
        self._ticker = ticker
        self._here = here
        self._freed: dict[str, list[Deferred[None]]] = {}

    def claim(self, name: str, holder: Member) -> Deferred[None]:
        """See :meth:`.Names.claim`."""
        key = names.key(name)
        if key in self._freed:
            # The name is about to be free, and can be claimed only then.
            free: Deferred[None] = Deferred()
            self._freed[key].append(free)
            return free.addCallback(lambda _: self.claim(name, holder))
        claim = self._journal.registry.names.get(key)
        if claim is not None and claim.origin != holder.origin:
            return fail(NameTaken(name))
        if claim is not None and self._journal.holds(claim):
            return succeed(None)
        return self.say(name, holder)

    def say(self, name: str, holder: Member, first: bool = False) -> Deferred[None]:
        """Publish the claim of a name without a check whether the name is held.

        The Deferred fails with :exc:`.NameTaken`.

        :param first: whether to publish the claim before all that waits.
        """

        def decided(effective: Sequence[bool]) -> None:
            if not effective[0]:
                raise NameTaken(name)

        fact = Fact(NAME, names.key(name), f"{holder.origin:x}")
        return self._journal.say([fact], first).addCallback(decided)

    def holder(self, name: str) -> object:
        """See :meth:`.Names.holder`."""
        claim = self._journal.registry.names.get(names.key(name))
        return None if claim is None else self._here.get(claim.origin)

    def release(self, name: str) -> None:
        """Free a name with the next commit."""
        key = names.key(name)
        self._freed.setdefault(key, [])
        self._ticker.batch.hold(Fact(NAME, key, ""))
        self._ticker.batch.then.append(lambda: self._free(key))
        self._ticker.wake()

    def _free(self, key: str) -> None:
        """Continue the claims of a name that waited until the name was free."""
        for free in self._freed.pop(key, ()):
            free.callback(None)
