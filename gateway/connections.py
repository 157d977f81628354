"""Connections that the server may drop without an answer, and that end when no request comes.

ASGI has no way to say that nothing is answered, so the connection itself is put into each request's scope.

I/O: sockets, by uvicorn.
"""

import asyncio
from typing import Any

from starlette.requests import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

_DROP = "gateway.drop"
_HEADERS_S = 10.0


class Connection(H11Protocol):
    """uvicorn's connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Serve requests whose scope has a way to drop the connection."""
        super().connection_made(transport)
        answer = self.app
        self._silence = self.loop.call_later(_HEADERS_S, transport.close)

        async def with_drop(scope: Any, receive: Any, send: Any) -> None:
            self._silence.cancel()
            await answer({**scope, _DROP: transport.abort}, receive, send)

        self.app = with_drop


async def drop(request: Request) -> None:
    """End a request's connection without an answer."""
    request.scope[_DROP]()
    # uvicorn answers 500 for an application that returns before it knows that the connection is gone.
    while (await request.receive())["type"] != "http.disconnect":
        pass
