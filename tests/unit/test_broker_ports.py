"""The ports of a cluster: those it had before, as long as nobody else has them.

I/O: binds ports of 127.0.0.1.
"""

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from broker.errors import ImpossibleRequestError, PortInUseError
from broker.ports import any_free, choose
from broker.properties import Ports, ports_of

if TYPE_CHECKING:
    from broker.progress import Step


@pytest.fixture
def last() -> Ports:
    """Where a cluster of one broker was."""
    return ports_of(any_free(3), 1)


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    with socket.socket() as taken:
        yield taken


def take(taken: socket.socket, port: int) -> None:
    taken.bind(("127.0.0.1", port))
    taken.listen()


@pytest.mark.parametrize("port", [0, None])
def test_a_cluster_returns_to_the_ports_that_it_had(last: Ports, port: int | None) -> None:
    assert choose(port, 1, registry=True, last=last) == last


def test_a_port_that_is_asked_for_counts_more_than_the_one_it_had(last: Ports) -> None:
    first = any_free(1)[0]
    assert choose(first, 1, registry=False, last=last).brokers == (first,)


def test_any_port_is_taken_and_said_where_the_one_that_it_had_is_in_use(
    last: Ports, taken: socket.socket
) -> None:
    take(taken, last.brokers[0])
    steps: list[Step] = []
    assert choose(0, 1, registry=False, last=last, report=steps.append).brokers != last.brokers
    assert [str(last.brokers[0]) in step.text for step in steps] == [True]


def test_without_a_wish_the_port_that_it_had_must_be_free(last: Ports, taken: socket.socket) -> None:
    take(taken, last.brokers[0])
    with pytest.raises(PortInUseError, match=rf"port {last.brokers[0]} .*--port 0"):
        choose(None, 1, registry=False, last=last)


def test_a_port_that_no_client_knows_gives_way_and_the_brokers_stays(
    last: Ports, taken: socket.socket
) -> None:
    take(taken, last.controllers[0])
    chosen = choose(0, 1, registry=False, last=last)
    assert chosen.brokers == last.brokers
    assert chosen.controllers != last.controllers


@pytest.mark.parametrize("port", [-1, 65534, 65536])
def test_a_number_that_cannot_be_a_port_is_a_usage_error(port: int) -> None:
    with pytest.raises(ImpossibleRequestError, match=f"port {port} is not possible") as caught:
        choose(port, 1, registry=False, last=None)
    assert caught.value.exit_code == 2
