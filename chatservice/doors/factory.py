"""The factory that makes and tracks connections, with their limits and timeouts.

Connections have no timers of their own. Each kind of timeout is equal for all, so one timer serves
it (:mod:`.deadlines`), and one sweep asks the kernel which peers stalled (:mod:`.liveness`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from math import inf
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.python.failure import Failure

from chatservice.clock import Timer
from chatservice.core.chat import Chat
from chatservice.core.deadlines import Deadlines
from chatservice.core.networks import counted
from chatservice.doors.closing_log import Closings
from chatservice.doors.connection import PACE, STOPPING, ChatProtocol
from chatservice.doors.liveness import Progress, prepare
from chatservice.doors.seam import Cause, Dialog, Door
from chatservice.doors.table import DOORS
from chatservice.limits import CLOSING_TIMEOUT, Limits
from chatservice.messages import Code

GREETING_SILENCE: Final = 0.03
"""Seconds of silence after which a peer counts as a person who waits for a greeting."""

STRANGERS_SILENCE: Final = 5.0
"""The same for an address that lately spoke HTTP or TLS, because a greeting would break those.

Such a peer does not always speak at once: browsers open connections in advance, and a busy machine
is late. It then gets the greeting, so the next connections from its address are greeted later.
"""

REMEMBERED: Final = 600.0
"""Seconds for which an address that spoke HTTP or TLS is remembered."""

MOST_REMEMBERED: Final = 10_000
"""Most addresses remembered in this way. Beyond them, the oldest is forgotten."""

SWEEP: Final = 1.0
"""Seconds between two sweeps over the closing connections."""

STALL_LOOKS: Final = 12
"""Most times that each connection is checked for progress within one stall timeout."""

PARTING_MOST: Final = 32
"""Most closing connections that never had a member. ``max_connections`` does not count them."""


class ChatFactory(ServerFactory):
    """Makes and tracks the connections, and has the :class:`.Chat` that they join.

    :param doors: the doors, in the order in which they are asked whether they recognise a peer; the
        last one takes every peer.
    :param silence: seconds after which a peer that sends nothing is greeted.
    :ivar connections: all connected protocols.
    :ivar most: the limit of connections at once; 0 for no limit.
    :ivar closings: logs the causes for which connections are closed.
    """

    protocol = ChatProtocol  # type: ignore[assignment]
    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        chat: Chat,
        limits: Limits,
        doors: Sequence[Door] = DOORS,
        silence: float = GREETING_SILENCE,
    ) -> None:
        self.clock = clock
        self.chat = chat
        self.doors = doors
        self.intake = chat.ticker
        self.limits = limits
        self.connections: dict[ChatProtocol, None] = {}
        self.most = limits.max_connections
        self.interval = 1 / limits.rate if limits.rate else 0.0
        # Half a line less than a full burst, so that rounding errors make no difference.
        self.ahead = (limits.burst - 0.5) * self.interval if limits.burst else inf
        self.paced = Deadlines[ChatProtocol](clock, self.interval, ChatProtocol.keep_pace)
        self.lingering = Deadlines[ChatProtocol](clock, limits.stall_timeout, ChatProtocol.give_up)
        self._ungreeted = Deadlines[ChatProtocol](clock, silence, self._silent)
        self._awaited = Deadlines[ChatProtocol](
            clock, STRANGERS_SILENCE - silence, ChatProtocol.greet
        )
        self._strangers = Deadlines[str](clock, REMEMBERED, lambda site: None)
        self._handshaking = Deadlines[ChatProtocol](clock, limits.handshake_timeout, self._unshaken)
        self.unnamed = Deadlines[ChatProtocol](
            clock,
            limits.login_timeout,
            lambda protocol: protocol.part(
                "that took too long, goodbye", code=Code.TOO_SLOW, cause="no name in time"
            ),
        )
        self._closing: dict[ChatProtocol, float] = {}
        # The closing connections that never had a member; the latest of them, which may take time.
        self._parting: dict[ChatProtocol, None] = {}
        self._patient_with: deque[ChatProtocol] = deque()
        self._places: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self.progress = Progress()
        self.closings = Closings(clock)
        self._sweeping = Timer(clock, self._sweep)
        self._next_look = 0.0
        # While the service stops: fires when all connections are gone.
        self._gone: Deferred[None] | None = None

    def start(self) -> None:
        """Begin the regular sweeps over the connections."""
        self._sweeping.start(SWEEP)

    # Called by connections

    def open(self, door: Door, protocol: ChatProtocol) -> Dialog:
        """Begin the dialog of a connection."""
        return door(self.chat, protocol)

    def arrived(self, protocol: ChatProtocol, handshake: bool) -> None:
        """Take a new connection, or close it if there are too many.

        Under TLS, the wait for silence begins after the handshake.
        """
        self.connections[protocol] = None
        prepare(protocol.transport, self.limits.stall_timeout)
        (self._handshaking if handshake else self._ungreeted).add(protocol)
        if self._gone is not None:
            protocol.part("the server is going down")
        elif self.most and len(self.connections) - len(self._parting) > self.most:
            protocol.part(
                "too many people are connected: please try again later",
                code=Code.CROWDED,
                cause="too many connections",
            )
        else:
            if not protocol.operator:
                self.unnamed.add(protocol)
            if handshake:
                self.admit(protocol)

    def shaken(self, protocol: ChatProtocol) -> None:
        """Note that a connection's TLS handshake is done.

        A peer that sends nothing for a moment from now on is greeted, or waited for longer.
        """
        self._handshaking.discard(protocol)
        self._ungreeted.add(protocol)

    def _silent(self, protocol: ChatProtocol) -> None:
        """Greet a silent peer, or wait longer if its address lately spoke HTTP or TLS."""
        if self.admit(protocol):
            if protocol.silent and protocol.site in self._strangers:
                self._awaited.add(protocol)
            else:
                protocol.greet()

    def typed(self, protocol: ChatProtocol) -> None:
        """Note an empty line: greet its peer soon, because HTTP and TLS do not begin like this."""
        if protocol in self._awaited:
            self._awaited.discard(protocol)
            self._ungreeted.add(protocol)

    def met_stranger(self, protocol: ChatProtocol) -> None:
        """Remember the address of a peer that spoke HTTP or TLS."""
        if protocol.address:
            self._strangers.add(counted(protocol.address))
            if len(self._strangers) > MOST_REMEMBERED:
                self._strangers.discard_oldest()

    def admit(self, protocol: ChatProtocol) -> bool:
        """Admit a connection, unless its address is banned, connects too often or has too many.

        This happens at the greeting or the first bytes, and under TLS at once, because a handshake
        may take long. An admitted connection has no place among those of its address yet: it is one
        of at most ``max_per_address`` that wait for a place.

        :returns: whether the connection was admitted; if not, it was closed.
        """
        self._ungreeted.discard(protocol)
        self._awaited.discard(protocol)
        if protocol.admitted:
            return True
        protocol.admitted = True
        host = protocol.address
        if not host:
            return True
        banned = self.chat.banned(host)
        if banned is not None:
            protocol.part(banned, code=Code.BANNED, cause="banned")
            return False
        protocol.site = site = counted(host)
        if not self.limits.max_per_address:
            return True
        if not self.chat.shares.connections.allows(site):
            protocol.part(
                "too many new connections from your address: please wait a minute",
                code=Code.CROWDED,
                cause="too many new connections from its address",
            )
            return False
        if self._waiting[site] >= self.limits.max_per_address:
            return self._crowded(protocol)
        self.chat.shares.connections.count(site)
        self._count(protocol, self._waiting)
        return True

    def place(self, protocol: ChatProtocol, instead: bool = False) -> bool:
        """Give a connection a place among those of its address, or close it if none is free.

        :param instead: whether it replaces another one of them and takes its place.
        """
        if protocol.counted_in is not self._waiting:
            return True
        if not instead and self._places[protocol.site] >= self.limits.max_per_address:
            return self._crowded(protocol)
        self._count(protocol, self._places)
        return True

    def _count(self, protocol: ChatProtocol, counts: Counter[str] | None) -> None:
        """Count a connection for its address in ``counts``, and no longer where it was counted.

        :param counts: None to count it nowhere.
        """
        site, before = protocol.site, protocol.counted_in
        if before is not None:
            before[site] -= 1
            if not before[site]:
                del before[site]
        protocol.counted_in = counts
        if counts is not None:
            counts[site] += 1

    def _crowded(self, protocol: ChatProtocol) -> bool:
        protocol.part(
            "too many connections from your address",
            code=Code.CROWDED,
            cause="too many connections from its address",
        )
        return False

    def closing(self, protocol: ChatProtocol) -> None:
        """Note that our half of a connection is closed, and wait for the peer's half to follow.

        The connection gives up its place. Of closing connections that never had a member, only the
        latest :data:`PARTING_MOST` may take their time; older ones are aborted.
        """
        self._count(protocol, None)
        if not protocol.has_member and self._gone is None:
            self._parting[protocol] = None
            self._patient_with.append(protocol)
            if len(self._patient_with) > PARTING_MOST:
                oldest = self._patient_with.popleft()
                if oldest in self._parting:
                    self._abort(oldest)
        self._closing[protocol] = self.clock.seconds()
        for deadlines in (self._ungreeted, self._awaited, self.unnamed):
            deadlines.discard(protocol)

    def note(self, protocol: ChatProtocol, cause: Cause) -> None:
        """Log the cause for which a connection is closed, unless a cause was logged before."""
        if protocol.cause is None:
            protocol.cause = cause
            self.closings.note(cause, protocol.transport.getPeer())

    def lost(self, protocol: ChatProtocol) -> None:
        """Forget a connection that was lost, in all counts and timeouts."""
        self.connections.pop(protocol, None)
        self._closing.pop(protocol, None)
        self._parting.pop(protocol, None)
        self._count(protocol, None)
        self.progress.forget(protocol)
        for deadlines in (self._handshaking, self._ungreeted, self._awaited, self.unnamed):
            deadlines.discard(protocol)
        if self._gone is not None and not (self.connections or self._gone.called):
            self._gone.callback(None)

    # Timeouts

    def _unshaken(self, protocol: ChatProtocol) -> None:
        self.note(protocol, "no TLS handshake in time")
        self._abort(protocol)

    def _abort(self, protocol: ChatProtocol) -> None:
        transport = protocol.transport
        if hasattr(transport, "abortConnection"):
            transport.abortConnection()
        else:  # Standard input and output.
            transport.connectionLost(Failure(ConnectionAborted()))

    def _sweep(self) -> None:
        """Abort stalled connections, and end closing ones whose peer has read all."""
        now = self.clock.seconds()
        self._sweeping.start(SWEEP)
        for protocol, since in list(self._closing.items()):
            stalled = self.progress.stalled(protocol, now)
            if stalled is None and now - since >= SWEEP:
                protocol.transport.loseConnection()
                stalled = now - since  # TLS waits for the peer's close_notify.
            elif (stalled or 0) >= CLOSING_TIMEOUT:
                self.note(protocol, "did not read its last lines in time")
            if protocol in self._closing and (stalled or 0) >= CLOSING_TIMEOUT:
                self._abort(protocol)
        timeout = self.limits.stall_timeout
        if timeout and now >= self._next_look:
            self._next_look = now + timeout / STALL_LOOKS
            for protocol in list(self.connections):
                if (self.progress.stalled(protocol, now) or 0) >= timeout:
                    self.note(protocol, "stalled")
                    self._abort(protocol)

    # Stopping

    def stop(self, *why: str) -> Deferred[None]:
        """Close all connections: those of members once they have read everything, others at once.

        Lines that wait only because of a rate are handled now.

        :returns: a Deferred that fires when all connections are gone. Those that remain after
            :data:`.CLOSING_TIMEOUT` are aborted.
        """
        self.interval = 0.0
        self.chat.shares.lift()
        for protocol in (*self.lingering, *self.connections):
            protocol.wait_no_more()
            protocol.release(PACE)
            if protocol in self.connections and protocol not in self._closing:
                protocol.hold(STOPPING)
        return Deferred.fromCoroutine(self._part_with_all(*why))

    async def _part_with_all(self, *why: str) -> None:
        await self.chat.close(*why)
        self._gone = Deferred()
        for protocol in list(self.connections):
            if protocol in self._handshaking:
                self._abort(protocol)
            elif not protocol.has_member and protocol not in self._closing:
                protocol.part(*why)
        end = Timer(self.clock, self._abort_all)
        end.start(CLOSING_TIMEOUT)
        if self.connections:
            await self._gone
        for stop in (
            end.stop,
            self._sweeping.stop,
            self.paced.stop,
            self.lingering.stop,
            self._ungreeted.stop,
            self._awaited.stop,
            self._handshaking.stop,
            self.unnamed.stop,
            self._strangers.stop,
            self.closings.stop,
        ):
            stop()

    def _abort_all(self) -> None:
        for protocol in list(self.connections):
            if self.progress.stalled(protocol, self.clock.seconds()) is not None:
                self.note(protocol, "did not read its last lines in time")
            self._abort(protocol)
