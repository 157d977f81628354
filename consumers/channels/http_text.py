"""Text messages by an HTTP gateway. The effect key is the idempotency key.

I/O: HTTP.
"""

import httpx

from consumers.channels.http_gateways import gateway_url, retry_after_ms
from consumers.runtime.reaction import Delivery
from schemas.addresses import shown, without_secrets
from schemas.contacts import dialled
from schemas.errors import DeliveryDeferred, DeliveryRejected, DependencyUnavailable, Position
from schemas.times import now_ms

_TIMEOUT_S = 10.0
# RFC 9110 §15.5: these are about the configuration; any other 4xx is about the message itself, for now or for
# good.
_CONFIGURATION = (401, 402, 403, 404, 405, 407, 421, 426)
# About this request at this moment: it took too long (408), came too early (425, RFC 8470), was one too many
# (429, RFC 6585), or made the gateway itself fail (500).
_DEFERRED = (408, 425, 429, 500)
_CONNECTION_LOST = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)


class HttpText:
    """An HTTP gateway: POST of `{"id", "to", "text"}`, with the id in `Idempotency-Key` too.

    Args:
        url: `http://` or `https://` address of the gateway.
    """

    def __init__(self, url: str) -> None:
        self._url = gateway_url(url, "text_url")
        self._client = httpx.Client(timeout=_TIMEOUT_S)

    @property
    def describe(self) -> str:
        """What a person reads in the start line."""
        return f"gateway {shown(str(self._url.copy_with(userinfo=b'')))}"

    def deliver(self, delivery: Delivery, key: str, position: Position) -> None:
        """Post a text; see `Channel.deliver`."""
        message = {"id": key, "to": dialled(delivery.recipient), "text": delivery.subject}
        try:
            response = self._post(message, key)
        except httpx.HTTPError as error:
            raise DependencyUnavailable(
                f"the text gateway {self._url.host} does not answer: "
                f"{without_secrets(str(self._url), error, with_path=False)}"
            ) from error
        if response.is_success:
            return
        if response.status_code in _DEFERRED:
            raise DeliveryDeferred(
                f"the text gateway wants a text to {delivery.recipient} later: HTTP {response.status_code}",
                position,
                retry_after_ms=retry_after_ms(response, now_ms()),
            )
        if response.is_client_error and response.status_code not in _CONFIGURATION:
            raise DeliveryRejected(
                f"the text gateway refuses a text to {delivery.recipient}: HTTP {response.status_code}",
                position,
            )
        raise DependencyUnavailable(f"the text gateway {self._url.host} answers HTTP {response.status_code}")

    def _post(self, message: dict[str, str], key: str) -> httpx.Response:
        headers = {"Idempotency-Key": key}
        try:
            return self._client.post(self._url, json=message, headers=headers)
        except _CONNECTION_LOST:
            # A gateway may close a kept connection just as it is used again (RFC 9112 §9.3.1). That says
            # nothing about the gateway, and the key makes a repetition the same message.
            return httpx.post(self._url, json=message, headers=headers, timeout=_TIMEOUT_S)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
