"""Bringing a cluster to what was asked for: what is missing is started, and ended again on failure.

I/O: processes, the data directory, the cache, Kafka (through the modules beside this one).

    recorded and seen ready, a broker alive   -> keep what is alive, on its ports; start only what is missing
    anything else                             -> end leftovers, choose ports, start everything

Promise: the caller holds the lock of the data directory. The cluster is remembered for good only when it was
ready once: until then no record can be in it, and its half-made storage is thrown away by the next start.
Not here: locks, the description of a running cluster (embedded.py).
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from broker import aot_cache, kafka, ready, registry, state
from broker.artifacts import load
from broker.download import provide
from broker.errors import BrokerError, DifferentClusterError, VanishedError
from broker.ports import any_free, choose, is_free, require_free
from broker.process import Process, stop
from broker.progress import Report, Step
from broker.properties import Ports
from broker.running import Running, describe
from broker.state import ClusterIdentity, State
from broker.waiting import TimeLimit

GRACE_S = 15.0
_ATTEMPTS = 3
# Java writes its cache of classes when the recorded broker ends: 4 s of a processor.
_RECORDING_S = 120.0


Prepare = Callable[[Running, float], None]
"""Makes a cluster that answers fit for use; is told how many seconds that may take."""


class LaunchRequest(NamedTuple):
    """What `up` was asked for; see there."""

    data_dir: Path
    brokers: int | None
    registry: bool
    port: int | None
    prepare: Prepare
    report: Report
    cache: Path
    deadline_s: float


def launch(request: LaunchRequest) -> State:
    """Start what the request asks for and does not run yet.

    Returns: the state of a cluster of which every process answers.
    Raises: a BrokerError; then what was started here is ended.
    """
    # A process that was just killed still looks alive for a moment.
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(VanishedError):
            return _launch(request)
    return _launch(request)


def _launch(request: LaunchRequest) -> State:
    identity = _identity(request)
    recorded = state.load_state(request.data_dir)
    keep = recorded.alive() if recorded else {}
    if recorded is None or not recorded.ready or not state.brokers_in(keep):
        stop(keep.values(), deadline_s=GRACE_S)
        keep = {}
        ports = choose(
            request.port,
            identity.brokers,
            registry=identity.registry,
            last=state.load_ports(request.data_dir),
            report=request.report,
        )
    else:
        ports = _ports_for_missing(request, recorded.ports, identity, keep)
    return _Launch(request, identity, ports, keep).run()


def _identity(request: LaunchRequest) -> ClusterIdentity:
    known = state.load_identity(request.data_dir)
    if known is None:
        return state.new_identity(request.brokers or 1, registry=request.registry)
    if request.brokers not in (None, known.brokers):
        raise DifferentClusterError(
            f"{request.data_dir} holds a cluster of {_count(known.brokers)}, and that number never changes: "
            f"start it with --brokers {known.brokers}, or name another data directory"
        )
    return known._replace(registry=known.registry or request.registry)


def _count(brokers: int) -> str:
    return "1 broker" if brokers == 1 else f"{brokers} brokers"


def _ports_for_missing(
    request: LaunchRequest, ports: Ports, identity: ClusterIdentity, keep: Mapping[str, Process]
) -> Ports:
    """The ports of a running cluster, of which those of the missing processes must be free."""
    if identity.registry and state.REGISTRY not in keep:
        if request.port == 0 and not is_free(ports.registry):
            ports = ports._replace(registry=any_free(1)[0])
        require_free([(ports.registry, "the registry")])
    require_free([(ports.brokers[node - 1], f"broker {node}") for node in _missing(identity, keep)])
    return ports


def _missing(identity: ClusterIdentity, keep: Mapping[str, Process]) -> list[int]:
    """The numbers of the brokers that do not run."""
    return [node for node in range(1, identity.brokers + 1) if state.broker_name(node) not in keep]


class _Launch:
    """One launch; on failure it ends the processes that it started."""

    def __init__(
        self, request: LaunchRequest, identity: ClusterIdentity, ports: Ports, keep: Mapping[str, Process]
    ) -> None:
        self._request, self._identity, self._ports = request, identity, ports
        self._keep = dict(keep)
        self._started: dict[str, Process] = {}
        self._watched = {name: self._watch(name, process, since=None) for name, process in keep.items()}

    def run(self) -> State:
        try:
            limit = self._start_missing()
            self._await_ready(limit)
            self._remember()
            self._request.prepare(describe(self._request.data_dir, self._state(ready=True)), limit.left())
        except BaseException:
            stop(self._started.values(), deadline_s=GRACE_S)
            self._started.clear()
            state.save_state(self._request.data_dir, self._state(ready=True) if self._keep else None)
            raise
        return self._state(ready=True)

    def _remember(self) -> None:
        state.save_identity(self._request.data_dir, self._identity)
        state.save_ports(self._request.data_dir, self._ports)
        state.save_state(self._request.data_dir, self._state(ready=True))

    def _start_missing(self) -> TimeLimit:
        """Fetch what the missing processes run from and start them all; the limit for their answers."""
        nodes = _missing(self._identity, self._keep)
        lacks_registry = self._identity.registry and state.REGISTRY not in self._keep
        jars = provide(load("kafka"), self._request.cache, self._request.report) if nodes else []
        program = self._registry_program() if lacks_registry else None
        limit = TimeLimit.after(self._request.deadline_s)
        if nodes:
            self._report("starting Apache Kafka")
            options = aot_cache.options(self._classes(jars))
            cluster_id = self._identity.cluster_id
            kafka.format_storage(
                self._request.data_dir, cluster_id, self._ports, jars, limit, options=options
            )
            self._record_classes(jars)
        if program:
            self._start_registry(program)
        for node in nodes:
            self._start_broker(node, jars, aot_cache.options(self._classes(jars)))
        return limit

    def _classes(self, jars: list[Path]) -> Path:
        return aot_cache.cache_file(self._request.cache, jars)

    def _record_classes(self, jars: list[Path]) -> None:
        """Run the broker of a new cluster once for Java's cache of its classes, where there is none yet.

        No client knows the broker yet. It starts without the cache where this fails.
        """
        classes = self._classes(jars)
        is_new = state.load_identity(self._request.data_dir) is None
        if not is_new or self._identity.brokers > 1 or classes.exists():
            return
        limit = TimeLimit.after(_RECORDING_S)
        with contextlib.suppress(BrokerError, OSError), aot_cache.recording(classes, limit) as options:
            self._report("recording what Apache Kafka loads, once: the next starts take half the time")
            self._start_broker(1, jars, options)
            self._await_brokers(limit)
            stop(self._started.values(), deadline_s=limit.left())
        stop(self._started.values(), deadline_s=GRACE_S)
        self._started.clear()

    def _registry_program(self) -> Path:
        return registry.provide_program(load("registry"), self._request.cache, self._request.report)

    def _start_broker(self, node: int, jars: list[Path], options: Sequence[str]) -> None:
        name = state.broker_name(node)
        since = ready.length_of(state.log_of(self._request.data_dir, name))
        started = kafka.start(self._request.data_dir, node, self._ports, jars, options=options)
        self._record(self._watch(name, started, since=since))

    def _start_registry(self, program: Path) -> None:
        self._report("starting the schema registry")
        since = ready.length_of(state.log_of(self._request.data_dir, state.REGISTRY))
        started = registry.start(self._request.data_dir, program, self._ports.registry)
        self._record(self._watch(state.REGISTRY, started, since=since))

    def _watch(self, name: str, process: Process, *, since: int | None) -> ready.Watched:
        """`since` is None for a process that ran before."""
        log, output = (
            state.log_of(self._request.data_dir, name),
            state.output_of(self._request.data_dir, name),
        )
        return ready.Watched(name, process, log, output, since or 0, kept=since is None)

    def _record(self, watched: ready.Watched) -> None:
        """Remember at once: should we be killed now, the next `up` or `down` ends what we started."""
        self._started[watched.name] = watched.process
        self._watched[watched.name] = watched
        state.save_state(self._request.data_dir, self._state(ready=bool(self._keep)))

    def _await_brokers(self, limit: TimeLimit) -> None:
        brokers = [watched for name, watched in self._watched.items() if name != state.REGISTRY]
        ready.await_brokers(self._ports, self._identity.cluster_id, brokers, limit)

    def _await_ready(self, limit: TimeLimit) -> None:
        self._await_brokers(limit)
        beside = self._watched.get(state.REGISTRY)
        if beside:
            ready.await_registry(self._ports.registry, beside, limit)
        if self._started:
            self._request.report(Step("ready", f"ready at {self._ports.bootstrap()}"))

    def _report(self, text: str) -> None:
        self._request.report(Step("start", text))

    def _state(self, *, ready: bool) -> State:
        return State(self._ports, {**self._keep, **self._started}, ready)
