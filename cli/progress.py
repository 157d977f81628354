"""How far long work is, for who looks at a terminal."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.output import log

_REFRESH_S = 0.2


@contextmanager
def progress(word: str, total: int | Callable[[], int] | None, seen: Callable[[], int]) -> Iterator[None]:
    """Show how far it is, on a terminal only.

    Args:
        word: what is being done.
        total: how many there will be; a function where that shows later; None if nobody knows.
        seen: how many are done by now; asked five times a second.
    """
    if not log.is_terminal:
        yield
        return
    bar = Progress(
        TextColumn(word), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=log, transient=True
    )
    task = bar.add_task(word, total=None if callable(total) else total)
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(_REFRESH_S):
            # Rich leaves a total of None as it is.
            bar.update(task, total=total() if callable(total) else None, completed=seen())

    watcher = threading.Thread(target=watch, name="progress", daemon=True)
    with bar:
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()
