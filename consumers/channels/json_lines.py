"""Text messages into a JSON-lines file, each with its effect key.

I/O: a file under the data directory.
"""

import json
import os
from pathlib import Path

from consumers.runtime.reaction import Delivery
from schemas.contacts import dialled
from schemas.errors import DependencyUnavailable, Position
from schemas.times import now_ms, rfc3339


class JsonLinesText:
    """A file with a line per text message; a line that repeats an id is the same message.

    Args:
        path: created with its folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def describe(self) -> str:
        """What a person reads in the start line."""
        return f"file {self._path}"

    def deliver(self, delivery: Delivery, key: str, position: Position) -> None:
        """Append a line; see `Channel.deliver`."""
        del position
        line = {
            "id": key,
            "to": dialled(delivery.recipient),
            "text": delivery.subject,
            "at": rfc3339(now_ms()),
        }
        data = (json.dumps(line, ensure_ascii=False) + "\n").encode()
        try:
            # One write on an append-only descriptor: lines of several workers do not mix.
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                written = os.write(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise DependencyUnavailable(
                f"the file {self._path} cannot be written: {error.strerror}"
            ) from error
        if written < len(data):
            raise DependencyUnavailable(f"the file {self._path} took half a line: is the disk full?")

    def close(self) -> None:
        """Nothing is open between two lines."""
