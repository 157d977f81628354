"""Where tests fork their processes from: one process a worker that has imported the program already.

I/O: starts that process with the first child.
"""

import multiprocessing

FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["tests.support.crash.preloaded", "tests.support.payments", "__main__"])
