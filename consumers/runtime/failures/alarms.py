"""The group's alarms, as one member raises and clears them (design §2: an alarm is a named condition).

    outage            something that we depend on is down; subject: the dependency
    unknown-schema    a partition stands still at records that nobody here can read; subject: TOPIC:PARTITION

They are rows of the group's store, so that `cev status` sees them and a restarted member knows of them.
Promise: no alarm stops anybody: where the store is down itself, it is noted as soon as it is up.

I/O: through the store that it is given.
"""

from contextlib import suppress

from consumers.runtime.records import Alarm, Partition
from consumers.runtime.stores.failure_tables import FailureTables
from schemas.errors import BrokerUnreachable, RegistryUnreachable, Unreachable
from schemas.times import now_ms

OUTAGE = "outage"
UNKNOWN_SCHEMA = "unknown-schema"
SERVICES = ("broker", "registry", "store")


class Alarms:
    """Raises and clears alarms.

    Args:
        store: where they are kept.
    """

    def __init__(self, store: FailureTables) -> None:
        self._store = store
        self._known: set[tuple[str, str]] = set()

    def load(self) -> None:
        """Learn which alarms there are: also those of members that died.

        Raises:
            DependencyUnavailable: the store does not answer.
        """
        self._known = {(each.name, each.subject) for each in self._store.alarms()}

    def standing(self, partitions: list[Partition]) -> list[Partition]:
        """Those partitions that stood still at an unknown schema."""
        return [each for each in partitions if (UNKNOWN_SCHEMA, _subject(each)) in self._known]

    def down(self, dependency: str, why: Unreachable) -> None:
        """A dependency is down; said again while it lasts, in case another member said otherwise."""
        self._sound(OUTAGE, dependency, str(why))

    def up(self, *dependencies: str) -> None:
        """Dependencies answer again."""
        for each in dependencies:
            self._hush(OUTAGE, each)

    def stands(self, partition: Partition, why: str) -> None:
        """A partition stands still."""
        self._sound(UNKNOWN_SCHEMA, _subject(partition), why)

    def goes_on(self, partition: Partition) -> None:
        """It goes on."""
        self._hush(UNKNOWN_SCHEMA, _subject(partition))

    def _sound(self, name: str, subject: str, text: str) -> None:
        with suppress(Unreachable):
            self._store.sound(Alarm(name, subject, now_ms(), text))
            self._known.add((name, subject))

    def _hush(self, name: str, subject: str) -> None:
        if (name, subject) in self._known:
            with suppress(Unreachable):
                self._store.hush(name, subject)
                self._known.remove((name, subject))


def service_of(error: Unreachable) -> str:
    """Which dependency an outage is about, where it is none of the channels."""
    if isinstance(error, BrokerUnreachable):
        return "broker"
    return "registry" if isinstance(error, RegistryUnreachable) else "store"


def _subject(partition: Partition) -> str:
    return f"{partition[0]}:{partition[1]}"
