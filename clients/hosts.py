"""Whether brokers' host names are known: asked before a client tries them for ten seconds.

I/O: name resolution.
"""

import re
import socket

from schemas.errors import BrokerUnreachable

_ADDRESS = re.compile(
    r"((?P<protocol>plaintext|ssl|sasl_plaintext|sasl_ssl)://)?"
    r"(\[(?P<ipv6>[0-9a-f:.%]+)\]|(?P<host>[^\s:/@,\[\]]+))(:(?P<port>\d{1,5}))?",
    re.IGNORECASE,
)


def hosts_of(bootstrap: str) -> list[str]:
    """The hosts of a list of addresses as librdkafka takes it.

    Args:
        bootstrap: `host:port`, comma-separated; the port may be missing, and a protocol such as `SSL://`
            may stand before it.

    Raises:
        ValueError: an entry is no such address; the message does not repeat it, for it may hold a password.
    """
    entries = [entry.strip() for entry in bootstrap.split(",") if entry.strip()]
    matches = [_ADDRESS.fullmatch(entry) for entry in entries]
    for number, match in enumerate(matches, start=1):
        if match is None:
            which = "" if len(entries) == 1 else f"address {number} "
            raise ValueError(f"{which}is no broker's address: it looks like kafka-1.example:9092")
    return [match["ipv6"] or match["host"] for match in matches if match is not None]


def require_known_host(bootstrap: str) -> None:
    """Check that one of the hosts has an address, whoever may answer there.

    Raises:
        BrokerUnreachable: none has.
    """
    hosts = hosts_of(bootstrap)
    if hosts and not any(map(_is_known, hosts)):
        raise BrokerUnreachable(
            f"no host is known by the {'name' if len(hosts) == 1 else 'names'} {', '.join(hosts)}: "
            "check --bootstrap-servers or CEV_BOOTSTRAP_SERVERS"
        )


def _is_known(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return True
