"""The conditions that raise an alarm. Pure.

    topic-missing   the cluster lacks a topic of the catalogue
    topics-differ   a topic is not as the catalogue wants it
    foreign-group   another group than the owner is at a command topic (design §7, point 10)
    no-consumer     records wait and no member of the group is alive: at once on a topic that somebody must
                    handle, after `ABSENT_MS` for any other reaction
    no-progress     the group has live members, and records wait that none of them handles
    dead-letters    somebody must decide about records that a group gave up
    store           a group's store does not answer

    mode-unreadable, mode-suspect, mode-anew: see mode_alarms.py
    cannot-start, records-removed, store: see standstill.py

and those that a group raises itself, in its store: `outage` (a dependency is down), `unknown-schema` (many
records in a row that no known schema explains), `stopped` (a member ended because of an error). States of
orders that are alarms are named by the registry (`StateAlarm`).

A topic that somebody must handle is a command topic, or one that is read by a reaction that took over from
one (design §6): in mode `event` the warehouse's orders come as facts. Other reactions may be restarted, so
they get a moment; groups that are none of ours may come and go.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from consumers.runtime.reaction import StateAlarm
from operations.groups import Group
from operations.topics.plan import Difference, keeps_more
from schemas.counting import counted
from schemas.topics import Kind, Topic

ABSENT_MS = 30_000
"""A restart takes less: a reaction whose records wait longer without a live member does not run."""


class StatusAlarm(NamedTuple):
    """One condition.

    Attributes:
        name: one of the names above.
        subject: the topic, or the group and topic, that it is about.
        since: ms since the epoch, UTC; None where nobody knows.
        text: what is wrong and what to do.
    """

    name: str
    subject: str
    since: int | None
    text: str


class Lag(NamedTuple):
    """How far a group is behind on a topic.

    Attributes:
        group: its id.
        topic: the topic.
        lag: offsets between the committed one and the end for read_committed readers, transaction markers
            among them; 0 where nothing but markers is left.
        oldest_at: when the first of these records was written, ms UTC; None without lag, or where nobody
            looked.
        members: how many live members the group has.
    """

    group: str
    topic: str
    lag: int
    oldest_at: int | None
    members: int


class DeadLetterCount(NamedTuple):
    """The dead letters on a topic; `more` if counting stopped before the end."""

    topic: Topic
    number: int
    oldest_at: int | None
    more: bool


def of_topics(missing: Iterable[Topic], differs: Iterable[Difference]) -> list[StatusAlarm]:
    """Alarms about how topics are made."""
    return [
        StatusAlarm(
            "topic-missing",
            topic.name,
            None,
            f"the cluster has no topic {topic.name}; `cev topics create` creates it",
        )
        for topic in missing
    ] + [
        StatusAlarm(
            "topics-differ",
            difference.topic,
            None,
            f"{difference}; {_remedy(difference)}",
        )
        for difference in differs
    ]


def _remedy(difference: Difference) -> str:
    if keeps_more(difference):
        return "`cev topics create` changes it"
    if difference.what == "partitions":
        return "cev never changes it, for keys would move to other partitions; everything is handled as it is"
    return "cev never changes it, for something could get lost; change it with Kafka's own tools"


def of_foreign_groups(
    topics: Iterable[Topic], committed: Iterable[tuple[str, str]], members: Iterable[tuple[str, Group]]
) -> list[StatusAlarm]:
    """Alarms about groups at command topics that are not theirs.

    Args:
        topics: the catalogue.
        committed: pairs of group and topic that it has committed offsets on.
        members: groups with their members.
    """
    owners = {topic.name: topic.owner for topic in topics if topic.kind is Kind.COMMAND}
    reading = {(group, topic) for group, group_state in members for topic in group_state.topics}
    foreign = {(topic, group) for group, topic in {*committed, *reading} if owners.get(topic, group) != group}
    return [
        StatusAlarm(
            "foreign-group",
            f"{group}@{topic}",
            None,
            f"group {group} {'reads' if (group, topic) in reading else 'has read'} {topic}, a command topic "
            f"whose only reader is {owners[topic]}: a command may be carried out twice; stop it and delete "
            "the group, or let it read a fact",
        )
        for topic, group in sorted(foreign)
    ]


def waits_longer(lag: Lag, now: int, ms: int) -> bool:
    """Whether a record waits for so long; one with a time in the future waits for nobody knows how long."""
    return lag.lag > 0 and lag.oldest_at is not None and not 0 <= now - lag.oldest_at < ms


def of_lags(
    lags: Iterable[Lag], must_handle: Collection[tuple[str, str]], known: Iterable[str], now: int
) -> list[StatusAlarm]:
    """Alarms about records that nobody is there to handle.

    Args:
        lags: of every group and topic.
        must_handle: pairs of group and topic where somebody must be.
        known: the groups of the registry's reactions.
        now: ms since the epoch, UTC.
    """
    ours = set(known)
    return [
        StatusAlarm(
            "no-consumer",
            f"{lag.group}@{lag.topic}",
            lag.oldest_at,
            f"{_waiting(lag)} on {lag.topic} and group {lag.group} has no live member; "
            f"`cev consume {lag.group}` starts one",
        )
        for lag in lags
        if lag.lag > 0
        and lag.members == 0
        and (
            (lag.group, lag.topic) in must_handle or (lag.group in ours and waits_longer(lag, now, ABSENT_MS))
        )
    ]


def of_standstill(without_commit: Iterable[Lag], without_member: Iterable[Lag]) -> list[StatusAlarm]:
    """Alarms about groups with live members that make no progress.

    Args:
        without_commit: where a group commits nothing.
        without_member: where no member of a group has the topic.
    """
    texts = {
        lag: f"group {lag.group} commits nothing, although it has {counted(lag.members, 'live member')}: "
        "look at its log and at /health/ready"
        for lag in without_commit
    } | {
        lag: f"no live member of group {lag.group} reads it: does an older version of the program run?"
        for lag in without_member
    }
    return [
        StatusAlarm(
            "no-progress",
            f"{lag.group}@{lag.topic}",
            lag.oldest_at,
            f"{_waiting(lag)} on {lag.topic}, and {text}",
        )
        for lag, text in texts.items()
    ]


def _waiting(lag: Lag) -> str:
    """How many records wait at most: transaction markers take offsets too."""
    return "1 record waits" if lag.lag == 1 else f"up to {lag.lag:,} records wait"


def of_dead_letters(counts: Iterable[DeadLetterCount]) -> list[StatusAlarm]:
    """Alarms about dead letters that nobody has decided."""
    return [
        StatusAlarm(
            "dead-letters",
            count.topic.name,
            count.oldest_at,
            f"{'more than ' if count.more else ''}{count.number:,} to decide about on {count.topic.name}; "
            f"`cev dlq list --topic {count.topic.name}` shows why",
        )
        for count in counts
        if count.number > 0
    ]


def of_silent_stores(silent: Iterable[tuple[str, str]]) -> list[StatusAlarm]:
    """Alarms about stores that cannot be read; pairs of group and reason."""
    return [StatusAlarm("store", group, None, why) for group, why in silent]


def of_group(group: str, name: str, subject: str, since: int, text: str) -> StatusAlarm:
    """An alarm that a group raised about itself."""
    return StatusAlarm(name, subject, since, f"{group}: {text}")


def of_states(
    group: str, state_alarms: Sequence[StateAlarm], counts: Mapping[str, tuple[int, int]]
) -> list[StatusAlarm]:
    """Alarms about orders that a reaction left to a person.

    Args:
        group: whose orders.
        state_alarms: of its registry line.
        counts: by state, how many orders are in it, and since when the first of them (ms UTC).
    """
    raised = []
    for name, statuses, text in state_alarms:
        rows = [counts[status] for status in statuses if status in counts]
        if rows:
            orders = counted(sum(number for number, _ in rows), "order")
            raised.append(StatusAlarm(name, group, min(since for _, since in rows), f"{orders}: {text}"))
    return raised
