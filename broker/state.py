"""What is remembered of a cluster in its data directory.

I/O: <data_dir>/broker/world.json, ports.json and state.json.

    world.json   what never changes while the data lives: cluster id, number of brokers, whether it has a
                 registry
    ports.json   where the cluster was ready last, so that its clients find it again
    state.json   the processes of now: ports, pids with their start times, and whether they were seen ready

Promise: each is replaced whole (write, then rename), so a reader never sees half of one; one that cannot be
read counts as absent.
Not here: deciding what to start or stop (embedded.py).
"""

import base64
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from broker.process import Process, is_alive
from broker.properties import Ports

REGISTRY = "registry"
"""The name of the registry's process in the state, and of its log."""


class ClusterIdentity(NamedTuple):
    """The part that never changes. `cluster_id` is Kafka's: 22 characters of base64url."""

    cluster_id: str
    brokers: int
    registry: bool


class State(NamedTuple):
    """The part that changes with every start; `processes` by name: broker-1, broker-2, ..., registry."""

    ports: Ports
    processes: Mapping[str, Process]
    ready: bool

    def alive(self) -> dict[str, Process]:
        """The processes that still run."""
        return {name: process for name, process in self.processes.items() if is_alive(process)}


def new_identity(brokers: int, *, registry: bool) -> ClusterIdentity:
    """A new cluster with an id of its own."""
    # Kafka's tools take an id with a leading dash for an option.
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
    return ClusterIdentity(cluster_id, brokers, registry)


def broker_name(node: int) -> str:
    """The name of a broker's process in the state, and of its log."""
    return f"broker-{node}"


def brokers_in(processes: Mapping[str, Process]) -> list[str]:
    """The names of the brokers among processes."""
    return [name for name in processes if name != REGISTRY]


def folder(data_dir: Path) -> Path:
    """Where all of the brokers' own files are."""
    return data_dir / "broker"


def log_of(data_dir: Path, name: str) -> Path:
    """The log of the process `name`."""
    return data_dir / "logs" / f"{name}.log"


def output_of(data_dir: Path, name: str) -> Path:
    """What the Java machine of `name` printed itself, such as the reason why it did not even start."""
    return log_of(data_dir, name).with_suffix(".out")


def load_identity(data_dir: Path) -> ClusterIdentity | None:
    """The cluster whose data is here, None if none was ever ready."""
    document = _read(folder(data_dir) / "world.json")
    try:
        return None if document is None else ClusterIdentity(**document)
    except TypeError:
        return None


def save_identity(data_dir: Path, identity: ClusterIdentity) -> None:
    """Remember the cluster for as long as its data lives."""
    _write(folder(data_dir) / "world.json", identity._asdict())


def load_ports(data_dir: Path) -> Ports | None:
    """Where the cluster of this data directory was ready last; None if it never was."""
    document = _read(folder(data_dir) / "ports.json")
    try:
        return None if document is None else _parse_ports(document)
    except (KeyError, TypeError):
        return None


def save_ports(data_dir: Path, ports: Ports) -> None:
    """Remember where the cluster is ready."""
    _write(folder(data_dir) / "ports.json", ports._asdict())


def load_state(data_dir: Path) -> State | None:
    """What was started last, alive or not; None if nothing was, or it was ended."""
    document = _read(folder(data_dir) / "state.json")
    try:
        return None if document is None else _parse(document)
    except (KeyError, TypeError, AttributeError):
        return None


def save_state(data_dir: Path, state: State | None) -> None:
    """Remember what runs; None forgets it."""
    path = folder(data_dir) / "state.json"
    if state is None:
        path.unlink(missing_ok=True)
        return
    processes = {name: process._asdict() for name, process in state.processes.items()}
    _write(path, {"ports": state.ports._asdict(), "processes": processes, "ready": state.ready})


def _parse(document: Any) -> State:
    return State(
        _parse_ports(document["ports"]),
        {name: Process(**fields) for name, fields in document["processes"].items()},
        document["ready"],
    )


def _parse_ports(document: Any) -> Ports:
    return Ports(tuple(document["brokers"]), tuple(document["controllers"]), document["registry"])


def _read(path: Path) -> Any | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(document, indent=1), encoding="utf-8")
    fresh.replace(path)
