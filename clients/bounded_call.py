"""A transactional call of the client library that is given up where it outlives its own timeout.

librdkafka does not look at the timeout of `send_offsets_to_transaction` while it waits for the group's
coordinator (#5456). Where it has decommissioned that broker, because metadata no longer lists it, it waits
until some other connection changes, which may be minutes (#5511).

Not here: what becomes of the client that the call goes on using.
"""

import queue
import threading
from collections.abc import Callable

from clients.config import TRANSACTION_TIMEOUT_MS

# By then the broker has aborted the transaction of which the call is a part.
_LONGEST_S = TRANSACTION_TIMEOUT_MS / 1000
_GRACE_S = 1.0

Answers = queue.SimpleQueue[Exception | None]


class CallAbandoned(Exception):
    """A call outlived its timeout and still runs; its client must not be used or closed any more."""


def within_timeout(call: Callable[[float], object], timeout_s: float) -> None:
    """Make a call in a thread of its own, and wait for a second longer than it may take.

    Args:
        call: takes its timeout in seconds.
        timeout_s: that timeout, cut to what a transaction may take.

    Raises:
        CallAbandoned: it did not return. Its thread ends when it does, and does not hold up the process.
        Exception: whatever the call raised.
    """
    timeout_s = min(timeout_s, _LONGEST_S)
    answers: Answers = queue.SimpleQueue()
    thread = threading.Thread(target=_answer, args=(call, timeout_s, answers), daemon=True)
    thread.start()
    try:
        error = answers.get(timeout=timeout_s + _GRACE_S)
    except queue.Empty as empty:
        raise CallAbandoned(f"a call outlived its timeout of {timeout_s:g} s") from empty
    except BaseException:
        # librdkafka refuses an abort while another transactional call runs.
        thread.join(timeout_s)
        raise
    if error is not None:
        raise error


def _answer(call: Callable[[float], object], timeout_s: float, answers: Answers) -> None:
    try:
        call(timeout_s)
    except Exception as error:  # noqa: BLE001 - whoever waits for the answer raises it again
        answers.put(error)
    else:
        answers.put(None)
