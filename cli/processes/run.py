"""`cev consume --processes`: checks what can be checked before, and runs the supervisor.

I/O: Kafka (metadata), the data directory, signals, child processes, the log.
"""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from threading import Event

import typer

from broker.datadir import claim
from cli.common import AppContext
from cli.processes.child import Child
from cli.processes.health import respond
from cli.processes.supervisor import Supervisor
from cli.signals import stop_on_signals
from clients.cluster import partition_counts
from clients.log import Log
from consumers.registry import named
from consumers.runtime.health_server import listen
from consumers.runtime.reaction import AnyReaction
from schemas.errors import UsageError


def run_processes(
    app: AppContext, names: Sequence[str], count: int, options: Mapping[str, object], *, until_idle: bool
) -> None:
    """Run reactions in several processes until a signal, or until nothing has come for a while.

    Args:
        app: settings and cluster.
        names: reactions.
        count: processes, each with a member of every group.
        options: what each process is given besides, by flag; None is left out.
        until_idle: whether the processes end by themselves.

    Raises:
        UsageError: there is no such reaction, or the settings name one member of a group.
        DataDirError, TopicMissing, BrokerUnreachable: as one process would end.
        typer.Exit: a process has not ended well, with the worst exit code (design §9).
    """
    reactions = [named(name) for name in dict.fromkeys(names)]
    claim(app.data_dir)
    if "group.instance.id" in app.settings.kafka:
        raise UsageError(
            "group.instance.id names one member of a group, and --processes would give it to all"
        )
    partitions = partition_counts(app.cluster, {topic for reaction in reactions for topic in reaction.reads})
    for reaction in reactions:
        warn_of_standby(reaction, partitions, count)
    stopping = Event()
    children = [Child(number, command_of(reactions, options, number)) for number in range(1, count + 1)]
    supervisor = Supervisor(children, stopping, until_idle=until_idle, drain_s=app.settings.drain_s)
    stop_on_signals(stopping, at_second=supervisor.kill)
    if app.settings.health_port is not None:
        server = listen(app.settings.health_port, partial(respond, children), app.settings.health_host)
        Log().info("health server", port=server.server_port)
    code = supervisor.run()
    if code:
        raise typer.Exit(code)


def warn_of_standby(reaction: AnyReaction, partitions: Mapping[str, int], count: int) -> None:
    """Log that more processes were asked for than can have orders to work on at one time.

    Args:
        reaction: whose group.
        partitions: of each topic.
        count: processes.
    """
    useful = max(partitions[topic] for topic in reaction.reads)
    if count > useful:
        Log(group=reaction.name).warning(
            "more processes than partitions",
            processes=count,
            partitions=useful,
            why="a partition is read by one member of a group; the others stand by",
        )


def command_of(reactions: Sequence[AnyReaction], options: Mapping[str, object], number: int) -> list[str]:
    """The command line of one process. `-P`: a folder `cli` where the user happens to be is not ours."""
    flags = [f"--{flag}={value}" for flag, value in options.items() if value is not None]
    names = [reaction.name for reaction in reactions]
    return [sys.executable, "-P", "-m", "cli", "consume", *names, *flags, f"--supervised-as={number}"]
