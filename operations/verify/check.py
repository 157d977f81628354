"""The whole of `cev verify`: read everything, compare it order by order, in memory that does not grow.

I/O: Kafka, stores and a temporary database, through reading.py and workspace.py.
"""

from collections.abc import Mapping

from clients.config import Cluster
from databases.address import StoreAddress
from operations.verify.evidence import READS, Reads
from operations.verify.reading import Report, gather
from operations.verify.reconcile import reconcile
from operations.verify.reconciliation import Reconciliation
from operations.verify.workspace import workspace
from schemas.codec import Codec


def check_all(
    cluster: Cluster,
    codec: Codec,
    stores_of: Mapping[str, StoreAddress],
    report: Report,
    reads: Reads = READS,
) -> Reconciliation:
    """Read what was ordered and what was done, and compare.

    Args:
        cluster: where.
        codec: reads the values.
        stores_of: the store of each group.
        report: told what is being done.
        reads: the groups whose work is compared.

    Raises:
        As `gather`; and OperationFailed if the disk has no room for the temporary database.
    """
    with workspace() as evidence:
        gathered = gather(evidence, cluster, codec, stores_of, report, reads=reads)
        report("comparing")
        return reconcile(evidence, gathered.offsets, gathered.dead_letters, reads)
