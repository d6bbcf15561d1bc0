"""The holders of names: each name has one at a time."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred, fail, succeed

from chatservice.core.members import Member
from chatservice.core.refusals import Refusal
from chatservice.messages import Code
from chatservice.text import names


class NameTaken(Refusal):
    """The refusal of a name that somebody else holds."""

    def __init__(self, name: str) -> None:
        super().__init__(Code.NAME_TAKEN, f"the name {name} is taken")


class Names(Protocol):
    """The names in use, each with one holder. Names are compared by :func:`.names.key`.

    A claim returns a Deferred, because other processes may have to be asked.
    """

    def claim(self, name: str, holder: Member) -> Deferred[None]:
        """Claim a name for a holder, which may have it already (in other capitals, for example).

        The Deferred fails with :exc:`NameTaken`.
        """

    def holder(self, name: str) -> object:
        """Return the holder of a name, or None."""

    def release(self, name: str) -> None:
        """Free a name that is held."""


class Claims:
    """The :class:`Names` of a single process."""

    def __init__(self) -> None:
        self._holders: dict[str, object] = {}

    def claim(self, name: str, holder: object) -> Deferred[None]:
        """See :meth:`Names.claim`."""
        if self._holders.setdefault(names.key(name), holder) is not holder:
            return fail(NameTaken(name))
        return succeed(None)

    def holder(self, name: str) -> object:
        """See :meth:`Names.holder`."""
        return self._holders.get(names.key(name))

    def release(self, name: str) -> None:
        """See :meth:`Names.release`."""
        del self._holders[names.key(name)]
