"""The plain asyncio chat that people write by hand: streams, and a loop over the writers.

Each line is written to, and drained for, one reader after the other. So a stalled reader holds up
every speaker, once about 64 KiB wait for it beyond the kernel's buffers. TCP_NODELAY is asyncio's
default.
"""

import asyncio
import contextlib
import resource

writers: set[asyncio.StreamWriter] = set()


async def tell_others(me: asyncio.StreamWriter, line: bytes) -> None:
    for w in list(writers):  # a copy: others come and go while one is drained
        if w is not me and not w.is_closing():  # asyncio logs each write to a closing one
            with contextlib.suppress(ConnectionError):  # its own handler sees that it is lost
                w.write(line)
                await w.drain()


async def read_line(reader: asyncio.StreamReader) -> bytes | None:
    """Read a line without its end; None at the end of the stream."""
    line = await reader.readline()
    return line[:-1].removesuffix(b"\r") if line.endswith(b"\n") else None


async def chat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve a connection: its first line names it, and every later line goes to the others."""
    name = None
    try:
        name = await read_line(reader)
        if name is None:
            return
        writers.add(writer)
        writer.write(b"-- hello %s\r\n" % name)
        await tell_others(writer, b"-- %s joined\r\n" % name)
        while (line := await read_line(reader)) is not None:
            await tell_others(writer, b"<%s> %s\r\n" % (name, line))
    except (ConnectionError, ValueError):  # reset, or a line longer than the reader's limit
        pass
    finally:
        writers.discard(writer)
        writer.close()
        if name is not None:
            await tell_others(writer, b"-- %s left\r\n" % name)


async def main() -> None:
    server = await asyncio.start_server(chat, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(main())
