"""The chat: who is in it, which rooms there are, and what happens when events are committed.

A change is asked for here, becomes an event, and takes effect when that event comes back from the
journal: nobody is shown, or is in a room by, what is not stored. The exceptions are what concerns
the asking member alone (its current room) and names, which are held from the moment they are
claimed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from itertools import groupby, islice
from operator import attrgetter

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from chatservice import wording
from chatservice.chat.batch import Presence
from chatservice.chat.claims import Claims
from chatservice.chat.cursors import Cursor, Readers, Replay
from chatservice.chat.members import Member, Outlet
from chatservice.chat.past import Past
from chatservice.chat.pruning import Pruner
from chatservice.chat.rooms import Membership, Room
from chatservice.chat.ticker import Ticker
from chatservice.chat.views import FACES, View, faces
from chatservice.journal.base import Journal
from chatservice.journal.events import JOINED, RENAMED, Draft, Event
from chatservice.limits import Limits

HISTORY_ON_JOINING = 20

log = Logger()


class TooMany(Exception):
    """A limit is reached; ``str()`` is fit to be shown."""


class Chat:
    """People, rooms and the tick that fans lines out.

    :param now: the time, in milliseconds since 1970.
    :param permanent: names of rooms that always exist; people land in the first.
    :param motd: lines that everyone is shown who comes in.
    :param keep: days after which events are forgotten; 0 for never.
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
    ) -> None:
        self.limits = limits
        self.permanent = tuple(permanent)
        self.motd = tuple(motd)
        self.rooms = {name: Room(name) for name in permanent}
        self.members: dict[Member, None] = {}
        self.past = Past(journal, limits.recent)
        self.readers = Readers(clock, self.past, now)
        self._origin = secrets.randbits(63)
        self.ticker = Ticker(clock, journal, self._origin, self._trouble)
        self._claims = Claims()
        self._journal = journal
        self._pruner = Pruner(clock, journal, self.past, now, keep)

    def start(self) -> None:
        """Open the journal and remember its last events.

        :raises JournalError: if it can't be opened.
        """
        self._journal.start(self._committed)
        self.past.load()
        self._pruner.start()

    def stop(self) -> Deferred[None]:
        """Tick no more, and close the journal."""
        self.ticker.stop()
        self.readers.stop()
        self._pruner.stop()
        return self._journal.stop()

    # What members ask for

    def enter(
        self, name: str, outlet: Outlet, view: View, operator: bool = False
    ) -> Deferred[Member]:
        """Let somebody in under a name that :func:`.names.nickname` has accepted.

        The Deferred fails with :exc:`.NameTaken`.
        """
        member = Member(name, outlet, view, operator)

        def named(_: None) -> Member:
            self.members[member] = None
            member.tell(*self.motd, wording.HELLO.format(name=name))
            self.join(member, self.permanent[0])
            return member

        return self._claims.claim(name, member).addCallback(named)

    def say(self, member: Member, kind: str, text: str) -> None:
        """Let a member say or do something in its current room, if it is in one."""
        if member.current is None:
            member.tell(wording.NOWHERE)
            return
        self.ticker.batch.add(self._draft(member, member.current, kind, member.name, text))
        self._ask(member)

    def join(self, member: Member, name: str) -> None:
        """Bring a member into a room, which exists from then on, and make it the current one.

        :param name: as :func:`.names.room_name` gives it.
        :raises TooMany: if the member is in too many rooms, or there are too many.
        """
        membership = member.membership(name)
        if membership is None:
            membership = self._new_membership(member, name)
            self.ticker.batch.join(membership)
            self._ask(member)
            if self.ticker.refusing:
                member.tell(f"the history can't be written now: when it can, you are in #{name}")
        member.turn_to(membership)

    def _new_membership(self, member: Member, name: str) -> Membership:
        limits = self.limits
        if limits.max_rooms_per_member and len(member.rooms()) >= limits.max_rooms_per_member:
            raise TooMany(
                f"you are in {limits.max_rooms_per_member} rooms already: /leave one first"
            )
        room = self.rooms.get(name)
        if room is None:
            if limits.max_rooms and len(self.rooms) >= limits.max_rooms:
                raise TooMany(f"there are {limits.max_rooms:,} rooms already")
            room = self.rooms[name] = Room(name)
        room.population += 1
        membership = Membership(member, room)
        member.memberships.append(membership)
        return membership

    def leave(self, membership: Membership) -> None:
        """Let a member leave a room; its current one is then the one it joined last."""
        member = membership.member
        membership.leaving = True
        if member.current is membership:
            member.turn_to(next(reversed(member.rooms()), None))
        self.ticker.batch.leave(membership)
        self._ask(member)

    def rename(self, member: Member, name: str) -> Deferred[None]:
        """Give a member another name. The Deferred fails with :exc:`.NameTaken`."""

        def named(_: None) -> None:
            old, member.name = member.name, name
            self._claims.replace(old, name)
            for membership in member.rooms():
                draft = self._draft(member, membership, RENAMED, old, name)
                self.ticker.batch.rename(draft)
                self._ask(member)

        return self._claims.claim(name, member).addCallback(named)

    def quit(self, member: Member, words: str = "") -> None:
        """Let a member go: out of its rooms, and closed when it has read all until then."""
        if member.gone:
            return
        member.gone = True
        del self.members[member]
        self._claims.release(member.name)
        memberships = member.rooms()
        for membership in memberships:
            membership.leaving = True
            self.ticker.batch.leave(membership, words)
        if memberships:
            self._ask(member)
        if not memberships or self.ticker.refusing:
            self._see_off(member)

    def disconnect(self, member: Member) -> None:
        """Forget the outlet of a member whose connection was lost. It is in until :meth:`quit`."""
        member.lost = True
        member.detach()
        cursor, member.cursor = member.cursor, None
        for replay in cursor.replays if cursor is not None else ():
            replay.done.callback(None)

    def look_back(self, member: Member, room: str, count: int) -> Deferred[None] | None:
        """Show a member the last things said or done in a room.

        The Deferred fires when it has been given all of them.
        """
        replay = Replay(room, count, self.past.head, asked=True)
        self._step_back(member, self.past.head)
        self._replay(member, replay)
        return None if member.lost else replay.done

    def drained(self, member: Member) -> None:
        """Let a member whose outlet is not blocked any more read on, if it is behind."""
        if member.cursor is not None:
            self.readers.ready(member.cursor)

    def close(self, *why: str) -> Deferred[int]:
        """Commit what was said, tell everyone why, and let each go who has read all.

        The Deferred fires with the number of things that the journal did not take.
        """

        def settled(refused: int) -> int:
            lines = why
            if refused:
                log.critical("{count} things that were said are not stored", count=refused)
                lines = (
                    f"the last {refused:,} things said could not be stored: they are lost",
                    *why,
                )
            for member in self.members:
                member.tell(*lines)
                member.gone = True
                self._see_off(member)
            self.members.clear()
            return refused

        return self.ticker.settle().addCallback(settled)

    def settled(self, member: Member) -> Deferred[None] | None:
        """Wait until what a member asked for took effect; None if there is nothing to wait for.

        While the journal refuses, nobody is made to wait for it.
        """
        if not self.ticker.pending(member.asked):
            return None
        settled: Deferred[None] = Deferred()
        self.ticker.after_attempt(lambda: settled.callback(None))
        return settled.addCallback(lambda _: self.settled(member))

    def _ask(self, member: Member) -> None:
        member.asked = self.ticker.number
        self.ticker.wake()

    def _see_off(self, member: Member) -> None:
        """Let a member that is gone read what there is until now, and be closed."""
        for membership in member.memberships:
            membership.until = membership.until or self.past.head + 1
        self._step_back(member, self.past.head)

    def _draft(self, member: Member, to: Membership, kind: str, author: str, text: str) -> Draft:
        member.seq += 1
        return Draft(to.room.name, kind, author, text, member.origin, member.seq)

    # What happens when events are committed

    def _committed(self, events: Sequence[Event]) -> None:
        with log.failuresHandled("delivering events failed"):
            before = self.past.head
            self.past.append(events)
            if self.ticker.presences:
                for event in events:
                    if event.origin == self._origin:
                        self._moved(event, self.ticker.presences.pop(event.seq), before)
            for name, happened in groupby(events, key=attrgetter("room")):
                room = self.rooms.get(name)
                if room is not None:
                    self.ticker.sends += room.deliver(list(happened))
            self.readers.turn()

    def _moved(self, event: Event, presence: Presence, before: int) -> None:
        """Bring people into a room, or out of it.

        Who moves steps back to before the tick and reads all of it as a cursor, so that it sees of
        each room exactly what happened while it was in.
        """
        for membership in presence.memberships:
            if presence.kind == JOINED:
                membership.since = event.id
                membership.room.members[membership.member] = None
            else:
                membership.until = membership.until or event.id
                membership.room.members.pop(membership.member, None)
                self._vacate(membership.room)
        for membership in presence.memberships:
            member = membership.member
            # Who was seen off while the journal refused has no membership left to read.
            if not member.gone or member.memberships:
                self._step_back(member, before)
                if presence.kind == JOINED and not member.gone and not member.lost:
                    self._welcome(membership, event.id)

    def _welcome(self, membership: Membership, upto: int) -> None:
        member, room = membership.member, membership.room
        first = islice(room.members, FACES + 2)
        others = [other.name for other in first if other is not member][: FACES + 1]
        company = f" with {faces(others, len(room.members) - 1)}" if others else ": no one else yet"
        member.tell(f"you are in #{room.name}{company}")
        self._replay(member, Replay(room.name, HISTORY_ON_JOINING, upto, asked=False))

    def _vacate(self, room: Room) -> None:
        room.population -= 1
        if not room.population and room.name not in self.permanent:
            del self.rooms[room.name]

    def _step_back(self, member: Member, position: int) -> None:
        """Make a member at the head a cursor, which reads on from a position when it can."""
        if member.lost:
            return
        if member.cursor is None:
            member.detach()
            member.cursor = Cursor(member, position)
        self.readers.ready(member.cursor)

    def _replay(self, member: Member, replay: Replay) -> None:
        if member.cursor is not None:
            member.cursor.replays.append(replay)

    def _trouble(self, refusing: bool) -> None:
        for member in self.members:
            if refusing:
                member.tell(
                    "the history can't be written: what is said now waits, and is shown later"
                )
            else:
                member.tell("the history is written again: what waited is shown now")
