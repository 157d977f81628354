"""Contestants as processes of their own, so that none inherits another's memory, caches or garbage.

I/O: child processes and pipes.
"""

import multiprocessing
import resource
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

DEADLINE_S = 900.0
_GRACE_S = 30.0
_KIB = 1024


class ChildFailed(RuntimeError):
    """A contestant ended with an error, or did not answer in time."""


class Child:
    """A process that runs a generator and hands over what it yields; a context manager.

    Args:
        function: a module's function, which returns an iterator.
        arguments: its arguments, which can be pickled.
    """

    def __init__(self, function: Callable[..., Iterator[Any]], *arguments: Any) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._connection, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, function, arguments), daemon=True)
        self._name = getattr(function, "__name__", "child")
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def next(self, deadline_s: float = DEADLINE_S) -> Any:
        """What it yields next.

        Raises:
            ChildFailed: it failed, or yielded nothing in time.
        """
        if not self._connection.poll(deadline_s):
            raise ChildFailed(f"{self._name} said nothing for {deadline_s:g} s")
        try:
            failed, value = self._connection.recv()
        except EOFError as error:
            raise ChildFailed(f"{self._name} ended without a word") from error
        if failed:
            raise ChildFailed(f"{self._name}:\n{value}")
        return value

    def close(self) -> None:
        """Wait for its end, which comes after its last value; end it if that does not come."""
        self._connection.close()
        self._process.join(_GRACE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def in_child(function: Callable[..., Any], *arguments: Any, deadline_s: float = DEADLINE_S) -> Any:
    """What a module's function returns when it runs in a process of its own.

    Raises:
        ChildFailed: it failed, or took longer.
    """
    with Child(_once, function, arguments) as child:
        return child.next(deadline_s)


def peak_mib() -> float:
    """The most memory that this process has had resident, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # `getrusage` counts what the parent had when it started this process.
        line = next(line for line in status.read_text("utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / _KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB


def _once(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Iterator[Any]:
    yield function(*arguments)


def _serve(connection: Any, function: Callable[..., Iterator[Any]], arguments: tuple[Any, ...]) -> None:
    try:
        for value in function(*arguments):
            connection.send((False, value))
    except BrokenPipeError:
        return
    except BaseException:  # noqa: BLE001 - the parent raises it
        connection.send((True, traceback.format_exc()))
