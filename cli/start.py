"""The process `cev`, from its first moment on.

Promise: an interrupt ends it with 130 and without a word, also while modules are being loaded; so nothing
that takes time is imported here.
"""

import sys
from importlib import import_module

INTERRUPTED = 130
"""128 + SIGINT, as shells count."""


def main() -> None:
    """Run the command line; the process ends with an exit code of design §9."""
    try:
        import_module("cli.main").main()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
