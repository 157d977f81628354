"""Code that a child process runs first, made from a function: so the type checker sees it.

I/O: none.
"""

from collections.abc import Callable
from pathlib import Path

_ROOT = str(Path(__file__).parents[3])


def code_of(function: Callable[..., None], *given: str | int | bool) -> str:
    """Code that calls a function of `tests/support` in a new process.

    Args:
        function: found by its name in its module.
        given: its arguments.
    """
    module, name = function.__module__, function.__name__
    arguments = ", ".join(map(repr, given))
    return f"import sys\nsys.path.insert(0, {_ROOT!r})\nfrom {module} import {name}\n{name}({arguments})\n"
