"""How long commands take from their first moment, as ratios to importing typer in the same run.

    python benchmarks/startup.py                 nine rounds; one round runs every command once
    python benchmarks/startup.py --rounds 30     for a machine that does other things too

Byte code is written first, as `make setup` does. An order is a real one, on a running broker. A consumer is
timed from its start to the line that says that it has joined its group, with a store that exists. Nothing
here is asserted; the goals are printed beside the figures.

I/O: an embedded broker in a temporary directory, the program as child processes.
"""

import argparse
import compileall
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from broker import embedded

_CEV = str(Path(sys.executable).with_name("cev"))
_ROOT = Path(__file__).parents[1]
_ROOMS = ("broker", "cli", "clients", "consumers", "databases", "operations", "producers", "schemas")
_COMPLETION = {"_CEV_COMPLETE": "complete_bash", "COMP_WORDS": "cev consume wa", "COMP_CWORD": "2"}

_BASE = "import typer"
_GOALS = {"cev --help": "2.5 times", "cev order place": "5 times", "cev consume, to joined": "1.5 s"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    for room in _ROOMS:
        compileall.compile_dir(_ROOT / room, quiet=1)
    with _broker() as environment:
        _join(environment)  # makes the store
        seconds: dict[str, list[float]] = {}
        for _ in range(rounds):
            for name, taken in _round(environment):
                seconds.setdefault(name, []).append(taken)
    print(f"{rounds} rounds; milliseconds and times the import of typer, fastest and median\n")
    base = seconds[_BASE]
    for name, column in seconds.items():
        fastest, median = min(column), statistics.median(column)
        ratios = f"{fastest / min(base):6.1f}{median / statistics.median(base):6.1f}"
        goal = f"   goal: {_GOALS[name]}" if name in _GOALS else ""
        print(f"{name:<26}{fastest * 1000:7,.0f}{median * 1000:7,.0f}{ratios}{goal}")


def _round(environment: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    yield _BASE, _timed([sys.executable, "-c", _BASE], environment)
    yield "cev --help", _timed([_CEV, "--help"], environment)
    yield "cev order place --help", _timed([_CEV, "order", "place", "--help"], environment)
    yield "cev consume wa<TAB>", _timed([_CEV], {**environment, **_COMPLETION})
    yield "cev order place", _timed([_CEV, "order", "place", "--address", "1 Streetford Road"], environment)
    yield "cev consume, to joined", _join(environment)


def _timed(command: Sequence[str], environment: Mapping[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True, env=environment)  # noqa: S603 - our own commands
    return time.perf_counter() - began


def _join(environment: Mapping[str, str]) -> float:
    began = time.perf_counter()
    command = [_CEV, "consume", "sales"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as process:  # noqa: S603 - the same
        lines = []
        for line in process.stderr or ():
            lines.append(line.decode())
            if "joined group=" in lines[-1]:
                break
        else:
            raise SystemExit("".join(lines))
        taken = time.perf_counter() - began
        process.send_signal(signal.SIGTERM)
    return taken


@contextmanager
def _broker() -> Iterator[dict[str, str]]:
    """A broker with the topics, as the environment in which commands find it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CEV_")}
    with tempfile.TemporaryDirectory(prefix="cev-bench-") as name:
        environment = {**kept, "CEV_DATA_DIR": f"{name}/data"}
        try:
            _timed([_CEV, "up", "--port", "0"], environment)
            yield environment
        finally:
            embedded.down(Path(name) / "data", delete_data=True)


if __name__ == "__main__":
    main()
