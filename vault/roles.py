"""Reads what a role of each kind of auth method gives and binds; only settings on a list are kept, so no secret is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vault.server import AuthRole, Mount

# Below which path a method's roles are listed, by its type.
PLACES = {
    "kubernetes": "role",
    "jwt": "role",
    "oidc": "role",
    "approle": "role",
    "aws": "role",
    "gcp": "role",
    "azure": "role",
    "userpass": "users",
    "ldap": "groups",
    "cert": "certs",
    "token": "roles",
}
_KEPT = {
    "kubernetes": ("bound_service_account_names", "bound_service_account_namespaces", "audience",
                   "bound_service_account_namespace_selector", "alias_name_source"),
    "jwt": ("role_type", "user_claim", "groups_claim", "bound_audiences", "bound_subject", "bound_claims",
            "bound_claims_type", "claim_mappings"),
    "approle": ("bind_secret_id", "secret_id_bound_cidrs"),
    "cert": ("allowed_names", "allowed_common_names", "allowed_dns_sans", "allowed_email_sans", "allowed_uri_sans",
             "allowed_organizational_units", "required_extensions"),
    "token": ("allowed_policies", "disallowed_policies", "allowed_policies_glob", "disallowed_policies_glob",
              "allowed_entity_aliases", "orphan", "path_suffix"),
}  # fmt: skip
_KEPT["oidc"] = _KEPT["jwt"]
_ALWAYS = ("token_bound_cidrs", "token_type", "token_num_uses")
_EMPTY: tuple[object, ...] = (None, "", [], {}, 0)


def place(method: Mount) -> str:
    """Return the path at which a method's roles are listed, empty for a kind that is not known."""
    below = PLACES.get(method.type, "")
    return method.path + below if below else ""


def role(method: Mount, name: str, answer: Mapping[str, Any]) -> AuthRole:
    """Return one role from the vault's answer; of a token role the policies are those that it may give."""
    given = answer.get("token_policies") or answer.get("policies") or ()
    if method.type == "token":
        given = answer.get("allowed_policies") or ()
    kept = (*_KEPT.get(method.type, ()), *_ALWAYS)
    binds = {key: _values(answer[key]) for key in kept if key in answer and answer[key] not in _EMPTY}
    return AuthRole(method.path, method.type, name, _values(given), bool(answer.get("token_no_default_policy")), binds)


def _values(value: Any) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        return tuple(f"{key}: {_shown(value[key])}" for key in sorted(value))
    if isinstance(value, list | tuple):
        return tuple(_shown(one) for one in value)
    return (_shown(value),)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
