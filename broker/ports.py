"""Choosing the ports of a cluster, and saying which one is taken.

I/O: binds and releases ports of 127.0.0.1.

Not here: who gets which (properties.py).
"""

import random
import socket

from broker.errors import ImpossibleRequestError, PortInUseError
from broker.properties import HOST, Ports, ports_needed, ports_of

_LARGEST = 65535
# Below the ranges that Linux and macOS take for outgoing connections, which would else race with the start of
# the broker.
_FREE_FROM, _FREE_TO = 15000, 32000
_TRIES = 200


def choose(port: int, brokers: int, *, registry: bool) -> Ports:
    """The ports of a cluster: from `port` upward, or any free ones where it is 0.

    Raises: PortInUseError naming the port that is taken; ImpossibleRequestError for a number that is no port.
    """
    if port == 0:
        return ports_of(any_free(ports_needed(brokers)), brokers)
    wanted = ports_of(tuple(range(port, port + ports_needed(brokers))), brokers)
    if port < 0 or wanted.registry > _LARGEST:
        raise ImpossibleRequestError(
            f"port {port} is not possible: {ports_needed(brokers)} ports from it on must be 1 to {_LARGEST}"
        )
    users = [(number, f"broker {node}") for node, number in enumerate(wanted.brokers, start=1)]
    users += [
        (number, f"the controller of broker {node}")
        for node, number in enumerate(wanted.controllers, start=1)
    ]
    require_free([*users, *([(wanted.registry, "the registry")] if registry else [])])
    return wanted


def require_free(users: list[tuple[int, str]]) -> None:
    """Make sure that each of (port, who wants it) is free.

    Raises: PortInUseError.
    """
    for number, who in users:
        if not _is_free(number):
            raise PortInUseError(
                f"port {number} on {HOST}, which {who} would take, is in use by another program; "
                "choose another with --port, or --port 0 for any free one"
            )


def any_free(count: int) -> tuple[int, ...]:
    """So many ports that nobody listens on.

    Raises: PortInUseError when there are not enough.
    """
    candidates = random.sample(range(_FREE_FROM, _FREE_TO), _TRIES)
    free = (number for number in candidates if _is_free(number))
    free_ports = tuple(number for number, _ in zip(free, range(count), strict=False))
    if len(free_ports) < count:
        raise PortInUseError(
            f"no {count} free ports were found on {HOST}; end what holds them, or name one with --port"
        )
    return free_ports


def _is_free(number: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As Java listens: connections of the past that linger do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, number))
        except OSError:
            return False
    return True
