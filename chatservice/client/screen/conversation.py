"""What one reads and says: in which room one is, who is there, what is printed in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Final, cast

from twisted.python.failure import Failure
from wcwidth import clip

from chatservice import messages
from chatservice.client.screen import rendering
from chatservice.client.screen.command import Correspondent
from chatservice.client.screen.ignoring import Ignoring
from chatservice.client.screen.paper import Paper
from chatservice.client.screen.people import People, Unread
from chatservice.client.screen.rendering import Line, notice, rule
from chatservice.client.screen.times import Times
from chatservice.client.screen.unsent import Unsent
from chatservice.client.session.seat import Refused, Seat, Sent
from chatservice.client.session.session import OVER
from chatservice.client.stored.state import Settings
from chatservice.text import names
from chatservice.text.layout import COLUMNS
from chatservice.text.listing import faces

PAST: Final = 20
"""So many lines of what was said before are shown when one comes into a room."""

REMEMBERED: Final = 5000
"""So many ids of what was shown are remembered, as the past and the present overlap."""

QUOTED: Final = 30
"""Columns of what was not said, when that is told."""


class Conversation:
    """The conversation of one person.

    :param server: what it is called, where it is remembered who is ignored.
    :param leave: is called with the parting words.
    :param echoed: the terminal shows what is typed, so that need not be printed again.
    :ivar room: the one that goes to what is typed; None if there is none.
    :ivar correspondent: who wrote privately last.
    :ivar came: whether one was ever welcomed.
    """

    def __init__(
        self,
        seat: Seat,
        paper: Paper,
        unsent: Unsent,
        unread: Unread,
        settings: Settings,
        server: str,
        leave: Callable[[str], None],
        echoed: bool,
    ) -> None:
        self._seat = seat
        self._paper = paper
        self._unsent = unsent
        self.unread = unread
        self.settings = settings
        self.ignoring = Ignoring(
            settings.ignored.get(server, {}),
            lambda ignored: settings.change(ignored={**settings.ignored, server: ignored}),
        )
        self._times = Times(settings)
        self.quit = leave
        self._echoed = echoed
        self.room: str | None = None
        self.correspondent: Correspondent | None = None
        self._answers: dict[Sent, str] = {}
        self.people = People()
        self._rooms_heard_of: dict[str, None] = {}
        self._shown: dict[int, None] = {}
        self.came = False
        self._told_of_loss = False
        # What stands above the lines that are held, and what these wait for.
        self._past: list[messages.Event] = []
        self._above: list[Line] = []
        self._heading: list[Line] = []
        self._elsewhere: list[Line] = []
        self._arriving = 0
        self._catching_up = False
        self._missed = 0
        self._last_renaming: tuple[str | None, str | None] = (None, None)

    @property
    def name(self) -> str:
        """One's own name."""
        return self._seat.name or ""

    @property
    def rooms(self) -> Mapping[str, messages.RoomSeen]:
        """The rooms that one is in."""
        return self._seat.rooms

    @property
    def rooms_known(self) -> list[str]:
        """The rooms that were heard of, one's own first."""
        return list({**dict.fromkeys(self.rooms), **self._rooms_heard_of})

    # What the server tells

    def welcomed(self, welcome: messages.Welcome, missed: bool) -> None:
        """There is a connection; show what there is to know before one talks."""
        first, self.came = not self.came, True
        self._told_of_loss = False
        wanted = self.room
        if wanted not in self.rooms:
            self.room = next(iter(self.rooms), None)
        if first:
            self._paper.put(notice(f"hello {self.name}! /help shows the commands"))
        elif not missed:
            self._paper.put(rule("connected again"))
        self._missed = 0
        self._catching_up = missed
        if missed:
            self._paper.hold()
        if self.room is not None and (first or not missed):
            self._enter(self.room, welcome.since + 1)
        if first:
            others = [f"#{room}" for room in self.rooms if room != self.room]
            if others:
                self._elsewhere = [notice(f"you are also in {faces(others)}")]
            asking = self._seat.ask(messages.Rooms())
            asking.addCallbacks(lambda reply: self.heard_of(reply.rooms), _ignore)
            if wanted is not None and wanted not in self.rooms:
                self.ask(messages.Join(room=wanted), lambda _: self.arrive(wanted))

    def caught_up(self) -> None:
        """All that was missed is there: print it, below how much it is."""
        self._catching_up = False
        if self._missed:
            self._heading = [rendering.missed(self._missed)]
        elif not self._arriving:
            self._heading = [rule("connected again")]
        self._release()
        # Who was at a server that crashed, and can't come back, is gone without a word.
        for room in self.rooms:
            if self.people.knows(room):
                self._seat.ask(messages.Who(room=room)).addCallbacks(self._missing, _ignore)

    def happened(self, event: messages.Event) -> None:
        """Print an event, and remember who it was."""
        self.people.hear(event)
        if event.type == "renamed" and event.author and event.name:
            self.ignoring.renamed(event.author, event.name, event.id)
        if self.ignoring.hides(event):
            return
        if event.type == "private" and event.author:
            self.correspondent = Correspondent(event.author, event.session)
        self.unread.came(event, self.room)
        if event.type == "renamed" and not self._is_told_of(event):
            return
        if event.type in ("joined", "left") and not self.settings.joins:
            return
        line = rendering.happened(event, self.room, self.name)
        if line is not None and self._is_new(event.id):
            self._missed += 1
            self._paper.put(line)

    def _is_told_of(self, event: messages.Event) -> bool:
        """Tell whether a new name is to be shown: once, though it is an event of each room."""
        renaming = (event.author, event.name)
        to = self.correspondent
        if to is not None and event.author == to.name and event.name:
            self.correspondent = to._replace(name=event.name)
        if self.name in renaming or renaming == self._last_renaming:
            return False
        self._last_renaming = renaming
        return True

    def stored(self, sent: Sent, id: int) -> None:
        """Print what one said oneself, at its place."""
        name = self._answers.pop(sent, None)
        if name is not None:
            sent.request = replace(cast("messages.Private", sent.request), to=name)
        private = isinstance(sent.request, messages.Private)
        if self._is_new(id) and (private or not self._echoed):
            # The clock of this machine may be wrong, or another than that of all other lines.
            at = sent.time or datetime.now(timezone.utc)
            self._paper.put(rendering.sent(sent.request, self.room, self.name, at, id))

    def refused(self, sent: Sent, error: messages.Error) -> None:
        """Tell that something was not said, and what that was."""
        self._answers.pop(sent, None)
        text = sent.request.text
        quoted = clip(text, 0, QUOTED)
        self._paper.put(notice(f"{error.text}; not said: {quoted}{'…' * (quoted != text)}"))

    def gapped(self) -> None:
        """Tell that something can't be told."""
        self._paper.put(rule("some lines are missing here: they were forgotten"))

    def lost(self, why: str) -> None:
        """Tell that there is no connection, once; print all that was to be printed after more."""
        self._catching_up = False
        self._release(at_once=True)
        if not self._told_of_loss:
            self._told_of_loss = True
            self._paper.put(notice(why))

    # What the person does

    def talk(self, request: messages.Talk) -> None:
        """Say something."""
        sent = self._seat.talk(request)
        self._unsent.said(sent)
        if not isinstance(request, messages.Private):
            self.unread.read(f"#{getattr(request, 'room', '')}")
            return
        name = request.to
        if name is None and self.correspondent is not None:
            name = self._answers[sent] = self.correspondent.name
        self.unread.read(name or "")

    def ask(self, request: messages.Request, then: Callable[[messages.Reply], None]) -> None:
        """Ask for something; tell if it is refused."""
        if not self._seat.connected:
            self.tell("that waits until there is a connection")
        answer = self._seat.ask(request)
        answer.addCallbacks(then, self._refused)

    def _refused(self, failure: Failure) -> None:
        failure.trap(Refused)
        refusal = failure.value
        if isinstance(refusal, Refused) and refusal.error.code != OVER:
            self.tell(str(refusal))

    @property
    def columns(self) -> int:
        """How wide the terminal is; as narrow as one may be, if that is not known."""
        return self._paper.columns or COLUMNS

    def tell(self, *lines: str) -> None:
        """Answer the person."""
        self._paper.put(*map(notice, lines))

    def look_back(self, past: messages.Past) -> None:
        """Show what was said in a room, whether or not it was shown before."""
        lines = self._seen(past.events)
        if not lines:
            self.tell(f"nothing was said in #{past.room}")
            return
        count = "1 line" if len(lines) == 1 else f"{len(lines):,} lines"
        if past.gap:
            self.tell("what was said before this was forgotten")
        self._paper.put(rule(f"the last {count} of #{past.room}"), *lines, rule("that was it"))

    def go(self, room: str) -> None:
        """Turn to another room that one is in."""
        self.room = room
        self.unread.read(f"#{room}")
        self.tell(f"you are in #{room} now")
        self._look_around(room)

    def arrive(self, room: str) -> None:
        """Turn to a room that one has just come into."""
        self.room = room
        self._enter(room, None)

    def left(self, room: str) -> None:
        """Forget a room that one is not in any more."""
        self.people.left(room)
        self.unread.read(f"#{room}")

    def heard_of(self, rooms: list[messages.RoomSeen]) -> None:
        """Note which rooms there are."""
        self._rooms_heard_of = dict.fromkeys(room.room for room in rooms)

    def moment(self, at: str) -> str:
        """Write out a time that the server tells."""
        try:
            return f"{self._times.local(messages.time_of(at)):%Y-%m-%d %H:%M}"
        except ValueError:
            return at

    # Coming into a room: the past, then who is there, then what happens

    def _enter(self, room: str, before: int | None) -> None:
        self._paper.hold()
        self._arriving += 1

        def past(reply: Any) -> None:
            events = cast("messages.Past", reply).events
            self._past += [event for event in events if self._is_new(event.id)]
            asking = self._seat.ask(messages.Who(room=room))
            asking.addCallbacks(there, self._not_told)

        def there(reply: Any) -> None:
            who = cast("messages.WhoIs", reply)
            self._there(who)
            others = [person.name for person in who.people if person.name != self.name]
            topic = self.rooms[room].topic if room in self.rooms else ""
            self._above += rendering.where_one_is(room, others, who.count - 1, topic)
            self._above += self._elsewhere
            self._elsewhere = []
            self._arrived()

        asking = self._seat.ask(messages.History(room=room, before=before, limit=PAST))
        asking.addCallbacks(past, self._not_told)

    def _seen(self, events: Iterable[messages.Event]) -> list[Line]:
        return [
            rendering.past(event, self.name) for event in events if not self.ignoring.hides(event)
        ]

    def _not_told(self, failure: Failure) -> None:
        failure.trap(Refused)
        self._arrived()

    def _arrived(self) -> None:
        self._arriving = max(0, self._arriving - 1)
        self._release()

    def _look_around(self, room: str) -> None:
        asking = self._seat.ask(messages.Who(room=room))
        asking.addCallbacks(self._there, _ignore)

    def _there(self, reply: messages.Reply) -> None:
        who = cast("messages.WhoIs", reply)
        self.people.all_in(who.room, [person.name for person in who.people])

    def _missing(self, reply: messages.Reply) -> None:
        """Tell who is not there any more, though nobody has seen them leave."""
        who = cast("messages.WhoIs", reply)
        before = self.people.there(who.room)
        self._there(who)
        if who.count > len(who.people) or not self.settings.joins:
            return
        there = {names.key(person.name) for person in who.people}
        gone = [name for name in before if names.key(name) not in there and name != self.name]
        if gone:
            where = "" if who.room == self.room else f"#{who.room}: "
            verb = "is" if len(gone) == 1 else "are"
            self.tell(f"{where}{faces(gone)} {verb} not here any more")

    def _release(self, at_once: bool = False) -> None:
        if at_once or not (self._arriving or self._catching_up):
            # Only now it is known under which names those are who are ignored.
            above = [*self._seen(self._past), *self._above, *self._heading]
            self._past, self._above, self._heading = [], [], []
            self._paper.release(above)

    def _is_new(self, id: int) -> bool:
        """Tell whether something was not shown yet, and note that it is now."""
        if id in self._shown:
            return False
        self._shown[id] = None
        if len(self._shown) > REMEMBERED:
            del self._shown[next(iter(self._shown))]
        return True


def _ignore(failure: Failure) -> None:
    failure.trap(Refused)
