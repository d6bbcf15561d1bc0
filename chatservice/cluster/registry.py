"""The facts that all nodes agree on: the boots, the members of each boot, the holders of names.

Each node reads the same entries in the same order, and the effect of an entry depends on nothing
but the entries before it. So no node has to ask another, and no two nodes decide differently.

========  ==============================================  =====================================
fact      takes effect if                                 and then
========  ==============================================  =====================================
name      nobody else holds the name; to free it: the     the origin holds the name, or it is free
          boot holds it
person,   they are with the boot, or with none; and they  they are with the boot; a session that
session   hold their name                                 has left is with no boot
take      they are with the boot that the fact names      they, and their name, are with the boot;
                                                          they hold no other name
adopt     the other boot has ended, or was silent since   the members of the other boot are with
          the position that the fact names                this one
bye       always                                          the boot has ended
room      the name is not valid for a room any more       the room is renamed (:mod:`.rekeying`)
========  ==============================================  =====================================

All other facts (topics, locks, mutes, bans) take effect always. Entries of a boot that has ended
are void, and no entry takes effect twice.

The log has a *version*, which rises with the first entry of a newer version. At that entry, all
boots of older versions end: their nodes stop taking part when they read it, and their later entries
are void. Names are compared by the rules of the version, so there all names get new keys, and
people and rooms with invalid names get new names (:func:`.rekeying.settle`). A new process reads
the older entries by rules that are newer than theirs. Where these rules might lead to another name,
it believes the entry.

A room without any facts is known only to the nodes that have events of its past, and these differ
from node to node. So a node that finds such a room with an invalid name publishes a ``room`` fact,
and at the position of that entry all nodes give the room the same new name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

from msgspec.structs import replace

from chatservice.cluster.entries import (
    ADOPT,
    BYE,
    INDEX_BITS,
    LEASE,
    NAME,
    PART,
    PERSON,
    SEND_AWAY,
    TAKE,
    TOLD,
    UNVERSIONED,
    VERSION,
    VERSIONED,
    BadEntry,
    Entry,
    Piece,
    Pieces,
)
from chatservice.cluster.records import (
    LEASES,
    Claim,
    Known,
    Lease,
    Outcome,
    Somebody,
    resolved,
    somebody,
)
from chatservice.core import rekeying
from chatservice.core.sessions import SESSION
from chatservice.journal.events import JOINED, LEFT, RENAMED, ROOM, Draft, Fact, as_json
from chatservice.text import names

NOBODY: Final = ""
"""Stands for the boot of a session that has left."""

ENDED: Final = "-"
"""Stands for the heir of a boot that has ended and was not adopted yet."""

FORGOTTEN_AFTER: Final = 1 << 24
"""Entries after which a boot that has ended is forgotten: no entry of it is on its way any more.
This counts entries and not time, since the clock of a broker may be wrong."""


_Rule = Callable[[str, Fact, int], "list[Fact] | None"]


class Registry:
    """Keeps the facts that hold after the entries that were read.

    :param lenient: whether earlier entries are missing, so that a fact which these may have
        allowed takes effect.
    :param told: the events that entries cause beside their own, by their positions, as other nodes
        have kept them (:data:`.TOLD`); None to derive them here.
    :ivar names: the claims of names, by the key of the name (:func:`.names.key`).
    :ivar known: the records of people and sessions, by origin.
    :ivar leases: the records of boots, by boot.
    :ivar version: the version of the log; that of this process until :meth:`load` sets another.
    :ivar standing: the other facts that refer to names (:data:`.STANDING`), by kind and name.
    """

    def __init__(
        self, lenient: bool = False, told: Mapping[int, Sequence[Draft]] | None = None
    ) -> None:
        self._lenient = lenient
        self._told = told
        self.names: dict[str, Claim] = {}
        self.known: dict[int, Known] = {}
        self.leases: dict[str, Lease] = {}
        self.version = VERSION
        self.standing: dict[tuple[str, str], Fact] = {}
        self._pieces = Pieces()
        self._digests: dict[str, int] = {}
        self._held: dict[int, set[str]] = {}
        self._rules: dict[str, _Rule] = {
            NAME: self._name,
            PERSON: self._record,
            SESSION: self._record,
            TAKE: self._take,
            ADOPT: self._adopt,
            BYE: self._bye,
            LEASE: self._open,
            **dict.fromkeys(rekeying.STANDING, self._stand),
            # These facts are handled together with the entry, and not one by one.
            **dict.fromkeys((ROOM, SEND_AWAY), lambda *_: []),
        }

    @property
    def last(self) -> Lease:
        """The lease that was renewed last; its position is that of the last entry applied."""
        return max(self.leases.values(), key=lambda lease: lease.position, default=Lease())

    def load(self, facts: Iterable[Fact]) -> None:
        """Load stored facts. If they contain no version, the log has none yet."""
        self.version = UNVERSIONED
        self._learn(facts)

    def _learn(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            if fact.kind == LEASE:
                self.leases[fact.name] = LEASES.decode(fact.value)
            elif fact.kind == NAME:
                origin, boot = fact.value.split(" ")
                self._hold(fact.name, Claim(int(origin, 16), boot))
            elif fact.kind in (PERSON, SESSION):
                self._know(fact, somebody(fact))
            elif fact.kind in rekeying.STANDING:
                self._stand("", fact, 0)
            elif fact.kind == VERSIONED:
                self.version = int(fact.value)
            elif fact.kind == PART:
                self._pieces.load(fact)

    def _know(self, fact: Fact, who: Somebody) -> None:
        self.known[who.origin] = Known(names.key(who.name), who, fact)
        if fact.kind == SESSION:
            self._digests[fact.name] = who.origin

    def owner(self, boot: str) -> str:
        """Return the boot that has adopted a boot, directly or not; the boot itself if none has."""
        while boot in self.leases and self.leases[boot].heir:
            boot = self.leases[boot].heir
        return boot

    def owner_of(self, origin: int) -> str | None:
        """Return the boot that a person or session is with; None for an unknown origin."""
        known = self.known.get(origin)
        return None if known is None else self.owner(known.who.boot)

    # The effect of an entry

    def interpret(self, entry: Entry, position: int, at: int, first: int) -> Outcome:
        """Apply an entry, and return its outcome.

        :param at: when the entry was published, in milliseconds since 1970.
        :param first: the id of its first event.
        """
        boot = entry.boot
        lease, raised, drafts = self._heard(entry, position, at)
        if lease is None:
            return Outcome(fresh=False)
        if entry.number <= lease.number:
            told, more = self._tell(entry, position, drafts)
            return Outcome(False, told, [*raised, *more, lease.fact(boot)])
        lease.number = entry.number
        called, more_drafts = self._call_rooms(entry)
        told, more = self._tell(entry, position, [*drafts, *more_drafts])
        kept = [
            (index, kept)
            for index, draft in enumerate(entry.drafts)
            if (kept := self._kept(boot, draft)) is not None
        ]
        done = [
            self._rules[fact.kind](boot, fact, first) if fact.kind in self._rules else [fact]
            for fact in entry.facts
        ]
        facts = [*raised, *called, *more, *chain.from_iterable(filter(None, done))]
        facts.append(lease.fact(boot))
        asked = [fact for fact in entry.facts if fact.kind == SEND_AWAY]
        effective = [one is not None for one in done]
        return Outcome(True, kept + told, facts, asked, effective)

    def _heard(
        self, entry: Entry | Piece, position: int, at: int
    ) -> tuple[Lease | None, list[Fact], list[Draft]]:
        """Renew the lease of a boot that has published, and raise the log's version if it is newer.

        :return: the lease, or None if the boot has ended; the facts and drafts of a newer version.
        """
        boot = entry.boot
        lease = self.leases.get(boot)
        if lease is not None and lease.heir:
            return None, [], []
        raised, drafts = self._raise(entry) if entry.version > self.version else ([], [])
        if lease is None:
            lease = self.leases[boot] = Lease()
        lease.position, lease.at = position, at
        return lease, raised, drafts

    def collect(self, piece: Piece, position: int, at: int) -> tuple[Outcome, bytes]:
        """Add a piece of an entry; return the outcome, and the bytes of the entry if complete.

        :raises BadEntry: if the entry gets too long, or the piece is of a newer version.
        """
        self._pieces.check(piece)
        if piece.version > self.version:
            raise BadEntry("a piece can't raise the version of the log")
        lease, *_ = self._heard(piece, position, at)
        if lease is None:
            return Outcome(fresh=False), b""
        facts, whole = self._pieces.add(piece) if piece.number > lease.number else ([], b"")
        return Outcome(False, facts=[*facts, lease.fact(piece.boot)]), whole

    def _raise(self, entry: Entry | Piece) -> tuple[list[Fact], list[Draft]]:
        """Raise the log to a newer version; return the facts from then on, and renaming drafts."""
        self.version = entry.version
        facts = [Fact(VERSIONED, "", str(self.version))]
        for boot, lease in self.leases.items():
            facts += self._pieces.drop(boot)
            if not lease.heir and boot != entry.boot:
                lease.heir = ENDED
                facts.append(lease.fact(boot))
        here = [known.fact for known in self.known.values() if known.who.boot != NOBODY]
        left = [known.fact for known in self.known.values() if known.who.boot == NOBODY]
        settled = self._settle(rekeying.settle(here, left, self.standing.values()))
        before, self.names, self._held = self.names, {}, {}
        facts += [
            self._give(key, origin, self.known[origin].who.boot)
            for key, origin in settled.holders.items()
        ]
        facts += [Fact(NAME, name, "") for name in sorted(before.keys() - self.names.keys())]
        self.known = {
            origin: known._replace(name=names.key(known.who.name))
            for origin, known in self.known.items()
        }
        return [*facts, *settled.facts], settled.drafts

    def _settle(self, settled: rekeying.Settled) -> rekeying.Settled:
        """Apply the facts that hold by today's rules, and log the changes if they are new here."""
        self._learn(settled.facts)
        if self._told is None:
            rekeying.tell(settled)
        return settled

    def _call_rooms(self, entry: Entry) -> tuple[list[Fact], list[Draft]]:
        """Rename the rooms that a node asks for; return the facts and the drafts about it."""
        rooms = [fact.name for fact in entry.facts if fact.kind == ROOM]
        if not rooms:
            return [], []
        records = [known.fact for known in self.known.values()]
        called = self._settle(rekeying.call_rooms(rooms, records, self.standing.values()))
        return called.facts, called.drafts

    def _tell(
        self, entry: Entry, position: int, drafts: Sequence[Draft]
    ) -> tuple[list[tuple[int, Draft]], list[Fact]]:
        """Return the drafts that an entry causes beside its own, as far as there are ids for them.

        They are returned with their indexes in the entry, and with the facts that store them.
        """
        if self._told is not None:
            drafts = self._told.get(position, ())
        first = len(entry.drafts)
        drafts = drafts[: (1 << INDEX_BITS) - first]
        facts = [Fact(TOLD, str(position), as_json(drafts))] if drafts else []
        return list(enumerate(drafts, first)), facts

    @property
    def _newer(self) -> bool:
        """Whether this process compares names by newer rules than the log does so far."""
        return self.version < VERSION

    def _is_called(self, origin: int, name: str) -> bool:
        known = self.known.get(origin)
        return known is None or known.who.name == name

    def _kept(self, boot: str, draft: Draft) -> Draft | None:
        """Return the part of a draft that is about members of the boot; None if there is none."""
        if draft.kind in (JOINED, LEFT):
            those = [name for name in draft.author.split(" ") if self._holds(boot, name)]
            return draft._replace(author=" ".join(those)) if those else None
        if draft.kind == RENAMED and draft.author == draft.text:
            return None
        if draft.seq > 0:
            return draft  # A numbered line is stored once, whichever boot publishes it.
        return draft if self.owner_of(draft.origin) in (None, boot) else None

    def _holds(self, boot: str, name: str) -> bool:
        claim = self.names.get(names.key(name))
        if claim is None or (self._newer and not self._is_called(claim.origin, name)):
            return self._lenient or self._newer
        return self.owner(claim.boot) == boot

    # The rules: each returns the facts to store, or None if its fact takes no effect

    def _open(self, boot: str, fact: Fact, first: int) -> list[Fact]:
        self.leases[boot].node = fact.value
        end = self.leases[boot].position - FORGOTTEN_AFTER
        old = [name for name, one in self.leases.items() if one.heir and one.position < end]
        if not old:
            return []
        used = {known.who.boot for known in self.known.values()}
        used |= {claim.boot for claim in self.names.values()}
        used |= {lease.heir for lease in self.leases.values()}
        forgotten = [name for name in old if name not in used]
        for name in forgotten:
            del self.leases[name]
        return [Fact(LEASE, name, "") for name in forgotten]

    def _name(self, boot: str, fact: Fact, first: int) -> list[Fact] | None:
        claim = self.names.get(fact.name)
        mine = claim is not None and self.owner(claim.boot) == boot
        if not fact.value:
            return [self._free(fact.name)] if mine else None
        origin = int(fact.value, 16)
        if claim is not None and not (mine and claim.origin == origin):
            return None
        return [self._give(fact.name, origin, boot)]

    def _give(self, name: str, origin: int, boot: str) -> Fact:
        self._hold(name, Claim(origin, boot))
        return Fact(NAME, name, f"{origin:x} {boot}")

    def _hold(self, name: str, claim: Claim) -> None:
        self.names[name] = claim
        self._held.setdefault(claim.origin, set()).add(name)

    def _free(self, name: str) -> Fact:
        origin = self.names.pop(name).origin
        self._held[origin].discard(name)
        if not self._held[origin]:
            del self._held[origin]
        return Fact(NAME, name, "")

    def _record(self, boot: str, fact: Fact, first: int) -> list[Fact] | None:
        if not fact.value:
            origin = int(fact.name, 16) if fact.kind == PERSON else self._digests.get(fact.name, 0)
            if self.owner_of(origin) not in (boot, NOBODY):
                return None
            del self.known[origin]
            self._digests.pop(fact.name, None)
            return [fact]
        who = somebody(fact)
        origin, here = who.origin, who.here
        if self.owner_of(origin) not in (None, boot, NOBODY):
            return None
        held = self._held.get(origin, ())
        named = held if self._newer else names.key(who.name) in held
        if here and not self._lenient and not named:
            return None
        return [self._keep(fact, resolved(who, first), boot if here else NOBODY)]

    def _keep(self, fact: Fact, who: Somebody, boot: str) -> Fact:
        who = replace(who, boot=boot)
        kept = fact._replace(value=as_json(who))
        self._know(kept, who)
        return kept

    def _take(self, boot: str, fact: Fact, first: int) -> list[Fact] | None:
        origin = int(fact.name, 16)
        known = self.known.get(origin)
        if known is None or known.who.boot != fact.value or known.who.boot in (boot, NOBODY):
            return None
        kept = self._keep(known.fact, known.who, boot)
        held = self._held.get(origin, set())
        if known.name not in held:
            return [kept]
        # Names that they claimed at the other boot, for a renaming, are freed.
        others = sorted(held - {known.name})
        return [self._give(known.name, origin, boot), kept, *map(self._free, others)]

    def _adopt(self, boot: str, fact: Fact, first: int) -> list[Fact] | None:
        lease = self.leases.get(fact.name)
        if lease is None or fact.name == boot:
            return None
        if lease.heir != ENDED and (lease.heir or str(lease.position) != fact.value):
            return None
        lease.heir = boot
        return [lease.fact(fact.name), *self._pieces.drop(fact.name)]

    def _stand(self, boot: str, fact: Fact, first: int) -> list[Fact]:
        self.standing[fact.kind, fact.name] = fact
        if not fact.value:
            del self.standing[fact.kind, fact.name]
        return [fact]

    def _bye(self, boot: str, fact: Fact, first: int) -> list[Fact]:
        self.leases[boot].heir = ENDED
        return self._pieces.drop(boot)
