"""Choosing the ports of a cluster, and saying which one is taken.

I/O: binds and releases ports of 127.0.0.1.

Not here: who gets which (properties.py).
"""

import random
import socket

from broker.errors import ImpossibleRequestError, PortInUseError
from broker.progress import Report, Step, silent
from broker.properties import HOST, Ports, ports_needed, ports_of
from broker.waiting import TimeLimit, wait_until

_LARGEST = 65535
# Below the ranges that Linux and macOS take for outgoing connections, which would else race with the start of
# the broker.
_FREE_FROM, _FREE_TO = 15000, 32000
_TRIES = 200
_RELEASE_S = 1.0
"""How long the ports of a process that was just killed may stay bound."""


DEFAULT_PORT = 9092
"""Kafka's own: the first broker's in a data directory that had none before."""


def choose(
    port: int | None, brokers: int, *, registry: bool, last: Ports | None, report: Report = silent
) -> Ports:
    """The ports of a cluster.

    Args:
        port: the first one; 0 is any free ones, None the default. Both give way to `last`.
        brokers: how many brokers.
        registry: whether the registry's port must be free, too.
        last: where this cluster was before. Clients know the brokers' ports, so these are kept or none.
        report: is told when `last` gives way to others.

    Raises: PortInUseError naming the port that is taken; ImpossibleRequestError for a number that is no port.
    """
    if last is not None and not port and len(last.brokers) == brokers:
        if wait_until(lambda: all(map(is_free, last.brokers)), TimeLimit.after(_RELEASE_S)):
            return _with_free_rest(last)
        if port is None:
            require_free([(number, f"broker {node}") for node, number in enumerate(last.brokers, start=1)])
        taken = ", ".join(str(number) for number in last.brokers if not is_free(number))
        report(Step("ports", f"port {taken}, where this cluster was, is in use: its clients must be told"))
    port = DEFAULT_PORT if port is None else port
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


def _with_free_rest(ports: Ports) -> Ports:
    """The same brokers' ports, with others for the rest where these are taken: no client knows those."""
    rest = (*ports.controllers, ports.registry)
    spare = iter(any_free(len(rest)))
    free = [number if is_free(number) else next(spare) for number in rest]
    return Ports(ports.brokers, tuple(free[:-1]), free[-1])


def require_free(users: list[tuple[int, str]]) -> None:
    """Make sure that each of (port, who wants it) is free.

    Raises: PortInUseError.
    """
    for number, who in users:
        if not is_free(number):
            raise PortInUseError(
                f"port {number} on {HOST}, which {who} would take, is in use by another program; "
                "choose another with --port, or --port 0 for any free one"
            )


def any_free(count: int) -> tuple[int, ...]:
    """So many ports that nobody listens on.

    Raises: PortInUseError when there are not enough.
    """
    candidates = random.sample(range(_FREE_FROM, _FREE_TO), _TRIES)
    free = (number for number in candidates if is_free(number))
    free_ports = tuple(number for number, _ in zip(free, range(count), strict=False))
    if len(free_ports) < count:
        raise PortInUseError(
            f"no {count} free ports were found on {HOST}; end what holds them, or name one with --port"
        )
    return free_ports


def is_free(number: int) -> bool:
    """Whether a server could listen on this port of loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As Java listens: connections of the past that linger do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, number))
        except OSError:
            return False
    return True
