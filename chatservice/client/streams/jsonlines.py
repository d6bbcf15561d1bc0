"""The objects of the machine protocol on the standard streams, for ``jq`` and its like.

See :mod:`~chatservice.client.streams.program` for what the exit status is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from twisted.python.failure import Failure

from chatservice import messages
from chatservice.client.session.bookmark import Remembered
from chatservice.client.session.seat import Refused, Seat, Sent
from chatservice.client.streams.program import MOST, Program
from chatservice.client.streams.stdio import TOO_LONG
from chatservice.text import wording


class JsonLines(Program):
    """What is read is asked for, and all that the server tells is written, an object a line.

    The connection is the client's matter: it gives the ``hello`` when it has a name, else the first
    object has to be one; it comes back by itself, and each ``welcome`` is written. Each event is
    written once, and what was talked is stored once. It goes on where it was when it was last
    started under this name, so what happened meanwhile comes first.

    ``seq`` and ``ref`` of what is talked are for its answer alone, which has them too; without a
    ``seq``, that of the client. The ``token`` is written only to who gave the ``hello``.
    """

    _hides_token = True
    _skipping = False
    _rest = b""
    _gap_is_known = False
    _quit: messages.Quit | None = None

    def connectionMade(self) -> None:
        """Come in, if there is a name."""
        self._talked: dict[Sent, messages.Talk] = {}
        super().connectionMade()

    def come_in(
        self, name: str, rooms: Sequence[str], remembered: Remembered | None = None
    ) -> None:
        """Take a seat; what it tells waits while the output is full."""
        super().come_in(name, rooms, remembered)
        self.transport.registerProducer(self.seat, True)

    def tell(self, message: messages.Reply) -> None:
        """Write an object."""
        if not self.ending:
            self.transport.write(messages.encode(message).rstrip() + b"\n")

    # What is read

    def dataReceived(self, data: bytes) -> None:
        """Take some of the input, but for the rest of a line that is too long."""
        if self._skipping:
            _, end, data = data.partition(self.delimiter)
            self._skipping = not end
        super().dataReceived(data)  # type: ignore[no-untyped-call]
        while self._rest:
            rest, self._rest = self._rest, b""
            super().dataReceived(rest)  # type: ignore[no-untyped-call]

    def may_read(self) -> bool:
        """See :meth:`Program.may_read`: only so much is unanswered, and the rest is not read."""
        return self.seat is None or (self._welcomed and self._unanswered < MOST)

    def input_ended(self) -> None:
        """Leave when all is answered, if there was a hello."""
        if self.seat is None:
            self.end(1, "there is no name: give one with --name, or begin with a hello")
        super().input_ended()

    def typed(self, text: str) -> None:
        """Take a request; what is none is answered here."""
        if not text.strip() or self._quit is not None:
            return
        try:
            request = messages.request(text)
            if isinstance(request, messages.Hello):
                self._introduced(request)
            elif self.seat is None:
                raise _bad(request, messages.Code.HELLO_FIRST, "say hello first")
            else:
                self._pass_on(self.seat, request)
        except messages.BadMessage as bad:
            why = str(bad)
            self.refuse(why)
            code = bad.code.value
            self.tell(messages.Error(code=code, text=why, to=bad.to, ref=bad.ref, seq=bad.seq))

    def lineLengthExceeded(self, line: bytes) -> None:
        """Answer it like any other that is no request; what comes behind it counts."""
        _, end, self._rest = line.partition(self.delimiter)
        self._skipping = not end
        self.refuse(TOO_LONG)
        self.tell(messages.Error(code=messages.Code.TOO_LONG.value, text=TOO_LONG))

    def _introduced(self, hello: messages.Hello) -> None:
        if self.seat is not None:
            raise _bad(hello, messages.Code.WELCOME_ALREADY, "the hello was said already")
        if hello.name is None:
            raise _bad(hello, messages.Code.BAD_FIELD, "name is missing")
        self._hides_token = False
        remembered = None
        if hello.token is not None:
            if hello.journal is None or hello.since is None:
                raise _bad(hello, messages.Code.BAD_FIELD, "with a token go a journal and since")
            remembered = Remembered(hello.name, hello.token, hello.journal, hello.since)
        self.come_in(hello.name, hello.rooms or self._rooms, remembered)

    def _pass_on(self, seat: Seat, request: messages.Request) -> None:
        if isinstance(request, messages.Talk):
            self._talked[seat.talk(request)] = request
            self.asked()
        elif isinstance(request, messages.Quit):
            self._quit = request
            self._leaving = True
            self.pauseProducing()
            seat.quit(request.text)
        else:
            self.asked()
            answer = seat.ask(request)
            answer.addCallbacks(self.tell, self._not_done, errbackArgs=(request,))
            answer.addCallback(lambda _: self.answered())

    def _not_done(self, failure: Failure, request: messages.Request) -> None:
        refused = failure.trap(Refused) and failure.value
        assert isinstance(refused, Refused)
        self.refuse(str(refused))
        self.tell(replace(refused.error, to=request.type, ref=request.ref))

    def output_ended(self) -> None:
        """End: who was to read what happens does not."""
        self.end(1, "nobody reads the standard output any more")

    # What the seat tells

    def welcomed(self, welcome: messages.Welcome, missed: bool) -> None:
        """Write it."""
        self._gap_is_known = welcome.gap
        token = None if self._hides_token else welcome.token
        self.tell(replace(welcome, token=token))  # type: ignore[arg-type]
        super().welcomed(welcome, missed)

    def happened(self, event: messages.Event) -> None:
        """Write it."""
        self.tell(event)

    def stored(self, sent: Sent, id: int) -> None:
        """Write the ``ok``."""
        talk = self._talked.pop(sent)
        seq = sent.seq if talk.seq is None else talk.seq
        self.tell(messages.Ok(to=talk.type, id=id, at=sent.at, seq=seq, ref=talk.ref))
        super().stored(sent, id)

    def refused(self, sent: Sent, error: messages.Error) -> None:
        """Write the error."""
        talk = self._talked.pop(sent)
        seq = sent.seq if talk.seq is None else talk.seq
        self.tell(replace(error, seq=seq, ref=talk.ref))
        super().refused(sent, error)

    def noticed(self, text: str) -> None:
        """Write it."""
        self.tell(messages.Notice(text=text))
        super().noticed(text)

    def gapped(self) -> None:
        """Write it, unless the ``welcome`` has told it."""
        if not self._gap_is_known:
            self.tell(messages.Notice(text=wording.FORGOTTEN, gap=True))
        self._gap_is_known = False

    def ended(self, why: str | None) -> None:
        """Write what it was that ended it, or the ``ok`` if that was asked for."""
        if why is not None:
            self.tell(messages.Notice(text=why))
        elif self._quit is not None:
            self.tell(messages.Ok(to=messages.Quit.type, ref=self._quit.ref))
        super().ended(why)


def _bad(request: messages.Request, code: messages.Code, why: str) -> messages.BadMessage:
    seq = request.seq if isinstance(request, messages.Talk) else None
    return messages.BadMessage(code, why, request.type, request.ref, seq)
