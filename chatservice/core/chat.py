"""What people ask the chat for: to come in, to speak, to join a room, to look back, to go."""

from __future__ import annotations

from functools import cached_property
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from chatservice.core import ignoring
from chatservice.core.house import OPERATORS, House
from chatservice.core.members import Member, Membership, Replay, Room
from chatservice.core.outlet import Outlet, View
from chatservice.core.permissions import check_heard, is_heard
from chatservice.core.refusals import NotLetIn, Refusal
from chatservice.core.resume import Returns
from chatservice.journal.events import PRIVATE, RENAMED, TALK, TOPIC, Draft, Fact, inbox
from chatservice.limits import Limits
from chatservice.messages import Code
from chatservice.text import wording

MOMENT: Final = 10.0
"""Seconds that somebody has to stay, or else has to speak, for parting words to be shown."""

log = Logger()


class Chat(House):
    """The house, and what one can ask it for.

    :ivar returns: how programs come in, and come back.
    """

    _shutting_down: IDelayedCall | None = None

    @cached_property
    def returns(self) -> Returns:
        """How programs come in, and come back."""
        return Returns(self)

    def start(self) -> None:
        """See :meth:`.House.start`; programs that were here at the last stop are here again."""
        super().start()
        self.returns.start(self.peers.restore(self.journal.facts()))
        self.peers.follow()

    def stop(self) -> Deferred[None]:
        """See :meth:`.House.stop`."""
        self.call_off()
        self.returns.stop()
        return super().stop()

    def shut_down(self, wait: float, reason: str) -> None:
        """Stop the service in so many seconds, whenever that was to be before."""
        self.call_off()
        self._shutting_down = self.clock.callLater(wait, self.shutdown, reason)

    def call_off(self) -> bool:
        """Let the service go on after all; tell whether it was to be stopped."""
        if self._shutting_down is None or not self._shutting_down.active():
            return False
        self._shutting_down.cancel()
        return True

    def enter(
        self, name: str, outlet: Outlet, view: View, operator: bool = False
    ) -> Deferred[Member]:
        """Let somebody in under a name that :func:`.names.nickname` has accepted.

        The Deferred fails with :exc:`.NameTaken`.

        :raises Refusal: if the address takes too many names.
        """
        self.shares.check_name(outlet.site)
        member = Member(name, outlet, view, operator, self.now(), active=self.clock.seconds())
        self.peers.arrives(member)

        def named(_: None) -> Member:
            self.shares.named(outlet.site)
            self.sessions[member.origin] = member
            banned = self.unwanted(member)
            if banned is not None:
                member.tell(banned)
                self.quit(member)
                return member
            ignoring.recognise(member, self.ignorers)
            member.tell(*self.motd, wording.HELLO.format(name=name))
            for room in (OPERATORS, self.permanent[0]) if operator else self.permanent[:1]:
                try:
                    self.join(member, room)
                except Refusal as error:
                    member.tell(str(error))
            self.note(member)
            return member

        return self.claim(name, member).addCallback(named)

    def write(self, member: Member, to: Member, text: str, seq: int | None = None) -> None:
        """Let a member write to another privately; see :meth:`say`."""
        self.say(member, inbox(to.origin), PRIVATE, text, seq)

    def be_away(self, member: Member, why: str | None) -> None:
        """Note that a member is away, or with None is not any more.

        :raises Refusal: if there are words, and others are to read nothing of the member.
        """
        if why:
            check_heard(self.standing, member.name)
        member.away = why
        member.told = frozenset()
        self.note(member)

    def set_topic(self, member: Member, room: Room, text: str, seq: int | None = None) -> None:
        """Give a room a topic; ``""`` takes it away. See :meth:`say`."""
        self.say(member, room.name, TOPIC, text, seq)
        self.ticker.batch.hold(Fact(TOPIC, room.name, text))

    def say(self, member: Member, room: str, kind: str, text: str, seq: int | None = None) -> None:
        """Let a member say or do something in a room, or for whom that stands for.

        Whoever speaks is not away any more.

        :param seq: the number, above 0, that a program has given to what it says.
        :raises Refusal: if others are to read nothing of the member.
        """
        check_heard(self.standing, member.name, kind)
        if member.away is not None:
            self.be_away(member, None)
            member.tell("you are back")
        if not member.spoke:
            member.spoke = kind in TALK
        self.ticker.batch.add(self._draft(member, room, kind, member.name, text, seq))
        if self.shares.counting:
            self._spend(member, room, text)
        if seq is not None and member.session is not None:
            member.session.unstored[seq] = kind, room, text
        self.ask(member)

    def _spend(self, member: Member, room: str, text: str = "", lines: float = 1.0) -> None:
        """Let a member's next line wait, if its address says too much."""
        due = self.shares.said(member.outlet.site, room, text, lines)
        if due:
            member.outlet.wait_until(due)

    def join(self, member: Member, name: str) -> Membership:
        """Bring a member into a room, which exists from then on, and make it the current one.

        :param name: as :func:`.names.room_name` gives it.
        :raises Refusal: if the room is locked or for others, if there is a limit, or if it would
            be a new one and others are to read nothing of the member.
        """
        membership = member.membership(name)
        if membership is None:
            membership = self._new_membership(member, name)
            self.ticker.batch.join(membership)
            self.ask(member)
            if self.held_up:
                member.tell(f"nothing can be stored now: when it can, you are in #{name}")
        member.turn_to(membership)
        return membership

    def _new_membership(self, member: Member, name: str) -> Membership:
        limits = self.limits
        if member.operator:
            limits = Limits(max_rooms_per_member=0, max_rooms=0)
        elif name == OPERATORS:
            raise NotLetIn(f"#{name} is for operators")
        elif name in self.standing.locks:
            raise NotLetIn(f"#{name} is locked: nobody can come in now")
        if limits.max_rooms_per_member and len(member.rooms()) >= limits.max_rooms_per_member:
            raise NotLetIn(
                f"you are in {limits.max_rooms_per_member} rooms already: /leave one first"
            )
        room = self.rooms.get(name)
        if room is None:
            check_heard(self.standing, member.name)
            if limits.max_rooms and len(self.rooms) >= limits.max_rooms:
                raise NotLetIn(f"there are {limits.max_rooms:,} rooms already")
            site = "" if member.operator else member.outlet.site
            self.shares.new_room(site)
            room = self.room(name, site)
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
        self.ask(member)
        # As soon as it is back, both have been shown.
        self._spend(member, membership.room.name, lines=2)

    def rename(self, member: Member, name: str) -> Deferred[None]:
        """Give a member another name. The Deferred fails with :exc:`.NameTaken`.

        :raises Refusal: if others are to read nothing of the member; by then, the Deferred fails.
        """
        check_heard(self.standing, member.name)
        self.shares.check_name(member.outlet.site, Code.NOT_LET_IN)

        def named(_: None) -> None:
            if member.gone or member.remote or not is_heard(self.standing, member.name):
                self.claims.replace(name, member.name)
                check_heard(self.standing, member.name)
                return
            old = member.name
            self.shares.named(member.outlet.site)
            self.call(member, name)
            if member.record is not None:
                self.ticker.batch.note(member.record)
            self.claims.replace(old, name)
            for membership in member.rooms():
                draft = self._draft(member, membership.room.name, RENAMED, old, name)
                self.ticker.batch.rename(draft)
                self._spend(member, membership.room.name)
            self.ask(member)

        return self.claim(name, member).addCallback(named)

    def call(self, member: Member, name: str) -> None:
        """Give a member a name that it holds."""
        member.name = name
        if member.record is not None:
            member.record.name = name
        if member.session is not None:
            member.session.was = ""
        ignoring.recognise(member, self.ignorers)

    def parting_words(self, member: Member, words: str) -> str:
        """Return what others are to read of a member's parting words; tell if that is nothing.

        They are shown of whoever has spoken or stayed a moment: to come and go is no way to be
        read.
        """
        if not (words and is_heard(self.standing, member.name)):
            return ""
        if member.spoke or self.clock.seconds() - member.came >= MOMENT:
            return words
        member.tell("parting words are shown of those who have said something, or stayed a moment")
        return ""

    def disconnect(self, member: Member) -> None:
        """Forget the outlet of a member whose connection was lost.

        It is in until :meth:`quit`: of a person when all it said was handled, of a program when
        its grace is over.
        """
        self.unplug(member)
        if member.session is not None and not member.gone:
            self.returns.away(member)

    def unplug(self, member: Member) -> None:
        """Let a member read nothing any more: it has no connection here."""
        member.lost = True
        member.detach()
        cursor, member.cursor = member.cursor, None
        for replay in cursor.replays if cursor is not None else ():
            replay.done.callback(None)

    def give_up(self, member: Member) -> None:
        """Let a member go whose connection was lost before it could be told that it is in."""
        if member.session is None:
            self.quit(member)
        else:
            self.disconnect(member)

    def hang_up(self, member: Member) -> None:
        """Let a member go whose input has ended, once it was given all there is until now."""
        if member.session is None:
            self.quit(member)
        elif not member.lost:
            self._close(member, member.outlet)

    def _close(self, member: Member, outlet: Outlet) -> None:
        """Close the connection of a program that is to come back, behind its last receipts."""

        def read_all() -> None:
            self.disconnect(member)
            outlet.finish()

        settled = self.settled(member)
        if settled is not None:
            settled.addCallback(lambda _: self._close(member, outlet))
        elif member.outlet is outlet and not (member.lost or member.gone):
            self.step_back(member, self.past.head)
            assert member.cursor is not None
            member.cursor.at_head = read_all

    def look_back(self, member: Member, room: str, count: int) -> Deferred[None] | None:
        """Show a member the last things said or done in a room.

        The Deferred fires when it has been given all of them.
        """
        replay = Replay(room, count, self.past.head, asked=True)
        self.step_back(member, self.past.head)
        self.replay(member, replay)
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
            for member in list(self.members):
                member.tell(*lines)
                member.gone = True
                self.see_off(member)
            self.sessions.clear()
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

    def _draft(
        self,
        member: Member,
        room: str,
        kind: str,
        author: str,
        text: str,
        seq: int | None = None,
    ) -> Draft:
        if seq is None:
            member.seq -= 1
            seq = member.seq
        return Draft(room, kind, author, text, member.origin, seq)
