"""The library for bots: connect, say, and iterate over events.

A bot that repeats the text after ``!echo``::

    from twisted.internet.task import react

    from chatservice.client import connect


    async def main(reactor):
        chat = await connect("localhost:7007", name="echo", rooms=["lobby"], reactor=reactor)
        async for event in chat:
            if event.type == "said" and event.text.startswith("!echo "):
                await chat.say(event.room, event.text.removeprefix("!echo "))


    react(main)

A lost connection is made again: no event is left out or given twice, and all talk is stored once.
The log gets the server's sentences to people, and each loss of the connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorCore, IStreamClientEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice import messages
from chatservice.client.address import BadAddress, endpoint_at
from chatservice.client.session.bookmark import Remembered
from chatservice.client.session.outgoing import OVER, error_in
from chatservice.client.session.session import Listener, Session
from chatservice.clock import go_by_monotonic

FULL: Final = 4096
"""Events in the inbox at which reading from the server pauses …"""

HALF_EMPTY: Final = 2048
"""… and the number below which it goes on."""


class ChatError(Exception):
    """A refused request, or the end of the chat; ``str()`` is a sentence.

    :ivar code: the server's error code (:class:`chatservice.messages.Code`); None if the error is
        not the server's.
    """

    def __init__(self, sentence: str, code: str | None = None) -> None:
        super().__init__(sentence)
        self.code = code


class Chat(AsyncIterator[messages.Event]):
    """A program's session in the chat; :func:`connect` makes it.

    Iterate to get each :class:`Event` in order, without the program's own talk. The iteration ends
    after :meth:`quit` or :meth:`stop`; any other end raises a :class:`ChatError` that says why.
    While the program does not iterate, the server waits, unless the program awaits an answer.

    Every Deferred fails with :class:`ChatError` if the request is refused or the chat ends.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    @property
    def name(self) -> str:
        """The name of the session."""
        return self._inbox.session.name or ""

    @property
    def rooms(self) -> Mapping[str, messages.RoomSeen]:
        """The rooms that the session is in, by their names."""
        return self._inbox.session.rooms

    @property
    def connected(self) -> bool:
        """Whether there is a connection now; without one, requests wait."""
        return self._inbox.session.connected

    @property
    def gaps(self) -> int:
        """The number of times that missed events were lost, as the server had forgotten them."""
        return self._inbox.gaps

    def __aiter__(self) -> Chat:
        """Return the chat itself, which is the iterator of its events."""
        return self

    async def __anext__(self) -> messages.Event:
        """Wait for the next event.

        :raises ChatError: if the chat ended without :meth:`quit` or :meth:`stop`.
        """
        event = await self._inbox.next()
        if event is None:
            raise StopAsyncIteration
        return event

    # Talk: each Deferred fires with the id of the event when it is stored

    def say(self, room: str, text: str) -> Deferred[int]:
        """Say one line in a room."""
        return self._inbox.talk(messages.Say(room=room, text=text))

    def do(self, room: str, text: str) -> Deferred[int]:
        """Describe an action in a room: ``* ana waves``."""
        return self._inbox.talk(messages.Do(room=room, text=text))

    def private(self, to: str, text: str) -> Deferred[int]:
        """Write to one person.

        :param to: a name.
        """
        return self._inbox.talk(messages.Private(to=to, text=text))

    def reply(self, event: messages.Event, text: str) -> Deferred[int]:
        """Answer a private event, to the session of its author, even after a change of name.

        The server refuses it (``not_here``) if that session is gone: nobody who has taken the
        name since gets the answer.

        :param event: a ``private`` one.
        """
        if event.session is None:
            return fail(ChatError("that can't be answered: the event has no session of its author"))
        return self._inbox.talk(messages.Private(session=event.session, text=text))

    def set_topic(self, room: str, text: str) -> Deferred[int]:
        """Set the topic of a room; an empty text removes it."""
        return self._inbox.talk(messages.Topic(room=room, text=text))

    # Questions: each Deferred fires with the answer

    def join(self, room: str) -> Deferred[messages.RoomSeen]:
        """Join a room; fires with its name, the number of people, and its topic."""
        return self._inbox.ask(messages.Join(room=room)).addCallback(
            lambda ok: messages.RoomSeen(
                room=ok.room or room, people=ok.people or 1, topic=ok.topic or ""
            )
        )

    def leave(self, room: str) -> Deferred[None]:
        """Leave a room."""
        return self._inbox.ask(messages.Leave(room=room)).addCallback(_nothing)

    def nick(self, name: str) -> Deferred[str]:
        """Take another name; fires with the new name."""
        return self._inbox.ask(messages.Nick(name=name)).addCallback(lambda _: self.name)

    def away(self, text: str = "") -> Deferred[None]:
        """Be shown as away until the next talk.

        :param text: why.
        """
        return self._inbox.ask(messages.Away(text=text)).addCallback(_nothing)

    def who(self, room: str) -> Deferred[messages.WhoIs]:
        """Ask for the people in a room."""
        return self._inbox.ask(messages.Who(room=room))

    def list_names(self, page: int = 1) -> Deferred[messages.NameList]:
        """Ask for the names of all people, in rooms or in none.

        :param page: of 500 names each, from 1 on.
        """
        return self._inbox.ask(messages.Names(page=page))

    def list_rooms(self) -> Deferred[messages.RoomList]:
        """Ask for the list of rooms."""
        return self._inbox.ask(messages.Rooms())

    def whois(self, name: str) -> Deferred[messages.About]:
        """Ask about one person."""
        return self._inbox.ask(messages.LookUp(name=name))

    def uptime(self) -> Deferred[messages.Up]:
        """Ask for the time at which the server started."""
        return self._inbox.ask(messages.Uptime())

    def history(
        self, room: str, before: int | None = None, after: int | None = None, limit: int = 50
    ) -> Deferred[messages.Past]:
        """Ask for the past of a room: the last events before an id, or the first after one."""
        return self._inbox.ask(messages.History(room=room, before=before, after=after, limit=limit))

    # The end

    def quit(self, text: str = "") -> Deferred[None]:
        """Leave the chat once all talk is stored or refused; fires when that is done.

        :param text: parting words.
        """
        return self._inbox.quit(text)

    def stop(self) -> None:
        """Hang up without leaving: the server keeps the session for some time."""
        self._inbox.stop()


def connect(
    where: str | IStreamClientEndpoint,
    name: str,
    *,
    rooms: Sequence[str] = (),
    remembered: Remembered | None = None,
    keep: Callable[[Remembered], None] | None = None,
    reactor: Any = None,
    patient: bool = True,
) -> Deferred[Chat]:
    """Connect to a server, and come into the chat.

    :param where: ``HOST``, ``HOST:PORT``, or an endpoint: Twisted's object or its description.
    :param rooms: the rooms to be in; without any, the server's first.
    :param remembered: the last argument of ``keep``: the program goes on with the event that
        it was at. After a crash, events of the last second may be given again.
    :param keep: is called, about once a second, with the place to save for a later process.
    :param reactor: None for that of the process. If it goes by the wall clock, as Twisted's do, it
        goes by a monotonic one from then on (:mod:`chatservice.clock`), so that a change of the
        machine's clock delays no new connection.
    :param patient: whether to retry, after growing pauses, if the server is not there at first; a
        connection that is lost later is always made again.
    :return: fires at the server's welcome. It fails with :class:`ChatError` if the address is
        invalid, the name is refused, or the server can't be trusted or refuses the client.
    """
    if reactor is None:
        from twisted.internet import reactor
    go_by_monotonic(reactor)
    try:
        endpoint = endpoint_at(reactor, where) if isinstance(where, str) else where
    except BadAddress as error:
        return fail(ChatError(str(error)))
    inbox = Inbox(keep, patient)
    inbox.session = Session(
        reactor,
        endpoint,
        where if isinstance(where, str) else "the server",
        inbox,
        name,
        rooms,
        remembered,
        inbox.keep,
    )
    if IReactorCore.providedBy(reactor):
        # Saves the place once more, up to the last event.
        trigger = reactor.addSystemEventTrigger("before", "shutdown", inbox.shut_down)
        inbox.at_end = partial(reactor.removeSystemEventTrigger, trigger)
    inbox.session.start()
    return inbox.welcome.addCallback(lambda _: Chat(inbox))


def _nothing(answer: object) -> None:
    """Replace an answer that has no content by None."""


class Inbox(Listener):
    """Keeps the events of a session until the program takes them.

    While the program awaits an answer, the events that come before the answer are kept here.

    :param keep: see :func:`connect`.
    :param patient: see :func:`connect`.
    :ivar welcome: fires at the first welcome.
    :ivar at_end: is called at the end of the chat.
    :ivar gaps: the number of times that missed events were lost.
    """

    session: Session
    log = Logger()

    def __init__(self, keep: Callable[[Remembered], None] | None, patient: bool) -> None:
        self._keep = keep
        self._patient = patient
        self.welcome: Deferred[None] = Deferred(lambda _: self.stop())
        self.gaps = 0
        self._events: deque[messages.Event] = deque()
        self._taken: messages.Event | None = None
        self._takers: deque[Deferred[messages.Event | None]] = deque()
        self._unanswered = 0
        self._quits: list[Deferred[None]] = []
        self._paused = False
        self._over = False
        self._why: str | None = None
        self.at_end: Callable[[], object] | None = None

    # The program

    def next(self) -> Deferred[messages.Event | None]:
        """Return a Deferred of the next event, or of None at the end of the chat."""
        if self._taken is not None:
            self._taken = None
            self.session.keep_soon()
        if self._events:
            event = self._taken = self._events.popleft()
            self._pause_or_resume()
            return succeed(event)
        if self._over:
            return succeed(None) if self._why is None else fail(self._closed())
        taker: Deferred[messages.Event | None] = Deferred(self._takers.remove)
        self._takers.append(taker)
        return taker

    def talk(self, request: messages.Talk) -> Deferred[int]:
        """Send talk; fires with the id of its event when it is stored."""
        if self._over:
            return fail(self._closed())
        return self._awaited(self.session.talk(request).answer).addCallback(lambda sent: sent.id)

    def ask(self, request: messages.Request) -> Deferred[Any]:
        """Send a question; fires with the answer."""
        if self._over:
            return fail(self._closed())
        return self._awaited(self.session.ask(request))

    def _awaited(self, answer: Deferred[Any]) -> Deferred[Any]:
        self._unanswered += 1
        self._pause_or_resume()
        return answer.addBoth(self._answered).addErrback(_refusal)

    def _answered(self, answer: object) -> object:
        self._unanswered -= 1
        self._pause_or_resume()
        return answer

    def quit(self, text: str) -> Deferred[None]:
        """Leave the chat. The Deferred fires when that is done."""
        if self._over:
            return succeed(None)
        leaving: Deferred[None] = Deferred()
        self._quits.append(leaving)
        self._pause_or_resume()
        self.session.quit(text)
        return leaving

    def stop(self) -> None:
        """Hang up without leaving."""
        self.ended(None)

    def shut_down(self) -> None:
        """Hang up before the reactor stops."""
        # A trigger that has fired can't be removed.
        self.at_end = None
        self.stop()

    def keep(self, remembered: Remembered) -> None:
        """Save the place of the last event that the program is done with."""
        if self._keep is not None:
            first = self._taken or next(iter(self._events), None)
            if first is not None:
                remembered = remembered._replace(since=min(remembered.since, first.id - 1))
            self._keep(remembered)

    def _pause_or_resume(self) -> None:
        most = HALF_EMPTY if self._paused else FULL
        paused = len(self._events) >= most and not (self._unanswered or self._quits or self._over)
        if paused != self._paused:
            self._paused = paused
            if paused:
                self.session.pauseProducing()
            else:
                self.session.resumeProducing()

    # The session

    def welcomed(self, welcome: messages.Welcome) -> None:
        """Fire ``welcome``, the first time."""
        if not self.welcome.called:
            self.welcome.callback(None)

    def happened(self, event: messages.Event) -> None:
        """Give an event to the first caller of :meth:`next` that waits, or keep it."""
        if self._takers:
            self._taken = event
            self._takers.popleft().callback(event)
        else:
            self._events.append(event)
            self._pause_or_resume()

    def noticed(self, text: str) -> None:
        """Log a sentence of the server to people."""
        self.log.info("the server says: {text}", text=text)

    def gapped(self) -> None:
        """Count and log a gap in the events."""
        self.gaps += 1
        self.log.warn("something that was missed can't be told any more")

    def lost(self, why: str, pause: float) -> None:
        """Log the loss; end if there was no welcome yet and the program is not patient."""
        if self._patient or self.welcome.called:
            self.log.warn("{why}; trying again in {pause:.1f} s", why=why, pause=pause)
        else:
            self.ended(why)

    def name_refused(self, why: str) -> None:
        """End the chat: a program has no other name to give."""
        self.ended(f"the name was refused: {why}")

    # The end

    def _closed(self) -> ChatError:
        return ChatError(self._why or "the chat is over")

    def ended(self, why: str | None) -> None:
        """End the chat, and fire all Deferreds that wait.

        :param why: the reason for their :class:`ChatError`; None if the program wanted the end.
        """
        if self._over:
            return
        self._over, self._why = True, why
        self.session.stop()
        if self.at_end is not None:
            self.at_end()
        if not self.welcome.called:
            self.welcome.errback(self._closed())
        for leaving in self._quits:
            self._finish(leaving)
        while self._takers:
            self._finish(self._takers.popleft())

    def _finish(self, waiting: Deferred[Any]) -> None:
        if self._why is None:
            waiting.callback(None)
        else:
            waiting.errback(self._closed())


def _refusal(failure: Failure) -> Any:
    error = error_in(failure)
    raise ChatError(error.text, None if error.code == OVER else error.code) from None
