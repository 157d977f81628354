"""Whether a redrive can succeed, and what it needs, by the error that a dead letter names. Pure.

A dead letter names its error by the class; those of other programs, and of newer versions, are unknown here.
"""

from typing import NamedTuple

from schemas import errors
from schemas.errors import RecordError

NEVER = "can never succeed"
_NEEDS = {
    "ForeignFact": "succeeds if the group runs with CEV_FOREIGN_FACTS=act",
    "NoRegistry": "succeeds once the group has the schema registry",
    "UnknownSchemaId": "succeeds once the registry has the schema",
    "UnknownFingerprint": "succeeds with a version of the program that has the schema",
    "UnknownFlow": "succeeds with a version of the program that knows the flow",
    "ReactionFailed": "may succeed once its cause is mended",
    "DeliveryDeferred": "may succeed once the receiver takes it",
    "OutcomeUnknown": "may succeed once the receiver says what it did",
    "DeliveryRejected": "may succeed once the receiver is mended",
}


class Prospect(NamedTuple):
    """What is known of a redrive.

    Attributes:
        can_succeed: None where nobody knows.
        text: the same for people; empty where nobody knows.
    """

    can_succeed: bool | None
    text: str


def prospect(error: str | None) -> Prospect:
    """What a redrive comes to.

    Args:
        error: name of the error's class, without its module; None for none.
    """
    kind = getattr(errors, error, None) if error else None
    if not (isinstance(kind, type) and issubclass(kind, RecordError)):
        return Prospect(None, "")
    return Prospect(True, _NEEDS.get(kind.__name__, "")) if kind.redrivable else Prospect(False, NEVER)
