"""A connection pooler for PostgreSQL, as far as a test needs one: it lends sessions by the transaction.

Every client that logs in brings a session of the server. With `lends`, a session that is in no transaction
is lent to whichever client sends something next, the one that was given back last first, as PgBouncer does
with `pool_mode=transaction`. Without, a client keeps the session that it brought.

I/O: TCP on 127.0.0.1, a thread.
"""

import asyncio
import struct
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_ENCRYPTION_REQUESTS = (80877103, 80877104)
"""SSLRequest and GSSENCRequest: refused with one byte, and the client goes on without."""

Session = tuple[StreamReader, StreamWriter]


class Pooler:
    """A pooler in front of one server.

    Args:
        url: an address of the server.
        lends: whether sessions are lent by the transaction; may be changed while it runs.
    """

    def __init__(self, url: str, *, lends: bool = True) -> None:
        self._server = urlsplit(url)
        self.lends = lends
        self._idle: list[Session] = []
        self._open: list[StreamWriter] = []
        self.port = 0
        self.ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()

    @property
    def url(self) -> str:
        """The address of the same database through the pooler."""
        login = self._server.netloc.rpartition("@")[0]
        return f"postgresql://{login}@127.0.0.1:{self.port}{self._server.path}"

    async def serve(self) -> None:
        """Serve until `end`."""
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        await self._ended.wait()
        server.close()
        for writer in self._open:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def end(self) -> None:
        """End it; for any thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._ended.set)

    async def _client(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._open.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            session = await self._log_in(reader, writer)
            while True:
                kind, message = await _message(reader)
                if kind == b"X":
                    break
                lent = self._idle.pop() if self.lends else session
                if not self.lends:
                    self._idle.remove(session)
                await self._transaction((reader, writer), lent, kind, message)
                self._idle.append(lent)
            if not self.lends:
                self._idle.remove(session)
                session[1].close()
        writer.close()

    async def _log_in(self, reader: StreamReader, writer: StreamWriter) -> Session:
        """Let a client log in at the server; the session is idle then."""
        startup = await _startup(reader)
        while struct.unpack("!I", startup[4:8])[0] in _ENCRYPTION_REQUESTS:
            writer.write(b"N")
            startup = await _startup(reader)
        session = await asyncio.open_connection(self._server.hostname, self._server.port)
        self._open.append(session[1])
        session[1].write(startup)
        kind = b""
        while kind != b"Z":
            kind, message = await _message(session[0])
            writer.write(message)
            if kind == b"R" and struct.unpack("!I", message[5:9])[0] in (10, 11):
                session[1].write((await _message(reader))[1])
        self._idle.append(session)
        return session

    async def _transaction(self, client: Session, session: Session, kind: bytes, message: bytes) -> None:
        """Carry messages to and fro until the session is in no transaction."""
        while True:
            session[1].write(message)
            if kind in (b"Q", b"S"):  # a simple query or a Sync: the server says when it is ready again
                reply, answer = await _message(session[0])
                while reply != b"Z":
                    client[1].write(answer)
                    reply, answer = await _message(session[0])
                client[1].write(answer)
                if answer[5:6] == b"I":
                    return
            kind, message = await _message(client[0])


async def _startup(reader: StreamReader) -> bytes:
    length = await reader.readexactly(4)
    return length + await reader.readexactly(struct.unpack("!I", length)[0] - 4)


async def _message(reader: StreamReader) -> tuple[bytes, bytes]:
    """The kind of a message, and all of its bytes."""
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)


@contextmanager
def pooling(url: str, *, lends: bool = True) -> Iterator[Pooler]:
    """A pooler that runs as long as the block."""
    pooler = Pooler(url, lends=lends)
    thread = threading.Thread(target=lambda: asyncio.run(pooler.serve()))
    thread.start()
    try:
        assert pooler.ready.wait(10)
        yield pooler
    finally:
        pooler.end()
        thread.join()
