"""The network between a node and its brokers, under the control of a test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from tests.integration.brokers import Brokers, Case
from tests.integration.proxy import HOST, Way
from tests.integration.support import PATIENCE


class Network:
    """The proxies between one node and its brokers: a port for each broker.

    They run in a thread of their own, so they work even while the test blocks.
    """

    def __init__(self, case: Case, brokers: Brokers) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._open = {way: asyncio.Event() for way in Way}
        self._refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._thread.start()
        case.addCleanup(self._end)
        self._do(self._mend())
        self.ports = [self._do(self._listen(port)) for port in brokers.ports]

    @property
    def urls(self) -> str:
        """The URLs of the proxies, for the node to use as its brokers."""
        return ",".join(f"nats://{HOST}:{port}" for port in self.ports)

    def freeze(self, *ways: Way) -> None:
        """Hold back all bytes from now on, in some ways or both; deliver them later.

        This is like lost packets: both ends notice nothing, and retransmit.
        """
        self._do(self._freeze(ways or tuple(Way)))

    def cut(self) -> None:
        """Reset all connections, and from now on every new one."""
        self._do(self._cut())

    def mend(self) -> None:
        """Pass all bytes and connections on again."""
        self._do(self._mend())

    # Inside the thread

    def _do(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(PATIENCE)

    async def _listen(self, port: int) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._writers.add(writer)
            with suppress(asyncio.CancelledError):
                await self._serve(port, reader, writer)
            self._writers.discard(writer)
            writer.transport.abort()

        server = await asyncio.start_server(serve, HOST, 0)
        return int(server.sockets[0].getsockname()[1])

    async def _serve(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await self._open[Way.UP].wait()
        if self._refusing:
            return
        try:
            back, forth = await asyncio.open_connection(HOST, port)
        except OSError:
            return
        self._writers.add(forth)
        try:
            await asyncio.gather(
                self._pump(reader, forth, Way.UP), self._pump(back, writer, Way.DOWN)
            )
        finally:
            self._writers.discard(forth)
            forth.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way
    ) -> None:
        try:
            while data := await reader.read(1 << 16):
                await self._open[way].wait()
                writer.write(data)
                await writer.drain()
            await self._open[way].wait()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            await self._open[way].wait()
            writer.transport.abort()

    async def _freeze(self, ways: tuple[Way, ...]) -> None:
        for way in ways:
            self._open[way].clear()

    async def _cut(self) -> None:
        self._refusing = True
        for writer in self._writers:
            writer.transport.abort()

    async def _mend(self) -> None:
        self._refusing = False
        for opened in self._open.values():
            opened.set()

    def _end(self) -> None:
        async def cancel() -> None:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        self._do(cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()
