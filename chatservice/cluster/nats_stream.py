"""What the brokers keep of a chat: a stream of entries, and an object store with what held.

A stream has replicas, so an entry that is in it stays in it when a broker dies. JetStream's own
window for duplicates does not matter here, so it is short.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from nats.aio.client import Client
from nats.errors import Error
from nats.js.api import ObjectStoreConfig, StorageType, StreamConfig, StreamInfo
from nats.js.errors import APIError, BadRequestError, NotFoundError
from twisted.logger import Logger

from chatservice.cluster.log import Founding, LogError, Opening
from chatservice.cluster.settings import Brokers
from chatservice.journal.events import Fact

DUPLICATE_WINDOW: Final = 2
DAY: Final = 86_400
IDENTITY: Final = "chat-identity"
BASE: Final = "chat-base"

log = Logger()


class Stream:
    """The stream and the store of one chat.

    :param asking: seconds that a broker may take to answer.
    :ivar context: by which JetStream is used.
    :ivar subject: under which entries are published.
    """

    def __init__(self, client: Client, brokers: Brokers, asking: float) -> None:
        self.context = client.jetstream(timeout=asking)
        self.subject = f"{brokers.name}.log"
        self._client = client
        self._brokers = brokers
        self._bucket = f"{brokers.name}-state"

    async def open(self, founding: Callable[[], Founding]) -> Opening:
        """Return what there is to know of the stream, which is made if there is none.

        :raises LogError: if it can't be used.
        """
        info = await self._found(founding)
        metadata = info.config.metadata or {}
        if IDENTITY not in metadata:
            raise LogError(f"the stream {self._brokers.name} is not one of a chat")
        state = await self._kept(metadata[IDENTITY])
        # Entries that came meanwhile are no matter: these bounds are for what was before.
        first, last = info.state.first_seq, info.state.last_seq
        return Opening(metadata[IDENTITY], int(metadata[BASE]), max(first, 1), last, state)

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
        replicas = self._brokers.replicas
        if not replicas:
            replicas = 3 if self._client._server_info.get("cluster") else 1
        name = self._brokers.name
        bucket = ObjectStoreConfig(replicas=replicas, storage=StorageType.FILE)
        try:
            with suppress(BadRequestError):
                await self.context.create_object_store(self._bucket, config=bucket)
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
            # Somebody else may have been faster; then it is there.
            log.info("the log was not begun here: {why}", why=error.description)

    async def keep(self, identity: str, state: Sequence[Fact]) -> None:
        """Keep what holds, in place of what was kept."""
        store = await self.context.object_store(self._bucket)
        loop = asyncio.get_running_loop()
        await store.put(identity, await loop.run_in_executor(None, _packed, state))

    async def _kept(self, identity: str) -> Sequence[Fact] | None:
        try:
            store = await self.context.object_store(self._bucket)
            kept = await store.get(identity)
        except NotFoundError:
            return None
        data = zlib.decompress(kept.data or b"").decode("utf-8", "surrogatepass")
        return [Fact(*fact) for fact in json.loads(data)]


def _packed(state: Sequence[Fact]) -> bytes:
    data = json.dumps(state, ensure_ascii=False, separators=(",", ":"))
    return zlib.compress(data.encode("utf-8", "surrogatepass"), 1)
