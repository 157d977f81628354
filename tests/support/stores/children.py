"""What a process of its own does with a store or an outbox: called in it, see `tests/support/crash/code.py`.

I/O: stores; stdin, on which it waits for a word; stdout, on which it says its one line.
"""

import random
import sys

from consumers.runtime.records import EffectRow, Intention
from consumers.runtime.stores import store as store_module
from consumers.runtime.stores.batch_write import EffectTaken, StoreWrite, write
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from producers.outbox.queue import OutboxQueue

_TURNS = 30


def claim_slot(url: str, group: str) -> None:
    """Say which slot it has, and keep it."""
    print(Store(StoreAddress(url, group)).claim_slot(), flush=True)  # noqa: T201 - to the test
    sys.stdin.read()


def register(url: str, group: str) -> None:
    """Claim a slot, say the token that it got, and keep the slot."""
    store = Store(StoreAddress(url, group))
    print(store.members.register(store.claim_slot(), 1), flush=True)  # noqa: T201 - to the test
    sys.stdin.read()


def tell_identity(url: str, group: str) -> None:
    """Say the store's id."""
    print(Store(StoreAddress(url, group)).identity("c", 0).id, flush=True)  # noqa: T201 - to the test


def stay_inside_a_write(url: str, group: str, lock_wait_s: int = int(store_module.LOCK_WAIT_S)) -> None:
    """Write order 2 and the progress of two partitions, and wait for a word before the commit."""
    store_module.LOCK_WAIT_S = lock_wait_s
    store = Store(StoreAddress(url, group))
    row = EffectRow(2, "dispatch", "dispatched", "half", None, "fact", "id", "orders", 0, 1, 1)
    with store._writing() as connection:
        positions = {("orders", 0): 2, ("orders", 1): 2}
        write(store._database, connection, StoreWrite(at=1, effects=[row], positions=positions))
        print("inside", flush=True)  # noqa: T201 - to the test
        sys.stdin.read()


def write_any_orders(url: str, group: str, seed: int) -> None:
    """Write effects of random orders, which others write too; say how many, and how often they were taken."""
    address, dice = StoreAddress(url, group), random.Random(seed)
    if address.path is not None:
        store_module.LOCK_WAIT_S = 60  # SQLite lets the luckiest write first, not who waits longest
    store = Store(address)
    made = taken = 0
    for turn in range(_TURNS):
        ids = dice.sample(range(150), 40)
        mine = [order_id for order_id in ids if (order_id, "dispatch") not in store.find_effects(ids)]
        rows = [
            EffectRow(n, "dispatch", "intended", str(seed), None, "fact", "id", "orders", seed, turn, 1)
            for n in mine
        ]
        positions = {("orders", n): turn for n in dice.sample(range(12), 12)}
        keys = _intentions(store, dice.sample(range(150), 10))
        try:
            store.write(StoreWrite(at=1, effects=rows, shadows=rows, positions=positions, finished=keys))
            made += len(rows)
        except EffectTaken:
            taken += 1
        done = _intentions(store, dice.sample(range(150), 20))
        store.write(StoreWrite(at=1, finished=done, positions=positions))
    print(made, taken)  # noqa: T201 - to the test


def _intentions(store: Store, order_ids: list[int]) -> list[Intention]:
    """The effects of these orders, in the given order, whoever made them."""
    found = store.find_effects(order_ids)
    return [
        Intention(order_id, "dispatch", found[order_id, "dispatch"].origin)
        for order_id in order_ids
        if (order_id, "dispatch") in found
    ]


def lead(url: str) -> None:
    """Say whether it leads an outbox, and go on leading."""
    queue = OutboxQueue(url)
    print(queue.acquire_leadership(), flush=True)  # noqa: T201 - to the test
    sys.stdin.read()
