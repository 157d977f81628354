"""Who gives a command, for the histories that commands leave behind.

I/O: the names of the user and the machine.
"""

import getpass
import platform
from contextlib import suppress


def user_at_host() -> str:
    """The user at this machine, as user@host."""
    user = "unknown"
    # A container may run as a user id without a name.
    with suppress(OSError, KeyError, ImportError):
        user = getpass.getuser()
    return f"{user}@{platform.node() or 'unknown'}"
