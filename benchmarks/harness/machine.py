"""What a figure was measured on: the machine, and the versions of everything that works in it.

I/O: the operating system, git.
"""

import importlib.metadata
import os
import platform
import sqlite3
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import confluent_kafka

from broker import artifacts

_ROOT = Path(__file__).parents[2]
_PACKAGES = ("confluent-kafka", "fastavro", "sqlalchemy", "psycopg", "faststream", "aiokafka")


def machine(bootstrap: str | None) -> dict[str, str]:
    """The machine and the versions, by name; the load is that of the minute before.

    Args:
        bootstrap: the user's cluster; None is the embedded broker.
    """
    return {
        "measured at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "CPU": _cpu(),
        "cores": str(os.cpu_count()),
        "load before": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "librdkafka": str(confluent_kafka.libversion()[0]),
        "broker": artifacts.load("kafka").name + ", embedded" if bootstrap is None else "a user's own",
        "SQLite": sqlite3.sqlite_version,
        **{name: version for name in _PACKAGES if (version := _version(name))},
    }


def _commit() -> str:
    command = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()  # noqa: S603 - our own command
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
