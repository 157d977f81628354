"""The process `cev`, from its first moment to its last.

Promise: an interrupt ends it with 130 and without a word, also while modules are being loaded; so nothing
that takes time is imported here. Files that it makes, and those of its child processes, are its user's alone:
0600, folders 0700. The mode of what exists already stays.

I/O: stdout, stderr, the end of the process.
"""

import atexit
import io
import os
import sys
import threading
from importlib import import_module

INTERRUPTED = 130
"""128 + SIGINT, as shells count."""


def main() -> None:
    """Run the command line; the process ends with an exit code of design §9."""
    # Looking for plugins of pydantic's reads the metadata of every installed package; there are none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    _escape_what_stdout_cannot_encode()
    _keep_files_private()
    try:
        import_module("cli.main").main()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except SystemExit as end:
        if isinstance(end.code, int):
            _exit(end.code)
        raise


def _keep_files_private() -> None:
    """Take every right from group and others in the umask; what else it takes already stays taken.

    Stores, their journals and locks, mails and logs hold names and addresses: SQLite, Java and the libraries
    that make these files know no other way to keep them from the rest of the machine.
    """
    os.umask(os.umask(0o077) | 0o077)


def _escape_what_stdout_cannot_encode() -> None:
    r"""An address in a locale without its letters is printed as `\u03a9`, as Python does on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _exit(code: int) -> None:
    """End the process without taking every module apart, a tenth of the time of a short command.

    What registered itself to run at the end has run, and all output is written; idle Kafka clients end with
    the process. Returns where that cannot be promised: a thread still works, or a pipe is gone.
    """
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        return
    atexit._run_exitfuncs()  # noqa: SLF001 - as multiprocessing ends its processes
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return
    os._exit(code)
