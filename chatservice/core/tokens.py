"""Tokens: who has one is taken for the session that it was given to."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from twisted.internet.interfaces import IReactorTime

from chatservice.core.sessions import SESSION, SESSIONS, Session
from chatservice.journal.events import Fact
from chatservice.limits import Limits

TOKEN_BYTES: Final = 24
"""Random bytes of a token: no more can be guessed of it than of a key of 192 bits."""

_DAY: Final = 86_400


def digest(token: str) -> str:
    """Return what is stored instead of a token.

    A token is as random as a hash, so no salt and no slow function make it harder to find.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Tokens:
    """The sessions that can be taken up again.

    :param clock: by which tokens expire while this process runs.
    :param now: the time, in milliseconds since 1970; by it is known what is left of them at first.
    :param limits: after which time a token that was not used expires, and how many sessions that
        have left are remembered, of all and of one address; those that left first are not.
    :ivar in_doubt: what the time of day is may be wrong, so what was stored has not expired.
    """

    def __init__(self, clock: IReactorTime, now: Callable[[], int], limits: Limits) -> None:
        self.in_doubt = False
        self._clock = clock
        self._now = now
        self._life = limits.token_life * _DAY
        self._most = limits.max_tokens
        self._most_of_one = limits.tokens_per_address if limits.max_per_address else 0
        self._sessions: dict[str, Session] = {}
        self._away: dict[str, Session] = {}
        self._sites: dict[str, dict[str, Session]] = {}
        self._origins: dict[int, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def issue(self, name: str) -> tuple[str, Session]:
        """Make a token and the session that it is for, which is not remembered yet."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        return token, Session(digest(token), secrets.randbits(63), name, self._now())

    def here(self, session: Session) -> None:
        """Remember a session that has come in, or back."""
        session.here = True
        self._add(session)

    def _add(self, session: Session) -> None:
        self._sessions[session.digest] = session
        self._origins[session.origin] = session
        self._not_away(session)
        if not session.here:
            self._away[session.digest] = session
            if session.site:
                self._sites.setdefault(session.site, {})[session.digest] = session

    def _not_away(self, session: Session) -> None:
        if self._away.pop(session.digest, None) is not None and session.site:
            same = self._sites[session.site]
            del same[session.digest]
            if not same:
                del self._sites[session.site]

    def find(self, token: str) -> Session | None:
        """Return the session of a token; None if there is none, or if it has expired."""
        session = self._sessions.get(digest(token))
        return None if session is None or self._expired(session) else session

    def of(self, origin: int) -> Session | None:
        """Return the session that has said something."""
        return self._origins.get(origin)

    def left(self, session: Session) -> list[Fact]:
        """A session has left. Return the facts by which others are forgotten for it."""
        session.here = False
        session.seen = self._now()
        session.expires = self._clock.seconds() + self._life
        self._add(session)
        forgotten = []
        same = self._sites.get(session.site, {})
        if 0 < self._most_of_one < len(same):
            forgotten.append(self.forget(next(iter(same.values()))))
        excess = len(self._away) - self._most
        return forgotten + [
            self.forget(s) for s in list(islice(self._away.values(), max(0, excess)))
        ]

    def forget(self, session: Session) -> Fact:
        """Forget a session; return the fact by which the journal is to do the same."""
        session.dropped = True
        del self._sessions[session.digest]
        del self._origins[session.origin]
        self._not_away(session)
        return Fact(SESSION, session.digest, "")

    def learn(self, fact: Fact, here: bool, just_now: bool = True) -> Session:
        """Take up what another process has stored of a session, which may be known already.

        :param just_now: it was stored just now.
        """
        session = self._sessions.get(fact.name) or Session.load(fact)
        if here or session.here:
            session.rooms = None
        session.learn(SESSIONS.decode(fact.value))
        session.here = here
        session.expires = self._clock.seconds() + self._left(session, just_now)
        self._add(session)
        return session

    def drop(self, digest: str) -> Session | None:
        """Forget a session that another process has forgotten; return it, if it was known."""
        session = self._sessions.get(digest)
        if session is not None:
            self.forget(session)
        return session

    def forget_expired(self) -> list[Fact]:
        """Forget the sessions whose tokens have expired; return the facts for the journal."""
        return [self.forget(s) for s in list(self._away.values()) if self._expired(s)]

    def all(self) -> Iterable[Session]:
        """Give all sessions that are remembered."""
        return self._sessions.values()

    def unnoted(self) -> Iterable[Session]:
        """Give the sessions whose numbers only their events tell."""
        return [s for s in self._sessions.values() if s.noted < s.seq]

    def restore(self, facts: Iterable[Fact]) -> list[Session]:
        """Take up what the journal has; return the sessions that are here."""
        sessions = [Session.load(fact) for fact in facts if fact.kind == SESSION]
        for session in sorted(sessions, key=lambda session: session.seen):
            session.expires = self._clock.seconds() + self._left(session, just_now=False)
            self._add(session)
        return [session for session in sessions if session.here]

    def _left(self, session: Session, just_now: bool) -> float:
        """Tell in how many seconds the token of a session expires, if that has left."""
        if just_now or self.in_doubt:
            return self._life
        # Whatever the time of day was when it left, it is never longer.
        return min(self._life, self._life + (session.seen - self._now()) / 1000)

    def _expired(self, session: Session) -> bool:
        return not session.here and session.expires <= self._clock.seconds()
