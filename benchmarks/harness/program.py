"""The program as a user runs it: `cev` processes in a data directory of their own, with a running broker.

I/O: an embedded broker in a temporary directory, child processes.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from broker import embedded
from clients.config import Cluster
from databases.address import StoreAddress

CEV = str(Path(sys.executable).with_name("cev"))
_KIB = 1024
# As the kernel counts, a child begins with the memory that its parent had: so its parent is a small one.
_RUN = """
import resource, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
print(done.returncode, time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
print(done.stdout, end="")
"""


class Ended(NamedTuple):
    """A command that has ended: exit code, seconds that it took, largest resident memory, what it printed."""

    code: int
    seconds: float
    peak_mib: float
    output: str


class World(NamedTuple):
    """A data directory with a running broker and the topics.

    Attributes:
        data_dir: the directory.
        cluster: the broker.
        environment: of processes that shall find it.
    """

    data_dir: Path
    cluster: Cluster
    environment: Mapping[str, str]

    def run(self, *arguments: str) -> Ended:
        """Run `cev` with these arguments to its end."""
        return ended([CEV, *arguments], self.environment)

    @contextmanager
    def consuming(self, *arguments: str, processes: int = 1) -> Iterator[int]:
        """`cev consume` with these arguments, from when all its processes have joined on until SIGTERM.

        Returns: its process id.
        """
        command = [CEV, "consume", *arguments]
        with subprocess.Popen(command, stderr=subprocess.PIPE, env=self.environment, text=True) as process:  # noqa: S603 - our own command
            try:
                lines = []
                for line in process.stderr or ():
                    lines.append(line)
                    if sum(" joined " in line for line in lines) == processes:
                        break
                else:
                    raise SystemExit("".join(lines))
                # What it writes from now on is read away: a full pipe would stop it.
                Thread(target=lambda: deque(process.stderr or (), 0), daemon=True).start()
                yield process.pid
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait()


def effects_of(here: World, group: str) -> int:
    """How many effects are in a group's store; 0 while there is no store."""
    path = StoreAddress.at(group, data_dir=here.data_dir).path
    if path is None or not path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        try:
            return int(store.execute("SELECT count(*) FROM effects").fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # the table is being made


def ended(command: Sequence[str], environment: Mapping[str, str]) -> Ended:
    """Run any command to its end."""
    wrapped = [sys.executable, "-c", _RUN, *command]
    done = subprocess.run(wrapped, stdout=subprocess.PIPE, env=environment, check=True, text=True)  # noqa: S603 - our own command
    head, _, output = done.stdout.partition("\n")
    code, seconds, peak = head.split()
    return Ended(int(code), float(seconds), int(peak) / _KIB, output)


def timed(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Seconds from the start of a command to its end.

    Raises:
        CalledProcessError: it failed.
    """
    began = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True, env=environment)  # noqa: S603 - our own commands
    return time.perf_counter() - began


@contextmanager
def world() -> Iterator[World]:
    """A world that ends with the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CEV_")}
    with tempfile.TemporaryDirectory(prefix="cev-bench-") as folder:
        data_dir = Path(folder) / "data"
        environment = {**kept, "CEV_DATA_DIR": str(data_dir)}
        try:
            # With the topics, which the module `embedded` knows nothing about.
            timed([CEV, "up", "--port", "0"], environment)
            yield World(data_dir, Cluster(bootstrap=embedded.up(data_dir).bootstrap), environment)
        finally:
            embedded.down(data_dir, delete_data=True)
