"""The group's alarms, as one member raises and clears them (design §2: an alarm is a named condition).

    outage            something that we depend on is down; subject: the dependency
    unknown-schema    a partition is paused at records that nobody here can read; subject: TOPIC:PARTITION
    stopped           a member ended because of an error; subject: the group
    clock             the clock of a member's machine differs from the broker's; subject: the member's slot,
                      which the next member takes over with its alarm

They are rows of the group's store, so that `cev status` sees them and a restarted member knows of them.
Promise: no alarm stops anybody. Where the store itself is down, the alarm is written as soon as it is up.

I/O: through the store that it is given.
"""

from contextlib import suppress

from consumers.runtime.records import Alarm, Partition
from consumers.runtime.stores.failure_tables import FailureTables
from schemas.errors import BrokerUnreachable, RegistryUnreachable, SafetyRefusal, Unreachable
from schemas.times import now_ms

OUTAGE = "outage"
UNKNOWN_SCHEMA = "unknown-schema"
STOPPED = "stopped"
CLOCK = "clock"
BROKER = "broker"
SERVICES = (BROKER, "registry", "store")


class Alarms:
    """Raises and clears alarms.

    Args:
        store: where they are kept.
    """

    def __init__(self, store: FailureTables) -> None:
        self._store = store
        self._raised: set[tuple[str, str]] = set()

    def load(self) -> None:
        """Load which alarms there are, those of members that died included.

        Raises:
            DependencyUnavailable: the store does not answer.
        """
        self._raised = {(alarm.name, alarm.subject) for alarm in self._store.alarms()}

    def paused(self, partitions: list[Partition]) -> list[Partition]:
        """Those partitions that are paused at an unknown schema."""
        return [
            partition for partition in partitions if (UNKNOWN_SCHEMA, _subject(partition)) in self._raised
        ]

    def down(self, dependency: str, error: Unreachable) -> None:
        """A dependency is down. Raised again while it lasts, in case another member has cleared it."""
        self._raise(OUTAGE, dependency, str(error))

    def up(self, *dependencies: str) -> None:
        """Dependencies answer again."""
        for dependency in dependencies:
            self._clear(OUTAGE, dependency)

    def stopped(self, group: str, error: Exception) -> None:
        """A member ended because of an error, which may be that its store is not its store any more."""
        with suppress(SafetyRefusal):
            self._raise(STOPPED, group, str(error) or repr(error), unchecked=True)

    def runs(self, group: str) -> None:
        """A member of the group works."""
        self._clear(STOPPED, group)

    def clock(self, slot: int, difference: str | None) -> None:
        """The clock of the member in a slot differs from the broker's, and how; None: it does not."""
        subject = f"slot {slot}"
        if difference is None:
            self._clear(CLOCK, subject)
        else:
            self._raise(CLOCK, subject, difference)

    def pause(self, partition: Partition, reason: str) -> None:
        """A partition is paused at an unknown schema."""
        self._raise(UNKNOWN_SCHEMA, _subject(partition), reason)

    def resume(self, partition: Partition) -> None:
        """It goes on."""
        self._clear(UNKNOWN_SCHEMA, _subject(partition))

    def _raise(self, name: str, subject: str, text: str, *, unchecked: bool = False) -> None:
        with suppress(Unreachable):
            self._store.raise_alarm(Alarm(name, subject, now_ms(), text), unchecked=unchecked)
            self._raised.add((name, subject))

    def _clear(self, name: str, subject: str) -> None:
        if (name, subject) in self._raised:
            with suppress(Unreachable):
                self._store.clear_alarm(name, subject)
                self._raised.remove((name, subject))


def service_of(error: Unreachable) -> str:
    """Which dependency an outage is about, where it is no channel."""
    if isinstance(error, BrokerUnreachable):
        return BROKER
    return "registry" if isinstance(error, RegistryUnreachable) else "store"


def _subject(partition: Partition) -> str:
    return f"{partition[0]}:{partition[1]}"
