"""The objects of the machine protocol on the standard streams, for ``jq`` and its like.

See :mod:`~chatservice.client.streams.program` for what the exit status is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import UNSET
from msgspec.structs import replace

from chatservice import messages
from chatservice.client.session.bookmark import Remembered
from chatservice.client.session.outgoing import OVER, Sent
from chatservice.client.session.session import Session
from chatservice.client.stored.state import Entrance
from chatservice.client.streams.backlog import Backlog
from chatservice.client.streams.program import Program, complain
from chatservice.text import wording


class JsonLines(Program):
    """Ask for each object that is read, and write all that the server tells, an object a line.

    The connection is the client's matter: it gives the ``hello`` when it has a name, else the first
    object has to be one; it comes back by itself, and each ``welcome`` is written. Each event is
    written once, and what was talked is stored once. It goes on where it was when it was last
    started under this name, so what happened meanwhile comes first.

    ``seq`` and ``ref`` of what is talked are for its answer alone, which has them too; without a
    ``seq``, that of the client. The ``token`` is written only to who gave the ``hello``.
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
        """Begin a session; what it tells waits while the output is full."""
        super().come_in(name, rooms, remembered)
        self.transport.registerProducer(self.session, True)

    def tell(self, message: messages.Reply) -> None:
        """Write an object."""
        if not self.ending:
            self.transport.write(messages.encode(message).rstrip() + b"\n")

    # Requests

    def _typed(self, text: str) -> None:
        """Take a request; what is none is answered here."""
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
                raise _bad(hello, messages.Code.BAD_FIELD, "with a token go a journal and since")
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

        def stored(sent: Sent) -> None:
            seq = sent.seq if talk.seq is None else talk.seq
            self.tell(messages.Ok(to=talk.type, id=sent.id, at=sent.at, seq=seq, ref=talk.ref))

        def refused(error: messages.Error) -> None:
            if error.code != OVER:
                seq = sent.seq if talk.seq is None else talk.seq
                self.tell(replace(error, seq=seq, ref=talk.ref))

        self.awaited(sent.answer, stored, refused)

    def readConnectionLost(self) -> None:
        """The input ended; if there was no hello in it, so does all else."""
        super().readConnectionLost()
        if self.session is None:
            self.end(1, "there is no name: give one with --name, or begin with a hello")

    def writeConnectionLost(self) -> None:
        """End: who was to read what happens does not."""
        super().writeConnectionLost()
        self.end(1, "nobody reads the standard output any more")

    # Replies: see Listener

    def welcomed(self, welcome: messages.Welcome) -> None:
        """Write it."""
        self._gap_is_known = welcome.gap
        self.tell(replace(welcome, token=UNSET) if self._hides_token else welcome)
        self.ready = True
        super().welcomed(welcome)

    def happened(self, event: messages.Event) -> None:
        """Write it."""
        self.tell(event)

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
    return messages.BadMessage(messages.refusal(request, code, why))
