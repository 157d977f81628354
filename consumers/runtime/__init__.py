"""How any reaction runs: exactly one effect per effect key, whatever crashes (design §7).

    poll -> decode -> decide (pure) -> one store transaction -> deliveries -> one Kafka transaction

Nothing here knows a warehouse or a mail; nothing in a reaction knows Kafka or a database.

The invariants, each with the files that hold it. A comment beside a deciding branch cites the number.

 1. One effect per effect key. Effects, results and progress are one transaction of the store, which refuses
    a key that is taken; then the batch is decided anew.
    -> stores/store, batch_processor, decide
 2. A record of an order that has its effect causes none: with the same input it is a duplicate, with other
    input a dead letter. A dead letter and a shadow decision take no effect key.
    -> decide
 3. The store comes before Kafka: nothing is sent or committed that the store does not have. Then one Kafka
    transaction carries results, dead letters and offsets.
    -> batch_processor, kafka/producer
 4. Consumer group metadata is taken at the poll and travels with the batch. A batch is committed only where
    nothing was assigned or revoked since; otherwise what is not committed is read again.
    -> kafka/consumer, assigned, batch_processor
 5. No offset is committed above the lowest record that is not settled. An effect that is only intended does
    not settle its record. Results and dead letters go out with the offset of their record.
    -> offset_tracker, unsent, batch_processor
 6. Stored results are sent again under the same message id, unless Kafka has them. Whether it has is asked of
    Kafka after every commit whose end is unknown.
    -> decide, committed, results, unsent
 7. Nothing disappears: a record ends in an effect, a known duplicate, a dead letter, a passed discard marker,
    or a result that says rejected or expired.
    -> decide, dead_letters
 8. Poison is not an outage. An outage blames no record: it is waited out, counts no attempt and makes no dead
    letter. A record that may recover is tried a bounded number of times, counted in the store.
    -> retry_policy, delivery/outcomes, failures/tracker
 9. Many records in a row of one unknown schema are a rollout, not poison: the partition is paused
    at the first of them that is not settled.
    -> failures/unknown_schemas, batch_decoder
10. Records of one order are handled one behind the other, also while one of them waits for its next attempt
    or for its deliveries.
    -> retry_queue, failures/ordering
11. What goes to the outside is stored as intended, delivered under a key that stays the same, and then stored
    as done: at least once, never forgotten. What answers the record is stored with the end of its deliveries,
    and an intention that is taken back leaves nothing.
    -> decide, batch_processor, delivery/pool
12. A reaction returns facts only, a process manager also commands for the topics of its registry line, and
    both guard what they return with an effect. One that breaks this stops its group; no record is blamed.
    -> reaction, contract, results
13. A member stays in its group whatever takes long: it polls with its partitions paused.
    -> batch_processor, kafka/consumer
14. A group has one store, and a store one group and one cluster. No member works beside one that uses another
    store, or a copy. Where a partition begins is announced in the store and committed before its first record
    is read, so that a missing offset is a lost one.
    -> assignment, starting_offset, stores/store, stores/member_table, copy_fence, store_copies
15. A slot, and the transactional id made of it, belongs to one living member.
    -> stores/sqlite, stores/postgres, member
16. Nothing is done in a store that is older than its member left it, or not where it was opened. Each
    transaction makes sure of it, and after a lost connection so does the next batch, for the whole group.
    -> stores/write_mark, stores/sqlite, store_check
17. A message changes what is remembered of its order once. The history of an order's state is numbered, so
    that of two members one decides anew; a message that is in it only finishes what it began.
    -> order_states, decide_states, stores/state_tables
18. What a receiver answers comes back as a message of the record that asked. Where nobody knows what became
    of a delivery, it is neither taken back nor a dead letter: its effect is unresolved until a later record
    takes it up again.
    -> delivery/pool, delivery/outcomes, decide_states
19. A timer is in the store until its record is in Kafka: it is fired at least once, and what it means is
    decided by the state.
    -> timers, stores/state_tables
"""
