"""What a process forked by `forked.py` finds imported: the program, with its seams wrapped.

I/O: none.
"""

import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite.pysqlite  # noqa: F401 - loaded before the fork

from tests.support.crash import probes

probes.install()

import cli.main  # noqa: E402 - behind the wrapping
import cli.run_consumers  # noqa: E402, F401 - the same
import tests.support.crash.forked  # noqa: E402, F401 - the same
