"""How names that older rules allowed become names of today, in a file and in a cluster's log.

A member whose name nobody can have any more, or is another's by now, is given another one;
so are rooms. A mute goes with a name, and with a room its topic, its lock and its past. A file is
changed when it is opened, in one commit. A log is changed at an entry, at which all nodes do the
same: they do it by the facts alone, which all of them have alike.
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
)
from chatservice.text import names
from chatservice.text.characters import scripts
from chatservice.text.names import BadName

RULES_FACT: Final = "rules"
"""The name of the fact, of the kind :data:`.FILE`, that tells the rules (:data:`.names.RULES`) by
which a file was written. Where it is missing, they were the first."""

NODE: Final = ""
"""The name of the fact of that kind that tells how a node of a cluster is called."""

BASE: Final = "base"
"""The name of the one that a file has which has followed a log: the last id there was before it. A
copy of a node's file has it too, and is not called anything yet."""

THE_SERVER: Final = "the server"
"""The author of renamed rooms' events. Nobody can have this name, since it has a blank."""

LONGEST: Final = 24
"""Characters of a name that is given in a log, about, at most: nodes may allow more or less."""

STANDING: Final = (TOPIC, LOCK, MUTE, ROOM)
"""The kinds of facts that tell of names, beside the records of people and programs."""

Check = Callable[[str, int], str]
"""Checks a name and returns its one form, as :func:`.names.nickname` does."""

log = Logger()


class Settled(NamedTuple):
    """All that holds by the rules of today, and did not before.

    :ivar holders: the origins of all who are here, by the keys of their names.
    :ivar facts: those that hold otherwise from now on.
    :ivar drafts: by which people are told of it.
    :ivar told: the same in sentences, for the log.
    """

    holders: dict[str, int]
    facts: list[Fact]
    drafts: list[Draft]
    told: list[str]


def rules_of(facts: Iterable[Fact]) -> int:
    """Return by which rules a file was written, given what holds."""
    return int({fact.name: fact.value for fact in facts if fact.kind == FILE}.get(RULES_FACT, 1))


def revise(
    facts: Sequence[Fact], rooms: Callable[[], Iterable[str]], longest: int, alone: bool
) -> Revision | None:
    """Return the changes that bring a file of older rules up to today's.

    :param rooms: finds the rooms in which anything has happened.
    :param longest: how long a name may be.
    :param alone: whether its process follows no log. If it does, and the file is that of a node,
        the log decides, so that all nodes decide alike.
    :return: None if nothing has to.
    :raises JournalError: if it was written by newer rules.
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
    """Write down who, and what, is called otherwise."""
    for sentence in settled.told:
        log.warn("{sentence}", sentence=sentence)


def is_past(room: str) -> bool:
    """Tell whether a room can have this name no more."""
    return bool(_reason(names.room_name, room))


def settle(
    here: Iterable[Fact],
    left: Iterable[Fact],
    standing: Iterable[Fact],
    rooms: Iterable[str] = (),
    longest: int = LONGEST,
) -> Settled:
    """Return what people and rooms are called by the rules of today, and what holds by that.

    A name that can't be one becomes the nearest that can. Of several people who are here under
    names that are one by now, who was in a room first keeps it, as far as their records tell. That
    is told by ids, which all nodes have alike and no clock has made; and who came later to look
    like somebody does not get their name by it. Nobody, and no room, loses a name to who is given
    another one: where the nearest is not free, the first number is behind it with which it is.

    It is the same in whatever order the facts come, and done again it changes nothing.

    :param here: the records of people and programs who are here.
    :param left: the records of those who have left, and hold no name.
    :param standing: facts of the kinds of :data:`STANDING`.
    :param rooms: of which something is known beside that.
    :param longest: how long a name may be.
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
    """Return what rooms are called of which nothing holds any more, only their past is there.

    :param rooms: those that are to be called otherwise, if they have to be and are not yet.
    :param records: those of people and programs.
    :param standing: see :func:`settle`.
    """
    held = {(fact.kind, fact.name): fact.value for fact in standing}
    rooms = {room for room in rooms if (ROOM, room) not in held}
    used = {*rooms, *_rooms(map(_Person, records), held)}
    called, drafts, told = _call_rooms(used, held, LONGEST, rooms)
    return Settled({}, [Fact(ROOM, old, new) for old, new in called.items()], drafts, told)


class _Person:
    """Somebody of whom there is a record.

    :ivar was: the record, as it is stored by now.
    :ivar here: they have not left.
    :ivar old: how they were called.
    :ivar since: when they were in a room first, as an id.
    :ivar why: why they can't have the name that they have; ``""`` if they can.
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
        """The fact to be stored. It tells as ``was`` how they were called, for when they come back.

        It is the same as before if nothing of it has changed.
        """
        value = {**self._value, "rooms": self.reading.rooms}
        if "periods" in value:
            value["periods"] = [list(period) for period in self.reading.periods]
        if self.name != self.old:
            value |= {"name": self.name, "was": self.old}
        if value == self._value:
            return self.was
        return self.was._replace(value=json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _rooms(people: Iterable[_Person], held: Iterable[tuple[str, str]]) -> set[str]:
    """Return the rooms of which something holds."""
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
    """Return what rooms are called from now on, by what they were called, and what tells of it.

    :param known: all rooms of which is known.
    :param held: all that holds; also the names of rooms since other rules.
    :param those: which may be called otherwise; all, if it is None.
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
    """Give people other names, if they can't have theirs; return who holds which, by its key."""
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
    """Return what holds of rooms and of muted names, by what these are called from now on.

    Of mutes that are of one name by now, the one that lasts longest holds.
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
    """Return the reason for which a text can't be a name; ``""`` if it can."""
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
    """Return the name that is nearest to one that can't be, or is itself one.

    Where somebody has that, it has the first number behind it with which nobody has it.

    :param otherwise: the name if none is near, and if the nearest can't have a number behind it.
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
