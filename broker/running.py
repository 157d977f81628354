"""The cluster that runs in a data directory, as a client needs to know it.

I/O: the data directory's state, and the operating system's table of processes; neither lock nor network.

Every command that looks for its cluster comes here, so nothing that starts or fetches anything is imported.
"""

from dataclasses import dataclass
from pathlib import Path

from broker import state
from broker.properties import registry_url
from broker.state import State


@dataclass(frozen=True, kw_only=True)
class Running:
    """A running cluster.

    `bootstrap` is "127.0.0.1:9092[,...]"; `registry` the URL with /apis/ccompat/v7, None for a cluster that
    has none; `log` the broker's log file, or the folder of all logs where there are several brokers;
    `brokers` how many the cluster has. The address of a broker or registry that died is still given: a client
    that needs it learns that it does not answer, and nothing falls back to another one in silence. `up`
    starts it again.
    """

    bootstrap: str
    registry: str | None
    log: Path
    data_dir: Path
    brokers: int


def running(data_dir: Path) -> Running | None:
    """The cluster of this data directory if it was seen ready and one of its brokers is alive, else None.

    A recorded pid that now belongs to another process does not count.
    """
    recorded = state.load_state(data_dir)
    if recorded is None or not recorded.ready:
        return None
    return describe(data_dir.resolve(), recorded) if state.brokers_in(recorded.alive()) else None


def describe(data_dir: Path, recorded: State) -> Running:
    """The cluster of a data directory, from its recorded state."""
    brokers = len(recorded.ports.brokers)
    identity = state.load_identity(data_dir)
    return Running(
        bootstrap=recorded.ports.bootstrap(),
        registry=registry_url(recorded.ports.registry) if identity and identity.registry else None,
        log=state.log_of(data_dir, state.broker_name(1)) if brokers == 1 else data_dir / "logs",
        data_dir=data_dir,
        brokers=brokers,
    )
