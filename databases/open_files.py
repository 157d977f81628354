"""Whether the files that a process has open are still the ones that their paths name.

A file that was removed or replaced stays there for who has it open: what is written to it is lost when the
last one closes it, and no call fails.

I/O: file system (reads what it knows of files, a microsecond each).
"""

from collections.abc import Iterable
from pathlib import Path

from schemas.errors import ReplacedStore


class OpenFiles:
    """Files as they were when they were opened.

    Args:
        paths: of files that are open.

    Raises:
        OSError: one is not there.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._files = {path: _identity(path) for path in paths}

    def check(self) -> None:
        """Make sure that every path still names the file that was opened.

        Raises:
            ReplacedStore: naming the first that does not.
        """
        for path, identity in self._files.items():
            try:
                replaced = _identity(path) != identity
            except OSError as error:
                raise _lost(path, f"cannot be found any more ({error.strerror})") from error
            if replaced:
                raise _lost(path, "is another file now")


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _lost(path: Path, how: str) -> ReplacedStore:
    return ReplacedStore(
        f"{path} {how}, while this process had the old one open: put the old one back, with the files that "
        "belong to it, or find out what the new one holds before you start again"
    )
