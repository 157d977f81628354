"""How long the first order after a silence takes to its result, as a ratio to the order right behind it.

    python benchmarks/idle.py                                five silences of 12 s
    python benchmarks/idle.py --silence 3 --rounds 20        more and shorter ones

An order goes all the way: placed, read by a running `cev consume warehouse`, dispatched, its result read. All
clients stay open through the silences. Nothing here is asserted; the goal is that no silence is noticed.

I/O: an embedded broker in a temporary directory, the warehouse as a child process, Kafka.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from broker import embedded
from clients.config import Cluster
from producers import OrderPlacer, OrderRequest
from producers.placing.order_ids import new_order_id
from producers.placing.result_watch import ResultWatch
from schemas.codec import Codec

_CEV = str(Path(sys.executable).with_name("cev"))
_ADDRESS = "1 Streetford Road"
_WARM_UP = 3
_RESULT_S = 120.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--silence", type=float, default=12, help="seconds before each first order")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    first, following = [], []
    with _world() as cluster, OrderPlacer.connect(cluster.bootstrap) as placer:
        for _ in range(_WARM_UP):
            _order(cluster, placer)
        for _ in range(chosen.rounds):
            time.sleep(chosen.silence)
            first.append(_order(cluster, placer))
            following.append(_order(cluster, placer))
    print(f"{chosen.rounds} silences of {chosen.silence:g} s; milliseconds to the result, median and worst\n")
    for name, column in (("first order", first), ("next order", following)):
        print(f"{name:<14}{statistics.median(column) * 1000:8,.0f}{max(column) * 1000:8,.0f}")
    print(f"\nfirst to next: {statistics.median(first) / statistics.median(following):.1f}, ", end="")
    print(f"the worst first to the worst next: {max(first) / max(following):.1f}")


def _order(cluster: Cluster, placer: OrderPlacer) -> float:
    """Place an order and wait for its result; the seconds that it took."""
    order_id = new_order_id()
    with ResultWatch(cluster, Codec(), order_id=order_id, address=_ADDRESS, fresh=True) as watch:
        began = time.perf_counter()
        placer.place(OrderRequest(address=_ADDRESS, order_id=order_id))
        if watch.wait(_RESULT_S) is None:
            raise SystemExit(f"no result within {_RESULT_S:g} s")
        return time.perf_counter() - began


@contextmanager
def _world() -> Iterator[Cluster]:
    """A broker with the topics and a running warehouse."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CEV_")}
    with tempfile.TemporaryDirectory(prefix="cev-bench-") as name:
        environment = {**kept, "CEV_DATA_DIR": f"{name}/data"}
        try:
            # With the topics, which the module `embedded` knows nothing about.
            subprocess.run([_CEV, "up", "--port", "0"], capture_output=True, check=True, env=environment)  # noqa: S603 - our own command
            command = [_CEV, "consume", "warehouse"]
            with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) as warehouse:  # noqa: S603 - the same
                try:
                    yield Cluster(bootstrap=embedded.up(Path(name) / "data").bootstrap)
                finally:
                    warehouse.send_signal(signal.SIGTERM)
        finally:
            embedded.down(Path(name) / "data", delete_data=True)


if __name__ == "__main__":
    main()
