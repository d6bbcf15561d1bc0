"""The house: who is here, which rooms there are, and what a commit changes.

A change is asked for in :mod:`.chat`, becomes an event or a fact, and takes effect here, when it
comes back from the journal: nobody is shown, or is in a room by, what is not stored. The exceptions
are what concerns the asking member alone (its current room) and names, which are held from the
moment they are claimed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby, islice
from operator import attrgetter
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from chatservice.core.answers import Answers
from chatservice.core.directory import Directory
from chatservice.core.feed.addressed import deliver_addressed
from chatservice.core.feed.batch import Presence
from chatservice.core.feed.catchup import Readers
from chatservice.core.feed.fanout import deliver
from chatservice.core.feed.history import Past
from chatservice.core.feed.retention import Pruner
from chatservice.core.feed.ticker import Ticker
from chatservice.core.grace import Absences
from chatservice.core.members import Cursor, Member, Membership, Replay, Room
from chatservice.core.moderation import BAN, Standing
from chatservice.core.peers import Alone, Peers, Trouble
from chatservice.core.sessions import Session
from chatservice.core.shares import Shares
from chatservice.core.tokens import Tokens
from chatservice.core.wall_clock import WallClock
from chatservice.journal.base import Committed, Journal
from chatservice.journal.events import HOUSE, JOINED, ROOM, TOPIC, Event, Fact
from chatservice.limits import Limits
from chatservice.messages import Code
from chatservice.messages.shown import Entered
from chatservice.text import wording
from chatservice.text.listing import FACES

HISTORY_ON_JOINING: Final = 20

OPERATORS: Final = "operators"
"""The room in which is told what operators do, and where only they can be."""

log = Logger()


class House:
    """People, rooms and the tick that fans lines out.

    :param now: the time, in milliseconds since 1970.
    :param permanent: names of rooms that always exist; people land in the first.
    :param motd: lines that everyone is shown who comes in.
    :param keep: days after which events are forgotten; 0 for never.
    :param clock_is_right: an operator has looked at the clock before the start.
    :param peers: makes what the chat is to ask of other processes, given the chat.
    :ivar wall: the time of day, and whether anything may be deleted by it.
    :ivar began: when that was, in milliseconds since 1970: to be shown.
    :ivar started: the same by the clock, in seconds: to be measured.
    :ivar directory: the rooms, as they are listed.
    :ivar answers: lets answers be given that cost more than a line.
    :ivar sessions: who is here, by origin.
    :ivar tokens: the sessions of programs, which can be taken up again.
    :ivar absences: those of them who are away, and not yet shown as left.
    :ivar shares: what each address may do.
    :ivar stale: why it may not be true who is here; ``""`` if it is.
    :ivar called: what this process is called when people are told of it.
    :ivar ignorers: who ignores anybody.
    :ivar connections: tells how many connections there are; set by who knows.
    :ivar shutdown: stops the service, for a reason or ``""``; set by who can.
    """

    def __init__(
        self,
        clock: IReactorTime,
        journal: Journal,
        now: Callable[[], int],
        limits: Limits,
        permanent: Sequence[str] = ("lobby",),
        motd: Sequence[str] = (),
        keep: int = 0,
        clock_is_right: bool = False,
        peers: Callable[[Any], Peers] = lambda chat: Alone(),
    ) -> None:
        self.limits = limits
        self.permanent = tuple(permanent)
        self.motd = tuple(motd)
        self.rooms = {name: Room(name) for name in permanent}
        self.directory = Directory(self.rooms)
        self.sessions: dict[int, Member] = {}
        self.standing = Standing(clock, now)
        self.clock = clock
        self._clock_is_right = clock_is_right
        self.wall = WallClock(clock, now, journal.note)
        self.now = now = self.wall.now
        self.began = now()
        self.started = clock.seconds()
        self.past = Past(journal, limits.recent)
        self.readers = Readers(clock, self.past, now)
        self.answers = Answers(clock)
        self._origin = secrets.randbits(63)
        self.ticker = Ticker(clock, journal, self._origin, self.show, self.note_trouble)
        self.shares = Shares(clock, limits)
        self.tokens = Tokens(clock, now, limits)
        self.absences = Absences(clock, limits, self._over)
        self.journal = journal
        self.stale = ""
        self.called = "the server"
        self.ignorers: dict[Member, None] = {}
        self.connections: Callable[[], int] = lambda: len(self.sessions)
        self.shutdown: Callable[[str], None] = lambda reason: None
        self._pruner = Pruner(clock, journal, self.past, self.wall, keep)
        self._trouble: Trouble | None = None
        self.peers: Peers = peers(self)
        self.claims = self.peers.claims

    def start(self) -> None:
        """Open the journal and remember its last events.

        :raises JournalError: if it can't be opened.
        """
        self.journal.start()
        self.past.load()
        facts = self.journal.facts()
        self.wall.start(self.journal.last_at, facts)
        if self._clock_is_right:
            self.wall.believe()
        # Nothing has ended, and no token has expired, by a time that is in doubt.
        self.tokens.in_doubt = self.wall.doubt is not None
        self.standing.apply(facts, just_now=self.tokens.in_doubt)
        for name in self.standing.topics:
            # A topic is kept as long as its room, which outlives a restart.
            self.room(name)
        self._pruner.start()
        self.ticker.watch()

    def stop(self) -> Deferred[None]:
        """Tick no more, and close the journal."""
        self.ticker.stop()
        self.readers.stop()
        self.answers.stop()
        self.absences.stop()
        self._pruner.stop()
        self.wall.stop()
        return self.journal.stop()

    def find(self, name: str) -> Member | None:
        """Return who is here under a name, however it is written."""
        holder = self.claims.holder(name)
        return holder if isinstance(holder, Member) and not holder.gone else None

    def claim(self, name: str, member: Member) -> Deferred[None]:
        """Give a name to a member. The Deferred fails with :exc:`.NameTaken`.

        A program that was lost before it can have learned its token has to give way.
        """
        holder = self.find(name)
        unheard = holder is not None and holder.session is not None and not holder.session.heard
        if holder is not None and holder is not member and holder.outlet.closed and unheard:
            self.quit(holder)
        return self.claims.claim(name, member)

    @property
    def held_up(self) -> str:
        """Why nothing can be stored now, and what comes of what is said, in a sentence.

        ``""`` if it can.
        """
        return self._trouble.says if self._trouble is not None else ""

    def note_trouble(self) -> None:
        """Tell the members if it has changed why nothing can be stored."""
        before, self._trouble = self._trouble, self.peers.trouble(self.ticker.refusing)
        now = self._trouble or before
        if now is None or self._trouble == before:
            return
        for member in self.members:
            member.tell(now.says if self._trouble is not None else now.over)

    @property
    def members(self) -> Collection[Member]:
        """All who are here."""
        return self.sessions.values()

    def banned(self, host: str) -> str | None:
        """Tell what is to be told to who comes from an address that is banned, or None."""
        term = self.standing.banned(host)
        return f"{wording.BANNED}{term.says}" if term is not None else None

    def unwanted(self, member: Member) -> str | None:
        """Tell what a member is to be told whose address is banned; no ban is for operators.

        Each process looks after its own members.
        """
        exempt = member.operator or member.remote
        return None if exempt else self.banned(member.outlet.address)

    # What happens when events are committed

    def show(self, committed: Committed, presences: dict[int, Presence]) -> int:
        """Let a commit take effect, and show it; a step that fails is not the end of the others.

        :param presences: who was to come and go in it, by ``seq``; they are taken out of there.
        :return: how many sends are to be paid for.
        """
        events, facts = committed
        before = self.past.head
        missing: list[Presence] = []
        # Each commit is a look at the clock: none stores a time that nobody checks.
        self.wall.now()
        self.past.append(events)
        # Facts first: joins and leaves below show topics, and may remove them.
        if facts:
            with log.failuresHandled("what holds from now on failed"):
                self._hold(facts)
        if self.tokens:
            with log.failuresHandled("noting numbers failed"):
                self._note_numbers(events)
        if presences:
            for event in events:
                if event.origin == self._origin:
                    with log.failuresHandled("coming or going failed"):
                        presence, left_out = presences.pop(event.seq).split(event)
                        if left_out is not None:
                            missing.append(left_out)
                        self._moved(event, presence, before)
        sends = 0
        for name, happened in groupby(events, key=attrgetter("room")):
            with log.failuresHandled("delivering events failed"):
                sends += self._deliver(name, list(happened))
        self.readers.turn()
        return self.peers.shown(sends, [*missing, *presences.values()])

    def _deliver(self, name: str, events: Sequence[Event]) -> int:
        """Give those at the head what happened in one room, or what is for whom that stands for."""
        room = self.rooms.get(name)
        if room is not None:
            return deliver(events, room.groups(), self.step_back)
        if name.startswith(HOUSE):
            return deliver_addressed(self.sessions, name, events, self.step_back)
        return 0

    def _note_numbers(self, events: Sequence[Event]) -> None:
        """Note which of their own words programs know to be stored from now on."""
        for event in events:
            if event.seq > 0:
                session = self.tokens.of(event.origin)
                if session is not None:
                    session.seq = max(session.seq, event.seq)
                    session.unstored.pop(event.seq, None)

    def _hold(self, facts: Sequence[Fact]) -> None:
        called = {fact.name: fact.value for fact in facts if fact.kind == ROOM and fact.value}
        if called:
            self._call_rooms(called)
        self.standing.apply(facts, just_now=not self.stale)
        if any(fact.kind == BAN and fact.value for fact in facts):
            for member in list(self.members):
                banned = self.unwanted(member)
                if banned is not None:
                    self.send_away(member, "banned", banned)
        self.peers.hold(facts)

    def _call_rooms(self, rooms: Mapping[str, str]) -> None:
        """Call rooms otherwise; who is in them is still in them.

        :param rooms: the new names, by the old ones.
        """
        self.past.call_rooms(rooms)
        for old, new in rooms.items():
            room = self.rooms.pop(old, None)
            # Somebody may be about to come into one of that name, which is the same from now on.
            if room is not None and new not in self.rooms:
                room.name = new
                self.rooms[new] = room
            self.directory.changed()
        for member in self.members:
            if member.record is not None:
                member.record.reading = member.record.reading.called(rooms)

    def _moved(self, event: Event, presence: Presence, before: int) -> None:
        """Bring people into a room, or out of it.

        Who moves steps back to before the tick and reads all of it as a cursor, so that it sees of
        each room exactly what happened while it was in.
        """
        for membership in presence.memberships:
            record = membership.member.record
            if record is not None:
                record.reading = membership.moved(presence.kind, event.id, record.reading)
            if presence.kind == JOINED:
                membership.since = event.id
                if record is not None:
                    # Who comes back reads on from when it joined at first.
                    membership.since = record.reading.rooms[membership.room.name]
                membership.room.members[membership.member] = None
                self.directory.changed()
            else:
                membership.until = membership.until or event.id
                if membership.kept:
                    membership.member.until = membership.member.until or event.id
                membership.room.members.pop(membership.member, None)
                self.vacate(membership.room)
        for membership in presence.memberships:
            member = membership.member
            # Who was seen off while the journal refused has no membership left to read.
            if not member.gone or member.memberships:
                self.step_back(member, before)
                new = membership.since == event.id and not member.gone
                if presence.kind == JOINED and new and member.view.greets:
                    self._welcome(membership, event.id)

    def _welcome(self, membership: Membership, upto: int) -> None:
        """Show somebody the room who does not ask for it."""
        member, room = membership.member, membership.room
        if member.lost:
            return
        first = islice(room.members, FACES + 2)
        others = [other.name for other in first if other is not member][: FACES + 1]
        member.reply(
            Entered(
                room=room.name,
                others=others,
                count=len(room.members) - 1,
                topic=self.standing.topics.get(room.name, ""),
            )
        )
        self.replay(member, Replay(room.name, HISTORY_ON_JOINING, upto, asked=False))

    def put(self, member: Member, name: str, since: int) -> None:
        """Let a member be in a room, from an event on that is stored."""
        room = self.room(name)
        room.population += 1
        room.members[member] = None
        membership = Membership(member, room)
        membership.since = since
        member.memberships.append(membership)
        self.directory.changed()

    def room(self, name: str, made_from: str = "") -> Room:
        """Return a room, which exists from now on.

        :param made_from: the address that it counts for, if it is a new one.
        """
        if name not in self.rooms:
            self.rooms[name] = Room(name, made_from)
            self.directory.changed()
        return self.rooms[name]

    def vacate(self, room: Room) -> None:
        """Note that somebody is no more in a room; an empty one is forgotten."""
        self.directory.changed()
        room.population -= 1
        if not room.population and room.name not in self.permanent:
            del self.rooms[room.name]
            if room.made_from:
                self.shares.room_gone(room.made_from)
            if room.name in self.standing.topics:
                self.ticker.batch.hold(Fact(TOPIC, room.name, ""))
                self.ticker.wake()

    def step_back(self, member: Member, position: int) -> None:
        """Make a member at the head a cursor, which reads on from a position when it can."""
        if member.lost:
            return
        if member.cursor is None:
            member.detach()
            member.cursor = Cursor(member, position)
        self.readers.ready(member.cursor)

    def replay(self, member: Member, replay: Replay) -> None:
        """Give a member behind the head a look into the past first."""
        if member.cursor is not None:
            member.cursor.replays.append(replay)

    # Going

    def send_away(self, member: Member, cause: str, why: str, words: str = "") -> None:
        """Let a member go who is not wanted.

        :param cause: for the log, which is told no more than that, and the address.
        :param why: for the member.
        :param words: for the others, behind the cause.
        """
        if member.remote:
            self.peers.send_away(member, cause, why, words)
            return
        log.info("closed ({cause}): {peer}", cause=cause, peer=member.outlet.address or "here")
        member.refuse(Code(cause), why)
        self.quit(member, cause + words)

    def quit(self, member: Member, words: str = "") -> None:
        """Let a member go: out of its rooms, and closed when it has read all until then.

        Only a member's own process lets it go.
        """
        if member.gone or member.remote:
            return
        member.gone = True
        del self.sessions[member.origin]
        self.ignorers.pop(member, None)
        self.peers.leaves(member)
        self.claims.release(member.name)
        memberships = member.rooms()
        for membership in memberships:
            membership.leaving = True
            membership.kept = member.session is not None
            self.ticker.batch.leave(membership, words)
        if member.session is not None:
            rooms = [membership.room.name for membership in memberships]
            self._leave_behind(member.session, member, rooms)
        if memberships:
            self.ask(member)
        if not memberships or self.ticker.refusing:
            self.see_off(member)

    def _over(self, member: Member) -> None:
        """Let a member go whose grace is over: of many, as many with each commit as it takes."""
        if member.gone or member.remote or not member.lost:
            return  # It has come back while it waited for its turn.
        if self.ticker.full:
            self.ticker.batch.then(lambda: self._over(member))
        else:
            self.quit(member)

    def _leave_behind(self, session: Session, member: Member, rooms: list[str]) -> None:
        """Remember a session that has left, for as long as its token can be used."""
        session.rooms = rooms
        self.absences.discard(member)
        for fact in self.tokens.left(session):
            self.ticker.batch.hold(fact)
        self.ticker.batch.note(session)
        self.ticker.wake()

    def see_off(self, member: Member) -> None:
        """Let a member that is gone read what there is until now, and be closed."""
        for membership in member.memberships:
            membership.until = membership.until or self.past.head + 1
        if member.session is not None:
            member.until = member.until or self.past.head + 1
        self.step_back(member, self.past.head)

    def note(self, member: Member) -> None:
        """Have stored what is to be known of a member."""
        if member.record is not None:
            self.ticker.batch.note(member.record)
            self.ticker.wake()

    def ask(self, member: Member) -> None:
        member.asked = self.ticker.number
        self.ticker.wake()
