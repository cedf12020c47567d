"""What the company has set up in its OpenBao: ways to log in, policies, roles and the first values."""

from __future__ import annotations

import secrets

from sandbox.bao_http import Bao
from sandbox.company import (
    BACKED_UP,
    DEPLOYED,
    NIGHTLY,
    ORPHAN,
    REPOSITORY,
    SERVICES,
    STUCK,
    STUCK_ROLE_TAKES,
    all_secrets,
    api_path,
    policy,
)
from sandbox.kube_client import Kube

ISSUER = "https://token.actions.example"
LOGINS = {"kubernetes": "kubernetes", "github-actions": "jwt", "userpass": "userpass", "approle": "approle"}
# The claims that GitHub's tokens carry and that a role keeps in the audit log.
KEPT_CLAIMS = ("repository", "actor", "run_id", "workflow_ref")


def lay(root: Bao, reviewer: Kube, ci_pem: str, passwords: dict[str, str]) -> bool:
    """Make what is missing and point the log-ins at this run's servers and keys; tell whether the values are new.

    With the reviewer's token OpenBao asks the cluster whose a pod's token is.
    """
    present = root.must("GET", "sys/auth").data
    for path, kind in LOGINS.items():
        if f"{path}/" not in present:
            root.must("POST", f"sys/auth/{path}", {"type": kind})
    _services(root, reviewer)
    _ci(root, ci_pem)
    _nightly(root)
    _people(root, passwords)
    missing = [name for name in (*all_secrets(), *STUCK.secrets) if not _exists(root, name)]
    for name in missing:
        write_value(root, name)
    return bool(missing)


def _exists(root: Bao, name: str) -> bool:
    """Tell whether a secret was ever written, by listing its folder: looking at its value would be one read more."""
    folder, _, last = name.rpartition("/")
    place = folder.replace("secret/", "secret/metadata/", 1) if name.startswith("secret/") else folder
    return last in root.call("LIST", place).data.get("keys", ())


def write_value(bao: Bao, name: str) -> None:
    """Write a random value, which nobody prints, to a KV secret."""
    value = {"user": secrets.token_hex(4), "password": secrets.token_urlsafe(24)}
    bao.must("POST", api_path(name), {"data": value} if name.startswith("secret/") else value)


def _put_policy(root: Bao, name: str, text: str) -> None:
    root.must("PUT", f"sys/policies/acl/{name}", {"policy": text})


def _services(root: Bao, reviewer: Kube) -> None:
    # The certificate must be given and is not looked at: the cluster listens on plain HTTP.
    config = {"kubernetes_host": reviewer.url, "disable_local_ca_jwt": True, "kubernetes_ca_cert": "none"}
    config["token_reviewer_jwt"] = reviewer.token
    root.must("POST", "auth/kubernetes/config", config)
    for service in (*SERVICES, STUCK, ORPHAN):
        flags = f"secret/prod/{service.name}/feature-flags"
        _put_policy(root, service.name, policy((*service.secrets, flags), service.database))
        role = {
            "bound_service_account_names": [STUCK_ROLE_TAKES if service is STUCK else service.name],
            "bound_service_account_namespaces": [service.namespace],
            "token_policies": [service.name],
            "token_ttl": "72h" if service is ORPHAN else "1h",  # a lease ends with its token
        }
        root.must("POST", f"auth/kubernetes/role/{service.name}", role)


def _ci(root: Bao, ci_pem: str) -> None:
    config = {"jwt_validation_pubkeys": [ci_pem], "jwt_supported_algs": ["ES256"], "bound_issuer": ISSUER}
    root.must("POST", "auth/github-actions/config", config)
    _put_policy(root, "deploy", policy(DEPLOYED))
    role = {
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": ["openbao"],
        "bound_claims": {"repository": REPOSITORY},
        "claim_mappings": {claim: claim for claim in KEPT_CLAIMS},
        "token_type": "batch",
        "token_policies": ["deploy"],
        "token_ttl": "10m",
    }
    root.must("POST", "auth/github-actions/role/deploy", role)


def _nightly(root: Bao) -> None:
    _put_policy(root, NIGHTLY, policy(BACKED_UP))
    role = {"token_policies": [NIGHTLY], "token_ttl": "10m", "secret_id_ttl": "10m", "secret_id_num_uses": 1}
    root.must("POST", f"auth/approle/role/{NIGHTLY}", role)


def _people(root: Bao, passwords: dict[str, str]) -> None:
    everything = tuple(all_secrets())
    _put_policy(root, "alice", policy(everything))
    _put_policy(root, "bob", policy((), writes=everything))
    for person, password in passwords.items():
        given = {"password": password, "token_policies": [person], "token_ttl": "1h"}
        root.must("POST", f"auth/userpass/users/{person}", given)
