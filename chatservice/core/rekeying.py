"""New names for people and rooms whose old names are invalid, in a file and in a cluster's log.

A name may be invalid by the current rules, or look like somebody else's name. Mutes move with
names; topics, locks and past events move with rooms. A file is changed when it is opened, in one
commit. A log is changed at one entry, where all nodes make the same changes: they look only at
facts, which are the same on all nodes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from twisted.logger import Logger

from chatservice.core.moderation import LOCK, MUTE, Term
from chatservice.core.sessions import SESSION, Period, Reading
from chatservice.journal.events import (
    ACTED,
    FILE,
    RENAMED,
    ROOM,
    TOPIC,
    Draft,
    Fact,
    JournalError,
    Revision,
    as_json,
)
from chatservice.text import names
from chatservice.text.characters import scripts
from chatservice.text.names import BadName

RULES_FACT: Final = "rules"
"""The name of the :data:`.FILE` fact with the version of the rules (:data:`.names.RULES`) by which
a file was written. If the fact is missing, the version is 1."""

NODE: Final = ""
"""The name of the :data:`.FILE` fact with the name of a cluster's node."""

BASE: Final = "base"
"""The name of the :data:`.FILE` fact with the last id before the log, in files that have followed a
log. A copy of a node's file has this fact, too, but no :data:`NODE` yet."""

THE_SERVER: Final = "the server"
"""The author of the events that announce new room names. Nobody can have this name, since it has a
blank."""

LONGEST: Final = 24
"""About the most characters of a new name in a log, whatever limit the nodes have."""

STANDING: Final = (TOPIC, LOCK, MUTE, ROOM)
"""The kinds of facts that contain names, besides the records of people and programs."""

Check = Callable[[str, int], str]
"""Checks a name and returns its normal form, as :func:`.names.nickname` does."""

log = Logger()


class Settled(NamedTuple):
    """The changes that the current rules for names require.

    :ivar holders: the origins of all people and programs here, by the keys of their names.
    :ivar facts: the facts that change.
    :ivar drafts: the events that announce the changes.
    :ivar told: the changes as sentences, for the log file.
    """

    holders: dict[str, int]
    facts: list[Fact]
    drafts: list[Draft]
    told: list[str]


def rules_of(facts: Iterable[Fact]) -> int:
    """Return the version of the rules by which a file was written, given its facts."""
    return int({fact.name: fact.value for fact in facts if fact.kind == FILE}.get(RULES_FACT, 1))


def revise(
    facts: Sequence[Fact], rooms: Callable[[], Iterable[str]], longest: int, alone: bool
) -> Revision | None:
    """Return the changes that a file of older rules needs, or None.

    :param rooms: finds the rooms that have events.
    :param longest: the most characters of a name.
    :param alone: whether the process follows no log. If it follows one and the file is a node's,
        the result is None: the changes come from the log, so that all nodes decide alike.
    :raises JournalError: if the file was written by newer rules.
    """
    if not alone and any(fact.kind == FILE and fact.name in (NODE, BASE) for fact in facts):
        return None
    rules = rules_of(facts)
    if rules > names.RULES:
        raise JournalError(f"it was written by a newer version (rules for names {rules})")
    if rules == names.RULES:
        return None
    sessions = {fact for fact in facts if fact.kind == SESSION}
    here = {fact for fact in sessions if json.loads(fact.value)["here"]}
    standing = [fact for fact in facts if fact.kind in STANDING]
    settled = settle(here, sessions - here, standing, rooms(), longest)
    tell(settled)
    return Revision([*settled.facts, Fact(FILE, RULES_FACT, str(names.RULES))], settled.drafts)


def tell(settled: Settled) -> None:
    """Write the new names of people and rooms to the log file."""
    for sentence in settled.told:
        log.warn("{sentence}", sentence=sentence)


def is_past(room: str) -> bool:
    """Return whether the name of a room is invalid by the current rules."""
    return bool(_reason(names.room_name, room))


def settle(
    here: Iterable[Fact],
    left: Iterable[Fact],
    standing: Iterable[Fact],
    rooms: Iterable[str] = (),
    longest: int = LONGEST,
) -> Settled:
    """Return the new names of people and rooms, and the facts and events that go with them.

    An invalid name becomes the nearest valid one. If the names of several people here count as one
    name now, the person who was first in a room keeps it, by the ids in their records. Ids are the
    same on all nodes and depend on no clock, and a late imitator does not get the name. A new name
    takes no name that a person or room has: if it is not free, the first number that makes it free
    is appended.

    The result does not depend on the order of the facts, and a second run changes nothing.

    :param here: the records of people and programs who are here.
    :param left: the records of programs that have left, and hold no name.
    :param standing: facts of the kinds in :data:`STANDING`.
    :param rooms: rooms that are known from elsewhere.
    :param longest: the most characters of a new name.
    """
    held = {(fact.kind, fact.name): fact.value for fact in standing}
    people = [_Person(fact, here=True) for fact in sorted(here)]
    people += [_Person(fact) for fact in sorted(left)]
    called, drafts, told = _call_rooms({*rooms, *_rooms(people, held)}, held, longest)
    for person in people:
        person.reading = person.reading.called(called)
    holders = _call_people(people, longest)
    now = _call_standing(held, called, people, longest)
    facts = [person.fact for person in people if person.fact != person.was]
    facts += [Fact(*key, "") for key in sorted(held.keys() - now.keys())]
    facts += [Fact(*key, value) for key, value in sorted(now.items()) if held.get(key) != value]
    for person in people:
        if person.name != person.old:
            told.append(f"{person.old} is called {person.name} from now on: {person.why}")
            for room in sorted(person.reading.rooms) if person.here else ():
                drafts.append(Draft(room, RENAMED, person.old, person.name, person.origin, 0))
    return Settled(holders, facts, drafts, told)


def call_rooms(rooms: Iterable[str], records: Iterable[Fact], standing: Iterable[Fact]) -> Settled:
    """Return new names for rooms that have past events but no facts.

    :param rooms: those that are to be called otherwise, if they have to be and are not yet.
    :param records: the records of people and programs.
    :param standing: see :func:`settle`.
    """
    held = {(fact.kind, fact.name): fact.value for fact in standing}
    rooms = {room for room in rooms if (ROOM, room) not in held}
    used = {*rooms, *_rooms(map(_Person, records), held)}
    called, drafts, told = _call_rooms(used, held, LONGEST, rooms)
    return Settled({}, [Fact(ROOM, old, new) for old, new in called.items()], drafts, told)


class _Person:
    """A person or program with a stored record.

    :ivar was: the record as it is stored now.
    :ivar here: whether they are here, and have not left.
    :ivar old: their name before.
    :ivar since: the id since which they have been in a room; of several, the lowest.
    :ivar why: the reason why they can't keep their name; ``""`` if they can.
    """

    def __init__(self, fact: Fact, here: bool = False) -> None:
        self.was = fact
        self.here = here
        self._value: dict[str, Any] = json.loads(fact.value)
        self.origin: int = self._value["origin"]
        self.name: str = self._value["name"]
        self.old = self.name
        periods = tuple(Period(*period) for period in self._value.get("periods", ()))
        self.reading = Reading(self._value["rooms"], periods, self._value.get("forgotten", 0))
        ids = [*self.reading.rooms.values(), *(period.since for period in periods)]
        self.since = min(ids, default=float("inf"))
        self.why = _reason(names.nickname, self.name)

    @property
    def fact(self) -> Fact:
        """The record to be stored, with the old name as ``was`` for when they come back.

        It is equal to the stored record if nothing has changed.
        """
        value = {**self._value, "rooms": self.reading.rooms}
        if "periods" in value:
            value["periods"] = [list(period) for period in self.reading.periods]
        if self.name != self.old:
            value |= {"name": self.name, "was": self.old}
        if value == self._value:
            return self.was
        return self.was._replace(value=as_json(value))


def _rooms(people: Iterable[_Person], held: Iterable[tuple[str, str]]) -> set[str]:
    """Return the rooms that occur in people's records, topics and locks."""
    readings = [person.reading for person in people]
    return {name for kind, name in held if kind in (TOPIC, LOCK)}.union(
        *({*reading.rooms, *(period.room for period in reading.periods)} for reading in readings)
    )


def _call_rooms(
    known: Collection[str],
    held: dict[tuple[str, str], str],
    longest: int,
    those: Collection[str] | None = None,
) -> tuple[dict[str, str], list[Draft], list[str]]:
    """Choose new names for the rooms whose names the current rules refuse.

    Return the new names by the old ones, and the events and sentences that tell of the renames.

    :param known: all known rooms.
    :param held: the values of the standing facts, with earlier new names of rooms.
    :param longest: the most characters of a new name.
    :param those: the rooms that may be renamed; None for all.
    """
    before = {name: new for (kind, name), new in held.items() if kind == ROOM}
    used = {*known, *before.values()}
    called: dict[str, str] = {}
    drafts: list[Draft] = []
    told: list[str] = []
    for room in sorted(used if those is None else those):
        why = _reason(names.room_name, room)
        if not why:
            continue
        new = before.get(room, "")
        if not new:
            new = _nearest(names.room_name, room, "room", longest, used.__contains__)
            used.add(new)
            words = f"calls this room #{new} from now on, and not #{room}: {why}"
            drafts.append(Draft(new, ACTED, THE_SERVER, words, 0, 0))
            told.append(f"#{room} is #{new} from now on: {why}")
        called[room] = new
    return {old: called.get(new, new) for old, new in called.items()}, drafts, told


def _call_people(people: Iterable[_Person], longest: int) -> dict[str, int]:
    """Rename people who can't keep their names; return the holders' origins by key of the name."""
    holders: dict[str, _Person] = {}
    others: list[_Person] = []
    for person in sorted(people, key=lambda person: (person.since, person.origin)):
        holder = holders.get(names.key(person.name)) if person.here else None
        if holder is not None and not person.why:
            person.why = f"it looks like {holder.name}, who was in a room first"
        if person.why:
            others.append(person)
        elif person.here:
            holders[names.key(person.name)] = person
    for person in others:
        if person.here:
            person.name = _nearest(
                names.nickname,
                person.name,
                "guest",
                longest,
                lambda name: names.key(name) in holders,
            )
            holders[names.key(person.name)] = person
        else:  # A session that has left holds no name.
            person.name = _nearest(names.nickname, person.name, "guest", longest)
    return {key: person.origin for key, person in holders.items()}


def _call_standing(
    held: dict[tuple[str, str], str],
    called: dict[str, str],
    people: Sequence[_Person],
    longest: int,
) -> dict[tuple[str, str], str]:
    """Return the facts of rooms and muted names under the new names.

    If several mutes are for one name now, keep the one that lasts longest.
    """
    now: dict[tuple[str, str], str] = {(ROOM, old): new for old, new in called.items()}
    renamed = {person.old: person.name for person in sorted(people, key=lambda one: one.here)}
    mutes: dict[str, Term] = {}
    for (kind, name), value in sorted(held.items()):
        if kind == ROOM:
            now[kind, name] = called.get(value, value)
        elif kind != MUTE:
            now[kind, called.get(name, name)] = value
        else:
            term = Term(*json.loads(value))
            other = renamed.get(term.name, term.name)
            if _reason(names.nickname, other):
                other = _nearest(names.nickname, other, "guest", longest)
            key = names.key(other)
            if key not in mutes or term.outlasts(mutes[key]):
                mutes[key] = term
                now[kind, key] = (
                    value if other == term.name else term._replace(name=other).fact(kind, key).value
                )
    return now


def _reason(check: Check, name: str) -> str:
    """Return the reason why a text is not a valid name; ``""`` if it is one."""
    try:
        return "" if check(name, names.KEYED_MOST) == name else "it is written in another way"
    except BadName as error:
        return str(error)


def _nearest(
    check: Check,
    name: str,
    otherwise: str,
    longest: int,
    used: Callable[[str], bool] = lambda name: False,
) -> str:
    """Return the valid name that is nearest to a text.

    If it is in use, append the first number that makes it unused.

    :param otherwise: the name to use if none is near, or if the nearest can't take a number.
    :param longest: the most characters of the result, unless the text itself is longer.
    :param used: tells whether a name is in use.
    """
    room = max(longest, len(name))
    spoilt = "".join(
        "_" if names.is_sign(character) or not scripts(character) else character
        for character in name
    )
    for text in (spoilt, f"_{spoilt}", spoilt.lower()):
        with suppress(BadName):
            name = check(text[:room], room)
            break
    else:
        name = otherwise
    room = max(longest, len(name))
    unused = name
    number = 1
    while used(unused):
        number += 1
        end = str(number)
        try:
            unused = check(name[: room - len(end)] + end, room)
        except BadName:
            name = otherwise
    return unused
