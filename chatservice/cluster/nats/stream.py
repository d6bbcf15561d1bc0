"""The parts of a chat that brokers keep: a stream of entries, and a store of facts.

The stream has replicas, so an entry survives the death of a broker. Nodes recognise repeated
entries by themselves, so JetStream's own window for duplicates is short.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Final

import msgspec
from nats.aio.client import Client
from nats.errors import Error
from nats.js.api import (
    ObjectMeta,
    ObjectMetaOptions,
    ObjectStoreConfig,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import APIError, BadRequestError, NotFoundError
from nats.js.object_store import OBJ_DEFAULT_CHUNK_SIZE
from twisted.logger import Logger

from chatservice.cluster.entries import expanded
from chatservice.cluster.log import Founding, LogError, Opening
from chatservice.cluster.settings import Brokers
from chatservice.journal.events import Fact

DUPLICATE_WINDOW: Final = 2
STATE_MOST: Final = 1 << 30
"""The most bytes of all facts in the store, before their compression."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
DAY: Final = 86_400
IDENTITY: Final = "chat-identity"
BASE: Final = "chat-base"

log = Logger()


class Stream:
    """The stream and the store of one chat.

    :param asking: seconds that a broker may take to answer.
    :ivar context: the client of JetStream.
    :ivar subject: the subject under which entries are published.
    :ivar largest: the most bytes of a message in the stream; 0 if the stream has no such limit.
    """

    def __init__(self, client: Client, brokers: Brokers, asking: float) -> None:
        self.context = client.jetstream(timeout=asking)
        self.subject = f"{brokers.name}.log"
        self.largest = 0
        self._client = client
        self._brokers = brokers
        self._bucket = f"{brokers.name}-state"

    async def open(self, founding: Callable[[], Founding], seen: int, state: bool) -> Opening:
        """Return the description of the stream, which is created if there is none.

        :param seen: the position of an entry whose time is asked for; 0 for none.
        :param state: whether the kept facts are asked for.
        :raises LogError: if the stream can't be used.
        """
        info = await self._found(founding)
        metadata = info.config.metadata or {}
        if IDENTITY not in metadata:
            raise LogError(f"the stream {self._brokers.name} is not one of a chat")
        identity = metadata[IDENTITY]
        self.largest = max(0, info.config.max_msg_size or 0)
        kept = await self._kept(identity) if state else None
        # More entries may have come since; these bounds are for the entries before.
        first, last = info.state.first_seq, info.state.last_seq
        at = await self._time_of(seen) if first <= seen <= last and seen else 0
        return Opening(identity, int(metadata[BASE]), max(first, 1), last, kept, at)

    async def _time_of(self, position: int) -> int:
        """Return the time at which an entry was published, in milliseconds since 1970.

        :return: 0 if the entry is gone, or if this node has no permission to ask.
        """
        try:
            message = await self.context.get_msg(self._brokers.name, position)
        except NotFoundError:
            return 0
        except asyncio.TimeoutError:
            why = str(self._client.last_error).lower()
            if "permissions violation" in why and ".stream.msg.get." in why:
                log.warn("could not check that the log is the same as before: {why}", why=why)
                return 0
            raise
        assert message.time is not None
        return (message.time - EPOCH) // timedelta(milliseconds=1)

    async def _found(self, founding: Callable[[], Founding]) -> StreamInfo:
        name = self._brokers.name
        try:
            return await self.context.stream_info(name)
        except NotFoundError:
            await self._begin(founding())
        except APIError as error:
            raise LogError(f"the brokers have no JetStream: {error.description or error}") from None
        try:
            return await self.context.stream_info(name)
        except NotFoundError:
            raise Error("there is no log yet") from None

    async def _begin(self, founding: Founding) -> None:
        fitting = 3 if self._client._server_info.get("cluster") else 1
        replicas = self._brokers.replicas or fitting
        name = self._brokers.name
        try:
            with suppress(BadRequestError):
                await self.context.create_object_store(
                    self._bucket,
                    config=ObjectStoreConfig(replicas=replicas, storage=StorageType.FILE),
                )
            await self.keep(founding.identity, founding.facts)
            await self.context.add_stream(
                StreamConfig(
                    name=name,
                    subjects=[self.subject],
                    storage=StorageType.FILE,
                    num_replicas=replicas,
                    max_age=self._brokers.days * DAY,
                    duplicate_window=DUPLICATE_WINDOW,
                    metadata={IDENTITY: founding.identity, BASE: str(founding.base)},
                )
            )
            log.info("the log {name} was begun: {replicas} replicas", name=name, replicas=replicas)
        except BadRequestError as error:
            # Another node may have been faster; then there is a log.
            log.info("the log was not begun here: {why}", why=error.description)

    async def keep(self, identity: str, state: Sequence[Fact]) -> None:
        """Store all facts that hold, in place of those in the store."""
        store = await self.context.object_store(self._bucket)
        data = await asyncio.to_thread(_packed, state)
        size = min(OBJ_DEFAULT_CHUNK_SIZE, self._client.max_payload)
        meta = ObjectMeta(name=identity, options=ObjectMetaOptions(max_chunk_size=size))
        await store.put(identity, data, meta)

    async def _kept(self, identity: str) -> Sequence[Fact] | None:
        try:
            store = await self.context.object_store(self._bucket)
            kept = await store.get(identity)
        except NotFoundError:
            return None
        return await asyncio.to_thread(_unpacked, kept.data or b"")


def _unpacked(data: bytes) -> Sequence[Fact] | None:
    """Return the facts in some bytes of the store; None if the bytes can't be read."""
    try:
        return msgspec.json.decode(expanded(data, STATE_MOST), type=list[Fact])
    except (ValueError, RecursionError) as error:
        log.critical("the kept facts can't be used: {why}", why=str(error))
        return None


def _packed(state: Sequence[Fact]) -> bytes:
    return zlib.compress(msgspec.json.encode(state), 1)
