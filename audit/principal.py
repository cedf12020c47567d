"""Who made a call: a kind and a readable name, from what the auth method wrote into the token's metadata.

`display_name` is never parsed (`-` is legal everywhere in it). The answer depends on `auth` alone, so that a login and
every later call of its token name the same principal and the caller can cache by the bytes of `auth`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from vault.audit_line import Auth


class Kind(StrEnum):
    """The kinds of principals."""

    SERVICE_ACCOUNT = "service_account"
    HUMAN = "human"
    CI = "ci"
    APPROLE = "approle"
    CERTIFICATE = "certificate"
    TOKEN = "token"  # noqa: S105 - a kind of principal
    ROOT = "root"
    NODE = "node"
    SYSTEM = "system"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who; `namespace` is the id of the vault namespace that the identity belongs to, empty for the root namespace."""

    kind: Kind
    name: str
    namespace: str = ""
    entity_id: str = ""


NAME_LIMIT = 256
_WRAPPING = frozenset(("response-wrapping", "control-group"))
_CI_SUBJECTS = ("repo:", "project_path:", "organization:", "org/")
_HUMAN_CLAIMS = ("username", "email", "preferred_username", "upn", "user", "name")
_CLOUD_CLAIMS = ("canonical_arn", "client_arn", "service_account_email", "vm_name", "account_id")


def identify(auth: Auth) -> Principal:
    """The principal of one `auth` object; never raises on mistyped, hostile or huge metadata."""
    kind, name = _who(auth)
    namespace = auth.entity_id.partition(".")[2]  # entities of a namespace end with its id
    return Principal(kind, _clean(name), namespace, auth.entity_id)


def _who(auth: Auth) -> tuple[Kind, str]:
    policies = auth.policies or []
    if "root" in policies:
        return Kind.ROOT, "root"
    if policies and _WRAPPING.issuperset(policies):
        return Kind.ANONYMOUS, "bearer of a wrapping token"
    if not (auth.display_name or auth.accessor or auth.entity_id or auth.metadata or policies):
        return Kind.ANONYMOUS, "anonymous"
    if _made_by_hand(auth.display_name):
        return Kind.TOKEN, auth.display_name
    return _by_metadata(_strings(auth.metadata)) or (Kind.TOKEN, _label(auth))


def _made_by_hand(display_name: str) -> bool:
    """Whether `auth/token/create` made the token: its metadata is then what the maker typed, which proves nothing."""
    return display_name == "token" or display_name.startswith("token-")


def _strings(metadata: Any) -> dict[str, str]:
    """The usable part of the metadata: newer servers allow values of any type, only text can name somebody."""
    if not isinstance(metadata, Mapping):
        return {}
    return {key: value for key, value in metadata.items() if isinstance(value, str) and value.strip()}


def _by_metadata(claims: dict[str, str]) -> tuple[Kind, str] | None:
    if "role_name" in claims:
        return Kind.APPROLE, claims["role_name"]
    if name := _service_account(claims):
        return Kind.SERVICE_ACCOUNT, name
    if name := _ci(claims):
        return Kind.CI, name
    if certificate := claims.get("common_name") or claims.get("cert_name"):
        return Kind.CERTIFICATE, certificate
    for claim in _HUMAN_CLAIMS:
        if claim in claims:
            return Kind.HUMAN, claims[claim]
    return _by_subject(claims)


def _service_account(claims: dict[str, str]) -> str:
    """`<namespace>/<name>`: the kubernetes method's metadata, or claims of a bound token mapped by the jwt method."""
    name = claims.get("service_account_name")
    namespace = claims.get("service_account_namespace") or claims.get("kubernetes_namespace") or claims.get("namespace")
    if name and namespace:
        return f"{namespace}/{name}"
    subject = claims.get("sub", "").split(":")
    return "/".join(subject[2:]) if subject[:2] == ["system", "serviceaccount"] and len(subject) == 4 else ""


def _ci(claims: dict[str, str]) -> str:
    """The pipeline: the issuer's own subject if mapped, else GitHub's or GitLab's subject rebuilt from its claims."""
    if (subject := claims.get("sub", "")).startswith(_CI_SUBJECTS):
        return subject
    if repository := claims.get("repository"):
        ref = claims.get("ref") or claims.get("workflow_ref", "").partition("@")[2]
        return f"repo:{repository}:ref:{ref}" if ref else f"repo:{repository}"
    if project := claims.get("project_path"):
        kind = f":ref_type:{claims['ref_type']}" if "ref_type" in claims else ""
        ref = f"{kind}:ref:{claims['ref']}" if "ref" in claims else ""
        return f"project_path:{project}{ref}"
    return ""


def _by_subject(claims: dict[str, str]) -> tuple[Kind, str] | None:
    """What is left: a mapped subject is a person, a cloud identity is a machine's token."""
    if subject := claims.get("sub"):
        return Kind.HUMAN, subject
    for claim in _CLOUD_CLAIMS:
        if claim in claims:
            return Kind.TOKEN, claims[claim]
    return None


def _label(auth: Auth) -> str:
    """A token that nothing else names: its display name as a whole, or the start of its accessor or entity."""
    if auth.display_name.strip():
        return auth.display_name
    mark = auth.accessor.removeprefix("hmac-sha256:")[:8] or auth.entity_id[:8]
    return f"token {mark}" if mark else "token"


def _clean(name: str) -> str:
    """The name as it can be stored: no NUL (PostgreSQL refuses it), at most 256 characters, still distinct."""
    name = name.replace("\0", "\ufffd")
    if len(name) <= NAME_LIMIT:
        return name
    mark = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:16]
    return f"{name[: NAME_LIMIT - 18]}… {mark}"
