"""The three patches of the simulated Kubernetes API: merge, JSON and strategic merge, on plain JSON."""

from __future__ import annotations

from typing import Any

from sandbox.kube_selectors import Object
from sandbox.kube_status import Refusal

# The lists of built-in kinds whose items are told apart by a key; every other list is replaced as a whole.
MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "secrets": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "hostAliases": "ip",
    "conditions": "type",
    "ownerReferences": "uid",
    "topologySpreadConstraints": "topologyKey",
    "webhooks": "name",
}
PRIMITIVE_SETS = ("finalizers",)
ORDER, RETAIN, FROM_SET = "$setElementOrder/", "$retainKeys", "$deleteFromPrimitiveList/"
REJECTED = "the server rejected our request due to an error in our request"


def merge_key(name: str, *lists: Any) -> str:
    """Return the key by which the items of a list of this name are merged, empty when they aren't."""
    key = "port" if name == "ports" and any("port" in item for found in lists for item in found or ()) else ""
    key = key or MERGE_KEYS.get(name, "")
    return key if all(isinstance(item, dict) for found in lists for item in found or ()) else ""


def merge(target: Any, patch: Any) -> Any:
    """Return the target after a JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


# Strategic merge ------------------------------------------------------------------------------------------------


def strategic(target: Any, patch: Any) -> Any:
    """Return the target after a strategic merge patch: as merge, but known lists are merged item by item."""
    if not isinstance(patch, dict):
        return patch
    patch = dict(patch)
    if patch.pop("$patch", "") == "replace":
        return strategic({}, patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if name.startswith(FROM_SET):
            _take_from_set(merged, name.removeprefix(FROM_SET), value)
        elif value is None:
            merged.pop(name, None)
        elif not name.startswith("$"):
            merged[name] = _merged_field(name, merged.get(name), value)
    if RETAIN in patch:
        merged = {name: value for name, value in merged.items() if name in patch[RETAIN]}
    for name, order in patch.items():
        if name.startswith(ORDER):
            _put_in_order(merged, name.removeprefix(ORDER), order)
    return merged


def _merged_field(name: str, target: Any, value: Any) -> Any:
    if not isinstance(value, list):
        return strategic(target, value)
    if name in PRIMITIVE_SETS:
        return list(dict.fromkeys([*(target or ()), *value]))
    items = [item for item in value if item != {"$patch": "replace"}]
    key = merge_key(name, target, items)
    if not key or len(items) < len(value):
        return [strategic({}, item) for item in items]
    return _merged_items(key, target or [], items)


def _merged_items(key: str, target: list[Object], patch: list[Object]) -> list[Object]:
    found = {item.get(key): item for item in target}
    for item in patch:
        if key not in item:
            raise Refusal(400, f"map: {item} does not contain declared merge key: {key}")
        if item.get("$patch") == "delete":
            found.pop(item[key], None)
        else:
            found[item[key]] = strategic(found.get(item[key]), item)
    return list(found.values())


def _take_from_set(merged: Object, name: str, values: list[Any]) -> None:
    if name in merged:
        merged[name] = [value for value in merged[name] if value not in values]


def _put_in_order(merged: Object, name: str, order: list[Any]) -> None:
    key = merge_key(name, merged.get(name), order)
    places = {(item[key] if key else item): place for place, item in enumerate(order)}
    if name in merged:
        merged[name].sort(key=lambda item: places.get(item.get(key) if key else item, len(places)))


# JSON patch -----------------------------------------------------------------------------------------------------


def json_patch(target: Any, operations: Any) -> Any:
    """Return the target, which is changed, after the operations of RFC 6902. Raises Refusal (400, 422)."""
    if not isinstance(operations, list):
        raise Refusal(400, "error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    for operation in operations:
        try:
            target = _operate(target, operation)
        except (KeyError, IndexError, ValueError, TypeError):
            raise Refusal(422, REJECTED) from None
    return target


def _operate(target: Any, operation: Object) -> Any:
    act, path = operation["op"], _pointer(operation["path"])
    if act == "test":
        if _at(target, path) != operation["value"]:
            raise ValueError(path)
    elif act == "remove":
        _remove(target, path)
    elif act == "replace":
        _at(target, path)
        _remove(target, path)
        _add(target, path, operation["value"])
    elif act == "add":
        _add(target, path, operation["value"])
    elif act in ("move", "copy"):
        source = _pointer(operation["from"])
        value = _at(target, source)
        if act == "move":
            _remove(target, source)
        _add(target, path, value)
    else:
        raise ValueError(act)
    return target


def _pointer(text: str) -> list[str]:
    if not text.startswith("/"):
        raise ValueError(text)
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _at(target: Any, path: list[str]) -> Any:
    for part in path:
        target = target[int(part)] if isinstance(target, list) else target[part]
    return target


def _remove(target: Any, path: list[str]) -> None:
    place = _at(target, path[:-1])
    del place[int(path[-1]) if isinstance(place, list) else path[-1]]


def _add(target: Any, path: list[str], value: Any) -> None:
    place = _at(target, path[:-1])
    if not isinstance(place, list):
        place[path[-1]] = value
    elif path[-1] == "-":
        place.append(value)
    elif int(path[-1]) > len(place):
        raise IndexError(path)
    else:
        place.insert(int(path[-1]), value)
