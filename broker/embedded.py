"""`cev up` and `cev down`: a real Apache Kafka of one data directory, started, found and ended.

I/O: the data directory, the cache, processes, Kafka (all through the modules beside this one).

    up      claim the directory -> lock -> keep what runs -> jars, ports, storage -> start -> wait for answers
    down    lock -> SIGTERM, in time SIGKILL, for exactly the recorded processes -> erase if asked to

Promises: `up` on a running cluster changes nothing and reports the same again; a broker of it that died is
started again. When `up` fails, whatever it started is ended. Every wait has a deadline.
Not here: finding what runs (running.py), topics, questions to the user, printing.
"""

from contextlib import AbstractContextManager
from pathlib import Path

from broker import datadir, process, state
from broker.download import default_cache
from broker.errors import ImpossibleRequestError
from broker.launch import GRACE_S, LaunchRequest, Prepare, launch
from broker.progress import Report, silent
from broker.properties import MAX_BROKERS
from broker.running import Running, describe
from broker.waiting import TimeLimit

START_DEADLINE_S = 120.0
DOWN_DEADLINE_S = 60.0
# Three brokers take 6 s to hand over to each other in good order, for the sake of data that is erased next.
_ERASING_GRACE_S = 2.0


def _nothing_to_prepare(_running: Running, _seconds: float) -> None:
    """The cluster is wanted as it is."""


def up(
    data_dir: Path,
    *,
    brokers: int | None = None,
    registry: bool = False,
    port: int | None = None,
    prepare: Prepare = _nothing_to_prepare,
    report: Report = silent,
    deadline_s: float = START_DEADLINE_S,
    cache: Path | None = None,
) -> Running:
    """Start the cluster of `data_dir`, or find it running; return when every process of it answers.

    Args:
        data_dir: where its data, settings and logs are; made if missing.
        brokers: 1 to 9; None is what the directory holds, or 1. It never changes while the data lives.
        registry: add a schema registry. A cluster that has had one keeps it, because its records carry that
            registry's ids.
        port: the first broker's port, the others follow. None is where the cluster was before, at first 9092;
            0 too, and any free ones where those are taken. A running cluster keeps its own.
        prepare: called with the cluster once it answers; what it raises is a failed start.
        report: called with every step.
        deadline_s: seconds for everything but downloads, which end when they stall.
        cache: where the Java side is kept, by default below the user's cache folder.

    Raises: a BrokerError or what `prepare` raises, after which nothing runs that did not run before.
    """
    if brokers is not None and not 1 <= brokers <= MAX_BROKERS:
        raise ImpossibleRequestError(f"{brokers} brokers are not possible: choose 1 to {MAX_BROKERS}")
    datadir.claim(data_dir)
    data_dir = data_dir.resolve()
    request = LaunchRequest(
        data_dir, brokers, registry, port, prepare, report, cache or default_cache(), deadline_s
    )
    with datadir.readable_errors(data_dir), _locked(data_dir, deadline_s):
        return describe(data_dir, launch(request))


def down(data_dir: Path, *, delete_data: bool = False) -> bool:
    """End the cluster of `data_dir` gracefully, and erase the whole directory if asked to.

    Returns: False when nothing was running.
    Raises: StopError, BusyError; DataDirError for a directory that is not ours to erase.
    """
    if not data_dir.is_dir():
        return False
    with datadir.readable_errors(data_dir):
        if not datadir.is_ours(data_dir):
            if delete_data:
                datadir.erase(data_dir)
            return False
        with _locked(data_dir, DOWN_DEADLINE_S):
            recorded = state.load_state(data_dir)
            alive = recorded.alive() if recorded else {}
            process.stop(alive.values(), deadline_s=_ERASING_GRACE_S if delete_data else GRACE_S)
            state.save_state(data_dir, None)
            if delete_data:
                datadir.erase(data_dir)
    return bool(alive)


def _locked(data_dir: Path, deadline_s: float) -> AbstractContextManager[None]:
    return datadir.locked(state.folder(data_dir) / "lock", TimeLimit.after(deadline_s))
