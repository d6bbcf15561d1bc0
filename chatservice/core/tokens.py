"""Tokens: each opens one session, for any program that has it."""

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
"""Random bytes of a token: it is as hard to guess as a key of 192 bits."""

_DAY: Final = 86_400


def digest(token: str) -> str:
    """Return the hash of a token, which is stored in its place.

    A token is as random as a hash, so a salt or a slow function would not make it safer.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Tokens:
    """The sessions that can be resumed.

    :param clock: the clock by which tokens expire while this process runs.
    :param now: returns the time, in milliseconds since 1970; after a restart it tells how long
        stored tokens still live.
    :param limits: the life of an unused token, and the number of sessions that have left and are
        remembered, in all and of one address. Above that, the ones that left first are forgotten.
    :ivar in_doubt: whether the time of day may be wrong; then stored tokens get a whole life.
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
        """Return a new token and its new session, which is not remembered yet."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        return token, Session(digest(token), secrets.randbits(63), name, self._now())

    def here(self, session: Session) -> None:
        """Remember a session that has come in, or come back, as here."""
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
        """Return the session with an origin, or None."""
        return self._origins.get(origin)

    def left(self, session: Session) -> list[Fact]:
        """Mark a session as left; return the facts that delete sessions above the limits."""
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
        """Forget a session; return the fact that deletes it from the journal."""
        session.dropped = True
        del self._sessions[session.digest]
        del self._origins[session.origin]
        self._not_away(session)
        return Fact(SESSION, session.digest, "")

    def learn(self, fact: Fact, here: bool, just_now: bool = True) -> Session:
        """Remember, or update, a session from a fact that another process has stored.

        :param here: whether the session is here.
        :param just_now: whether the fact was stored just now, so the token has its whole life.
        """
        session = self._sessions.get(fact.name)
        if session is None:
            session = Session.load(fact)
        else:
            if here or session.here:
                session.rooms = None
            session.learn(SESSIONS.decode(fact.value))
        session.here = here
        session.expires = self._clock.seconds() + self._left(session, just_now)
        self._add(session)
        return session

    def drop(self, digest: str) -> Session | None:
        """Forget a session that another process has forgotten; return it, or None if unknown."""
        session = self._sessions.get(digest)
        if session is not None:
            self.forget(session)
        return session

    def forget_expired(self) -> list[Fact]:
        """Forget sessions with expired tokens; return the facts that delete them."""
        return [self.forget(s) for s in list(self._away.values()) if self._expired(s)]

    def all(self) -> Iterable[Session]:
        """Return all sessions that are remembered."""
        return self._sessions.values()

    def unnoted(self) -> Iterable[Session]:
        """Return the sessions whose highest number is in their events, but not in their facts."""
        return [s for s in self._sessions.values() if s.noted < s.seq]

    def restore(self, facts: Iterable[Fact]) -> list[Session]:
        """Remember the sessions of a journal's facts; return those that are here."""
        sessions = [Session.load(fact) for fact in facts if fact.kind == SESSION]
        for session in sorted(sessions, key=lambda session: session.seen):
            session.expires = self._clock.seconds() + self._left(session, just_now=False)
            self._add(session)
        return [session for session in sessions if session.here]

    def _left(self, session: Session, just_now: bool) -> float:
        """Return the seconds until the token of a session that has left expires."""
        if just_now or self.in_doubt:
            return self._life
        # The limit holds even if the time of day was wrong when the session left.
        return min(self._life, self._life + (session.seen - self._now()) / 1000)

    def _expired(self, session: Session) -> bool:
        return not session.here and session.expires <= self._clock.seconds()
