"""The data directory: ours to fill, one process at a time, and only ours to erase.

I/O: the data directory; flock on its lock file.

Promise: a directory that was not empty before us is neither filled nor erased: the marker file says which are
ours. Two processes never change one cluster at the same time.
Not here: what is in it.
"""

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from broker.errors import BusyError, DataDirError
from broker.waiting import TimeLimit, wait_until

MARKER = ".command-event"
_MARKER_TEXT = "This directory belongs to command-event. `cev down --delete-data` erases all of it.\n"


def claim(data_dir: Path) -> None:
    """Make the directory, or make sure that it is ours; everything that writes below it calls this first.

    An empty directory becomes ours. Calling it again changes nothing.

    Raises: DataDirError if it holds somebody else's files or cannot be written.
    """
    with readable_errors(data_dir):
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        marker = data_dir / MARKER
        if marker.exists():
            return
        # Two that claim together: the other's marker may be the first file that we see.
        if any(data_dir.iterdir()) and not marker.exists():
            raise DataDirError(
                f"{data_dir} holds files that are not command-event's; name an empty or new directory"
            )
        marker.write_text(_MARKER_TEXT, encoding="utf-8")


def is_ours(data_dir: Path) -> bool:
    """Whether the directory was claimed."""
    return (data_dir / MARKER).is_file()


def erase(data_dir: Path) -> None:
    """Remove the directory with all that it holds.

    Raises: DataDirError if it is not ours, or something in it cannot be removed.
    """
    if not is_ours(data_dir):
        raise DataDirError(
            f"{data_dir} was not made by command-event (it has no {MARKER}), so it is not deleted"
        )
    with readable_errors(data_dir):
        # The marker goes last: an erasure that was cut short can be repeated.
        for entry in sorted(data_dir.iterdir(), key=lambda path: path.name == MARKER):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        with contextlib.suppress(OSError):
            # A mount point, or a directory whose parent is not ours to change, stays behind empty.
            data_dir.rmdir()


def empty_folder(path: Path) -> None:
    """Make the directory, without what it held."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)


@contextlib.contextmanager
def locked(path: Path, deadline: TimeLimit) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; it dies with the process.

    Raises: BusyError when another process held it until the deadline.
    """
    descriptor: int | None = None

    def taken() -> bool:
        nonlocal descriptor
        descriptor = _try_lock(path)
        return descriptor is not None

    wait_until(taken, deadline)
    if descriptor is None:
        raise BusyError(
            f"another process still works on {path.parent}; wait until it is done, then try again"
        )
    try:
        yield
    finally:
        os.close(descriptor)


def _try_lock(path: Path) -> int | None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The previous holder may have erased the directory: then no other process will ever open this file.
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


@contextlib.contextmanager
def readable_errors(data_dir: Path) -> Iterator[None]:
    """Turn an OSError about a file into one line about the data directory.

    Raises: DataDirError for any OSError.
    """
    try:
        yield
    except OSError as error:
        path = error.filename or data_dir
        advice = (
            "free some space" if error.errno == errno.ENOSPC else "choose another directory, or mend this one"
        )
        raise DataDirError(f"{path}: {error.strerror or error}; {advice}") from error
