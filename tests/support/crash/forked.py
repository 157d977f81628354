"""Processes of the program that start at once: forked from one that has imported everything already.

I/O: processes; what they say goes to a file in the data directory.

A crash test starts three processes, and importing the program costs each a second of a processor. Those here
are as real as any: their own memory, clients, exit code and death; only the import is shared.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tests.support.consumers.harness import ConsumerHarness
from tests.support.crash.points import Point
from tests.support.crash.scenarios import QUICK
from tests.support.kafka.log import PATIENCE_S
from tests.support.processes import FORKSERVER


def ran(
    shop: ConsumerHarness,
    *words: str,
    point: Point | None = None,
    nth: int | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, str]:
    """Run the command line to its end, as `ConsumerHarness.ran` does.

    Args:
        shop: whose broker and stores.
        words: of the command line.
        point: where the process is killed.
        nth: the how-manieth time it gets there; None leaves it to the point.
        environment: what else it has in its environment.

    Returns:
        Exit code and stderr.
    """
    shop.flush()
    shop._migrated(words[1])
    said = shop.data_dir / "said"
    known = {
        "CEV_DATA_DIR": str(shop.data_dir),
        "CEV_BOOTSTRAP_SERVERS": shop.bootstrap,
        **QUICK,
        **environment,
    }
    if shop.database_url is not None:
        known["CEV_DATABASE_URL"] = shop.database_url
    child = FORKSERVER.Process(target=_run, args=(words, known, said, point, nth))
    child.start()
    child.join(2 * PATIENCE_S)
    if child.exitcode is None:
        child.kill()
        child.join()
    assert child.exitcode is not None
    return child.exitcode, said.read_text("utf-8")


def _run(
    words: tuple[str, ...],
    environment: Mapping[str, str],
    said: Path,
    point: Point | None,
    nth: int | None,
) -> None:
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(file, number)
    for name in [name for name in os.environ if name.startswith("CEV_")]:
        del os.environ[name]
    os.environ.update(environment)
    assert "tests.support.crash.preloaded" in sys.modules, "run the tests in the project's folder"
    from cli.main import main  # noqa: PLC0415 - in the child, where it is imported already

    if point is not None:
        point.arm(nth)
    sys.argv = ["cev", *words]
    main()
