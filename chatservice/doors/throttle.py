"""How fast a connection is read: at its rate, and not while it, or the house, can't keep up.

Nothing is dropped for being too fast. A connection is held, so its bytes wait in the kernels of
both sides, and TCP makes the peer wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from chatservice.core.deadlines import Deadlines
from chatservice.doors.framing import LineFramer
from chatservice.doors.outbox import Outbox
from chatservice.doors.seam import Dialog

COMMANDS_A_LINE: Final = 64
"""Telnet commands that count as one line against the rate."""

UNSENT_MOST: Final = 64 << 10
"""Bytes of answers that may wait for a peer before it is no longer read from."""

ASKING, PACE, UNREAD, CLOGGED, STOPPING, SHARE = (1 << bit for bit in range(6))
"""Why a connection is held: an answer is awaited, it is too fast, it does not read, the journal
refuses, the house closes, its address has used up its share."""

NOTICEABLE: Final = 0.3
"""Seconds for which a line has to wait before its author is told why."""


class Intake(Protocol):
    """What takes the lines of all connections, and sometimes can't."""

    @property
    def clogged(self) -> bool:
        """Whether nothing should be read."""

    def after_attempt(self, call: Callable[[], None]) -> None:
        """Have something called when it was tried again, whether it could or not."""


class Pacing(Protocol):
    """What the pace of a connection is found by: its factory.

    :ivar interval: seconds a line, from the rate; 0 for no rate.
    :ivar ahead: seconds by which a connection may be ahead of its rate.
    :ivar paced: the connections that are held for it.
    """

    clock: IReactorTime
    interval: float
    ahead: float
    paced: Deadlines[PacedFramer]

    @property
    def intake(self) -> Intake:
        """What takes the lines."""


class PacedFramer(LineFramer):
    """Lines at the pace of their connection.

    :ivar dialog: what somebody says and is shown on it.
    """

    factory: Pacing
    outbox: Outbox
    dialog: Dialog

    _next_line_at = 0.0
    _share_due: IDelayedCall | None = None
    _told_to_wait = False

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; telnet commands have their price as well as lines."""
        commands = data.count(b"\xff")
        if commands:
            self.pace(commands / COMMANDS_A_LINE)
        super().dataReceived(data)

    def telnet_answer(self, answer: bytes) -> None:
        """Answer behind what was sent before; who reads no answers is not read from."""
        self.outbox.write(answer)
        self._mind_unread()

    def wait(self) -> None:
        """See :meth:`.Connection.wait`."""
        self.hold(ASKING)

    def go_on(self) -> None:
        """See :meth:`.Connection.go_on`."""
        self.release(ASKING)

    def pace(self, lines: float = 1) -> None:
        """Count lines, and hold the connection if it is too fast or should be read from no more.

        The generic cell rate algorithm (ITU-T I.371): one number says how far ahead of its rate the
        connection is.
        """
        factory = self.factory
        if factory.interval:
            now = factory.clock.seconds()
            self._next_line_at = max(self._next_line_at, now) + lines * factory.interval
            if self._next_line_at - now > factory.ahead and not self._holds & PACE:
                self.hold(PACE)
                factory.paced.add(self)
        self._mind_unread()
        if factory.intake.clogged:
            self.hold(CLOGGED)
            factory.intake.after_attempt(self._unclog)

    def keep_pace(self) -> None:
        """Go on, if the connection is no longer ahead of its rate."""
        if self._next_line_at - self.factory.clock.seconds() > self.factory.ahead:
            self.factory.paced.add(self)
        else:
            self.release(PACE)

    def wait_until(self, due: float) -> None:
        """Handle the next line at that time and not before; tell why, once."""
        if self._share_due is not None:
            self._share_due.cancel()
        clock = self.factory.clock
        wait = max(0.0, due - clock.seconds())
        if wait >= NOTICEABLE and not self._told_to_wait:
            self._told_to_wait = True
            self.dialog.tell("much is said from your address: what you say waits for its turn")
        self.hold(SHARE)
        self._share_due = clock.callLater(wait, self.wait_no_more)

    def wait_no_more(self) -> None:
        """Handle the next line, whatever the share of its address is."""
        due, self._share_due = self._share_due, None
        if due is not None and due.active():
            due.cancel()
        self.release(SHARE)

    def _mind_unread(self) -> None:
        if self.outbox.unsent > UNSENT_MOST:
            self.hold(UNREAD)

    def _unclog(self) -> None:
        if self.factory.intake.clogged:
            self.factory.intake.after_attempt(self._unclog)
        else:
            self.release(CLOGGED)
