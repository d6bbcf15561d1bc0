"""A person's conversation: prints the server's messages in order, in the right view."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from wcwidth import clip

from chatservice import messages
from chatservice.client.screen import rendering
from chatservice.client.screen.paper import Desk, Paper
from chatservice.client.screen.people import Ignoring, People
from chatservice.client.screen.rendering import Line, Times, counted, notice, rule
from chatservice.client.screen.views import KEPT, SHOWN, View, Views
from chatservice.client.session.outgoing import OVER, Refused, Sent, error_in
from chatservice.client.session.session import Listener, Session
from chatservice.client.stored.state import Settings, server_at
from chatservice.text import names, wording
from chatservice.text.layout import COLUMNS
from chatservice.text.listing import faces

REMEMBERED: Final = 5000
"""The number of event ids remembered as known, as past and new events overlap."""

QUOTED: Final = 30
"""Columns of own talk quoted when it is refused."""

KEYS: Final = 10
"""The lowest number of a view without a key."""


class Conversation(Listener):
    """The conversation of one person: views, people, and the lines to print.

    :param where: the server, in words.
    :param sit: begins the session that reports to this conversation.
    :param room: the room to turn to at the beginning.
    :ivar book: all views.
    :ivar here: the view to which typed lines go; None if there is none.
    :ivar correspondent: the talk with the last person who wrote privately.
    :ivar came: whether the server has ever welcomed.
    :ivar naming: whether the person is being asked for a name.
    :ivar rooms: the rooms that the person is in.
    :ivar longest: the characters of a line at most; None if not known.
    """

    def __init__(
        self,
        reactor: Any,
        where: str,
        settings: Settings,
        desk: Desk,
        sit: Callable[[Listener], Session],
        room: str | None = None,
    ) -> None:
        self.reactor = reactor
        self.where = where
        self.settings = settings
        self.people = People()
        self.book = Views()
        server = server_at(where)
        self.ignoring = Ignoring(
            settings.ignored.get(server, {}),
            lambda ignored: settings.change(ignored={**settings.ignored, server: ignored}),
        )
        self.correspondent: View | None = None
        self.came = False
        self.naming = False
        self.leaving = False
        self.longest: int | None = None
        self.again_at: float | None = None
        self.said_at: dict[Sent, float] = {}
        self._desk = desk
        self.done: Deferred[int] = Deferred()
        self._paper = Paper(reactor, desk, settings)
        self._wanted = room
        self._known: dict[int, None] = {}
        self._opened = False
        self._status: int | None = None
        self._why: str | None = None
        # The lines to print above the held ones, and the reasons to hold those.
        self._above: list[tuple[View, list[messages.Event], list[Line]]] = []
        self._heading: list[Line] = []
        self._arriving = 0
        self._catching_up = False
        self._missed = 0
        self._last_renaming: tuple[str | None, str | None] = (None, None)
        self.session = sit(self)
        self.rooms: Mapping[str, messages.RoomSeen] = self.session.rooms

    @property
    def name(self) -> str:
        """The person's own name; empty if there is none yet."""
        return self.session.name or ""

    @property
    def room(self) -> str | None:
        """The room of the current view; None in a private talk, or without a view."""
        return None if self.here is None else self.here.room

    @property
    def rooms_known(self) -> list[str]:
        """The names of all rooms known, the person's own first."""
        return list(dict.fromkeys([*self.rooms, *self.session.rooms_heard_of]))

    @property
    def views(self) -> list[View]:
        """All views, those of rooms first, then private talks."""
        return self.book.among(self.rooms)

    @property
    def together(self) -> bool:
        """Whether all rooms and private talks are shown in one view."""
        return self.settings.together or self._desk.echoes

    @property
    def columns(self) -> int:
        """The width of the terminal, or of the narrowest terminal if it is not known."""
        return self._desk.columns or COLUMNS

    # Events: see Listener

    def welcomed(self, welcome: messages.Welcome) -> None:
        """Greet the person, or report the new connection; ask for the past unless it resumes."""
        first, self.came = not self.came, True
        self.longest = welcome.longest
        self.again_at = None
        if self.naming:
            self.naming = False
            self._desk.prompt()
        if self.here is None or (self.here.room and self.here.room not in self.rooms):
            room = self._wanted if self._wanted in self.rooms else next(iter(self.rooms), None)
            self.here = None if room is None else self.book.of_room(room)
        if first:
            self._paper.put(notice(f"hello {self.name}! /help shows the commands"))
        elif not welcome.resumed:
            self._paper.put(rule("connected again"))
        self._missed = 0
        self._catching_up = welcome.resumed
        if welcome.resumed:
            self._paper.hold()
        others = [f"#{room}" for room in self.rooms if room != self.room]
        also = [notice(f"you are also in {faces(others)}")] if first and others else []
        if self.here is not None and self.here.room and (first or not welcome.resumed):
            self._enter(self.here, self.here.room, welcome.since + 1, also)
        if first:
            self.session.ask(messages.Rooms()).addErrback(_ignore)
            wanted = self._wanted
            if wanted is not None and wanted not in self.rooms:
                self.ask(messages.Join(room=wanted), lambda _: self.arrive(wanted))
        self._desk.refresh()

    def caught_up(self) -> None:
        """Print the missed lines, below their number, and check who is still there."""
        self._catching_up = False
        if self._missed:
            self._heading = [rule(f"you were away: {counted(self._missed)}")]
        elif not self._arriving:
            self._heading = [rule("connected again")]
        self._release()
        # After a crash of the server, people who do not return are gone without an event.
        for room in self.rooms:
            if self.people.knows(room):
                self.session.ask(messages.Who(room=room)).addCallbacks(self._missing, _ignore)

    def happened(self, event: messages.Event) -> None:
        """Print an event in its view, and update people, talks and ignored names."""
        self.people.hear(event)
        author, renamed = event.author or "", event.type == "renamed"
        if renamed and author and event.name:
            self.ignoring.renamed(author, event.name, event.id)
            self.book.renamed(author, event.name)
        if self.ignoring.hides(event):
            return
        view = None if event.room is None else self.book.of_room(event.room)
        if event.type == "private" and author:
            view = self.correspondent = self.book.with_person(author)
            view.session, view.by_name = event.session, False
        renaming = (event.author, event.name)
        again = renamed and renaming == self._last_renaming
        if renamed:
            self._last_renaming = renaming
        if (renamed and self.name in renaming) or not self._is_new(event.id):
            return
        if event.type in ("joined", "left") and not self.settings.joins:
            return
        line = rendering.happened(event, self.name)
        if line is None:
            return
        self._paper.call(line.weight)
        if view is None:
            self._put(line)
        elif renamed and self.together:
            # A change of name comes once for each room, and is shown once.
            view.lines.append(line)
            if not again:
                self._put(line)
        else:
            self._came(line, view)

    def _came(self, line: Line, view: View) -> None:
        """Add a line to a view; print it if the view is shown, else count it as unread."""
        view.lines.append(line)
        if line.weight and view is not self.here and not self._desk.echoes:
            view.unread += 1
            view.came_at = self.reactor.seconds()
        if self._is_seen(view):
            self._put(self._as_seen(line, view))
        elif view.room is None and view.unread == 1:
            who, number = view.shown, self.views.index(view) + 1
            keys = f"Alt-{number} or " if number < KEYS else ""
            self.tell(f"{who} writes to you: {keys}/go {who} shows it")

    def _put(self, line: Line) -> None:
        self._missed += 1
        self._paper.put(line)

    def _is_seen(self, view: View) -> bool:
        return self.together or view is self.here

    def _as_seen(self, line: Line, view: View) -> Line:
        """Return the line with its room's name in front, unless the room is the current one."""
        room = view.room
        return line if room is None or view is self.here else line.elsewhere(room)

    def noticed(self, text: str) -> None:
        """Print a sentence of the server."""
        self.tell(text)

    def gapped(self) -> None:
        """Print a rule for the missing lines, in all views."""
        line = rule("some lines are missing here: they were forgotten")
        for view in self.views:
            view.lines.append(line)
        self._paper.put(line)

    def lost(self, why: str, pause: float) -> None:
        """Report the loss of the connection, once, and print all lines that are held."""
        self._catching_up = False
        self._release(at_once=True)
        if self.again_at is None:
            self.tell(why)
        self.again_at = self.reactor.seconds() + pause
        self._desk.refresh()

    def name_refused(self, why: str) -> None:
        """Print the reason, and ask for another name."""
        self.tell(why)
        self.ask_name()

    def ask_name(self) -> None:
        """Show the prompt for a name."""
        self.naming = True
        self._paper.flush()
        self._desk.prompt("name: ")

    def ended(self, why: str | None) -> None:
        """Print a goodbye if the person has left, and end."""
        if why is None and self.came:
            self.tell(wording.GOODBYE.format(name=self.name))
        self.end(0 if why is None else 1, why)

    # Talking

    def talk(self, request: messages.Talk) -> None:
        """Send talk. In the view of all, this marks the talk's room or person as read."""
        if isinstance(request, messages.Private):
            view = self._talk_of(request)
        else:
            view = self.book.of_room(getattr(request, "room", ""))
        if self.together:
            view.unread = 0
        sent = self.session.talk(request)
        self.said_at[sent] = self.reactor.seconds()
        sent.answer.addCallbacks(self._stored, self._not_said, (view,), errbackArgs=(sent,))

    def _talk_of(self, request: messages.Private) -> View:
        """Return the view to which the person's private talk belongs."""
        if request.to is not None:
            view = self.book.found(request.to) or View(request.to)
            view.by_name = True
            return view
        here = self.here
        if here is not None and here.session == request.session:
            return here
        assert self.correspondent is not None
        return self.correspondent

    def _stored(self, sent: Sent, view: View) -> None:
        """Print the person's own talk when it is stored, in any view."""
        del self.said_at[sent]
        if view.room is None:
            view = self.book.with_person(view.label)
        if sent.id is not None and self._is_new(sent.id):
            # Prefer the server's time, as all other lines have it: this machine's may be wrong.
            at = sent.time or datetime.now(timezone.utc)
            line = rendering.sent(sent.request, self.name, at, sent.id, view.label)
            view.lines.append(line)
            if view.room is None or not self._desk.echoes:
                self._paper.put(self._as_seen(line, view))

    def _not_said(self, failure: Failure, sent: Sent) -> None:
        """Report that own talk was refused, and quote it."""
        error = error_in(failure)
        del self.said_at[sent]
        quoted = clip(sent.text, 0, QUOTED)
        if error.code != OVER:
            self.tell(f"{error.text}; not said: {quoted}{'…' * (quoted != sent.text)}")

    def say(self, text: str) -> None:
        """Say a line in the current room or private talk."""
        assert self.here is not None
        if self.here.room is not None:
            self.talk(messages.Say(room=self.here.room, text=text))
        elif self.here.session is not None and not self.here.by_name:
            self.talk(messages.Private(session=self.here.session, text=text))
        else:
            self.talk(messages.Private(to=self.here.label, text=text))

    def ask(self, request: messages.Request, then: Callable[[Any], None]) -> None:
        """Send a question, and report a refusal.

        :param then: is called with the answer.
        """
        if not self.session.connected:
            self.tell("that waits until there is a connection")
        self.session.ask(request).addCallbacks(then, self._refused)

    def _refused(self, failure: Failure) -> None:
        error = error_in(failure)
        if error.code != OVER:
            self.tell(error.text)

    def tell(self, *lines: str) -> None:
        """Print sentences of the client to the person."""
        self._paper.put(*map(notice, lines))

    def look_back(self, past: messages.Past) -> None:
        """Print the past of a room, even lines that were shown before."""
        lines = self._seen(past.events)
        if not lines:
            self.tell(f"nothing was said in #{past.room}")
            return
        if past.gap:
            self.tell("what was said before this was forgotten")
        self._paper.put(
            rule(f"the last {counted(len(lines))} of #{past.room}"), *lines, rule("that was it")
        )

    def moment(self, at: str) -> str:
        """Return a time from the server as date, hour and minute in the person's zone."""
        try:
            return f"{Times(self.settings).local(messages.time_of(at)):%Y-%m-%d %H:%M}"
        except ValueError:
            return at

    # Views

    @property
    def here(self) -> View | None:
        """The view to which typed lines go; None if there is none."""
        return self.book.here

    @here.setter
    def here(self, view: View | None) -> None:
        self.book.here = view

    def go(self, view: View) -> None:
        """Go to a view, and show it by itself from now on."""
        if not self._desk.echoes:
            self.settings.change(together=False)
        self.turn_to(view)

    def turn_to(self, view: View) -> None:
        """Send typed lines to a view from now on, and show it."""
        self.here = view
        if view.room is not None and (self.together or view.entered):
            self.session.ask(messages.Who(room=view.room)).addCallbacks(self._there, _ignore)
        if not self.together:
            self._paper.turn()
            self._paper.put(view.heading)
            if view.room is not None and not view.entered:
                self._enter(view, view.room, None)
            self._paper.put(*view.last())
        elif view.room is not None:
            self.tell(f"you are in #{view.room} now")
        else:
            self.tell(f"you write to {view.shown} now")
        view.unread = 0
        self._desk.refresh()

    def go_everywhere(self) -> None:
        """Show all in one view; typed lines go to the same view as before."""
        if self._desk.echoes:
            self.tell("there is only one view here, of all")
            return
        self.settings.change(together=True)
        lines = [(line, view) for view in self.views for line in view.lines if line.id]
        lines.sort(key=lambda each: each[0].id)
        shown = max(SHOWN, sum(view.unread for view in self.views))
        self._paper.turn()
        self._paper.put(rule("all rooms and private talks"))
        self._paper.put(*(self._as_seen(*each) for each in lines[-shown:]))
        self._desk.refresh()

    def read_until(self, then: float) -> None:
        """Mark views as read, in the view of all, if their last unread line came by a time.

        :param then: the reactor's time.
        """
        for view in self.views:
            if self.together and view.came_at <= then:
                view.unread = 0

    def arrive(self, room: str) -> None:
        """Turn to a room that the person has just joined."""
        view = self.here = self.book.of_room(room)
        if not self.together:
            self._paper.turn()
        self._enter(view, room, None)
        self._paper.put(*(() if self.together else view.last()))

    def left(self, view: View) -> None:
        """Forget the view of a room that was left, or of a closed talk; turn to another view."""
        if view.room is not None:
            self.people.left(view.room)
        self.book.close(view)
        if view is not self.here:
            self.tell(f"you left {view.shown}")
            return
        self.here = None
        views = self.views
        if views:
            self.tell(f"you left {view.shown}")
            self.turn_to(next((other for other in reversed(views) if other.room), views[-1]))
        else:
            self.tell(f"you left {view.shown}; /join another")

    # Coming into a room: its past, its people, then new events

    def _enter(self, view: View, room: str, before: int | None, also: Sequence[Line] = ()) -> None:
        """Ask for the past and the people of a room, and hold new lines until they come.

        :param before: the id before which the past ends; None for the newest events.
        :param also: lines to print after the people.
        """
        view.entered = True
        self._paper.hold()
        self._arriving += 1
        Deferred.fromCoroutine(self._arrive(view, room, before, also))

    async def _arrive(
        self, view: View, room: str, before: int | None, also: Sequence[Line]
    ) -> None:
        with contextlib.suppress(Refused):
            asked = messages.History(room=room, before=before, limit=SHOWN)
            past: messages.Past = await self.session.ask(asked)
            new = [event for event in past.events if self._is_new(event.id)]
            self._above.append((view, new, []))
            who: messages.WhoIs = await self.session.ask(messages.Who(room=room))
            self._there(who)
            others = [person.name for person in who.people if person.name != self.name]
            topic = self.rooms[room].topic if room in self.rooms else ""
            where = rendering.where_one_is(room, others, who.count - 1, topic)
            self._above.append((view, [], [*where, *also]))
        self._arriving -= 1
        self._release()

    def _seen(self, events: Iterable[messages.Event]) -> list[Line]:
        seen = [event for event in events if not self.ignoring.hides(event)]
        lines = [rendering.happened(event, self.name) for event in seen]
        return [line for line in lines if line is not None]

    def _there(self, who: messages.WhoIs) -> None:
        self.people.all_in(who.room, [person.name for person in who.people])

    def _missing(self, who: messages.WhoIs) -> None:
        """Report the people who are gone from a room without an event."""
        before = self.people.there(who.room)
        self._there(who)
        if who.count > len(who.people) or not self.settings.joins:
            return
        there = {names.key(person.name) for person in who.people}
        gone = [name for name in before if names.key(name) not in there and name != self.name]
        if gone:
            verb = "is" if len(gone) == 1 else "are"
            line = notice(f"{faces(gone)} {verb} not here any more")
            self._came(line, self.book.of_room(who.room))

    def _release(self, at_once: bool = False) -> None:
        if at_once or not (self._arriving or self._catching_up):
            # Only now are the names of the ignored people up to date.
            above = []
            for view, events, lines in self._above:
                past = self._seen(events)
                view.lines = deque((*past, *view.lines), KEPT)
                if self._is_seen(view):
                    above += [self._as_seen(line, view) for line in (*past, *lines)]
            self._paper.release([*above, *self._heading])
            self._above.clear()
            self._heading = []

    def _is_new(self, id: int) -> bool:
        """Return whether an event is not known yet, and remember its id."""
        if id in self._known:
            return False
        self._known[id] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return True

    # Leaving

    def quit(self, text: str) -> None:
        """Leave the chat once all talk is stored; at a second call, end at once."""
        if self.leaving:
            self.session.stop()
            self.end(1 if self.session.unstored else 0)
            return
        self.leaving = True
        self.session.quit(text)
        if self._status is None and not self.session.connected:
            unsent = counted(len(self.session.unstored))
            self.tell(f"{unsent} not sent yet: Ctrl-D again leaves without")
        self._desk.refresh()

    def end(self, status: int, why: str | None = None) -> None:
        """End the conversation; the first call decides the status."""
        if self._status is None:
            self._status, self._why = status, why
            if self._opened:
                self._paper.flush()
                self._desk.close()


def _ignore(failure: Failure) -> None:
    failure.trap(Refused)
