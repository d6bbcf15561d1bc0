"""The objects of the machine protocol on the standard streams, for tools such as ``jq``.

See :mod:`~chatservice.client.streams.program` for the exit status.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import UNSET
from msgspec.structs import replace

from chatservice import messages
from chatservice.client.session.bookmark import Remembered
from chatservice.client.session.outgoing import OVER
from chatservice.client.session.session import Session
from chatservice.client.stored.state import Entrance
from chatservice.client.streams.backlog import Backlog
from chatservice.client.streams.program import Program, complain
from chatservice.text import wording


class JsonLines(Program):
    """Sends each object of the input as a request, and writes each message, an object a line.

    The client says ``hello`` if it has a name; else the first object has to be one. It connects
    again by itself, and each ``welcome`` is written. Each event is written once, and all talk is
    stored once. The last session under this name is resumed, so the missed events come first.

    The answer to talk repeats its ``seq`` and ``ref``; without a ``seq``, it has the client's. The
    ``token`` is written only if the ``hello`` came from the input.
    """

    ready = True
    _hides_token = True
    _gap_is_known = False
    _quit: messages.Quit | None = None

    def __init__(
        self,
        entrance: Entrance,
        name: str | None,
        rooms: Sequence[str] = (),
        complain: Callable[[str], None] = complain,
    ) -> None:
        super().__init__(entrance, name, rooms, complain, Backlog(self._too_long), self._typed)

    def come_in(
        self, name: str, rooms: Sequence[str], remembered: Remembered | None = None
    ) -> None:
        """Begin a session, which pauses while the output is full."""
        super().come_in(name, rooms, remembered)
        self.transport.registerProducer(self.session, True)

    def tell(self, message: messages.Reply) -> None:
        """Write a message as an object on a line."""
        if not self.ending:
            self.transport.write(messages.encode(message).rstrip() + b"\n")

    # Requests

    def _typed(self, text: str) -> None:
        """Send a request, or answer with an error if the line is no request."""
        if not text.strip():
            return
        try:
            request = messages.request(text.encode())
            if isinstance(request, messages.Hello):
                self._introduced(request)
            elif self.session is None:
                raise _bad(request, messages.Code.HELLO_FIRST, "say hello first")
            else:
                self._pass_on(self.session, request)
        except messages.BadMessage as bad:
            self.refuse(str(bad))
            self.tell(bad.error)

    def _too_long(self, why: str) -> None:
        self.refuse(why)
        self.tell(messages.Error(code=messages.Code.TOO_LONG.value, text=why))

    def _introduced(self, hello: messages.Hello) -> None:
        if self.session is not None:
            raise _bad(hello, messages.Code.WELCOME_ALREADY, "the hello was said already")
        if hello.name is None:
            raise _bad(hello, messages.Code.BAD_FIELD, "name is missing")
        self._hides_token = False
        remembered = None
        if hello.token is not None:
            if hello.journal is None or hello.since is None:
                raise _bad(hello, messages.Code.BAD_FIELD, "a token needs a journal and since")
            remembered = Remembered(hello.name, hello.token, hello.journal, hello.since)
        self.come_in(hello.name, hello.rooms or self._rooms, remembered)

    def _pass_on(self, session: Session, request: messages.Request) -> None:
        if isinstance(request, messages.Talk):
            self._say(session, request)
        elif isinstance(request, messages.Quit):
            self._quit = request
            self._leaving = True
            self._pause_or_resume(True)
            session.quit(request.text)
        else:
            self.awaited(
                session.ask(request),
                self.tell,
                lambda error: self.tell(replace(error, to=request.type, ref=request.ref)),
            )

    def _say(self, session: Session, talk: messages.Talk) -> None:
        sent = session.talk(talk)

        def answer(reply: messages.Ok | messages.Error) -> None:
            seq = sent.seq if talk.seq is None else talk.seq
            self.tell(replace(reply, seq=seq, ref=talk.ref))

        def refused(error: messages.Error) -> None:
            if error.code != OVER:
                answer(error)

        self.awaited(
            sent.answer,
            lambda _: answer(messages.Ok(to=talk.type, id=sent.id, at=sent.at)),
            refused,
        )

    def readConnectionLost(self) -> None:
        """Leave when all is answered: the input ended; end now if there was no hello."""
        super().readConnectionLost()
        if self.session is None:
            self.end(1, "there is no name: give one with --name, or begin with a hello")

    def writeConnectionLost(self) -> None:
        """End the program, as nobody reads its output."""
        super().writeConnectionLost()
        self.end(1, "nobody reads the standard output any more")

    # Replies: see Listener

    def welcomed(self, welcome: messages.Welcome) -> None:
        """Write the welcome, without the token if it is hidden."""
        self._gap_is_known = welcome.gap
        self.tell(replace(welcome, token=UNSET) if self._hides_token else welcome)
        self.ready = True
        super().welcomed(welcome)

    def happened(self, event: messages.Event) -> None:
        """Write the event."""
        self.tell(event)

    def noticed(self, text: str) -> None:
        """Write the sentence as a notice."""
        self.tell(messages.Notice(text=text))
        super().noticed(text)

    def gapped(self) -> None:
        """Write a notice of the gap, unless the ``welcome`` has told of it."""
        if not self._gap_is_known:
            self.tell(messages.Notice(text=wording.FORGOTTEN, gap=True))
        self._gap_is_known = False

    def ended(self, why: str | None) -> None:
        """Write the reason for the end, or the ``ok`` to a quit; then end."""
        if why is not None:
            self.tell(messages.Notice(text=why))
        elif self._quit is not None:
            self.tell(messages.Ok(to=messages.Quit.type, ref=self._quit.ref))
        super().ended(why)


def _bad(request: messages.Request, code: messages.Code, why: str) -> messages.BadMessage:
    return messages.BadMessage(messages.refusal(request, code, why))
