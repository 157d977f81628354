"""Payments by an HTTP gateway. The effect key is the idempotency key.

A charge whose answer got lost is never made again in the dark. Before each charge the gateway is asked what
it has done under the key: nobody knows whether an earlier attempt, here or in a process that died, reached
it. The key guards the short time in which an earlier request may still be under way, and the inquiry the time
after a gateway has forgotten its keys.

I/O: HTTP.
"""

import json
from typing import NamedTuple
from urllib.parse import quote

import httpx

from consumers.channels.http_gateways import gateway_url, retry_after_ms
from consumers.runtime.reaction import Delivery
from schemas.addresses import shown, without_secrets
from schemas.errors import (
    DeliveryDeferred,
    DeliveryRejected,
    DependencyUnavailable,
    OutcomeUnknown,
    Position,
)
from schemas.times import now_ms

_TIMEOUT_S = 10.0
_DONE = {"capture": "captured", "refund": "refunded"}
_DECLINED = 402
_NOTHING_DONE = 404
_KEY_REUSED = 409
_UNAVAILABLE = 503
# RFC 9110 §15.5: these are about the configuration; any other 4xx is about the payment.
_CONFIGURATION = (401, 403, 404, 405, 407, 421, 426)
_DEFERRED = (408, 425, 429)
# The request has not left this machine, so nothing came of it.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_CONNECTION_LOST = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
_MAX_SHOWN = 200


class _Request(NamedTuple):
    """One delivery, with its effect key and the position of the record that asks for it."""

    delivery: Delivery
    key: str
    position: Position


class HttpPayments:
    """A payment gateway (docs/gateway.md).

    A delivery's `recipient` is `capture` or `refund`; its `text` is the JSON body of the request. Where it is
    `check`, nothing is asked for: the gateway says what it knows of the order's capture.

    Args:
        url: `http://` or `https://` address of the gateway.

    Raises:
        InvalidSetting: the address cannot be used.
    """

    def __init__(self, url: str) -> None:
        self._url = gateway_url(url, "payment_url")
        self._client = httpx.Client(timeout=_TIMEOUT_S)

    @property
    def describe(self) -> str:
        """What a person reads in the start line."""
        return f"gateway {shown(str(self._url.copy_with(userinfo=b'')))}"

    def deliver(self, delivery: Delivery, key: str, position: Position) -> str:
        """Capture or refund, at most once for a key; see `Channel.deliver`.

        Returns:
            JSON text: `{"outcome": "captured" or "refunded", "reference": R}`, or
            `{"outcome": "declined", "reason": TEXT}`, or of a check also `{"outcome": "nothing"}`.

        Raises:
            OutcomeUnknown: the gateway was asked, and what it did is not known.
        """
        if delivery.recipient == "check":
            captured = f"{key.removesuffix('check')}capture"
            request = _Request(delivery._replace(recipient="capture"), captured, position)
            return self._inquire(request) or json.dumps({"outcome": "nothing"})
        request = _Request(delivery, key, position)
        return self._inquire(request) or self._pay(request)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _inquire(self, request: _Request) -> str | None:
        """What was done under the key before; None: nothing."""
        url = self._endpoint(request, with_key=True)
        try:
            response = self._get(url)
        except httpx.HTTPError as error:
            raise self._no_answer(request, error) from error
        if response.status_code == _NOTHING_DONE:
            return None
        return self._outcome(request, response)

    def _get(self, url: httpx.URL) -> httpx.Response:
        try:
            return self._client.get(url)
        except _CONNECTION_LOST:
            # A gateway may close a kept connection just as it is used again (RFC 9112 §9.3.1).
            return httpx.get(url, timeout=_TIMEOUT_S)

    def _pay(self, request: _Request) -> str:
        headers = {"Idempotency-Key": request.key, "Content-Type": "application/json"}
        url = self._endpoint(request, with_key=False)
        try:
            response = self._client.post(url, content=request.delivery.text, headers=headers)
        except httpx.HTTPError as error:
            raise self._no_answer(request, error) from error
        return self._outcome(request, response)

    def _endpoint(self, request: _Request, *, with_key: bool) -> httpx.URL:
        path = f"{self._url.path.rstrip('/')}/{request.delivery.recipient}s"
        return self._url.copy_with(path=f"{path}/{quote(request.key, safe='')}" if with_key else path)

    def _outcome(self, request: _Request, response: httpx.Response) -> str:
        """What a gateway's answer says was done.

        Raises:
            RecordError: it was not done, or nobody knows.
            DependencyUnavailable: the gateway, or our way to it, is at fault.
        """
        status = response.status_code
        if not response.is_success and status != _DECLINED:
            raise self._not_done(request, response)
        document = _document(response)
        asked = json.loads(request.delivery.text)
        if any(document.get(name, asked[name]) != asked[name] for name in ("amount_cents", "currency")):
            raise _key_reused(request)
        reference, reason = document.get("reference"), document.get("reason")
        if status == _DECLINED or (reason and not reference):
            return json.dumps({"outcome": "declined", "reason": str(reason or "declined")})
        if not isinstance(reference, str) or not reference:
            raise OutcomeUnknown(
                f"the payment gateway answers HTTP {status} about {request.key}, and names no reference",
                request.position,
            )
        return json.dumps({"outcome": _DONE[request.delivery.recipient], "reference": reference})

    def _not_done(self, request: _Request, response: httpx.Response) -> Exception:
        status = response.status_code
        wait_ms = retry_after_ms(response, now_ms())
        is_deferred = status in _DEFERRED or (status == _UNAVAILABLE and wait_ms > 0)
        is_about_payment = response.is_client_error and status not in _CONFIGURATION
        if response.request.method == "GET" and (is_deferred or is_about_payment):
            return OutcomeUnknown(
                f"the payment gateway does not say what became of {request.key}: HTTP {status}",
                request.position,
                retry_after_ms=wait_ms,
            )
        if is_deferred:
            return DeliveryDeferred(
                f"the payment gateway wants {request.key} later: HTTP {status}",
                request.position,
                retry_after_ms=wait_ms,
            )
        if status == _KEY_REUSED:
            return _key_reused(request)
        if is_about_payment:
            reason = str(_document(response).get("error", ""))[:_MAX_SHOWN]
            return DeliveryRejected(
                f"the payment gateway refuses {request.key}: HTTP {status} {reason}".rstrip(),
                request.position,
            )
        return DependencyUnavailable(f"the payment gateway {self._url.host} answers HTTP {status}")

    def _no_answer(self, request: _Request, error: httpx.HTTPError) -> Exception:
        reason = without_secrets(str(self._url), error, with_path=False)
        if isinstance(error, _NOT_SENT):
            return DependencyUnavailable(f"the payment gateway {self._url.host} does not answer: {reason}")
        return OutcomeUnknown(
            f"the payment gateway does not say what became of {request.key}: {reason}", request.position
        )


def _key_reused(request: _Request) -> DeliveryRejected:
    return DeliveryRejected(
        f"the payment gateway knows {request.key} with another amount, currency or method", request.position
    )


def _document(response: httpx.Response) -> dict[str, object]:
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
