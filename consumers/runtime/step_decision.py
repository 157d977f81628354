"""The decision about one step of the loop, with what the store has for its orders.

I/O: the store.
"""

from collections.abc import Callable, Mapping
from functools import partial

from consumers.runtime.batch import Step
from consumers.runtime.decide import DecisionRules, decide
from consumers.runtime.decide_states import decide_with_states
from consumers.runtime.decoding import decode_answer
from consumers.runtime.plan import Plan
from consumers.runtime.reaction import Context
from consumers.runtime.records import Attempts, Partition
from consumers.runtime.stores.store import Store
from schemas.errors import Position


def decision_of(
    step: Step,
    context: Context,
    *,
    store: Store,
    rules: DecisionRules,
    results_upto: Mapping[Partition, int],
    attempts: Mapping[Position, Attempts],
) -> Callable[[], Plan]:
    """Look up what the store has, and prepare the decision, which is pure.

    Args:
        step: its records, and answers to deliveries.
        context: see `decide`.
        store: of the group.
        rules: see `decide`.
        results_upto: see `decide`.
        attempts: see `decide`.

    Raises:
        DependencyUnavailable: the store does not answer.
    """
    answers = [decode_answer(task, answer) for task, answer in step.answers()]
    items = step.ready
    if not items and not answers:
        return Plan
    order_ids = {item.order_id for item in (*answers, *items) if item.order_id is not None}
    effects = store.find_effects(order_ids)
    if rules.reaction.state is None:
        return partial(decide, items, effects, results_upto, context, rules, attempts=attempts)
    positions = [item.record.position for item in (*answers, *items)]
    return partial(
        decide_with_states,
        items,
        answers=answers,
        effects=effects,
        known=store.states.find(rules.reaction.state, order_ids, positions),
        results_upto=results_upto,
        context=context,
        rules=rules,
        attempts=attempts,
    )
