"""What of an object's free text is kept: names, paths and addresses; no template's text, no literal, no credential."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

INJECTOR_DOMAINS = frozenset({"vault.hashicorp.com", "openbao.org"})
KEPT_DOMAINS = frozenset(
    {
        "vso.secrets.hashicorp.com",
        "vso.hashicorp.com",
        "secrets.hashicorp.com",
        "kubectl.kubernetes.io",
        "deployment.kubernetes.io",
        "kubernetes.io",
        "reconcile.external-secrets.io",
        "external-secrets.io",
        "argocd.argoproj.io",
        "kustomize.toolkit.fluxcd.io",
        "helm.toolkit.fluxcd.io",
        "meta.helm.sh",
        "reloader.stakater.com",
        "keybook.dev",
    }
)
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
CHANGE_CAUSE = "kubernetes.io/change-cause"  # the command that somebody typed, with values of variables
LONGEST = 1024

# Of the injector's annotations, those whose value says where and how, not what. Of the others only the name is kept.
_PLAIN = frozenset(
    [
        "agent-inject",
        "agent-inject-status",
        "agent-inject-containers",
        "agent-inject-token",
        "agent-inject-default-template",
        "agent-init-first",
        "agent-pre-populate",
        "agent-pre-populate-only",
        "agent-configmap",
        "agent-extra-secret",
        "agent-image",
        "agent-copy-volume-mounts",
        "agent-revoke-on-shutdown",
        "agent-revoke-grace",
        "agent-service-account-token-volume-name",
        "agent-cache-enable",
        "agent-cache-use-auto-auth-token",
        "agent-cache-listener-port",
        "agent-enable-quit",
        "agent-auto-auth-exit-on-err",
        "agent-limits-mem",
        "agent-limits-cpu",
        "agent-requests-mem",
        "agent-requests-cpu",
        "agent-request-namespace",
        "preserve-secret-case",
        "template-static-secret-render-interval",
        "template-lease-renewal-threshold",
        "template-config-exit-on-retry-failure",
        "role",
        "auth-type",
        "auth-path",
        "auth-config-role",
        "namespace",
        "tls-skip-verify",
        "tls-secret",
        "tls-server-name",
        "ca-cert",
        "secret-volume-path",
    ]
)
_PLAIN_PREFIXES = (
    "agent-inject-secret-",
    "agent-inject-template-file-",
    "agent-inject-file-",
    "agent-inject-perms-",
    "secret-volume-path-",
    "preserve-secret-case-",
    "error-on-missing-key-",
    "alias-metadata-",
)
_ADDRESSES = frozenset({"service", "proxy-address"})
_TEMPLATE = "agent-inject-template-"

# Environment variables whose literal value says where a client of the vault goes; anything else is only "literal".
ADDRESS_NAMES = frozenset({"VAULT_ADDR", "VAULT_AGENT_ADDR", "BAO_ADDR", "BAO_AGENT_ADDR", "SPRING_CLOUD_VAULT_URI"})
_NAME_NAMES = frozenset(
    [
        "VAULT_ROLE",
        "BAO_ROLE",
        "VAULT_NAMESPACE",
        "BAO_NAMESPACE",
        "VAULT_AUTH_PATH",
        "BAO_AUTH_PATH",
        "VAULT_AUTH_MOUNT",
        "BAO_AUTH_MOUNT",
        "VAULT_AUTH_METHOD",
        "BAO_AUTH_METHOD",
        "VAULT_K8S_ROLE",
        "VAULT_KUBERNETES_ROLE",
        "VAULT_K8S_MOUNT",
        "VAULT_KUBERNETES_MOUNT",
        "VAULT_MOUNT",
        "SPRING_CLOUD_VAULT_NAMESPACE",
        "SPRING_CLOUD_VAULT_AUTHENTICATION",
        "SPRING_CLOUD_VAULT_KUBERNETES_ROLE",
        "SPRING_CLOUD_VAULT_KUBERNETES_KUBERNETES_PATH",
    ]
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:@-]{0,127}\Z")
_ACTION = re.compile(r"\{\{.*?\}\}", re.DOTALL)  # what stands outside is copied, and may be a value
_PATH_IN_TEMPLATE = re.compile(r"\b(?:secret|secrets|pkiCert)\s+(?:\"([^\"\n]{1,512})\"|`([^`\n]{1,512})`)")


# Messages are the servers' own words, and some echo what they were given: tokens, JWTs, PEM, user:password@, key=value.
_CREDENTIAL = re.compile(
    r"""\b(?:hv[sbr]\.|s\.|b\.)[A-Za-z0-9_-]{20,} | \beyJ[\w-]{8,}(?:\.[\w-]*){0,2}
    | -----BEGIN[\s\S]*?(?:-----END[^-]*-----|\Z)
    | (?P<before>://)(?:[^/@\s]+|[^/@\s:]*:[^@\s]+)(?P<after>@)
    | (?<=authorization:[ ])\w+[ ][^\s"']+ | (?<=bearer[ ])[\w.~+/=-]{20,}
    | (?:(?<=password)|(?<=passwd)|(?<=passphrase)|(?<=secret_id)|(?<=token)|(?<=client_secret)|(?<=secret_key)
        |(?<=api_key)|(?<=api-key)|(?<=apikey)|(?<=access_key)|(?<=private_key))
      \\*["']?\s*[:=]\s*(?:"[^"\\]*(?=")|'[^'\\]*(?=')|\\*["']?[^\s"',;}&\\]+)""",
    re.VERBOSE | re.IGNORECASE,
)


def kept_annotations(annotations: dict[str, str]) -> dict[str, str]:
    """Return the annotations that are known, with values from which nothing secret can be read."""
    kept = {}
    for key, value in annotations.items():
        text = _kept_value(key, value)
        if text is not None:
            kept[key] = text
    return kept


def paths_in_template(text: str) -> list[str]:
    """Return each path that a template of the agent reads (`secret "…"`, `pkiCert "…"`), in order, once."""
    found = (path for action in _ACTION.findall(text) for path in _PATH_IN_TEMPLATE.findall(action))
    return list(dict.fromkeys(a or b for a, b in found))


def bare_address(text: str) -> str:
    """Return scheme, host and port of an address, without user, password, path and query; "" if it is none."""
    try:
        parts = urlsplit(text.strip()[:LONGEST])
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https", "unix"} or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}"


def kept_message(text: str) -> str:
    """Return a message of the cluster, cut, with what looks like a credential in it replaced by `[removed]`."""
    return _CREDENTIAL.sub(_removed, text[: 2 * LONGEST])[:LONGEST] if text else text


def kept_literal(name: str, value: str) -> str:
    """Return what may be kept of the literal value of an environment variable: an address or a name, mostly nothing."""
    if name in ADDRESS_NAMES:
        return bare_address(value)
    if name in _NAME_NAMES and _NAME.match(value):
        return value
    return ""


def _removed(found: re.Match[str]) -> str:
    return f"{found['before'] or ''}[removed]{found['after'] or ''}"


def _kept_value(key: str, value: str) -> str | None:
    domain, _, name = key.rpartition("/")
    if domain in INJECTOR_DOMAINS:
        return _kept_of_injector(name, value)
    if key in (LAST_APPLIED, CHANGE_CAUSE) or not (domain in KEPT_DOMAINS or domain.endswith(".reloader.stakater.com")):
        return None
    return kept_message(value)


def _kept_of_injector(name: str, value: str) -> str:
    if name in _PLAIN or name.startswith(_PLAIN_PREFIXES):
        return kept_message(value)
    if name.startswith(_TEMPLATE):
        return " ".join(f'{{{{ secret "{path}" }}}}' for path in paths_in_template(value))
    return bare_address(value) if name in _ADDRESSES else ""
