"""The gateway's HTTP interface.

    POST /captures, POST /refunds    with Idempotency-Key: 201, 402, 409, 400, 429, 503, or no answer
    GET /captures/KEY, /refunds/KEY  200 with what was done under this key, or 404
    GET /charges                     every charge
    GET /health                      200

Not here: who may call it. It listens on loopback unless told otherwise.

I/O: HTTP, by Starlette.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast

from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.connections import drop
from gateway.messages import MalformedRequest, payment_request
from gateway.store import KeyReused, PaymentStore
from gateway.tokens import Kind, Reply, answers_inquiries, reply
from schemas.times import now_ms

MAX_BODY = 4096
"""Bytes of a request's body; a longer one is refused."""
_BODY_S = 10.0
_RETRY_AFTER = {"Retry-After": "1"}

Watch = Callable[[str, str, int | None], None]
"""Called for each request about a payment: `POST /captures`, its key, status code or None: no answer."""


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What goes wrong whatever the token.

    Attributes:
        slow_s: how late `tok_slow` is answered, in seconds.
        failure_rate: share of requests, 0 to 1, that are answered 503 and do nothing.
    """

    slow_s: float = 3.0
    failure_rate: float = 0.0


def application(store: PaymentStore, faults: Faults, watch: Watch) -> Starlette:
    """The gateway as an ASGI application."""
    gateway = _Gateway(store, faults, watch)
    captures, refunds = partial(gateway.pay, "capture"), partial(gateway.pay, "refund")
    return Starlette(
        routes=[
            Route("/captures", captures, methods=["POST"]),
            Route("/refunds", refunds, methods=["POST"]),
            Route("/captures/{key:path}", partial(gateway.inquire, "capture")),
            Route("/refunds/{key:path}", partial(gateway.inquire, "refund")),
            Route("/charges", gateway.charges),
            Route("/health", _healthy),
        ],
        exception_handlers={
            HTTPException: _refused,
            MalformedRequest: _malformed,
            KeyReused: _key_reused,
            SQLAlchemyError: _store_down,
            ClientDisconnect: _gone,
        },
    )


class _Gateway:
    def __init__(self, store: PaymentStore, faults: Faults, watch: Watch) -> None:
        self._store = store
        self._faults = faults
        self._watch = watch

    async def pay(self, kind: Kind, request: Request) -> Response:
        """Charge or refund, at most once for a key."""
        key = request.headers.get("idempotency-key")
        asked = payment_request(kind, key, await _body(request))
        response: Response | None = self._failure()
        if response is None:
            payment = await run_in_threadpool(self._store.handle, asked)
            match reply(payment.token, payment.asked - 1, now_ms() - payment.first_asked_at):
                case Reply.NONE:
                    return await self._drop(f"POST /{kind}s", asked.key, request)
                case Reply.BUSY:
                    response = JSONResponse({"error": "too many requests"}, 429, _RETRY_AFTER)
                case Reply.LATE:
                    await asyncio.sleep(self._faults.slow_s)
            document = payment.document()
            response = response or JSONResponse(document, 201 if payment.reference is not None else 402)
        return self._answer(f"POST /{kind}s", asked.key, response)

    async def inquire(self, kind: Kind, request: Request) -> Response:
        """What was done under a key."""
        key = request.path_params["key"]
        response: Response | None = self._failure()
        if response is None:
            payment = await run_in_threadpool(self._store.find, kind, key)
            if payment and not answers_inquiries(payment.token, now_ms() - payment.first_asked_at):
                return await self._drop(f"GET /{kind}s", key, request)
            if payment is None or not payment.settled:
                response = JSONResponse({"error": "nothing was done under this key"}, 404)
            else:
                response = JSONResponse(payment.document())
        return self._answer(f"GET /{kind}s", key, response)

    async def charges(self, _request: Request) -> Response:
        """Every charge."""
        charges = await run_in_threadpool(self._store.charges)
        return JSONResponse({"charges": [payment.charge() for payment in charges]})

    def _failure(self) -> Response | None:
        if random.random() >= self._faults.failure_rate:
            return None
        return JSONResponse({"error": "not now"}, 503, _RETRY_AFTER)

    def _answer(self, route: str, key: str, response: Response) -> Response:
        self._watch(route, key, response.status_code)
        return response

    async def _drop(self, route: str, key: str, request: Request) -> Response:
        self._watch(route, key, None)
        await drop(request)
        return Response()


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(_BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise HTTPException(413, f"a body has at most {MAX_BODY} bytes", {"Connection": "close"})
    except TimeoutError:
        raise HTTPException(408, "the body did not come", {"Connection": "close"}) from None
    return body


async def _healthy(_request: Request) -> Response:
    return JSONResponse({"ok": True})


async def _refused(_request: Request, error: Exception) -> Response:
    refused = cast("HTTPException", error)
    return _error(refused.status_code, refused.detail, refused.headers)


async def _malformed(_request: Request, error: Exception) -> Response:
    return _error(400, error)


async def _key_reused(_request: Request, error: Exception) -> Response:
    return _error(409, error)


async def _store_down(_request: Request, error: Exception) -> Response:
    return _error(503, f"the store cannot be used: {getattr(error, 'orig', None) or error}")


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response()  # for nobody: the client has left


def _error(status: int, reason: object, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": str(reason)}, status, headers)
