"""Names the calls that give a secret away, by kind of engine: what each gives, at which path, with which capability.

The same secrets as `vault.paths` names and the same disclosures as `vault.reads` counts, asked the other way round.
"""

from __future__ import annotations

from collections.abc import Callable

from vault.acl import Call

_Calls = list[tuple[str, str, tuple[str, ...]]]
READ, UPDATE = ("read",), ("update",)
VALUES = frozenset(("value", "credential", "key", "plaintext"))  # what a read discloses; all else tells about it


def calls(kind: str, kv_version: int, mount: str, logical: str) -> list[Call]:
    """Return the calls on one secret, the disclosing ones first; `mount` ends in `/`, `logical` lies below it.

    `gives` is `value`, `credential`, `key` or `plaintext`, or what only tells about it: `key names`, `metadata`,
    `list`.
    An engine that is not known gives what is read at the secret's own path.
    """
    kind = kind.removeprefix("ns_")
    if kind in ("kv", "generic"):
        found = _kv2(logical) if kind == "kv" and kv_version != 1 else _kv1(logical)
    else:
        found = _ENGINES.get(kind, _by_role)(logical)
    return [Call(gives, mount + path, needs) for gives, path, needs in found]


def discloses(call: Call) -> bool:
    """Whether a call gives the secret itself away, and not only something about it."""
    return call.gives in VALUES


def _parent(logical: str) -> str:
    return logical.rpartition("/")[0] + "/" if "/" in logical else ""


def _kv2(logical: str) -> _Calls:
    return [
        ("value", f"data/{logical}", READ),
        ("key names", f"subkeys/{logical}", READ),
        ("metadata", f"metadata/{logical}", READ),
        ("list", f"metadata/{_parent(logical)}", ("list",)),
    ]


def _kv1(logical: str) -> _Calls:
    return [("value", logical, READ), ("list", _parent(logical), ("list",))]


def _by_role(logical: str) -> _Calls:
    first = logical.split("/", 1)[0]
    gives = (
        "value" if first in ("static-creds", "static-cred") else "credential" if first in ("creds", "sts") else "value"
    )
    return [(gives, logical, READ)]


def _written(gives: str) -> Callable[[str], _Calls]:
    return lambda logical: [(gives, logical, UPDATE)]


def _either(logical: str) -> _Calls:
    return [(gives, path, needs) for gives, path, _ in _by_role(logical) for needs in (READ, UPDATE)]


def _transit(logical: str) -> _Calls:
    name = logical.removeprefix("keys/")
    exports = ("encryption-key", "signing-key", "hmac-key")
    return [
        ("plaintext", f"decrypt/{name}", UPDATE),
        ("key", f"datakey/plaintext/{name}", UPDATE),
        *(("key", f"export/{one}/{name}", READ) for one in exports),
        ("key", f"backup/{name}", READ),
    ]


def _totp(logical: str) -> _Calls:
    return [("plaintext", f"code/{logical.removeprefix('keys/')}", READ)]


def _pki(logical: str) -> _Calls:
    if logical.startswith("issue/"):
        return [("key", logical, UPDATE), ("key", f"issuer/default/{logical}", UPDATE)]
    return [("key", logical, UPDATE)]


def _token(logical: str) -> _Calls:
    needs = ("update", "sudo") if logical == "create-orphan" else UPDATE
    return [("credential", logical, needs)]


def _system(logical: str) -> _Calls:
    return [("value", logical, ("read", "sudo"))]


_ENGINES: dict[str, Callable[[str], _Calls]] = {
    "aws": _either,
    "kubernetes": _written("credential"),
    "ssh": _written("credential"),
    "approle": _written("credential"),
    "transit": _transit,
    "totp": _totp,
    "pki": _pki,
    "token": _token,
    "system": _system,
}
