"""A store's SQL, the same for both databases; pure.

Question marks stand for values, `{rows}` for rows of values, `{session}` for the number of the session, and
`{schema}` for the schema of the tables: no session's search path says where a store is. `Database` puts all
that into the words of its database.
"""

EFFECT = "INSERT INTO {schema}.effects {rows}"
SHADOW = "INSERT INTO {schema}.shadow_decisions {rows} ON CONFLICT DO NOTHING"
RESULT = """
INSERT INTO {schema}.results AS old (source_topic, source_partition, first_offset, last_offset, records)
{rows} ON CONFLICT (source_topic, source_partition, first_offset) DO UPDATE SET
    last_offset = CASE WHEN excluded.last_offset > old.last_offset
                       THEN excluded.last_offset ELSE old.last_offset END,
    records = old.records || '\n' || excluded.records
"""
"""What is stored a second time for a position comes behind the first (`result_rows`), and changes nothing."""
FINISH = """
UPDATE {schema}.effects SET outcome = 'done', detail = NULL
WHERE (order_id, effect, source_topic, source_partition, source_offset) IN ({rows}) AND outcome = 'intended'
"""
WITHDRAW = """
DELETE FROM {schema}.effects
WHERE (order_id, effect, source_topic, source_partition, source_offset) IN ({rows}) AND outcome = 'intended'
"""
"""Of an intention of the named record alone: another record may have made it anew."""
DROP_SENT = """
WITH sent (topic, number, upto) AS ({rows})
DELETE FROM {schema}.results WHERE EXISTS (
    SELECT 1 FROM sent WHERE topic = source_topic AND number = source_partition AND last_offset < upto
)
"""

COUNT_ATTEMPT = """
INSERT INTO {schema}.attempts AS old (topic, partition, "offset", count, error, at)
{rows} ON CONFLICT (topic, partition, "offset") DO UPDATE SET
    count = CASE WHEN excluded.count > old.count THEN excluded.count ELSE old.count END,
    error = excluded.error,
    at = excluded.at
"""

CHANGE = """
WITH new (order_id, effect, outcome, input, detail, via, message_id, topic, number, source_offset, at)
    AS ({rows})
UPDATE {schema}.effects AS old SET
    outcome = new.outcome, detail = new.detail, via = new.via, message_id = new.message_id,
    source_topic = new.topic, source_partition = new.number, source_offset = new.source_offset, at = new.at
FROM new
WHERE old.order_id = new.order_id AND old.effect = new.effect AND old.outcome IN ('intended', 'unresolved')
"""
HISTORY = "INSERT INTO {schema}.order_history {rows}"
STATE = """
INSERT INTO {schema}.order_states AS old (order_id, version, status, state, changed_at)
{rows} ON CONFLICT (order_id) DO UPDATE SET
    version = excluded.version, status = excluded.status, state = excluded.state,
    changed_at = excluded.changed_at
"""
SET_TIMER = """
INSERT INTO {schema}.timers AS old (order_id, name, due_at, correlation_id, causation_id)
{rows} ON CONFLICT (order_id, name) DO UPDATE SET
    due_at = excluded.due_at, correlation_id = excluded.correlation_id, causation_id = excluded.causation_id
"""
CANCEL_TIMER = "DELETE FROM {schema}.timers WHERE (order_id, name) IN ({rows})"
FIRED = "DELETE FROM {schema}.timers WHERE (order_id, name, due_at) IN ({rows})"
DUE_TIMERS = (
    "SELECT order_id, name, due_at, correlation_id, causation_id FROM {schema}.timers "
    "WHERE due_at <= ? ORDER BY due_at, order_id, name LIMIT ?"
)
ANY_STATE = "SELECT EXISTS (SELECT 1 FROM {schema}.order_states)"
STATES = "SELECT order_id, version, state FROM {schema}.order_states WHERE order_id "
"""To be continued with a condition on the order id, as `EFFECTS`."""
APPLIED = (
    "SELECT source_offset, message FROM {schema}.order_history WHERE source_topic = ? "
    "AND source_partition = ? AND source_offset BETWEEN ? AND ?"
)

EFFECTS = (
    "SELECT order_id, effect, outcome, input, source_topic, source_partition, source_offset, "
    "CASE WHEN outcome = 'intended' THEN detail END "
    "FROM {schema}.effects WHERE order_id "
)
"""To be continued with a condition on the order id."""
EFFECTS_BETWEEN = "SELECT EXISTS (SELECT 1 FROM {schema}.effects WHERE order_id BETWEEN ? AND ?)"
RESULTS = (
    "SELECT * FROM {schema}.results WHERE source_topic = ? AND source_partition = ? "
    "AND first_offset <= ? AND last_offset >= ? ORDER BY first_offset"
)

_PROGRESS = """
INSERT INTO {schema}.progress AS old (topic, partition, position, results_upto, started, updated_at)
{rows} ON CONFLICT (topic, partition) DO UPDATE SET
"""
ANNOUNCE = f"""{_PROGRESS}
    position = CASE WHEN old.started = 0 THEN excluded.position ELSE old.position END,
    results_upto = CASE WHEN old.started = 0 THEN excluded.results_upto ELSE old.results_upto END,
    started = CASE WHEN old.started = 0 THEN excluded.started ELSE old.started END
"""
"""A start that died before its commit may begin elsewhere; one that came about stays as it is."""
ADVANCE = f"""{_PROGRESS}
    position = CASE WHEN excluded.position > old.position THEN excluded.position ELSE old.position END,
    results_upto = CASE WHEN excluded.results_upto > old.results_upto
                        THEN excluded.results_upto ELSE old.results_upto END,
    started = excluded.started,
    updated_at = excluded.updated_at
"""
"""A member that was stopped and went on must not take back what the next one did. `started` is 1: the start's
announcement may have been cut short, and a missing offset is lost from here on all the same."""

MARK = "UPDATE {schema}.members SET writes = ? WHERE token = ? AND writes >= ? AND {session} = ?"
WRITES = "SELECT writes FROM {schema}.members WHERE token = ?"
