"""Which cluster a command talks to.

I/O: reads the data directory's state (through running.py).

    explicit settings, merged by the caller -> a running `cev up` of the data directory -> NoClusterError

Promise: no silent fallback. A registry is taken from the running cluster only together with that cluster's
brokers: schema ids of one cluster's registry mean nothing on another. Nothing is connected to.
Not here: reading settings (cli/), client configuration (clients/config.py).
"""

from pathlib import Path
from typing import Literal, NamedTuple

from broker.errors import NoClusterError
from broker.running import Running, running


class ClusterAddress(NamedTuple):
    """Where to connect.

    `bootstrap` is a list of addresses as clients take it; `registry` a URL, or None for single-object
    encoding; `source` says where `bootstrap` comes from.
    """

    bootstrap: str
    registry: str | None
    source: Literal["settings", "cev up"]


def find(data_dir: Path, *, bootstrap_servers: str | None, registry_url: str | None) -> ClusterAddress:
    """The cluster of explicit settings, else the running one of `data_dir`. Blank text counts as not given.

    Raises: NoClusterError (exit 3), whose line says how to start one.
    """
    return choose(running(data_dir), data_dir, bootstrap_servers=bootstrap_servers, registry_url=registry_url)


def choose(
    cluster: Running | None, data_dir: Path, *, bootstrap_servers: str | None, registry_url: str | None
) -> ClusterAddress:
    """The decision of `find`, without looking: `cluster` is what runs in `data_dir`. Pure."""
    bootstrap = (bootstrap_servers or "").strip()
    url = (registry_url or "").strip() or None
    if bootstrap:
        same = cluster is not None and _addresses(bootstrap) == _addresses(cluster.bootstrap)
        return ClusterAddress(bootstrap, url or (cluster.registry if cluster and same else None), "settings")
    if cluster is None:
        raise NoClusterError(
            f"no broker runs in {data_dir} and no address was given: start one with `cev up`, "
            "or name yours with --bootstrap-servers or CEV_BOOTSTRAP_SERVERS"
        )
    return ClusterAddress(cluster.bootstrap, url or cluster.registry, "cev up")


def _addresses(bootstrap: str) -> set[str]:
    """The addresses as a set, in which localhost is what it stands for."""
    parts = (part.strip().lower() for part in bootstrap.split(","))
    return {part.replace("localhost:", "127.0.0.1:") for part in parts if part}
