"""What is wrong with a value on the command line or among the settings, in a sentence of ours.

pydantic checks both, and says "Input should be a valid integer, unable to parse string as an integer".
"""

import re
from collections.abc import Mapping
from typing import Any

from schemas.suggestions import did_you_mean

_SENTENCES = {
    "int_parsing": "{input!r} is not a whole number",
    "int_from_float": "{input!r} is not a whole number",
    "float_parsing": "{input!r} is not a number",
    "finite_number": "{input!r} is not a finite number",
    "greater_than_equal": "{input} is less than {ge:g}",
    "greater_than": "{input} is not more than {gt:g}",
    "less_than_equal": "{input} is more than {le:g}",
}
_CHOICES = re.compile(r"'.*' is not one of (?P<choices>'.*')\.?", re.DOTALL)


def plain_fault(fault: Mapping[str, Any]) -> str:
    """One of pydantic's faults as a sentence.

    Args:
        fault: an entry of `ValidationError.errors()`.
    """
    kind, value, context = str(fault["type"]), fault["input"], fault.get("ctx", {})
    if sentence := _SENTENCES.get(kind):
        return sentence.format(input=value, **context)
    message = str(context["error"]) if kind == "value_error" else str(fault["msg"])
    choices = _CHOICES.fullmatch(message)
    if choices or kind == "literal_error":
        known = re.findall(r"'([^']*)'", choices["choices"] if choices else context["expected"])
        return f"{value!r} is not one of {', '.join(known)}{did_you_mean(str(value), known)}"
    return f"{message[0].lower()}{message[1:]}"


def plain_message(error: Any) -> str:
    """The message of a value that typer refuses.

    Args:
        error: its `BadParameter`; the cause is pydantic's error where it was made of one.
    """
    faults = error.__cause__.errors() if hasattr(error.__cause__, "errors") else []
    return plain_fault(faults[0]) if faults else str(error.message)
