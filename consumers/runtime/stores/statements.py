"""A store's SQL for both databases; statements with question marks go to the driver as they are.

I/O: none of its own; it names SQLAlchemy's constructs.
"""

from sqlalchemy import Insert, bindparam, case, text

from consumers.runtime.stores import tables
from consumers.runtime.stores.upsert import upsert

SHADOW = "INSERT INTO shadow_decisions VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
FINISH = "UPDATE effects SET outcome = 'done' WHERE order_id = ? AND effect = ? AND outcome = 'intended'"
WITHDRAW = "DELETE FROM effects WHERE order_id = ? AND effect = ? AND outcome = 'intended'"
DROP_SENT = "DELETE FROM results WHERE source_topic = ? AND source_partition = ? AND last_offset < ?"


def _announce() -> Insert:
    statement = upsert(tables.progress)
    new, old = statement.excluded, tables.progress.c
    # A start that died before its commit may begin elsewhere; one that came about stays as it is.
    fresh = old.started == 0
    return statement.on_conflict_do_update(
        index_elements=["topic", "partition"],
        set_={
            "position": case((fresh, new.position), else_=old.position),
            "results_upto": case((fresh, new.results_upto), else_=old.results_upto),
            "started": case((fresh, new.started), else_=old.started),
        },
    )


def _advance() -> Insert:
    statement = upsert(tables.progress)
    new, old = statement.excluded, tables.progress.c
    return statement.on_conflict_do_update(
        index_elements=["topic", "partition"],
        set_={
            # A member that was stopped and went on must not take back what the next one did.
            "position": case((new.position > old.position, new.position), else_=old.position),
            "results_upto": case(
                (new.results_upto > old.results_upto, new.results_upto), else_=old.results_upto
            ),
            # Its announcement may have been cut short: a missing offset is lost from here on all the same.
            "started": new.started,
            "updated_at": new.updated_at,
        },
    )


ANNOUNCE = _announce()
ADVANCE = _advance()
_EFFECTS = (
    "SELECT order_id, effect, outcome, input, source_topic, source_partition, source_offset FROM effects "
)
EFFECTS_IN = text(f"{_EFFECTS} WHERE order_id IN :ids").bindparams(bindparam("ids", expanding=True))
EFFECTS_ANY = text(f"{_EFFECTS} WHERE order_id = ANY(CAST(:ids AS bigint[]))")
RESULTS = text(
    "SELECT * FROM results WHERE source_topic = :t AND source_partition = :p "
    "AND first_offset <= :high AND last_offset >= :low ORDER BY first_offset"
)
