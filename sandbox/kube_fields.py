"""Who owns which field of an object: managedFields of the simulated Kubernetes API, and server-side apply."""

from __future__ import annotations

import json
from typing import Any

from sandbox.kube_patch import merge_key
from sandbox.kube_selectors import Object
from sandbox.kube_status import Refusal
from sandbox.kube_store import now

Path = tuple[str, ...]
# What no manager owns, because the server itself writes it.
UNOWNED = {
    ("f:apiVersion",),
    ("f:kind",),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "managedFields",
            "selfLink",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        )
    ),
}


def leaves(found: Object) -> dict[Path, Any]:
    """Return every field of an object that somebody may own, by its path as fieldsV1 has it, with its value."""
    collected: dict[Path, Any] = {}
    for name, value in found.items():
        _collect((f"f:{name}",), name, value, collected)
    return {path: value for path, value in collected.items() if path[:2] not in UNOWNED and path[:1] not in UNOWNED}


def _collect(path: Path, name: str, value: Any, into: dict[Path, Any]) -> None:
    key = merge_key(name, value) if isinstance(value, list) and value else ""
    if isinstance(value, dict) and value:
        for below, inner in value.items():
            _collect((*path, f"f:{below}"), below, inner, into)
    elif key:
        for item in value:
            place = (*path, "k:" + json.dumps({key: item.get(key)}, separators=(",", ":")))
            into[*place, "."] = None
            for below, inner in item.items():
                _collect((*place, f"f:{below}"), below, inner, into)
    else:
        into[path] = value


def tree(paths: set[Path]) -> Object:
    """Return the paths as fieldsV1."""
    found: Object = {}
    for path in sorted(paths):
        place = found
        for part in path:
            place = place.setdefault(part, {})
    return found


def paths_of(fields: Object, above: Path = ()) -> set[Path]:
    """Return the paths of a fieldsV1."""
    if not fields:
        return {above}
    return {path for name, below in fields.items() for path in paths_of(below, (*above, name))}


def printed(path: Path) -> str:
    """Return a path as conflicts name it: `.spec.template.spec.containers[name="app"].image`."""
    text = ""
    for part in path:
        if part.startswith("f:"):
            text += f".{part[2:]}"
        elif part.startswith("k:"):
            text += "".join(f"[{key}={json.dumps(value)}]" for key, value in json.loads(part[2:]).items())
    return text


# Ownership ------------------------------------------------------------------------------------------------------


def _entry(manager: str, operation: str, api_version: str, subresource: str, paths: set[Path]) -> Object:
    found: Object = {"manager": manager, "operation": operation, "apiVersion": api_version, "time": now()}
    found |= {"fieldsType": "FieldsV1", "fieldsV1": tree(paths)}
    return {**found, "subresource": subresource} if subresource else found


def _is_of(entry: Object, manager: str, operation: str, subresource: str) -> bool:
    return (entry["manager"], entry["operation"], entry.get("subresource", "")) == (manager, operation, subresource)


def _without(entries: list[Object], lost: set[Path]) -> list[Object]:
    """Return the entries without fields that others took or nobody has any longer."""
    kept = []
    for entry in entries:
        owned = paths_of(entry["fieldsV1"])
        if rest := owned - lost:
            kept.append(entry if rest == owned else {**entry, "fieldsV1": tree(rest)})
    return kept


def take(before: Object | None, after: Object, manager: str, subresource: str) -> None:
    """Write into `after` that a manager changed what differs from `before` (operation Update)."""
    old, new = leaves(before) if before else {}, leaves(after)
    changed = {path for path, value in new.items() if path not in old or old[path] != value}
    entries = list((before or after)["metadata"].get("managedFields") or ()) if before else []
    mine = [entry for entry in entries if _is_of(entry, manager, "Update", subresource)]
    if changed:
        owned = changed.union(*(paths_of(entry["fieldsV1"]) for entry in mine)) & set(new)
        entries = [entry for entry in entries if entry not in mine]
        entries = _without(entries, changed)
        entries.append(_entry(manager, "Update", after["apiVersion"], subresource, owned))
    entries = _without(entries, set(old) - set(new))
    after["metadata"].pop("managedFields", None)
    if entries:
        after["metadata"]["managedFields"] = entries


def apply(live: Object, wanted: Object, manager: str, *, force: bool) -> Object:
    """Return the live object with what a manager wants of it (server-side apply), ownership included.

    Raises Refusal (409) with every field that another manager owns and has otherwise.
    """
    entries = list(live["metadata"].get("managedFields") or ())
    values, asked = leaves(live), leaves(wanted)
    mine = [entry for entry in entries if _is_of(entry, manager, "Apply", "")]
    others = [entry for entry in entries if entry not in mine]
    contested = {path for path, value in asked.items() if path in values and values[path] != value}
    if not force:
        _refuse_conflicts(others, contested)
    others = _without(others, contested)
    owned_by_others = set().union(*(paths_of(entry["fieldsV1"]) for entry in others))
    dropped = set().union(*(paths_of(entry["fieldsV1"]) for entry in mine)) - set(asked) - owned_by_others
    merged: Object = _overlay(_removed(live, dropped), wanted)
    same = len(mine) == 1 and paths_of(mine[0]["fieldsV1"]) == set(asked) and not contested
    entry = mine[0] if same else _entry(manager, "Apply", live["apiVersion"], "", set(asked))
    merged["metadata"] = {**merged["metadata"], "managedFields": [*others, entry]}
    return merged


def _refuse_conflicts(others: list[Object], contested: set[Path]) -> None:
    causes, lines = [], []
    for entry in others:
        who = f'"{entry["manager"]}" using {entry["apiVersion"]}'
        fields = [printed(path) for path in sorted(paths_of(entry["fieldsV1"]) & contested)]
        causes += [{"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": f} for f in fields]
        if fields:
            lines.append((who, fields))
    if not causes:
        return
    message = f"Apply failed with {len(causes)} conflict{'s' if len(causes) > 1 else ''}: "
    if len(causes) == 1:
        message += f"conflict with {lines[0][0]}: {lines[0][1][0]}"
    else:
        message += "\n".join(f"conflicts with {who}:\n" + "\n".join(f"- {f}" for f in fields) for who, fields in lines)
    raise Refusal(409, message, details={"causes": causes})


def _overlay(live: Any, wanted: Any, name: str = "") -> Any:
    """Return what is live with what is wanted laid over it; items of known lists are matched by their key."""
    if isinstance(wanted, dict):
        merged = dict(live) if isinstance(live, dict) else {}
        return merged | {below: _overlay(merged.get(below), value, below) for below, value in wanted.items()}
    key = merge_key(name, live, wanted) if isinstance(wanted, list) else ""
    if not key:
        return wanted
    found = {item.get(key): item for item in live or ()}
    for item in wanted:
        found[item.get(key)] = _overlay(found.get(item.get(key)), item)
    return list(found.values())


def _removed(found: Any, paths: set[Path], above: Path = (), name: str = "") -> Any:
    """Return an object without the fields at these paths; what is left empty by that goes too."""
    if isinstance(found, dict):
        kept = {}
        for below, value in found.items():
            path = (*above, f"f:{below}")
            inner = _removed(value, paths, path, below)
            if path not in paths and not (inner in ({}, []) and value):
                kept[below] = inner
        return kept
    key = merge_key(name, found) if isinstance(found, list) and found else ""
    if not key:
        return found
    items = []
    for item in found:
        place = (*above, "k:" + json.dumps({key: item.get(key)}, separators=(",", ":")))
        if (*place, ".") not in paths:
            items.append(_removed(item, paths, place))
    return items
