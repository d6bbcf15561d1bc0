"""What all nodes agree on: who is where, who holds which name, which boots are there.

Each node reads the same entries in the same order, and what an entry does depends on nothing but
those before it; so nobody has to ask anybody, and no two nodes decide differently.

========  ==============================================  =====================================
a fact    takes effect if                                 and then
========  ==============================================  =====================================
name      nobody else holds the name; to free it: the     it is held by that origin
          boot holds it
person,   the boot is who they are with, or nobody is;    they are stored as with the boot;
session   and they hold their name                        a session that has left, with nobody
take      they are with whom they are said to be with     they, and their name, are with the boot;
                                                          they hold no other name
adopt     the other boot has ended, or nothing was heard  who was with the other is with this one
          of it since the position that is named
bye       always                                          the boot has ended
room      it can't be a room's name any more              it is called otherwise (:mod:`.rekeying`)
========  ==============================================  =====================================

Everything else (topics, locks, mutes, bans) holds as it is said. Of a boot that has ended nothing
takes effect any more, and no entry twice.

The log has a *version*, which rises with the first entry of a newer one. There all boots end that
are of an older version: their nodes stop taking part when they read it, and what they have still
published is void. Names are compared by the rules of the version, so there they get other keys, and
people and rooms other names if theirs can be none any more (:func:`.rekeying.settle`). Entries
before that are read by rules which are newer than theirs; where these might tell another name than
it was, what was said is believed.

Of a room of which nothing holds, only the nodes know that have something of its past, and not all
have the same. So one that finds such a room says it (``room``), and where that stands in the log,
all have the same name for it.
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
"""In place of the boot with which a session is that has left."""

ENDED: Final = "-"
"""In place of the heir of a boot that has ended and was not adopted yet."""

FORGOTTEN_AFTER: Final = 1 << 24
"""Entries after which a boot that has ended is forgotten; nothing of it is on its way then. It is a
number of entries and no time, for a broker's clock may be wrong."""


_Rule = Callable[[str, Fact, int], "list[Fact] | None"]


class Registry:
    """What holds after the entries that were read.

    :param lenient: what was before the first of them is not known, so what might be, is.
    :param told: what entries have told beside their own events, by their positions, as it is known
        of others (:data:`.TOLD`); None if it is to be found out here.
    :ivar names: who holds a name, by its key (:func:`.names.key`).
    :ivar known: by origin.
    :ivar leases: by boot.
    :ivar version: of the log; it is that of this process until :meth:`load` tells another.
    :ivar standing: what else tells of names (:data:`.STANDING`), by kind and name.
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
            # Done with all others of the entry, and not by it.
            **dict.fromkeys((ROOM, SEND_AWAY), lambda *_: []),
        }

    @property
    def last(self) -> Lease:
        """The lease of which something was heard last: up to its position this is what holds."""
        return max(self.leases.values(), key=lambda lease: lease.position, default=Lease())

    def load(self, facts: Iterable[Fact]) -> None:
        """Take up what is stored. Where no version is told, there was none yet."""
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
        """Return the boot by which one is adopted, if it is; else itself."""
        while boot in self.leases and self.leases[boot].heir:
            boot = self.leases[boot].heir
        return boot

    def owner_of(self, origin: int) -> str | None:
        """Return the boot with which somebody is; None if nobody knows them."""
        known = self.known.get(origin)
        return None if known is None else self.owner(known.who.boot)

    # What an entry does

    def interpret(self, entry: Entry, position: int, at: int, first: int) -> Outcome:
        """Let an entry take effect.

        :param at: when it was published, in milliseconds since 1970.
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
        """Note that something was heard of a boot.

        :return: its lease, None if that is over; and what a newer version of the log brings.
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
        """Take a piece of an entry, and return the bytes of the entry if it is the last one.

        :raises BadEntry: if it is one of too much.
        """
        self._pieces.check(piece)
        if piece.version > self.version:
            raise BadEntry("no version of the log begins with a piece")
        lease, *_ = self._heard(piece, position, at)
        if lease is None:
            return Outcome(fresh=False), b""
        facts, whole = self._pieces.add(piece) if piece.number > lease.number else ([], b"")
        return Outcome(False, facts=[*facts, lease.fact(piece.boot)]), whole

    def _raise(self, entry: Entry | Piece) -> tuple[list[Fact], list[Draft]]:
        """Let the log have a newer version; return what holds from then on, and who is renamed."""
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
        """Let hold what does by the rules of today."""
        self._learn(settled.facts)
        if self._told is None:
            rekeying.tell(settled)
        return settled

    def _call_rooms(self, entry: Entry) -> tuple[list[Fact], list[Draft]]:
        """Let rooms be called otherwise of which a node says that it knows something."""
        rooms = [fact.name for fact in entry.facts if fact.kind == ROOM]
        if not rooms:
            return [], []
        records = [known.fact for known in self.known.values()]
        called = self._settle(rekeying.call_rooms(rooms, records, self.standing.values()))
        return called.facts, called.drafts

    def _tell(
        self, entry: Entry, position: int, drafts: Sequence[Draft]
    ) -> tuple[list[tuple[int, Draft]], list[Fact]]:
        """Return what an entry tells beside its own events, as far as there are ids for it.

        It is returned with its places in the entry, and with what is stored of it.
        """
        if self._told is not None:
            drafts = self._told.get(position, ())
        first = len(entry.drafts)
        drafts = drafts[: (1 << INDEX_BITS) - first]
        facts = [Fact(TOLD, str(position), as_json(drafts))] if drafts else []
        return list(enumerate(drafts, first)), facts

    @property
    def _newer(self) -> bool:
        """Whether names are compared here by newer rules than when it was said."""
        return self.version < VERSION

    def _is_called(self, origin: int, name: str) -> bool:
        known = self.known.get(origin)
        return known is None or known.who.name == name

    def _kept(self, boot: str, draft: Draft) -> Draft | None:
        """Return what is left of a draft without those who are not with the boot any more."""
        if draft.kind in (JOINED, LEFT):
            those = [name for name in draft.author.split(" ") if self._holds(boot, name)]
            return draft._replace(author=" ".join(those)) if those else None
        if draft.kind == RENAMED and draft.author == draft.text:
            return None
        if draft.seq > 0:
            return draft  # Each is stored once, whoever says it.
        return draft if self.owner_of(draft.origin) in (None, boot) else None

    def _holds(self, boot: str, name: str) -> bool:
        claim = self.names.get(names.key(name))
        if claim is None or (self._newer and not self._is_called(claim.origin, name)):
            return self._lenient or self._newer
        return self.owner(claim.boot) == boot

    # The rules: each gives what is stored, or None if the fact takes no effect

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
        # What was claimed where they were, to be their name later, is of no use any more.
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
