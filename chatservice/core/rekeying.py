"""How a file that was written by older rules for names becomes one of today's.

It is done once, when the file is opened, and in one commit: who had a name that nobody can have any
more, or one that is another's by now, has a new one; so have rooms. Whoever is here is shown to be
renamed, in their rooms, and the log tells all of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from twisted.logger import Logger

from chatservice.core.moderation import LOCK, MUTE, Term
from chatservice.core.sessions import SESSION, Reading, Session
from chatservice.journal.base import JournalError, Revision
from chatservice.journal.events import ACTED, FILE, RENAMED, TOPIC, Draft, Fact
from chatservice.text import names
from chatservice.text.characters import scripts
from chatservice.text.names import BadName

RULES_FACT: Final = "rules"
"""The name of the fact, of the kind :data:`.FILE`, that tells the rules (:data:`.names.RULES`) by
which a file was written. Where it is missing, they were the first."""

NODE: Final = ""
"""The name of the fact of that kind by which a file is that of a node of a cluster."""

THE_SERVER: Final = "the server"
"""The author of renamed rooms' events. Nobody can have this name, since it has a blank."""

Check = Callable[[str, int], str]
"""Checks a name and returns its one form, as :func:`.names.nickname` does."""

log = Logger()


def revise(
    facts: Sequence[Fact], rooms: Callable[[], Iterable[str]], longest: int
) -> Revision | None:
    """Return the changes that bring a file of older rules up to today's.

    :param rooms: finds the rooms in which anything has happened.
    :param longest: how long a name may be.
    :return: None if nothing has to.
    :raises JournalError: if it was written by newer rules.
    """
    own = {fact.name: fact.value for fact in facts if fact.kind == FILE}
    rules = int(own.get(RULES_FACT, 1))
    if rules > names.RULES:
        raise JournalError(f"it was written by a newer version (rules for names {rules})")
    if rules == names.RULES:
        return None
    return _Revising(facts, longest).revision({*rooms()})


def revise_alone(
    facts: Sequence[Fact], rooms: Callable[[], Iterable[str]], longest: int
) -> Revision | None:
    """Do the same as :func:`revise`, unless the file is that of a node of a cluster.

    There the log decides, so that all nodes decide alike.
    """
    if any(fact.kind == FILE and fact.name == NODE for fact in facts):
        return None
    return revise(facts, rooms, longest)


class _Revising:
    """Finds new names, one after the other: what it has given is taken for the next."""

    def __init__(self, facts: Sequence[Fact], longest: int) -> None:
        self._held = facts
        self._longest = longest
        self._facts: dict[tuple[str, str], Fact] = {}
        self._drafts: list[Draft] = []
        self._rooms: dict[str, str] = {}
        self._people: dict[str, str] = {}

    def revision(self, rooms: set[str]) -> Revision:
        """Return all that has to change."""
        sessions = [Session.load(fact) for fact in self._held if fact.kind == SESSION]
        self._rename_rooms(rooms, sessions)
        self._rename_people(sessions)
        self._move_topics_and_locks()
        self._move_mutes()
        self._hold(Fact(FILE, RULES_FACT, str(names.RULES)))
        return Revision(self._rooms, list(self._facts.values()), self._drafts)

    def _hold(self, fact: Fact) -> None:
        self._facts[fact.kind, fact.name] = fact

    def _rename_rooms(self, rooms: set[str], sessions: Iterable[Session]) -> None:
        rooms |= {fact.name for fact in self._held if fact.kind in (TOPIC, LOCK)}
        for session in sessions:
            rooms |= session.reading.rooms.keys()
            rooms |= {period.room for period in session.reading.periods}
        for room in sorted(rooms):
            why = _reason(names.room_name, room)
            if why:
                new = _unused(
                    names.room_name,
                    _mended(names.room_name, room, "room", self._longest),
                    {*rooms, *self._rooms.values()}.__contains__,
                    self._longest,
                )
                self._rooms[room] = new
                told = f"calls this room #{new} from now on, and not #{room}: {why}"
                self._drafts.append(Draft(new, ACTED, THE_SERVER, told, 0, -len(self._rooms)))
                log.warn("#{old} is #{new} from now on: {why}", old=room, new=new, why=why)

    def _rename_people(self, sessions: Iterable[Session]) -> None:
        """Rename those whose names are none, or are another's by now.

        Of those who are here under names that are one, who was seen last keeps it.
        """
        held: dict[str, str] = {}
        found = [(session, _reason(names.nickname, session.name)) for session in sessions]
        found.sort(key=lambda pair: (bool(pair[1]), -pair[0].seen, pair[0].origin))
        for session, why in found:
            name = session.name
            if why:
                name = _mended(names.nickname, name, "guest", self._longest)
            if session.here:
                holder = held.get(names.key(name))
                if holder is not None:
                    why = why or f"it looks like {holder}, who was seen later"
                    name = _unused(
                        names.nickname, name, lambda name: names.key(name) in held, self._longest
                    )
                held[names.key(name)] = name
            reading = self._reading(session.reading)
            if name != session.name:
                self._rename(session, name, reading, why)
            elif reading != session.reading:
                self._hold(session.fact(reading))

    def _rename(self, session: Session, name: str, reading: Reading, why: str) -> None:
        old, session.name = session.name, name
        session.was = old
        self._hold(session.fact(reading))
        self._people[old] = name
        log.warn("{old} is called {new} from now on: {why}", old=old, new=name, why=why)
        if session.here:
            for seq, room in enumerate(reading.rooms, 1):
                self._drafts.append(Draft(room, RENAMED, old, name, session.origin, -seq))

    def _reading(self, reading: Reading) -> Reading:
        """Return what is for a session, by the new names of rooms."""
        new = self._rooms
        return Reading(
            {new.get(room, room): since for room, since in reading.rooms.items()},
            tuple(
                period._replace(room=new.get(period.room, period.room))
                for period in reading.periods
            ),
            reading.forgotten,
        )

    def _move_topics_and_locks(self) -> None:
        for kind, room, value in self._held:
            if kind in (TOPIC, LOCK) and room in self._rooms:
                self._hold(Fact(kind, room, ""))
                self._hold(Fact(kind, self._rooms[room], value))

    def _move_mutes(self) -> None:
        """Let mutes go with the names; of two that are of one name by now, the longer one holds."""
        mutes: dict[str, Term] = {}
        for kind, key, value in self._held:
            if kind != MUTE:
                continue
            term = Term(*json.loads(value))
            name = self._people.get(term.name, term.name)
            if _reason(names.nickname, name):
                name = _mended(names.nickname, name, "guest", self._longest)
            term = term._replace(name=name)
            self._hold(Fact(MUTE, key, ""))
            if names.key(name) != key:
                log.warn(
                    "the mute of {old} is one of {key} from now on", old=key, key=names.key(name)
                )
            other = mutes.get(names.key(name))
            if other is None or term.outlasts(other):
                mutes[names.key(name)] = term
        for key, term in mutes.items():
            self._hold(term.fact(MUTE, key))


def _reason(check: Check, name: str) -> str:
    """Return the reason for which a text can't be a name; ``""`` if it can."""
    try:
        return "" if check(name, names.KEYED_MOST) == name else "it is written in another way"
    except BadName as error:
        return str(error)


def _mended(check: Check, name: str, otherwise: str, longest: int) -> str:
    """Return the name that is nearest to one that can't be.

    :param otherwise: what it is if none is near.
    """
    longest = max(longest, len(name))
    spoilt = "".join(
        "_" if character in names.FORBIDDEN or not scripts(character) else character
        for character in name
    )
    for text in (spoilt, f"_{spoilt}", spoilt.lower()):
        try:
            return check(text[:longest], longest)
        except BadName:
            continue
    return otherwise


def _unused(check: Check, name: str, used: Callable[[str], bool], longest: int) -> str:
    """Return a name, with the first number behind it with which nobody has it."""
    longest = max(longest, len(name))
    number = 1
    unused = name
    while used(unused):
        number += 1
        end = str(number)
        try:
            unused = check(name[: longest - len(end)] + end, longest)
        except BadName:
            name = "guest"
    return unused
