"""The corpus: hostile records by name, and how each must end.

    python -m tests.malformed.corpus      a line per record: its name, its topic, its end in every group

Pure, but for printing. `broken`, `fields`, `headers` and `foreign` make the records; two tests hold their
ends, one without a broker (`test_corpus_unit`) and one on a real one (`test_corpus_broker`).
"""

import sys
from collections import Counter

from schemas.times import now_ms
from tests.malformed import broken, fields, foreign, headers
from tests.malformed.case import Case, Maker

_PARTS = (
    *(broken.cut, broken.flipped, broken.framed_wrongly, broken.keys, broken.bodies, broken.types),
    *(fields.addresses, fields.numbers, fields.items, fields.shadows, fields.people, fields.twins),
    *(headers.ignored, headers.expiries, headers.schema_ids, headers.around_the_broken),
    *(
        foreign.unknown_ids,
        foreign.ksql,
        foreign.under_our_names,
        foreign.units,
        foreign.bombs,
        foreign.no_schemas,
    ),
)


def corpus(at: int) -> list[Case]:
    """Every record, in an order that a log may have.

    Args:
        at: when good facts were placed, ms since the epoch, UTC: about now, or their mails are old news.
    """
    make = Maker(at)
    for part in _PARTS:
        part(make)
    return make.cases


def told(case: Case) -> str:
    """A record's end in words: once where every group agrees."""
    ends = set(case.ends.values())
    if len(ends) == 1:
        return ends.pop()
    return ", ".join(f"{group} {end}" for group, end in case.ends.items())


def table() -> str:
    """A line per record, and how many end in which way."""
    cases = corpus(now_ms())
    width = max(len(case.name) for case in cases)
    lines = [f"{case.name:<{width}}  {case.topic:<17}  {told(case)}" for case in cases]
    counts = Counter(end.partition(":")[0] for case in cases for end in set(case.ends.values()))
    sums = ", ".join(f"{end} {count}" for end, count in counts.most_common())
    return "\n".join([*lines, "", f"{len(cases)} records; ends by kind: {sums}"])


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
