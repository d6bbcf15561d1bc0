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

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorCore, IStreamClientEndpoint

from chatservice import messages
from chatservice.client.address import BadAddress, endpoint_at
from chatservice.client.inbox import ChatError, Inbox
from chatservice.client.session.bookmark import Remembered
from chatservice.client.session.session import Session
from chatservice.clock import go_by_monotonic

_Answer = TypeVar("_Answer", bound=messages.Reply)


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
        """How many times something that was missed could not be told any more."""
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
        return self._ask(messages.Join(room=room), messages.Ok).addCallback(
            lambda ok: messages.RoomSeen(
                room=ok.room or room, people=ok.people or 1, topic=ok.topic or ""
            )
        )

    def leave(self, room: str) -> Deferred[None]:
        """Go out of a room."""
        return self._ask(messages.Leave(room=room), messages.Ok).addCallback(_nothing)

    def nick(self, name: str) -> Deferred[str]:
        """Take another name; fires with it."""
        return self._ask(messages.Nick(name=name), messages.Ok).addCallback(lambda _: self.name)

    def away(self, text: str = "") -> Deferred[None]:
        """Be shown as away until something is said.

        :param text: why.
        """
        return self._ask(messages.Away(text=text), messages.Ok).addCallback(_nothing)

    def who(self, room: str) -> Deferred[messages.WhoIs]:
        """Ask who is in a room."""
        return self._ask(messages.Who(room=room), messages.WhoIs)

    def list_names(self, page: int = 1) -> Deferred[messages.NameList]:
        """Ask who is here, in whatever rooms, or in none: a page of 500, from 1 on."""
        return self._ask(messages.Names(page=page), messages.NameList)

    def list_rooms(self) -> Deferred[messages.RoomList]:
        """Ask which rooms there are."""
        return self._ask(messages.Rooms(), messages.RoomList)

    def whois(self, name: str) -> Deferred[messages.About]:
        """Ask about one person."""
        return self._ask(messages.LookUp(name=name), messages.About)

    def uptime(self) -> Deferred[messages.Up]:
        """Ask since when the server runs."""
        return self._ask(messages.Uptime(), messages.Up)

    def history(
        self, room: str, before: int | None = None, after: int | None = None, limit: int = 50
    ) -> Deferred[messages.Past]:
        """Ask what was said in a room: the last before an id, or the first after one."""
        return self._ask(
            messages.History(room=room, before=before, after=after, limit=limit), messages.Past
        )

    def _ask(self, request: messages.Request, kind: type[_Answer]) -> Deferred[_Answer]:
        """Ask; that the answer is of its kind was looked at where it came in."""
        return self._inbox.ask(request)

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
        # What is kept is then right to the last event.
        inbox.call_at_end(
            reactor.removeSystemEventTrigger,
            reactor.addSystemEventTrigger("before", "shutdown", inbox.shut_down),
        )
    inbox.session.start()
    return inbox.welcome.addCallback(lambda _: Chat(inbox.session, inbox))


def _nothing(answer: object) -> None:
    """Forget an answer that says no more than that it is one."""
