"""What a supervisor answers on the health port: one answer for all its processes.

I/O: HTTP on loopback, to the processes.
"""

import json
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException
from typing import Any

from cli.processes.child import Child
from consumers.runtime.health import health_response
from consumers.runtime.health_server import LOOPBACK

_ANSWER_S = 1.0

Body = dict[str, Any]
Ask = Callable[[int, str], Body | None]
"""From a port on loopback and a path to the body that is answered there; None: no answer in time."""


def ask(port: int, path: str) -> Body | None:
    """Ask a process; see `Ask`."""
    connection = HTTPConnection(LOOPBACK, port, timeout=_ANSWER_S)
    try:
        connection.request("GET", path)
        body: Body = json.loads(connection.getresponse().read())
    except (OSError, HTTPException, ValueError):
        return None
    else:
        return body
    finally:
        connection.close()


def respond(children: Sequence[Child], path: str, ask: Ask = ask) -> tuple[int, Body]:
    """HTTP status code and body for a path.

    Ready means that every process answers, and every group in it is ready. Live means that every process that
    has answered before still does: one that is being started again needs no help. A process that has ended
    for good says nothing about the others.
    """
    if path == "/health/live":
        silent = [child.number for child, body in _answers(children, path, ask) if body is None]
        return (503, {"live": False, "silent": silent}) if silent else (200, {"live": True})
    if path != "/health/ready":
        return health_response(path, [])
    bodies = {child.number: body for child, body in _answers(children, path, ask) if body is not None}
    silent = [child.number for child in _wanted(children) if child.number not in bodies]
    groups = [
        {"process": number, **group} for number, body in bodies.items() for group in body.get("groups", [])
    ]
    ready = bool(groups) and not silent and all(group["ready"] for group in groups)
    return (200 if ready else 503), {"ready": ready, "silent": silent, "groups": groups}


def _wanted(children: Sequence[Child]) -> list[Child]:
    return [child for child in children if child.running or child.restart_at is not None]


def _answers(children: Sequence[Child], path: str, ask: Ask) -> list[tuple[Child, Body | None]]:
    return [(child, ask(port, path)) for child in children if (port := child.health_port) is not None]
