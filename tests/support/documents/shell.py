"""One bash session, as a reader of a document has it: variables and background jobs live on between commands.

I/O: starts bash in a process group of its own, files in a folder of the caller.

Promise: every command has a deadline, and `close` ends whatever the session started and did not detach.
"""

import contextlib
import os
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

_END_S = 40.0


class Shell:
    """A session.

    Args:
        folder: its working directory.
        outputs: where what the commands print is kept, a file each.
        environment: its variables.
    """

    def __init__(self, folder: Path, outputs: Path, environment: Mapping[str, str]) -> None:
        self._outputs = outputs
        self._count = 0
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-s"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
        )

    def run(self, text: str, seconds: float, *, apart: bool = False) -> tuple[str, int]:
        """Run one command to its end, or into the background if it says so.

        Args:
            text: the command.
            seconds: how long it may take.
            apart: its two streams come by different ways and so in no order: keep them apart.

        Returns:
            What it printed, stdout and stderr together as they came, or stderr after stdout if they are kept
            apart; and its exit code.

        Raises:
            TimeoutError: it took longer, or ended the session; the message carries what it printed.
        """
        self._count += 1
        kept, errors = (self._outputs / f"{self._count}.{kind}" for kind in ("out", "err"))
        assert self._bash.stdin is not None
        # What a background job says later belongs to the command that started it: a file each, not one pipe.
        where = f">{shlex.quote(str(kept))} 2>{shlex.quote(str(errors)) if apart else '&1'}"
        line = f'eval {shlex.quote(text)} </dev/null {where}; echo "ended $?"\n'
        self._bash.stdin.write(line.encode())
        self._bash.stdin.flush()
        said = self._answer(time.monotonic() + seconds)
        printed = [each.read_text("utf-8", errors="replace") for each in (kept, errors) if each.exists()]
        output = "".join(printed)
        if not said.startswith("ended "):
            raise TimeoutError(f"`{text}` was not done after {seconds:g} s ({said!r}); it printed:\n{output}")
        return output, int(said.split()[1])

    def _answer(self, until: float) -> str:
        assert self._bash.stdout is not None
        said = b""
        while not said.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._bash.stdout], [], [], left)[0]:
                return "no answer"
            # One byte at a time: nothing of the next answer may be taken.
            if not (byte := os.read(self._bash.stdout.fileno(), 1)):
                return "bash ended"
            said += byte
        return said.decode()

    def close(self) -> None:
        """End the session and its background jobs: SIGTERM, and SIGKILL for who does not follow."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._bash.pid, signal.SIGTERM)
        self._bash.communicate()
        until = time.monotonic() + _END_S
        while self._anyone() and time.monotonic() < until:
            time.sleep(0.05)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._bash.pid, signal.SIGKILL)

    def _anyone(self) -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._bash.pid, 0)
            return True
        return False
