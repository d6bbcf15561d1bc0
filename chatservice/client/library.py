"""The chat for programs: connect, say, and iterate over what happens.

A bot that repeats what it is told to::

    from twisted.internet.task import react

    from chatservice.client import connect


    async def main(reactor):
        chat = await connect("localhost:7007", name="echo", rooms=["lobby"], reactor=reactor)
        async for event in chat:
            if event.type == "said" and event.text.startswith("!echo "):
                await chat.say(event.room, event.text.removeprefix("!echo "))


    react(main)

The connection may be lost and made again meanwhile: no event is left out or given twice, and what
was said is stored once. What the server has to say to people, and when the connection was lost, is
logged.
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
"""Events that wait until nothing more is read …"""

HALF_EMPTY: Final = 2048
"""… before there are so few again."""


class ChatError(Exception):
    """Something was not done, or the chat is over; ``str()`` is a sentence.

    :ivar code: for a program, if it is the server that says so
        (:class:`chatservice.messages.Code`).
    """

    def __init__(self, sentence: str, code: str | None = None) -> None:
        super().__init__(sentence)
        self.code = code


class Chat(AsyncIterator[messages.Event]):
    """A place in the chat, under a name; :func:`connect` makes it.

    Iterating gives each :class:`Event`, but not what one said oneself, in order. It ends when it
    is over: with a :class:`ChatError` that says why, unless that was wanted. Whoever does not
    iterate is waited for: then nothing is read, unless an answer is awaited.

    All that returns a Deferred fails with :class:`ChatError` if it is not done.
    """

    def __init__(self, session: Session, inbox: Inbox) -> None:
        self._session = session
        self._inbox = inbox

    @property
    def name(self) -> str:
        """The name that it has."""
        assert self._session.name is not None
        return self._session.name

    @property
    def rooms(self) -> Mapping[str, messages.RoomSeen]:
        """The rooms that it is in, by their names."""
        return self._session.rooms

    @property
    def connected(self) -> bool:
        """Whether there is a connection just now; without one, all that is asked waits."""
        return self._session.connected

    @property
    def gaps(self) -> int:
        """The number of times that missed events could not be told any more."""
        return self._inbox.gaps

    def __aiter__(self) -> Chat:
        """Give each event."""
        return self

    async def __anext__(self) -> messages.Event:
        """Wait for the next event.

        :raises ChatError: if it is over, and that was not wanted.
        """
        event = await self._inbox.next()
        if event is None:
            raise StopAsyncIteration
        return event

    # Talk: each fires with the id when it is stored

    def say(self, room: str, text: str) -> Deferred[int]:
        """Say one line in a room."""
        return self._inbox.talk(messages.Say(room=room, text=text))

    def do(self, room: str, text: str) -> Deferred[int]:
        """Do something in a room: ``* ana waves``."""
        return self._inbox.talk(messages.Do(room=room, text=text))

    def private(self, to: str, text: str) -> Deferred[int]:
        """Write to one person.

        :param to: a name.
        """
        return self._inbox.talk(messages.Private(to=to, text=text))

    def reply(self, event: messages.Event, text: str) -> Deferred[int]:
        """Answer something private: to its author, whatever they are called by now.

        It is refused (``not_here``) if they are not here any more; no other gets it who has come
        under their name.

        :param event: a ``private`` one.
        """
        if event.session is None:
            return fail(
                ChatError("that can't be answered: it does not tell whose session it is of")
            )
        return self._inbox.talk(messages.Private(session=event.session, text=text))

    def set_topic(self, room: str, text: str) -> Deferred[int]:
        """Give a room a topic; an empty text takes it away."""
        return self._inbox.talk(messages.Topic(room=room, text=text))

    # Questions: each fires with the answer

    def join(self, room: str) -> Deferred[messages.RoomSeen]:
        """Go into a room, and see how it looks."""
        return self._inbox.ask(messages.Join(room=room)).addCallback(
            lambda ok: messages.RoomSeen(
                room=ok.room or room, people=ok.people or 1, topic=ok.topic or ""
            )
        )

    def leave(self, room: str) -> Deferred[None]:
        """Go out of a room."""
        return self._inbox.ask(messages.Leave(room=room)).addCallback(_nothing)

    def nick(self, name: str) -> Deferred[str]:
        """Take another name; fires with it."""
        return self._inbox.ask(messages.Nick(name=name)).addCallback(lambda _: self.name)

    def away(self, text: str = "") -> Deferred[None]:
        """Be shown as away until something is said.

        :param text: why.
        """
        return self._inbox.ask(messages.Away(text=text)).addCallback(_nothing)

    def who(self, room: str) -> Deferred[messages.WhoIs]:
        """Ask who is in a room."""
        return self._inbox.ask(messages.Who(room=room))

    def list_names(self, page: int = 1) -> Deferred[messages.NameList]:
        """Ask who is here, in whatever rooms, or in none: a page of 500, from 1 on."""
        return self._inbox.ask(messages.Names(page=page))

    def list_rooms(self) -> Deferred[messages.RoomList]:
        """Ask which rooms there are."""
        return self._inbox.ask(messages.Rooms())

    def whois(self, name: str) -> Deferred[messages.About]:
        """Ask about one person."""
        return self._inbox.ask(messages.LookUp(name=name))

    def uptime(self) -> Deferred[messages.Up]:
        """Ask since when the server runs."""
        return self._inbox.ask(messages.Uptime())

    def history(
        self, room: str, before: int | None = None, after: int | None = None, limit: int = 50
    ) -> Deferred[messages.Past]:
        """Ask what was said in a room: the last before an id, or the first after one."""
        return self._inbox.ask(messages.History(room=room, before=before, after=after, limit=limit))

    # The end

    def quit(self, text: str = "") -> Deferred[None]:
        """Leave when all that was said is stored or refused; fires when that is done.

        :param text: parting words.
        """
        return self._inbox.quit(text)

    def stop(self) -> None:
        """Hang up without a word: the server keeps the place for some time."""
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
    """Come into the chat.

    :param where: ``HOST``, ``HOST:PORT``, or an endpoint, as Twisted's or in its words.
    :param rooms: to be in; without any, the first of the house.
    :param remembered: what ``keep`` was called with last: the program goes on with the event that
        it was at. After a crash, events of the last second may be given again.
    :param keep: is called with what has to outlive the process for that, about once a second.
    :param reactor: None for that of the process. If it goes by the wall clock, as Twisted's do, it
        goes by a monotonic one from then on (:mod:`chatservice.clock`): connections are made again
        in time although the clock of the machine was set.
    :param patient: whether to try again, after growing pauses, if the server is not there now;
        once there was a connection, it is always tried again.
    :return: fires when the server has welcomed. It fails with :class:`ChatError` if the address is
        none, the name can't be had, or the server is not to be trusted or does not want us.
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
        # Then the remembered place is right to the last event.
        trigger = reactor.addSystemEventTrigger("before", "shutdown", inbox.shut_down)
        inbox.at_end = partial(reactor.removeSystemEventTrigger, trigger)
    inbox.session.start()
    return inbox.welcome.addCallback(lambda _: Chat(inbox.session, inbox))


def _nothing(answer: object) -> None:
    """Forget an answer that says no more than that it is one."""


class Inbox(Listener):
    """The events of a program, until it takes them.

    While somebody waits for an answer, events that come before it are read, and wait here.

    :param keep: see :func:`connect`.
    :param patient: whether a server that is not there is waited for at the beginning.
    :ivar welcome: fires at the first welcome.
    :ivar at_end: is called when it is over.
    :ivar gaps: how many times something could not be told any more.
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
        """Give the next event, when there is one; None when it is over."""
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
        """Say something; fires with its id when it is stored."""
        if self._over:
            return fail(self._closed())
        return self._awaited(self.session.talk(request).answer).addCallback(lambda sent: sent.id)

    def ask(self, request: messages.Request) -> Deferred[Any]:
        """Ask something."""
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
        """Leave; fires when that is done."""
        if self._over:
            return succeed(None)
        leaving: Deferred[None] = Deferred()
        self._quits.append(leaving)
        self._pause_or_resume()
        self.session.quit(text)
        return leaving

    def stop(self) -> None:
        """Hang up."""
        self._finish(None)

    def shut_down(self) -> None:
        """Hang up, as the reactor stops."""
        # A trigger that has fired is not to be removed.
        self.at_end = None
        self.stop()

    def keep(self, remembered: Remembered) -> None:
        """Keep as received what the program has taken, and not what waits for it."""
        if self._keep is not None:
            first = self._taken or next(iter(self._events), None)
            if first is not None:
                remembered = remembered._replace(since=min(remembered.since, first.id - 1))
            self._keep(remembered)

    def _pause_or_resume(self) -> None:
        awaited = bool(self._unanswered or self._quits)
        most = HALF_EMPTY if self._paused else FULL
        paused = len(self._events) >= most and not awaited and not self._over
        if paused != self._paused:
            self._paused = paused
            if paused:
                self.session.pauseProducing()
            else:
                self.session.resumeProducing()

    # The session

    def welcomed(self, welcome: messages.Welcome) -> None:
        """Tell that there is a connection, the first time."""
        if not self.welcome.called:
            self.welcome.callback(None)

    def happened(self, event: messages.Event) -> None:
        """Give an event to the one who waits for it, or have it wait."""
        if self._takers:
            self._taken = event
            self._takers.popleft().callback(event)
        else:
            self._events.append(event)
            self._pause_or_resume()

    def noticed(self, text: str) -> None:
        """Log what is for people."""
        self.log.info("the server says: {text}", text=text)

    def gapped(self) -> None:
        """Count it."""
        self.gaps += 1
        self.log.warn("something that was missed can't be told any more")

    def lost(self, why: str, pause: float) -> None:
        """Log it; if there never was a connection, that may be all there is to say."""
        if self._patient or self.welcome.called:
            self.log.warn("{why}; trying again in {pause:.1f} s", why=why, pause=pause)
        else:
            self._finish(why)

    def name_refused(self, why: str) -> None:
        """End: there is nobody to think of another name."""
        self._finish(f"the name was refused: {why}")

    def ended(self, why: str | None) -> None:
        """End."""
        self._finish(why)

    # The end

    def _closed(self) -> ChatError:
        return ChatError(self._why or "the chat is over")

    def _finish(self, why: str | None) -> None:
        if self._over:
            return
        self._over, self._why = True, why
        self.session.stop()
        if self.at_end is not None:
            self.at_end()
        if not self.welcome.called:
            self.welcome.errback(self._closed())
        for leaving in self._quits:
            self._finish_one(leaving)
        while self._takers:
            self._finish_one(self._takers.popleft())

    def _finish_one(self, waiting: Deferred[Any]) -> None:
        if self._why is None:
            waiting.callback(None)
        else:
            waiting.errback(self._closed())


def _refusal(failure: Failure) -> Any:
    error = error_in(failure)
    raise ChatError(error.text, None if error.code == OVER else error.code) from None
