"""Mail into a maildir, named by its effect key.

I/O: files under the data directory.
"""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from consumers.channels.mail_message import mail_message, sender_address
from consumers.runtime.reaction import Delivery
from schemas.errors import DependencyUnavailable, Position

_UNFINISHED_S = 36 * 3600
"""Age at which an unfinished file in a maildir's `tmp` may be removed (maildir(5))."""


class Maildir:
    """A maildir: one file per mail, named by its effect key, so a mail delivered twice is one file.

    Args:
        folder: created with its `tmp`, `new` and `cur` (maildir(5)).
        sender: the From address, with or without a name.

    Raises:
        InvalidSetting: the sender cannot be used.
    """

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender_address(sender)
        for name in ("tmp", "new", "cur"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._remove_unfinished(folder / "tmp", time.time() - _UNFINISHED_S)

    def _remove_unfinished(self, folder: Path, before: float) -> None:
        """Remove files that killed processes left unfinished; every reader of maildirs does the same."""
        for path in folder.iterdir():
            with suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()

    @property
    def describe(self) -> str:
        """What a person reads in the start line."""
        return f"maildir {self._folder}"

    def deliver(self, delivery: Delivery, key: str, position: Position) -> None:
        """Write a mail's file; see `Channel.deliver`."""
        message = mail_message(delivery, key, self._sender, position)
        name = key.replace("/", ".")
        # A fenced process and its successor may write the same mail at once: each has a temporary file of its
        # own (maildir(5)).
        unfinished = self._folder / "tmp" / f"{name}.{os.getpid()}.{threading.get_ident()}"
        try:
            with unfinished.open("wb") as file:
                file.write(bytes(message))
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self._folder / "new" / name)
        except OSError as error:
            raise DependencyUnavailable(
                f"the maildir {self._folder} cannot be written: {error.strerror}"
            ) from error

    def close(self) -> None:
        """Nothing is open between two mails."""
