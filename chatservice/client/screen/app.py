"""The chat on a terminal: what the server tells is printed, and what is typed is sent."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Final

from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input import Input
from prompt_toolkit.utils import is_dumb_terminal
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice import messages
from chatservice.client.screen import commands, pastes
from chatservice.client.screen.command import Refused
from chatservice.client.screen.completing import Completing
from chatservice.client.screen.conversation import Conversation
from chatservice.client.screen.editor import Editor
from chatservice.client.screen.output import Output
from chatservice.client.screen.paper import Paper
from chatservice.client.screen.people import Unread
from chatservice.client.screen.plain import Plain
from chatservice.client.screen.rendering import notice
from chatservice.client.screen.status import State, hint, status
from chatservice.client.screen.times import Times
from chatservice.client.screen.unsent import Unsent
from chatservice.client.session.seat import Seat, Sent
from chatservice.client.stored.state import Settings, server_at
from chatservice.client.streams.stdio import complain
from chatservice.text import wording
from chatservice.text.sanitising import safe

ASK_NAME: Final = "name: "

SEEN: Final = 1.0
"""Seconds that it takes somebody who is pressing keys to read what is on the screen."""


class Screen:
    """A person at a terminal.

    It listens to a :class:`Seat`, which is given to it by :meth:`attach`. The reactor has to be
    that of asyncio, and to run.

    :param where: the server, in words.
    :param history: the file of what was typed before; None to remember that for this time alone.
    :param input: the keyboard, if it is not the standard input.
    :param output: the screen, if it is not the standard output.
    :param room: to be turned to at the beginning, if one is in several.
    :ivar done: fires with the exit status, when the terminal is as it was.
    """

    seat: Seat
    conversation: Conversation

    def __init__(
        self,
        reactor: Any,
        where: str,
        settings: Settings,
        history: Path | None = None,
        input: Input | None = None,
        output: Output | None = None,
        room: str | None = None,
    ) -> None:
        self.done: Deferred[int] = Deferred()
        self._reactor = reactor
        self._where = where
        self._settings = settings
        self._desk: Editor | Plain
        if output is None and is_dumb_terminal(os.environ.get("TERM")):
            self._desk = Plain(self, reactor)
        else:
            self._desk = Editor(self, Completing(self), history, input, output)
        self._paper = Paper(
            reactor, self._desk, Times(settings), lambda weight: weight.rings(settings.bell)
        )
        self._unsent = Unsent(reactor)
        self._longest: int | None = None
        self._naming = False
        self._touched_at = reactor.seconds()
        self._again_at: float | None = None
        self._room = room
        self._opened = False
        self._leaving = False
        self._status: int | None = None
        self._why: str | None = None

    def attach(self, seat: Seat) -> None:
        """Take a seat, whose listener this is."""
        self.seat = seat
        self.conversation = Conversation(
            seat,
            self._paper,
            self._unsent,
            Unread(self._reactor.seconds),
            self._settings,
            server_at(self._where),
            self._leave,
            self._desk.echoes,
        )
        self.conversation.room = self._room

    def start(self) -> None:
        """Take the terminal, and come in."""
        self._opened = True
        self._desk.open().addBoth(self._closed)
        self.seat.start()
        if self.seat.name is None:
            self._ask_name()

    def stop(self, status: int = 1) -> Deferred[int]:
        """Hang up now, without a word to the server; fires when the terminal is as it was."""
        self.seat.stop()
        self._end(status)
        if not self._opened:
            self._closed(None)
        stopped: Deferred[int] = Deferred()
        self.done.addCallback(_pass_on, stopped)
        return stopped

    def interrupt(self) -> None:
        """Do what Ctrl-C does, where that is a signal."""
        self.left()

    # What the server tells: see Listener

    def welcomed(self, welcome: messages.Welcome, missed: bool) -> None:
        """There is a connection, and a name."""
        self._longest = welcome.longest
        self._again_at = None
        if self._naming:
            self._naming = False
            self._desk.prompt()
        self.conversation.welcomed(welcome, missed)
        self._desk.refresh()

    def caught_up(self, missed: int) -> None:
        """All that was missed was given."""
        self.conversation.caught_up()

    def happened(self, event: messages.Event) -> None:
        """Something happened."""
        self.conversation.happened(event)

    def stored(self, sent: Sent, id: int) -> None:
        """Own talk is stored."""
        self._unsent.settled(sent)
        self.conversation.stored(sent, id)

    def refused(self, sent: Sent, error: messages.Error) -> None:
        """Own talk is not stored."""
        self._unsent.settled(sent)
        self.conversation.refused(sent, error)

    def noticed(self, text: str) -> None:
        """The server has something to say."""
        self._paper.put(notice(text))

    def gapped(self) -> None:
        """Something can't be told any more."""
        self.conversation.gapped()

    def lost(self, why: str, pause: float) -> None:
        """There is no connection."""
        self._again_at = self._reactor.seconds() + pause
        self.conversation.lost(why)
        self._desk.refresh()

    def name_refused(self, why: str) -> None:
        """Ask for another name."""
        self._paper.put(notice(why))
        self._ask_name()

    def ended(self, why: str | None) -> None:
        """It is over."""
        if why is None and self.conversation.came:
            self._paper.put(notice(wording.GOODBYE.format(name=self.conversation.name)))
        self._end(0 if why is None else 1, why)

    # What the person does: see Host

    def typed(self, text: str) -> None:
        """Take what was typed; tell if it could not be done."""
        if self._naming:
            self._introduced(text)
            return
        if not text.strip():
            # Whoever presses Enter has seen what there is.
            self.conversation.unread.read_all()
            return
        if not self.conversation.came and not commands.is_command(text):
            self.conversation.tell("there was no connection yet: try it again when there is")
            return
        try:
            commands.obey(self.conversation, text, self._longest)
        except Refused as refusal:
            self.conversation.tell(str(refusal))

    def touched(self) -> None:
        """Note that somebody is there, who reads what is on the screen."""
        self._touched_at = self._reactor.seconds()

    def pasted(self, text: str, whole: str) -> bool:
        """Ask about a paste that is long."""
        if self._naming or not pastes.is_long(text):
            return False
        lines = pastes.lines_of(whole)
        self.conversation.tell(*pastes.preview(lines, self._desk.columns or 80))

        def answered(yes: bool) -> None:
            if not yes:
                self.conversation.tell("nothing of it was sent")
            else:
                self._desk.enter(whole)

        self._desk.ask(f"send {pastes.count(lines)}? y/n ", answered)
        return True

    def left(self) -> None:
        """Leave: that was Ctrl-D, or Ctrl-C."""
        self._leave("")

    def hung_up(self) -> None:
        """There is no terminal any more."""
        if self._status is None:
            self._status = 1 if self.seat.unstored else 0
            self.seat.stop()
            self._desk.close()

    def status(self, columns: int, typed: str) -> StyleAndTextTuples:
        """Render the line below the one that is typed."""
        if self._leaving:
            return hint("leaving: Ctrl-D again leaves at once", columns)
        usage = self._where if self._naming else commands.usage_of(typed)
        if usage is not None:
            return hint(usage, columns)
        seen_until = min(self._touched_at, self._reactor.seconds() - SEEN)
        self.conversation.unread.read_until(seen_until)
        room = self.conversation.room
        seen = self.conversation.rooms.get(room or "")
        pause = None
        if self._again_at is not None:
            pause = max(0, math.ceil(self._again_at - self._reactor.seconds()))
        state = State(
            room=room,
            people=None if seen is None else seen.people,
            unread=self.conversation.unread.counts,
            unsent=len(self._unsent_now()),
            connected=self.seat.connected,
            latency=self.seat.latency,
            pause=pause,
        )
        return status(state, columns)

    def unsent(self, columns: int) -> list[str]:
        """Return what is not sent yet, as it is to be shown."""
        return self._unsent.rows(self._unsent_now(), columns)

    def _unsent_now(self) -> list[Sent]:
        return self._unsent.late(self.seat.unstored, self.seat.connected)

    # What Tab completes: see Known

    def people(self) -> list[str]:
        """List who is in the current room."""
        return self._others(self.conversation.people.there(self.conversation.room))

    def everybody(self) -> list[str]:
        """List whom one could write to."""
        return self._others(self.conversation.people.known(self.conversation.room))

    def known_rooms(self) -> list[str]:
        """List the rooms that are known."""
        return self.conversation.rooms_known

    def _others(self, names: list[str]) -> list[str]:
        return [name for name in names if name != self.seat.name]

    # The name, and the end

    def _ask_name(self) -> None:
        self._naming = True
        self._desk.prompt(ASK_NAME)

    def _introduced(self, text: str) -> None:
        name = safe(text.strip().partition("\n")[0])
        if name:
            self._naming = False
            self._desk.prompt()
            self.seat.introduce(name)

    def _leave(self, text: str) -> None:
        if self._leaving:
            self.seat.stop()
            self._end(1 if self.seat.unstored else 0)
            return
        self._leaving = True
        self.seat.quit(text)
        if self._status is None and not self.seat.connected:
            unsent = pastes.count([sent.request.text for sent in self.seat.unstored])
            self.conversation.tell(f"{unsent} not sent yet: Ctrl-D again leaves without")
        self._desk.refresh()

    def _end(self, status: int, why: str | None = None) -> None:
        """End; the first to say so decides the status."""
        if self._status is None:
            self._status, self._why = status, why
            if self._opened:
                self._paper.flush()
                self._desk.close()

    def _closed(self, result: object) -> None:
        """The terminal is as it was."""
        if isinstance(result, Failure):
            self.seat.stop()
            self._status, self._why = 1, result.getErrorMessage()
        if self._why is not None:
            complain(self._why)
        self.done.callback(1 if self._status is None else self._status)


def _pass_on(status: int, waiting: Deferred[int]) -> int:
    waiting.callback(status)
    return status
