"""Kubernetes manifests against the models of the official client: what a server would refuse, or pass over.

Pure.
"""

import re
from collections.abc import Iterator
from typing import Any

from kubernetes import client

_KINDS = {"Secret": "V1Secret", "Job": "V1Job", "Deployment": "V1Deployment"}
_GROUPS = {"Secret": "v1", "Job": "batch/v1", "Deployment": "apps/v1"}
_MANY = re.compile(r"(?:list\[|dict\(str, )(?P<of>.+)[\])]\Z")
_PLAIN = {"str": str, "int": int, "bool": bool, "object": object}


def faults(manifest: dict[str, Any]) -> list[str]:
    """Every unknown field, wrong type and missing part of a manifest, each with its path."""
    kind = str(manifest.get("kind"))
    if kind not in _KINDS:
        return [f"kind: {kind}"]
    wrong = (
        [] if manifest.get("apiVersion") == _GROUPS[kind] else [f"apiVersion: {manifest.get('apiVersion')}"]
    )
    return [*wrong, *_faults(manifest, _KINDS[kind], kind)]


def _faults(value: Any, kind: str, path: str) -> Iterator[str]:
    many = _MANY.match(kind)
    if many and kind.startswith("list"):
        if not isinstance(value, list):
            yield f"{path}: no list"
            return
        for number, element in enumerate(value):
            yield from _faults(element, many["of"], f"{path}[{number}]")
    elif many:
        if not isinstance(value, dict):
            yield f"{path}: no map"
            return
        for name, element in value.items():
            yield from _faults(element, many["of"], f"{path}.{name}")
    elif kind in _PLAIN:
        if not isinstance(value, _PLAIN[kind]) or (kind == "int" and isinstance(value, bool)):
            yield f"{path}: {value!r} is no {kind}"
    else:
        yield from _object(value, getattr(client, kind), path)


def _object(value: Any, model: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: no object"
        return
    names = {name: attribute for attribute, name in model.attribute_map.items()}
    for name in value.keys() - names.keys():
        yield f"{path}.{name}: there is no such field"
    known = {names[name]: element for name, element in value.items() if name in names}
    try:
        model(**known)
    except ValueError as error:
        yield f"{path}: {error}"
    for attribute, element in known.items():
        yield from _faults(
            element, model.openapi_types[attribute], f"{path}.{model.attribute_map[attribute]}"
        )
