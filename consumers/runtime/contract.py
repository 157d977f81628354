"""What a reaction must keep to, checked for every message (invariant 12; design §7, point 9). Pure."""

from collections.abc import Sequence
from hashlib import blake2b

from consumers.runtime.reaction import MAX_INPUT, AnyReaction, BrokenReaction, Effect, IssuedCommand
from schemas.facts import FACT_TYPES, Fact

Outgoing = Fact | IssuedCommand
"""What reactions return; commands come from process managers alone."""


def check_outgoing(outgoing: Outgoing, reaction: AnyReaction) -> Outgoing:
    """What a reaction returned, if it may return that.

    Raises:
        BrokenReaction: it is neither a fact, nor the command of a process manager.
    """
    is_command = bool(reaction.issues) and type(outgoing) is IssuedCommand
    if type(outgoing) not in FACT_TYPES and not is_command:
        raise BrokenReaction(
            f"{reaction.name} returned a {type(outgoing).__name__}: a reaction returns facts only, "
            "a process manager also commands"
        )
    return outgoing


def check_guarded(name: str, outgoing: Sequence[Outgoing], effects: Sequence[Effect]) -> None:
    """Make sure that what a reaction returned is guarded by an effect, and that no effect is made twice.

    Raises:
        BrokenReaction: it is not so.
    """
    if not effects and outgoing:
        raise BrokenReaction(
            f"{name} answers without an effect: no key guards the answer against a second one"
        )
    if len(effects) > 1 and len({effect.name for effect in effects}) < len(effects):
        raise BrokenReaction(
            f"{name} records {effects[-1].name} twice for one message: one key is one effect"
        )


def canonical(text: str | None) -> str | None:
    """An effect's input as the store keeps and compares it.

    Text of up to 1,000 characters stays as it is; longer text becomes a digest and its first 500 characters.
    """
    if text is None or len(text) <= MAX_INPUT:
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"blake2b:{digest} {text[:500]}"
