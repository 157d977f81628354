"""What is wrong with the topic that says how orders are written. Pure.

mode-unreadable   what may be the newest change of mode cannot be read: no order is placed
mode-suspect      records on it that no `mode set` wrote, since the change in force
mode-anew         it knows less than the newest orders: it was made anew
"""

from operations.status.alarms import StatusAlarm
from producers.mode.sequence import ModeState
from schemas.topics import ORDER_MODE


def of_mode(state: ModeState, order_epoch: int) -> list[StatusAlarm]:
    """Alarms about `order_mode`.

    Args:
        state: what it says.
        order_epoch: the highest epoch of the newest orders.
    """
    alarms = []
    if state.unreadable is not None:
        text = f"no order is placed: {state.unreadable_text}"
        alarms.append(StatusAlarm("mode-unreadable", ORDER_MODE, None, text))
    if state.suspects:
        alarms.append(StatusAlarm("mode-suspect", ORDER_MODE, None, _suspect_text(state)))
    if lost := state.lost_epoch(order_epoch):
        alarms.append(StatusAlarm("mode-anew", ORDER_MODE, None, _anew_text(state, lost)))
    return alarms


def _suspect_text(state: ModeState) -> str:
    first = state.suspects[0]
    more = len(state.suspects) + state.suspects_left_out - 1
    return (
        f"{first.position}: {first.reason}{f', and {more:,} more' if more else ''}; no `mode set` wrote "
        "it: find out who did. `cev mode set MODE --repair` shows each and passes over it"
    )


def _anew_text(state: ModeState, order_epoch: int) -> str:
    return (
        f"orders were placed in epoch {order_epoch}, and it says {state.change.mode}, epoch "
        f"{state.change.epoch}: it was deleted and made anew, or restored from an older copy; `cev mode set "
        "MODE` says what shall be, and goes on counting"
    )
