"""What an API server's audit record says happened: to which Secret, by whom, how it ended, and what it gave away."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from cluster.audit_line import PANIC, ObjectRef, Record, User, query_of

ALL = "*"
NODES, ANONYMOUS, IMPERSONATED = "system:nodes", "anonymous", "impersonated by "
_SERVICE_ACCOUNT, _NODE, _SYSTEM = "system:serviceaccount:", "system:node:", "system:"
_CI = ("repo:", "project_path:")
PLAIN_SELECTOR = re.compile(r"(?:(?:^|,)metadata\.name(?:space)?={1,2}[a-z0-9][a-z0-9.-]{0,252})+")
_MANY = frozenset(("list", "watch", "deletecollection"))
_GIVES = _MANY | {"get", "create", "update", "patch", "delete"}
_CLAIM = "authentication.kubernetes.io/"


class Sort(StrEnum):
    """What a record is about; all but `OTHER` is kept as an event."""

    SECRET = "secret"  # noqa: S105 - a kind of resource
    EXEC = "exec"
    TOKEN = "token"  # noqa: S105 - a kind of resource
    OTHER = "other"


class Place(NamedTuple):
    """Which Secret: `*` stands for all of a namespace, or of all namespaces."""

    namespace: str
    name: str


class Pod(NamedTuple):
    """The pod that a caller's token is bound to, as the API server itself checked it."""

    namespace: str
    name: str
    uid: str
    node: str
    credential: str


class Caller(NamedTuple):
    """Who called: `by` is the real user behind an impersonated one."""

    kind: str  # service_account human ci node system anonymous
    name: str
    by: str = ""
    pod: Pod | None = None


def sort_of(record: Record) -> Sort:
    """Tell what a record is about."""
    ref = record.object_ref
    if ref is None:
        return Sort.OTHER
    if ref.resource == "secrets" and not ref.api_group and not ref.subresource:
        return Sort.SECRET
    if ref.resource == "pods" and not ref.api_group and ref.subresource in ("exec", "attach"):
        return Sort.EXEC
    issues = ref.resource == "serviceaccounts" and ref.subresource == "token" and record.verb == "create"
    return Sort.TOKEN if issues and not ref.api_group else Sort.OTHER


def place_of(record: Record) -> Place | None:
    """Return the Secret that a call is about; None when its name is not told, as of one that the server names."""
    ref = record.object_ref or ObjectRef()
    if record.verb not in _MANY:
        return Place(ref.namespace, ref.name) if ref.name and ref.namespace else None
    namespace, name = (ref.namespace, ref.name) if ref.namespace and ref.name else _selected(record, ref)
    return Place(namespace or ALL, name or ALL)


def _selected(record: Record, ref: ObjectRef) -> tuple[str, str]:
    """Add what one plain field selector says; whatever could be read otherwise narrows nothing."""
    selectors = [value for key, value in query_of(record.request_uri) if key == "fieldSelector"]
    plain = len(selectors) == 1 and PLAIN_SELECTOR.fullmatch(selectors[0])
    chosen: dict[str, str] = {}
    for term in selectors[0].split(",") if plain else ():
        field, _, value = term.partition("=")
        chosen.setdefault(field, value.removeprefix("="))
    return ref.namespace or chosen.get("metadata.namespace", ""), ref.name or chosen.get("metadata.name", "")


def outcome_of(record: Record) -> str:
    """Return `ok`, `denied`, `error`, `not_found` or, while no answer has come, `no_response`."""
    if not record.answers:
        return "no_response"
    code = record.response_status.code if record.response_status is not None else 0
    if record.stage == PANIC or not 100 <= code < 400:
        return {401: "denied", 403: "denied", 404: "not_found"}.get(code, "error")
    return "ok"


def gave_secret(record: Record) -> bool:
    """Whether the answer held the Secret (or those) asked for: its values, or its metadata alone, which looks the same.

    A write's answer holds the object too, unless the server answered a Status, as it does to a plain delete.
    """
    status = record.response_status
    if sort_of(record) is not Sort.SECRET or record.verb not in _GIVES or outcome_of(record) != "ok":
        return False
    return status is not None and 200 <= status.code < 300 and status.status != "Success"


def caller_of(record: Record) -> Caller:
    """Return who called; of an impersonation the effective user, with the real one beside."""
    real, effective = record.user, record.impersonated_user
    kind, name = _who(real)
    pod = _pod(real)
    if effective is None or not effective.username:
        return Caller(kind, name, "", pod)
    as_kind, as_name = _who(effective)
    if as_kind in ("node", "system", ANONYMOUS):  # somebody who acts as a kubelet is none, and is not shown as one
        as_kind, as_name = kind, effective.username
    return Caller(as_kind, as_name, real.username or ANONYMOUS, pod)


def _who(user: User) -> tuple[str, str]:
    name = user.username
    if name in ("", "system:anonymous"):
        return ANONYMOUS, ANONYMOUS
    if account := _service_account(name):
        return "service_account", "/".join(account)
    if name.startswith(_NODE) and len(name) > len(_NODE) and NODES in (user.groups or ()):
        return "node", name.removeprefix(_NODE)
    if name.startswith(_SYSTEM):
        return "system", name
    return ("ci" if name.startswith(_CI) else "human"), name


def _service_account(username: str) -> tuple[str, str] | None:
    if not username.startswith(_SERVICE_ACCOUNT):
        return None
    namespace, colon, name = username.removeprefix(_SERVICE_ACCOUNT).partition(":")
    return (namespace, name) if namespace and colon and name and ":" not in name else None


def _pod(user: User) -> Pod | None:
    """The pod of a bound token. Only a service account's own extra fields count: other issuers might set theirs."""
    account, extra = _service_account(user.username), user.extra or {}
    if account is None:
        return None

    def claim(name: str) -> str:
        values = extra.get(_CLAIM + name) or [""]
        return values[0] if len(values) == 1 else ""

    name, uid = claim("pod-name"), claim("pod-uid")
    return Pod(account[0], name, uid, claim("node-name"), claim("credential-id")) if name and uid else None
