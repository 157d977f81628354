"""SIGTERM and SIGINT: the first one asks to stop, a second one does not wait any longer.

I/O: signals.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from threading import Event
from types import FrameType
from typing import Any, Self, TypeVar

import typer

T = TypeVar("T")

_KILLED = 1
_SIGNALLED = 128
"""Plus the number of the signal: how shells count."""


def stop_on_signals(stopping: Event, *, at_second: Callable[[], None] = lambda: None) -> None:
    """Set an event at the first signal, and end the process at the second.

    Args:
        stopping: is to be looked at, and not waited for in this thread: a handler that sets it while this
            thread holds its lock would wait for itself.
        at_second: called before the process ends, inside the handler.
    """
    stopped = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        if stopped:
            at_second()
            os._exit(_KILLED)
        stopped = True
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


class Interruption:
    """The first signal ends a piece of work after what is in flight; the second leaves the block at once.

    A context manager for the main thread; afterwards signals mean what they meant before.

        with Interruption() as interruption:
            for order in interruption.until_asked(orders):
                ...
        print(what_was_placed)
        interruption.end()
    """

    def __init__(self) -> None:
        self._number: int | None = None
        self._waits = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        return kind is KeyboardInterrupt and self.asked()

    def asked(self) -> bool:
        """Whether somebody asked to stop."""
        return self._number is not None

    def until_asked(self, items: Iterable[T]) -> Iterator[T]:
        """The items until somebody asks to stop; does not wait for the next one then."""
        iterator = iter(items)
        while not self.asked():
            self._waits = True
            try:
                item = next(iterator)
            except StopIteration:
                return
            except KeyboardInterrupt:
                if not self.asked():
                    raise
                return
            finally:
                self._waits = False
            yield item

    def end(self) -> None:
        """End the command if somebody asked to.

        Raises:
            typer.Exit: 130 for SIGINT, 143 for SIGTERM.
        """
        if self._number is not None:
            raise typer.Exit(_SIGNALLED + self._number)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        again, self._number = self.asked(), self._number or number
        if again or self._waits:
            raise KeyboardInterrupt
