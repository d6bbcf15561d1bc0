"""The log on NATS JetStream: a connection to the brokers, which publishes and follows entries.

The log is read by an ordered consumer: one without acknowledgements, whose deliveries are numbered.
If a number is missing, the consumer is created anew after the last entry that came. (NATS
documentation, "JetStream Consumers"; ADR-15 and ADR-17 of its architecture.)
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Collection, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error, MaxPayloadError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from chatservice.cluster.log import Follower, LogError, OtherLog
from chatservice.cluster.nats.stream import Stream
from chatservice.cluster.settings import Brokers
from chatservice.journal.events import Fact

PING: Final = 2
"""Seconds of silence after which a broker is sent a ping; two may stay without an answer."""

FIRST_TRY: Final = 5.0
"""Seconds that the service waits for the brokers before it starts without them."""

ASKING: Final = 0.7
"""Seconds that a broker may take to answer."""

ATTEMPT: Final = 30.0
"""Seconds that one attempt to connect, or to follow the log, may take."""

DOUBT: Final = 3.0
"""Seconds for which a node that starts does not believe that the log is another one."""

LOOK_AGAIN: Final = 1.0
"""Seconds between two looks at a log that can't be followed."""

LEAST: Final = 1024
"""Bytes that the brokers must take at once."""

CANCELLATIONS: Final = 10
BETWEEN_CANCELLATIONS: Final = 0.1
RETRY: Final = 0.3
TIMEOUT: Final = 3.0

HEARTBEAT: Final = 5.0
UNUSED: Final = 60.0
"""Seconds after which the brokers forget a consumer that nobody reads."""

log = Logger()


async def over(tasks: Collection[asyncio.Task[Any]], seconds: float) -> None:
    """Wait until tasks have ended; cancel those that take longer than some seconds.

    One cancellation is not enough. On Python 3.10 and 3.11, ``asyncio.wait_for``, which nats-py
    uses for every wait, loses a cancellation that arrives just when the wait ends. Then a task with
    a loop of attempts goes on with them (python/cpython#86296).
    """
    pending = set(tasks)
    if pending and seconds:
        _, pending = await asyncio.wait(pending, timeout=seconds)
    for _ in range(CANCELLATIONS):
        for task in pending:
            task.cancel()
        if pending:
            _, pending = await asyncio.wait(pending, timeout=BETWEEN_CANCELLATIONS)


class NatsLog:
    """A :class:`.Log` that NATS brokers keep."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self._stream: Stream
        self._nats = Client()
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscription: Any = None
        self._generation = 0
        self._position = self._expected = 0
        self._why = self._refused = ""
        self._told = self._identity = ""
        self._returns = 0
        self._starting = True
        self._believed = math.inf
        self._found = False
        self._closed = False

    @property
    def largest(self) -> int:
        """See :attr:`.Log.largest`."""
        if not (self._nats.is_connected and self._found):
            return 0
        return min(filter(None, (self._nats.max_payload, self._stream.largest)))

    def open(self, follower: Follower) -> None:
        """See :meth:`.Log.open`. Run the asyncio loop meanwhile; the reactor is not running yet."""
        self._follower = follower
        self._loop = asyncio.get_event_loop()
        # asyncio warns of each TLS connection that is lost.
        logging.getLogger("asyncio").setLevel(logging.ERROR)
        beginning = self._run(self._try(self._returns))
        # `wait_for` would not end before its task has ended after the cancellation.
        self._loop.run_until_complete(asyncio.wait({beginning}, timeout=FIRST_TRY))
        if not beginning.done() and self._believed < math.inf:
            self._loop.run_until_complete(asyncio.wait({beginning}, timeout=2 * DOUBT))
        self._starting = False
        try:
            if beginning.done():
                return beginning.result()
            self._check_access()
        except LogError:
            self._loop.run_until_complete(self._end())
            raise
        log.warn("the brokers can't be reached yet: {why}", why=self._why or "no answer")

    def _check_access(self) -> None:
        if self._refused:
            raise LogError(f"the brokers do not let us in: {self._refused}")

    async def _try(self, which: int) -> None:
        """Try to follow the log until that succeeds; brokers do not answer during an election.

        :param which: the number of this call of :meth:`follow`: the attempts end with the next call
            or the loss of the connection. 0 at the start, when there is no connection yet.
        :raises LogError: if the log can't be used, and the service has not started yet.
        """
        while not self._closed and (
            not which or (self._nats.is_connected and which == self._returns)
        ):
            try:
                await self._attempt(self._begin())
            except (asyncio.TimeoutError, OSError, Error) as error:
                if self._starting:
                    self._check_access()
                else:
                    self._tell(f"the brokers can't be reached: {error}")
                await asyncio.sleep(RETRY)
            except LogError as error:
                if not self._starting:
                    self._follower.refused(error)
                    await asyncio.sleep(LOOK_AGAIN)
                elif isinstance(error, OtherLog) and self._is_in_doubt():
                    await asyncio.sleep(RETRY)
                else:
                    raise
            else:
                if which and which == self._returns:
                    log.info("connected to {broker}", broker=self._nats.connected_url.netloc)  # type: ignore[union-attr]
                    self._why = self._told = ""
                return

    def _is_in_doubt(self) -> bool:
        """Return whether it is too early to believe that the log is another one."""
        self._believed = min(self._believed, self._loop.time() + DOUBT)
        return self._loop.time() < self._believed

    async def _attempt(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine for at most :data:`ATTEMPT` seconds.

        :raises asyncio.TimeoutError: if the coroutine takes longer.
        """
        task = self._started(coroutine)
        await over({task}, ATTEMPT)
        if not task.done() or task.cancelled():
            raise asyncio.TimeoutError(self._why or "no answer")
        task.result()

    async def _begin(self) -> None:
        if not self._nats.is_connected:
            await self._close()
            self._nats = Client()
            await self._nats.connect(
                list(self._brokers.urls),
                name="chatservice",
                tls=self._brokers.tls,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.5,  # type: ignore[arg-type]
                connect_timeout=2,
                ping_interval=PING,
                max_outstanding_pings=2,
                error_cb=self._failed,
                disconnected_cb=self._disconnected,
                reconnected_cb=self._reconnected,
                **self._brokers.access,  # type: ignore[arg-type]
            )
        await self._find()

    async def _find(self) -> None:
        """Find the log, check that it is the right one, and follow it from the last position read.

        :raises LogError: if the log is not the right one, or can't be used.
        """
        self._found = False
        self._stream = stream = Stream(self._nats, self._brokers, ASKING)
        if self._nats.max_payload < LEAST:
            raise LogError(
                f"the brokers take {self._nats.max_payload} bytes at once (max_payload):"
                f" {LEAST:,} are needed"
            )
        # The facts that others have kept are only of use at the start.
        opening = await stream.open(
            self._follower.founding, self._follower.seen, state=not self._identity
        )
        position = self._follower.opened(opening)
        self._identity = opening.identity
        await self._follow(position)
        self._found = True
        self._follower.connected()

    # Following

    async def _follow(self, position: int) -> None:
        """Subscribe to the entries after a position."""
        self._generation = generation = self._generation + 1
        self._position, self._expected = position, 1
        old, self._subscription = self._subscription, None
        with suppress(Error, AttributeError):
            await old.unsubscribe()
        inbox = self._nats.new_inbox()
        self._subscription = await self._nats.subscribe(
            inbox, cb=partial(self._message, generation)
        )
        await self._stream.context.add_consumer(
            self._brokers.name,
            ConsumerConfig(
                deliver_subject=inbox,
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=position + 1,
                ack_policy=AckPolicy.NONE,
                max_deliver=1,
                flow_control=True,
                idle_heartbeat=HEARTBEAT,
                inactive_threshold=UNUSED,
                mem_storage=True,
                num_replicas=1,
            ),
        )

    async def _message(self, generation: int, message: Msg) -> None:
        if generation != self._generation:
            return
        if not message.data and message.headers and "Status" in message.headers:
            # The consumer is idle, or waits for the message that all entries so far were read.
            answer = message.reply or message.headers.get("Nats-Consumer-Stalled")
            if answer:
                await self._nats.publish(answer)
            return
        # $JS.ACK.[DOMAIN.ACCOUNT.]STREAM.CONSUMER.DELIVERED.POSITION.NUMBER.TIME.PENDING[.TOKEN]
        words = message.reply.split(".")
        start = 5 if len(words) == 9 else 7
        position, number, at = map(int, words[start : start + 3])
        if number != self._expected:
            self._generation += 1
            self._run(self._attempt(self._follow(self._position)))
            return
        self._expected += 1
        self._position = position
        waiting: Deferred[None] | None = None
        with log.failuresHandled("an entry of the log failed"):
            waiting = self._follower.took(position, at // 1_000_000, message.data)
        if waiting is not None:
            await waiting.asFuture(self._loop)

    def follow(self) -> None:
        """See :meth:`.Log.follow`."""
        self._generation += 1
        self._returns += 1
        self._run(self._try(self._returns))

    async def _failed(self, error: Exception) -> None:
        self._why = str(error) or type(error).__name__
        if "authorization" in self._why.lower() or "authentication" in self._why.lower():
            self._refused = self._why

    async def _disconnected(self) -> None:
        self._generation += 1
        if not self._closed:
            self._follower.disconnected("the connection to the brokers is lost")

    async def _reconnected(self) -> None:
        self.follow()

    def _tell(self, why: str) -> None:
        """Log a warning, unless it was the last one already."""
        if why != self._told:
            self._told = why
            log.warn("{why}", why=why)

    # Publishing

    def publish(self, data: bytes, again: bool) -> None:
        """See :meth:`.Log.publish`."""
        if self._nats.is_connected and self._found:
            self._run(self._publish(data, again))

    async def _publish(self, data: bytes, again: bool) -> None:
        stream = self._stream
        try:
            if again:
                # Something is wrong, so this asks for an answer, which may give the reason.
                await stream.context.publish(stream.subject, data, timeout=TIMEOUT)
            else:
                await self._nats.publish(stream.subject, data)
        except MaxPayloadError as error:
            # The brokers take less than before: the next attempt cuts the entry by the new limit.
            self._tell(f"the brokers do not take an entry: {error}")
        except APIError as error:
            self._tell(f"the brokers do not take an entry: {error.description}")

    def keep(self, state: Sequence[Fact]) -> None:
        """See :meth:`.Log.keep`."""
        self._run(self._attempt(self._stream.keep(self._identity, state)))

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        async def run() -> None:
            try:
                await coroutine
            except (asyncio.TimeoutError, OSError, Error) as error:
                log.debug("the brokers: {why}", why=str(error) or type(error).__name__)

        return self._started(run())

    def _started(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def close(self) -> Deferred[None]:
        """See :meth:`.Log.close`."""
        self._closed = True
        if not hasattr(self, "_loop"):
            return succeed(None)
        return Deferred.fromFuture(self._loop.create_task(self._end()))

    async def _end(self) -> None:
        self._closed = True
        await over(self._tasks, 0)
        await self._close()

    async def _close(self) -> None:
        closing = self._loop.create_task(self._nats.close())
        await over({closing}, TIMEOUT)
        # The client raises AssertionError if it was never connected.
        if closing.done() and not closing.cancelled():
            with suppress(asyncio.TimeoutError, OSError, Error, AssertionError):
                closing.result()
