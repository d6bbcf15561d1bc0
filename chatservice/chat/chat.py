"""What people ask the chat for: to come in, to speak, to join a room, to look back, to go."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatservice import wording
from chatservice.chat import ignoring
from chatservice.chat.cursors import Replay
from chatservice.chat.house import OPERATORS, House
from chatservice.chat.members import Member, Outlet
from chatservice.chat.rooms import Membership, Room
from chatservice.chat.views import View
from chatservice.journal.events import PRIVATE, RENAMED, TOPIC, Draft, Fact, inbox
from chatservice.limits import Limits

log = Logger()


class NotLetIn(Exception):
    """Somebody can't come into a room; ``str()`` says why and is fit to be shown."""


class Chat(House):
    """The house, and what one can ask it for."""

    def enter(
        self, name: str, outlet: Outlet, view: View, operator: bool = False
    ) -> Deferred[Member]:
        """Let somebody in under a name that :func:`.names.nickname` has accepted.

        The Deferred fails with :exc:`.NameTaken`.
        """
        member = Member(name, outlet, view, operator, self.now())

        def named(_: None) -> Member:
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
                except NotLetIn as error:
                    member.tell(str(error))
            return member

        return self._claims.claim(name, member).addCallback(named)

    def write(self, member: Member, to: Member, text: str) -> None:
        """Let a member write to another privately; it is shown its own line when it is stored."""
        self.say(member, inbox(to.origin), PRIVATE, text)
        name = to.name
        self.ticker.batch.then(lambda: member.outlet.write(member.view.sent(name, text)))

    def set_topic(self, member: Member, room: Room, text: str) -> None:
        """Give a room a topic; ``""`` takes it away."""
        self.say(member, room.name, TOPIC, text)
        self.ticker.batch.hold(Fact(TOPIC, room.name, text))

    def say(self, member: Member, room: str, kind: str, text: str) -> None:
        """Let a member say or do something in a room, or for whom that stands for.

        Whoever speaks is not away any more.
        """
        if member.away is not None:
            member.away = None
            member.tell("you are back")
        self.ticker.batch.add(self._draft(member, room, kind, member.name, text))
        self._ask(member)

    def join(self, member: Member, name: str) -> None:
        """Bring a member into a room, which exists from then on, and make it the current one.

        :param name: as :func:`.names.room_name` gives it.
        :raises NotLetIn: if the room is locked or for others, or if there is a limit.
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
            if limits.max_rooms and len(self.rooms) >= limits.max_rooms:
                raise NotLetIn(f"there are {limits.max_rooms:,} rooms already")
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
            ignoring.renamed(member, old, self.ignorers)
            ignoring.recognise(member, self.ignorers)
            self._claims.replace(old, name)
            for membership in member.rooms():
                draft = self._draft(member, membership.room.name, RENAMED, old, name)
                self.ticker.batch.rename(draft)
                self._ask(member)

        return self._claims.claim(name, member).addCallback(named)

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
            for member in list(self.members):
                member.tell(*lines)
                member.gone = True
                self._see_off(member)
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

    def _draft(self, member: Member, room: str, kind: str, author: str, text: str) -> Draft:
        member.seq += 1
        return Draft(room, kind, author, text, member.origin, member.seq)
