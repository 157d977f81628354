"""Whether the files that a process has open are still the ones that their paths name.

A file that was removed or replaced stays there for who has it open: what is written to it is lost when the
last one closes it, and no call fails.

I/O: file system (reads what it knows of files, a microsecond each).
"""

import os
from pathlib import Path

from schemas.errors import ReplacedStore


class OpenFiles:
    """Files as they were when they were opened."""

    def __init__(self) -> None:
        self._files: dict[Path, tuple[int, int]] = {}

    def add(self, *paths: Path) -> None:
        """Remember files that were just opened; one that is remembered already stays as it was.

        Raises:
            ReplacedStore: one is not there.
        """
        for path in paths:
            self._files.setdefault(path, _identity(path))

    def check(self) -> None:
        """Make sure that every path still names the file that was opened.

        Raises:
            ReplacedStore: naming the first that does not.
        """
        for path, identity in self._files.items():
            if _identity(path) != identity:
                raise _lost(path, "is another file now")


def _identity(path: Path) -> tuple[int, int]:
    try:
        status = os.stat(path)  # noqa: PTH116 - half the time of `Path.stat`, once a batch
    except OSError as error:
        raise _lost(path, f"cannot be found any more ({error.strerror})") from error
    return status.st_dev, status.st_ino


def _lost(path: Path, how: str) -> ReplacedStore:
    return ReplacedStore(
        f"{path} {how}, while this process had the old one open: put the old one back, with the files that "
        "belong to it, or find out what the new one holds before you start again"
    )
