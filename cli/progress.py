"""How far long work is, for who looks at a terminal: a count, how fast it grows, and what is left.

I/O: stderr, where it is a terminal.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cli.output import log

_REFRESH_S = 0.2

Total = int | Callable[[], int] | None


@contextmanager
def progress(
    word: str, total: Total, seen: Callable[[], int], share: Callable[[], float] | None = None
) -> Iterator[None]:
    """Show how far it is, on a terminal only.

    Args:
        word: what is being done.
        total: how many there will be; a function where that shows later; None if nobody knows.
        seen: how many are done by now; asked five times a second.
        share: which part of all is done by now, 0 to 1, where that is known and the total is not.
    """
    if not log.is_terminal:
        yield
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - see above

    columns = TextColumn(word), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn()
    bar = Progress(*columns, TextColumn("left"), console=log, transient=True)
    task = bar.add_task("", total=None)
    stop = threading.Event()
    began = time.monotonic()

    def watch() -> None:
        while not stop.wait(_REFRESH_S):
            count, whole = seen(), total() if callable(total) else total
            # Rich leaves a total of None as it is.
            done, end = (share(), 1.0) if share is not None else (count, whole)
            bar.update(
                task,
                total=end,
                completed=done,
                description=how_far(count, whole, time.monotonic() - began),
            )

    watcher = threading.Thread(target=watch, name="progress", daemon=True)
    with bar:
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()


def how_far(count: int, total: int | None, seconds: float) -> str:
    """The words beside the bar, such as `1,204 of 5,000  400/s`."""
    of_total = f" of {total:,}" if total is not None else ""
    return f"{count:,}{of_total}  {count / seconds if seconds > 0 else 0:,.0f}/s"
