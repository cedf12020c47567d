"""Names: where a call happened (namespace, mount, rest) and under which secret it is filed.

The grammar is the vendors' API: `secret/data/prod/x` on KV v2 is the secret `secret/prod/x`; a dynamic credential is
named by its role's path, a transit or TOTP call by its key's path (`transit/keys/app`), whatever the verb.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple


class Place(NamedTuple):
    """Where a path points: `namespace` and `mount` end in `/` (the root namespace is empty), `rest` lies below them."""

    namespace: str
    mount: str
    rest: str


_FIXED_MOUNTS = ("sys/", "cubbyhole/", "identity/")
_KV2_SECRET = ("data/", "metadata/", "delete/", "undelete/", "destroy/", "subkeys/")
_NOT_A_SECRET = frozenset(("list", "scan", "help"))


def place(path: str, mount_point: str = "", namespace: str = "") -> Place:
    """Where one request went.

    `path` is relative to the namespace, `mount_point` begins with the namespace's path in OpenBao (`analytics/secret/`)
    and may not in Vault, so the prefix is cut only if what is left fits the path. Without a mount point (no such mount;
    Vault before 1.12) the mount is guessed: `auth/<name>/`, `sys/`, or the first segment.
    """
    path = path.lstrip("/")
    mount = mount_point
    if namespace and mount_point.startswith(namespace) and _fits(path, mount_point[len(namespace) :]):
        mount = mount_point[len(namespace) :]
    if not mount or not _fits(path, mount):
        mount = _guess(path)
    return Place(namespace, mount, path[len(mount) :])


def _fits(path: str, mount: str) -> bool:
    return bool(mount) and (path.startswith(mount) or path + "/" == mount)


def _guess(path: str) -> str:
    for mount in _FIXED_MOUNTS:
        if _fits(path, mount):
            return mount
    segments = path.split("/")
    count = 2 if segments[0] == "auth" and len(segments) > 1 else 1
    return "/".join(segments[:count]) + "/"


def kv_version(rest: str, keys: Collection[str], operation: str = "read") -> int:
    """The version of the KV mount that answered so: 1, 2, or 0 when this answer does not tell.

    `keys` are the key names of `response.data`. Both versions have the mount type `kv`; only their answers differ.
    A lone `error` is what a refused call answers, so it tells nothing.
    """
    if not keys or set(keys) == {"error"}:
        return 0
    if operation in ("list", "scan"):
        return 0 if rest.startswith(("metadata/", "detailed-metadata/")) or "keys" not in keys else 1
    shape = _KV2_SHAPES.get(rest.split("/", 1)[0])
    if shape is not None and any(wanted.issubset(keys) for wanted in shape):
        return 2
    return 1 if operation == "read" and "http_raw_body" not in keys else 0


_RAW = frozenset(("http_raw_body", "http_status_code"))
_KV2_SHAPES: dict[str, tuple[frozenset[str], ...]] = {
    "data": (frozenset(("data", "metadata")), frozenset(("created_time", "destroyed", "version")), _RAW),
    "metadata": (frozenset(("versions", "current_version")), _RAW),
    "subkeys": (frozenset(("subkeys", "metadata")), _RAW),
    "config": (frozenset(("cas_required", "max_versions")),),
}


def secret_path(mount_type: str, kv_version: int, rest: str, operation: str) -> str | None:
    """The logical path below the mount under which a call is filed, None if it concerns no single secret.

    KV v2 `data/prod/x`, `metadata/prod/x`, ... -> `prod/x`; a version 0 (not known yet) is read as 2 where the first
    segment is one of version 2's. A list of a folder and a configuration call name no secret.
    """
    if operation in _NOT_A_SECRET or not rest or rest.endswith("/"):
        return None
    kind = mount_type.removeprefix("ns_")
    if kind in ("kv", "generic"):
        return _kv_path(1 if kind == "generic" else kv_version, rest)
    return _ENGINES.get(kind, _by_role)(rest)


def kv_version_of(rest: str) -> int:
    """The version of a KV mount by a path below it, as long as no answer has told it: 1 has no words of its own."""
    return 2 if rest.startswith(_KV2_SECRET) else 1


def _kv_path(version: int, rest: str) -> str | None:
    if version != 1:
        for prefix in _KV2_SECRET:
            if rest.startswith(prefix):
                return rest[len(prefix) :]
        if version == 2 or rest == "config":
            return None
    return rest


def _by_role(rest: str) -> str | None:
    """Any engine with roles: `creds/<role>`, `static-creds/<role>`; a rotation is filed under the static role."""
    first, _, tail = rest.partition("/")
    if not tail:
        return None
    if first in ("creds", "static-creds", "static-cred", "sts"):
        return rest
    return f"static-creds/{tail}" if first == "rotate-role" else None


def _ldap(rest: str) -> str | None:
    first, _, tail = rest.partition("/")
    return f"static-cred/{tail}" if first == "rotate-role" and tail else _by_role(rest)


def _pki(rest: str) -> str | None:
    segments = rest.split("/")
    if segments[0] == "issuer" and len(segments) == 4:
        segments = segments[2:]
    if segments[0] == "issue" and len(segments) == 2:
        return "/".join(segments)
    return rest if segments[-1] == "exported" else None


def _transit(rest: str) -> str | None:
    """Every verb on a key is filed under the key, `keys/<name>`, which is where the vendor's API keeps it."""
    segments = rest.split("/")
    at = _TRANSIT_VERBS.get(segments[0])
    return f"keys/{segments[at]}" if at is not None and len(segments) > at else None


_TRANSIT_VERBS = {
    "keys": 1,
    "encrypt": 1,
    "decrypt": 1,
    "rewrap": 1,
    "sign": 1,
    "verify": 1,
    "hmac": 1,
    "backup": 1,
    "restore": 1,
    "export": 2,
    "datakey": 2,
}


def _totp(rest: str) -> str | None:
    first, _, tail = rest.partition("/")
    return f"keys/{tail}" if first in ("keys", "code") and tail else None


def _approle(rest: str) -> str | None:
    segments = rest.split("/")
    if segments[0] == "role" and len(segments) > 2 and segments[2].removeprefix("custom-").startswith("secret-id"):
        return f"role/{segments[1]}/secret-id"
    return None


def _token(rest: str) -> str | None:
    return rest if rest.split("/", 1)[0] in ("create", "create-orphan") else None


def _below(*prefixes: str) -> Callable[[str], str | None]:
    return lambda rest: rest if rest.startswith(prefixes) else None


_ENGINES: dict[str, Callable[[str], str | None]] = {
    "cubbyhole": lambda rest: rest,
    "pki": _pki,
    "transit": _transit,
    "totp": _totp,
    "approle": _approle,
    "token": _token,
    "ldap": _ldap,
    "system": _below("raw/"),
    "identity": _below("oidc/token/"),
}


def print_name(namespace: str, mount: str, logical: str) -> str:
    """A secret's print, `[<vault namespace>/]<mount>/<logical path>`: `analytics/secret/prod/etl/s3-key`."""
    parts = (namespace.strip("/"), mount.strip("/"), logical)
    return "/".join(part for part in parts if part)


def is_plain(path: str) -> bool:
    """Return whether a path is written as a vault files it: servers take `a//b`, `a/./b` and `a/x/../b` for `a/b`."""
    return path.isprintable() and not {"", ".", ".."} & set(path.split("/"))
