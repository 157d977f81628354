"""When a process may be called ready: when it answers, not when a port opens.

I/O: Kafka (describe_cluster), HTTP to the registry on loopback, TCP connections, log files.

Promise: a process that dies while we wait ends the waiting at once, and the message shows the end of its log.
Not here: starting and stopping.
"""

import contextlib
import http.client
import socket
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

from broker.errors import StartError, VanishedError
from broker.process import Process, is_alive
from broker.properties import HOST, Ports
from broker.waiting import TimeLimit, wait_until

_LAST_LINES = 15
_LINE_LENGTH = 300
_TAIL_BYTES = 65536
_ANSWER_S = 2.0


class Watched(NamedTuple):
    """A process that is waited for, and where to read why it died.

    `since` is the log's length in bytes before this start; `kept` says that the process ran already.
    """

    name: str
    process: Process
    log: Path
    output: Path
    since: int
    kept: bool = False


def await_brokers(ports: Ports, cluster_id: str, watched: Collection[Watched], deadline: TimeLimit) -> None:
    """Return when the cluster `cluster_id` answers with all its brokers.

    Raises: StartError when one died (VanishedError if it ran before), did not answer in time, or somebody
    else's cluster answered.
    """
    # Asked before, librdkafka would back off between attempts for longer than the broker takes.
    _await(lambda: all(map(_listens, ports.brokers)), "listen", watched, deadline)

    def complete() -> bool:
        cluster = _describe(ports)
        if cluster is not None and cluster.cluster_id != cluster_id:
            raise StartError(
                f"another Kafka cluster ({cluster.cluster_id}) answers at {ports.bootstrap()}; use --port"
            )
        return cluster is not None and len(cluster.nodes) == len(ports.brokers)

    _await(complete, "answer as one cluster", watched, deadline)


def await_registry(port: int, watched: Watched, deadline: TimeLimit) -> None:
    """Return when the registry lists its subjects.

    Raises: StartError as above.
    """
    _await(lambda: _get(port, "/apis/ccompat/v7/subjects"), "answer", [watched], deadline)


def length_of(log: Path) -> int:
    """Bytes in a log, 0 if there is none yet."""
    try:
        return log.stat().st_size
    except FileNotFoundError:
        return 0


def _await(
    condition: Callable[[], bool], what: str, watched: Collection[Watched], deadline: TimeLimit
) -> None:
    def holds() -> bool:
        for process in watched:
            if not is_alive(process.process):
                raise (VanishedError if process.kept else StartError)(
                    f"{process.name} died while it started; the end of {process.log}:\n{excerpt(process)}"
                )
        return condition()

    if not wait_until(holds, deadline):
        ends = "\n".join(f"the end of {process.log}:\n{excerpt(process)}" for process in watched)
        names = ", ".join(process.name for process in watched)
        raise StartError(f"{names} did not {what} in time; {ends}")


def excerpt(watched: Watched) -> str:
    """The last lines that this start wrote, without the frames of Java's stack traces."""
    lines = _lines(watched.log, watched.since) or _lines(watched.output, 0) or ["(it wrote nothing)"]
    return "\n".join(f"  {line[:_LINE_LENGTH]}" for line in lines[-_LAST_LINES:])


def _lines(path: Path, since: int) -> list[str]:
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            # A log that is shorter than before was rolled over.
            stream.seek(max(since if since <= size else 0, size - _TAIL_BYTES))
            text = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return [line for line in text.splitlines() if line.strip() and not line.startswith(("\tat ", "\t..."))]


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1.0):
            return True
    except OSError:
        return False


def _describe(ports: Ports) -> Any | None:
    # The client takes 0.1 s to import; `running` and `down` do without.
    from confluent_kafka import KafkaException  # noqa: PLC0415 - as above
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415 - as above

    settings: dict[str, Any] = {
        "bootstrap.servers": ports.bootstrap(),
        "reconnect.backoff.max.ms": 200,
        "error_cb": _ignore,
        "log_level": 0,
    }
    admin = AdminClient(settings)
    try:
        return admin.describe_cluster(request_timeout=_ANSWER_S).result(timeout=2 * _ANSWER_S)
    except (KafkaException, TimeoutError):
        return None


def _ignore(_error: object) -> None:
    """Drop errors: connections fail until the broker listens."""


def _get(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=_ANSWER_S)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    return False
