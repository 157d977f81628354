"""The settings file that `cev config init` writes, made from the settings' own definitions. Pure.

Promise: every setting is in it, and reading it changes nothing: a setting with a fixed default stands there
with that default; one without, as a comment with an example.
"""

import json
from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticUndefined

from cli.settings import Settings

_HEAD = """\
# Settings of cev. CEV_CONFIG names this file; a variable such as CEV_DRAIN_S, and a flag, win over it.
# What is commented out is not set. `cev config show` prints every setting, its value and its source."""


def settings_file() -> str:
    """The file's text, TOML."""
    return "\n".join([_HEAD, *_sections()]) + "\n"


def _sections() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        [example] = field.examples or [None]
        yield ""
        yield f"# {field.description}"
        if name == "kafka":
            yield "[kafka]"
            yield from (f"# {_toml(key)} = {_toml(value)}" for key, value in dict(example).items())
        elif field.default in (None, PydanticUndefined):
            yield f"# {name} = {_toml(example)}"
        else:
            yield f"{name} = {_toml(field.default)}"


def _toml(value: Any) -> str:
    # TOML's basic strings are JSON's, and so are its numbers.
    return json.dumps(value, ensure_ascii=False)
