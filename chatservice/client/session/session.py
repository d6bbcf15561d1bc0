"""A session, from welcome to welcome: what the server tells once it has welcomed.

What decides is small: the last id that was given (:mod:`~chatservice.client.session.bookmark`),
and what was sent and not answered (:mod:`~chatservice.client.session.outgoing`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from twisted.python.failure import Failure

from chatservice import messages
from chatservice.client.session.bookmark import Bookmark
from chatservice.client.session.lines import Lines
from chatservice.client.session.listening import Listener
from chatservice.client.session.outgoing import Outgoing, Refused, Sent
from chatservice.client.session.rooms import RoomsSeen

OVER: Final = "over"
"""The code with which questions fail that are never answered."""


class Session:
    """What the listener is told is told here, but for what connections and names are like.

    :ivar latency: seconds to the server and back, at the last ping.
    """

    latency: float | None = None

    def __init__(self, listener: Listener, bookmark: Bookmark, rooms: RoomsSeen) -> None:
        self.bookmark = bookmark
        self.rooms = rooms
        self.outgoing = Outgoing()
        self._listener = listener
        self._lines: Lines | None = None
        self._stored_before = 0
        self._catching_up = False
        self._missed = 0

    @property
    def connected(self) -> bool:
        """Whether there is a connection on which the server has welcomed."""
        return self._lines is not None

    # Connections

    def hello(self) -> messages.Hello:
        """Introduce oneself, to begin a session or to go on with it."""
        return self.bookmark.hello(self.rooms.to_be_in())

    def welcomed(self, lines: Lines, welcome: messages.Welcome) -> None:
        """Go on, or begin again."""
        self._lines = lines
        doubtful: list[Sent] = []
        if welcome.resumed:
            self.outgoing.resumed(welcome.seq)
        else:
            self._missed = 0
            known = welcome.journal == self.bookmark.journal
            doubtful = self.outgoing.begin_again(welcome.seq, known)
        self._stored_before = welcome.seq
        self.bookmark.welcomed(welcome)
        for join in reversed(self.rooms.welcomed(welcome)):
            self.outgoing.ask(join, first=True).addErrback(self._not_let_in)
        lines.ping()
        self._catching_up = welcome.resumed
        self._listener.welcomed(welcome, welcome.resumed)
        if welcome.gap and self.connected:
            self._listener.gapped()
        for sent in doubtful:
            if self.connected:
                self._listener.refused(sent, _doubt(sent))

    def lost(self) -> None:
        """Keep what is unanswered: the connection is no more."""
        self._lines = None
        self.outgoing.lost()
        if not self._catching_up:
            self._missed = 0

    def flush(self) -> None:
        """Send what may be sent now."""
        while self._lines is not None:
            request = self.outgoing.next()
            if request is None:
                return
            self._lines.send(request)

    def close(self, why: str | None) -> None:
        """Keep what is to be kept; all that was asked fails now."""
        self._lines = None
        self.bookmark.close()
        self.outgoing.fail(over(why))

    # What the server says

    def heard(self, reply: messages.Reply) -> None:
        """Do what a message means."""
        if isinstance(reply, messages.Event):
            self._happened(reply)
        elif isinstance(reply, messages.Error):
            self._refused(reply)
        elif isinstance(reply, messages.Ok) and reply.seq is not None and reply.id is not None:
            self._stored(reply.seq, reply.id, reply.at)
        elif isinstance(reply, messages.Live):
            self._caught_up()
        else:
            if isinstance(reply, messages.Pong) and self._lines is not None:
                self.latency = self._lines.latency
            self._answered(reply)

    def _happened(self, event: messages.Event) -> None:
        if not self.bookmark.is_new(event.id):
            return
        self.bookmark.reached(event.id)
        self._missed += 1
        self.rooms.happened(event, self.bookmark.name, not self._catching_up)
        self._listener.happened(event)

    def _stored(self, seq: int, number: int, at: str | None) -> None:
        # What was stored before the connection may be told of again, out of its place.
        if seq > self._stored_before:
            self.bookmark.reached(number)
        sent = self.outgoing.answered_talk(seq)
        if sent is not None:
            sent.id, sent.at = number, at
            self.rooms.stored(sent.request)
            self._listener.stored(sent, number)

    def _refused(self, error: messages.Error) -> None:
        if sent := self.outgoing.answered_talk(error.seq):
            self._listener.refused(sent, error)
        elif asked := self.outgoing.answered(error.ref):
            if asked.again and _is_done(asked.request, error):
                room = getattr(asked.request, "room", None)
                asked.answer.callback(messages.Ok(to=asked.request.type, room=room, ref=asked.ref))
            else:
                asked.answer.errback(Refused(replace(error, ref=asked.ref)))
        else:
            self._listener.noticed(error.text)

    def _caught_up(self) -> None:
        """All that was missed has come: what is stored and still without a receipt is asked for."""
        lines = self._lines
        assert lines is not None
        if not self._catching_up:
            return
        self._catching_up, missed = False, self._missed
        for request in self.outgoing.unsettled(self._stored_before):
            lines.send(request)
        self._listener.caught_up(missed)

    def _answered(self, reply: messages.Reply) -> None:
        if (
            isinstance(reply, messages.Ok)
            and reply.to == messages.Nick.type
            and reply.name is not None
        ):
            self.bookmark.renamed(reply.name)
        self.rooms.answered(reply)
        asked = self.outgoing.answered(getattr(reply, "ref", None))
        if asked is None:
            return
        if isinstance(reply, _ANSWERS.get(type(asked.request), messages.Ok)):
            asked.answer.callback(replace(reply, ref=asked.ref))  # type: ignore[call-arg]
        else:
            asked.answer.errback(Refused(_wrong(reply, asked.request)))

    def _not_let_in(self, failure: Failure) -> None:
        error = failure.value
        if isinstance(error, Refused) and error.error.code != OVER:
            self._listener.noticed(error.error.text)


_ANSWERS: Final[dict[type[messages.Request], type[messages.Reply]]] = {
    messages.Who: messages.WhoIs,
    messages.Names: messages.NameList,
    messages.Rooms: messages.RoomList,
    messages.History: messages.Past,
    messages.LookUp: messages.About,
    messages.Uptime: messages.Up,
    messages.Ping: messages.Pong,
}
"""With what a question is answered, if not with an ``ok``."""


def _wrong(reply: messages.Reply, request: messages.Request) -> messages.Error:
    return messages.Error(
        code=messages.Code.WENT_WRONG.value,
        text=f"the answer to {request.type} was {reply.type}",
        to=request.type,
        ref=request.ref,
    )


def over(why: str | None) -> messages.Error:
    """Say why a question has no answer."""
    return messages.Error(code=OVER, text=why or "the chat is over")


def _is_done(request: messages.Request, error: messages.Error) -> bool:
    """Tell whether what is asked for again was done the first time."""
    return isinstance(request, messages.Leave) and error.code == messages.Code.NOT_IN_ROOM


def _doubt(sent: Sent) -> messages.Error:
    return messages.Error(
        code=messages.Code.SEQ_UNKNOWN.value,
        text="the session is no more, and whether that was stored can't be told",
        to=sent.request.type,
        seq=sent.seq,
    )
