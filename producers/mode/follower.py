"""Following the mode in force, without a restart (design §6).

A follower is ready once it has read the control topic to its end. From then on its thread reads on, also
after the broker restarts, or the topic is made anew; a change takes effect with the next order. While no
broker answers, the last known mode stays in force: no order can be written meanwhile, and an order's records
name the path that decides it.

I/O: Kafka (reads order_mode, in a thread).
"""

import threading

from clients.closing import Closing
from clients.config import Cluster
from clients.log import Log
from producers.mode.log import ModeLog
from schemas.codec import Codec
from schemas.control import Flow, Mode, ModeChanged
from schemas.errors import CommandEventError, SafetyRefusal

_RETRY_S = 1.0
_JOIN_S = 5.0


class UnknownMode(SafetyRefusal):
    """This program does not know the mode, or flow, in force; placing in another would break the switch."""


def mode_of(change: ModeChanged) -> Mode:
    """The mode of a change.

    Raises:
        UnknownMode: a later version of this program set it.
    """
    try:
        return Mode(change.mode)
    except ValueError:
        raise _unknown(change, "mode", change.mode) from None


def flow_of(change: ModeChanged) -> Flow:
    """The flow of a change: direct in every mode but event, whatever the record says (design §10).

    Raises:
        UnknownMode: a later version of this program set it.
    """
    if change.mode != Mode.EVENT:
        return Flow.DIRECT
    try:
        return Flow(change.flow)
    except ValueError:
        raise _unknown(change, "flow", change.flow) from None


def _unknown(change: ModeChanged, what: str, value: str) -> UnknownMode:
    return UnknownMode(
        f"{value!r} (epoch {change.epoch}) is in force, a {what} that this version does not know: "
        "install the version that set it"
    )


class ModeFollower(Closing):
    """Knows the mode in force. A context manager; thread-safe.

    Args:
        cluster: the Kafka cluster.
        codec: decodes the control topic.
        timeout_s: how long reading to the end may take.
        live: whether to read on; a program that places one order and ends need not.

    Raises:
        BrokerUnreachable, TopicMissing, RegistryUnreachable: the control topic cannot be read.
    """

    def __init__(self, cluster: Cluster, codec: Codec, *, timeout_s: float = 10.0, live: bool = True) -> None:
        self._log = Log()
        self._stop = threading.Event()
        self._changes = ModeLog(cluster, codec, timeout_s=timeout_s, live=live)
        self._thread: threading.Thread | None = None
        try:
            for _ in self._changes.to_end(timeout_s):
                pass  # the state of the log is what counts
        except BaseException:
            self._changes.close()
            raise
        if live:
            self._thread = threading.Thread(target=self._follow, name="mode-follower", daemon=True)
            self._thread.start()

    @property
    def current(self) -> ModeChanged:
        """The change in force; `INITIAL` if the mode was never set.

        Raises:
            UnreadableMode: a newer change may be there, and cannot be read.
        """
        return self._changes.state.in_force

    def close(self) -> None:
        """Stop following; the last known mode stays readable."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
        self._changes.close()

    def _follow(self) -> None:
        known = self._changes.state.change
        while not self._stop.is_set():
            try:
                self._changes.poll()
            except CommandEventError as error:
                self._log.warning("cannot follow the mode, trying again", why=str(error))
                self._stop.wait(_RETRY_S)
                continue
            change = self._changes.state.change
            if change != known:
                known = change
                self._log.info("mode changed", mode=change.mode, flow=change.flow, epoch=change.epoch)
