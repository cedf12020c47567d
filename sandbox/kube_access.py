"""Who may do what in the simulated Kubernetes API: bearer tokens, and RBAC as the stored roles and bindings have it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from sandbox.kube_call import Call
from sandbox.kube_resources import kind_of
from sandbox.kube_selectors import Object
from sandbox.kube_status import Refusal, about
from sandbox.kube_store import Store

RBAC = "rbac.authorization.k8s.io"
MASTERS = "system:masters"


@dataclass(frozen=True)
class User:
    """Somebody whom the API server knows."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ("system:authenticated",)
    extra: dict[str, list[str]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Wish:
    """What somebody wants to do; the resource may carry a subresource (`pods/exec`)."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    @property
    def resource_alone(self) -> str:
        """Return the resource without the subresource."""
        return self.resource.partition("/")[0]


def account_user(namespace: str, name: str, uid: str = "", extra: dict[str, list[str]] | None = None) -> User:
    """Return a service account as user."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(f"system:serviceaccount:{namespace}:{name}", uid, groups, extra or {})


def _rule_fits(rule: Object, wish: Wish) -> bool:
    resources = rule.get("resources") or ()
    names = rule.get("resourceNames") or ()
    subresource = wish.resource.partition("/")[2]
    served = "*" in resources or wish.resource in resources or (subresource and f"*/{subresource}" in resources)
    return bool(
        served
        and ({"*", wish.verb} & set(rule.get("verbs") or ()))
        and ({"*", wish.group} & set(rule.get("apiGroups") or ()))
        and (not names or wish.name in names)
    )


def _is_meant(subject: Object, user: User, namespace: str) -> bool:
    kind, name = subject.get("kind"), subject.get("name", "")
    if kind == "ServiceAccount":
        return user.name == f"system:serviceaccount:{subject.get('namespace') or namespace}:{name}"
    return bool(name == user.name if kind == "User" else kind == "Group" and name in user.groups)


class Access:
    """The tokens that are known, and the question whether a user may do something."""

    def __init__(self, store: Store) -> None:
        """Make the administrator's token; nobody else may do anything yet."""
        self.store = store
        self.token = secrets.token_urlsafe(24)
        self.tokens: dict[str, User] = {self.token: User("kubernetes-admin", groups=(MASTERS, "system:authenticated"))}

    def identify(self, call: Call) -> User:
        """Return who asks. Raises Refusal (401)."""
        kind, _, token = call.headers.get("Authorization", "").partition(" ")
        user = self.known(token.strip()) if kind.lower() == "bearer" else None
        if user is None:
            raise Refusal(401, "Unauthorized")
        return user

    def known(self, token: str) -> User | None:
        """Return the user of a token."""
        return self.tokens.get(token)

    def why(self, user: User, wish: Wish) -> str:
        """Return by which binding a user may do something, empty when it may not."""
        if MASTERS in user.groups:
            return "system:masters"
        with self.store.lock:
            return self._by_binding(user, wish, "ClusterRoleBinding", "") or (
                self._by_binding(user, wish, "RoleBinding", wish.namespace) if wish.namespace else ""
            )

    def _by_binding(self, user: User, wish: Wish, kind: str, namespace: str) -> str:
        for binding in self.store.objects(kind.lower() + "s", RBAC):
            metadata = binding["metadata"]
            if namespace and metadata["namespace"] != namespace:
                continue
            if not any(_is_meant(subject, user, namespace) for subject in binding.get("subjects") or ()):
                continue
            if any(_rule_fits(rule, wish) for rule in self._rules(binding["roleRef"], namespace)):
                place = f"{metadata['name']}/{namespace}" if namespace else metadata["name"]
                role = binding["roleRef"]
                return f'RBAC: allowed by {kind} "{place}" of {role["kind"]} "{role["name"]}"'
        return ""

    def _rules(self, reference: Object, namespace: str) -> list[Object]:
        cluster = reference["kind"] == "ClusterRole"
        kind = kind_of("clusterroles" if cluster else "roles", RBAC)
        found = self.store.shelf(kind).found.get(("" if cluster else namespace, reference["name"]))
        return list(found.object.get("rules") or ()) if found else []

    def allow(self, call: Call) -> None:
        """Let a request pass. Raises Refusal (403) with the API server's sentence."""
        place = call.place
        if place is None:
            return
        name = place.name
        if not name and call.verb in ("list", "watch"):
            name = _named_by_field(call.query.get("fieldSelector", ""))
        wish = Wish(call.verb, place.kind.group, _with_sub(place.kind.plural, place.subresource), place.namespace, name)
        if place.kind.name.startswith("Self"):
            return  # everybody may ask about itself
        if not self.why(call.user, wish):
            raise forbidden(call.user, wish, named=place.name)


def _named_by_field(selector: str) -> str:
    key, _, value = selector.partition("=")
    return value.lstrip("=") if key == "metadata.name" and "," not in value else ""


def _with_sub(plural: str, subresource: str) -> str:
    return f"{plural}/{subresource}" if subresource else plural


def forbidden(user: User, wish: Wish, *, named: str = "") -> Refusal:
    """Return the 403 of something that a user may not do."""
    scope = f'in the namespace "{wish.namespace}"' if wish.namespace else "at the cluster scope"
    resource = wish.resource_alone
    what = f"{resource}.{wish.group}" if wish.group else resource
    what = f'{what} "{named}"' if named else what
    message = (
        f'{what} is forbidden: User "{user.name}" cannot {wish.verb} resource "{wish.resource}" '
        f'in API group "{wish.group}" {scope}'
    )
    details: dict[str, Any] = about(resource, wish.group, named)
    return Refusal(403, message, details=details)
