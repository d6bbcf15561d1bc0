"""Entering under a name, renaming and leaving: people, and programs that lose their connection."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatservice.core import ignoring
from chatservice.core.grace import Absences
from chatservice.core.members import Member
from chatservice.core.outlet import Outlet, View
from chatservice.core.permissions import check_heard
from chatservice.core.refusals import Refusal
from chatservice.core.rooms import Rooms
from chatservice.core.state import OPERATORS, State
from chatservice.journal.events import RENAMED
from chatservice.messages import Code
from chatservice.text import names, wording

MOMENT: Final = 10.0
"""Seconds after which a member's parting words are shown even if it has said nothing."""

log = Logger()


class Attendance:
    """Lets members enter, change their names, and leave.

    :ivar absences: programs that are away, and not yet shown as left.
    """

    def __init__(self, state: State, rooms: Rooms) -> None:
        self._state = state
        self._rooms = rooms
        self.absences = Absences(state.clock, state.limits, self._over)

    def enter(
        self, name: str, outlet: Outlet, view: View, operator: bool = False
    ) -> Deferred[Member]:
        """Let a person in under a name that :func:`.names.nickname` has accepted.

        The Deferred fails with :exc:`.NameTaken`.

        :raises Refusal: if the address has taken too many names.
        """
        state = self._state
        state.shares.check_name(outlet.site)
        member = Member(name, outlet, view, operator, state.now(), active=state.clock.seconds())
        state.peers.arrives(member)

        def named(_: None) -> Member:
            state.shares.named(outlet.site)
            state.sessions[member.origin] = member
            banned = state.unwanted(member)
            if banned is not None:
                member.tell(banned)
                self.quit(member)
                return member
            ignoring.recognise(member, state.ignorers)
            member.tell(*state.motd, wording.HELLO.format(name=name))
            for room in (OPERATORS, state.permanent[0]) if operator else state.permanent[:1]:
                try:
                    self._rooms.join(member, room)
                except Refusal as error:
                    member.tell(str(error))
            state.note(member)
            return member

        return self.claim(name, member).addCallback(named)

    def claim(self, name: str, member: Member) -> Deferred[None]:
        """Claim a name for a member. The Deferred fails with :exc:`.NameTaken`.

        If a program holds the name whose connection is closed, and which may lack its token, that
        program has to leave first.
        """
        holder = self._state.find(name)
        if (
            holder is not None
            and holder is not member
            and holder.outlet.closed
            and holder.session is not None
            and not holder.session.heard
        ):
            self.quit(holder)
        return self._state.peers.claims.claim(name, member)

    def rename(self, member: Member, name: str) -> Deferred[None]:
        """Give a member another name. The Deferred fails with :exc:`.NameTaken`.

        :raises Refusal: if the member is muted. If it is muted later, the Deferred fails with that.
        """
        check_heard(self._state.standing, member.name)
        self._state.shares.check_name(member.outlet.site, Code.NOT_LET_IN)

        def named(_: None) -> None:
            old = member.name
            refused = member.gone or member.remote or self._state.standing.muted(old) is not None
            if names.key(old) != names.key(name):
                # With equal keys, both are one claim, so nothing is released.
                self._state.peers.claims.release(name if refused else old)
            if refused:
                check_heard(self._state.standing, old)
                return
            self._state.shares.named(member.outlet.site)
            self.call(member, name)
            self._state.note(member)
            for membership in member.rooms():
                self._state.ticker.batch.rename(
                    member.draft(membership.room.name, RENAMED, old, name)
                )
                self._state.spend(member, membership.room.name)
            self._state.ask(member)

        return self.claim(name, member).addCallback(named)

    def call(self, member: Member, name: str) -> None:
        """Set the name of a member that holds it already; update its record and session."""
        member.name = name
        if member.record is not None:
            member.record.name = name
        if member.session is not None:
            member.session.was = ""
        ignoring.recognise(member, self._state.ignorers)

    def parting_words(self, member: Member, words: str) -> str:
        """Return the parting words of a member, or ``""`` if others may not read them.

        A member must have spoken, or stayed for a :data:`MOMENT`, and is told if it has not. So
        nobody can be read just by coming and going.
        """
        if not words or self._state.standing.muted(member.name) is not None:
            return ""
        if member.spoke or self._state.clock.seconds() - member.came >= MOMENT:
            return words
        member.tell("parting words are shown once you have said something, or stayed a moment")
        return ""

    # Leaving

    def disconnect(self, member: Member) -> None:
        """Detach a member from its lost connection; begin the grace of a program.

        The member stays until :meth:`quit`: a person until all its lines are handled, a program
        until its grace is over.
        """
        self.unplug(member)
        if member.session is not None and not member.gone:
            member.session.seen = self._state.now()
            self._state.note(member)
            self.absences.add(member)

    def unplug(self, member: Member) -> None:
        """Stop delivery to a member that has no connection here any more."""
        member.lost = True
        member.detach()
        cursor, member.cursor = member.cursor, None
        for replay in cursor.replays if cursor is not None else ():
            replay.done.callback(None)

    def give_up(self, member: Member) -> None:
        """Handle a connection that was lost before its member was told that it is in.

        A person leaves; a program begins its grace.
        """
        if member.session is None:
            self.quit(member)
        else:
            self.disconnect(member)

    def hang_up(self, member: Member) -> None:
        """Handle the end of a member's input, after delivering everything up to now.

        A person leaves; a program's connection is closed, and its grace begins.
        """
        if member.session is None:
            self.quit(member)
        elif not member.lost:
            self._close(member, member.outlet)

    def _close(self, member: Member, outlet: Outlet) -> None:
        """Close a program's connection after its last receipts, and begin its grace."""

        def read_all() -> None:
            self.disconnect(member)
            outlet.finish()

        settled = self._state.settled(member)
        if settled is not None:
            settled.addCallback(lambda _: self._close(member, outlet))
        elif member.outlet is outlet and not (member.lost or member.gone):
            self._state.step_back(member, self._state.past.head)
            assert member.cursor is not None
            member.cursor.at_head = read_all

    def send_away(self, member: Member, cause: str, why: str, words: str = "") -> None:
        """Make a kicked or banned member leave, and tell it why.

        :param cause: the code, for the log file, which gets only this and the address.
        :param why: the sentence for the member.
        :param words: the words for the others, appended to the cause.
        """
        if member.remote:
            self._state.peers.send_away(member, cause, why, words)
            return
        log.info("closed ({cause}): {peer}", cause=cause, peer=member.outlet.address or "here")
        member.refuse(Code(cause), why)
        self.quit(member, cause + words)

    def quit(self, member: Member, words: str = "") -> None:
        """Let a member leave the chat; close its connection after everything up to now is read.

        Only a member's own process does this; for a remote member, nothing happens.
        """
        if member.gone or member.remote:
            return
        member.gone = True
        del self._state.sessions[member.origin]
        self._state.ignorers.pop(member, None)
        self._state.peers.leaves(member)
        self._state.peers.claims.release(member.name)
        memberships = member.rooms()
        for membership in memberships:
            membership.leaving = True
            membership.kept = member.session is not None
            self._state.ticker.batch.leave(membership, words)
        if member.session is not None:
            # The session is remembered until its token expires.
            member.session.rooms = [membership.room.name for membership in memberships]
            self.absences.discard(member)
            self._state.ticker.batch.hold(*self._state.tokens.left(member.session))
            self._state.note(member)
        if memberships:
            self._state.ask(member)
        if not memberships or self._state.ticker.refusing:
            self.see_off(member)

    def _over(self, member: Member) -> None:
        """Let a program leave whose grace is over; if the batch is full, after the next commit."""
        if member.gone or member.remote or not member.lost:
            return  # The program came back, or left, while it waited for its turn.
        if self._state.ticker.full:
            self._state.ticker.batch.then.append(lambda: self._over(member))
        else:
            self.quit(member)

    def see_off(self, member: Member) -> None:
        """Deliver everything up to now to a member that is gone, then close its connection."""
        for membership in member.memberships:
            membership.until = membership.until or self._state.past.head + 1
        if member.session is not None:
            member.until = member.until or self._state.past.head + 1
        self._state.step_back(member, self._state.past.head)
