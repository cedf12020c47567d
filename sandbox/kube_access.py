"""Who may do what in the simulated Kubernetes API: bearer tokens, and RBAC as the stored roles and bindings have it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.kube_call import Call
from sandbox.kube_resources import kind_of
from sandbox.kube_selectors import Object
from sandbox.kube_status import Refusal, about
from sandbox.kube_store import Store
from sandbox.kube_tokens import Invalid, Tokens
from sandbox.kube_users import User

RBAC = "rbac.authorization.k8s.io"
MASTERS = "system:masters"
REVIEWER = [
    {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
    {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
]
ROLES: dict[str, list[Object]] = {
    "cluster-admin": [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ],
    "system:auth-delegator": REVIEWER,
}


def _rbac(kind: str, name: str, namespace: str = "", **also: Any) -> Object:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, **also}


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

    def __init__(self, store: Store, token: str = "") -> None:
        """Take or make the administrator's token, and make the roles that every cluster has."""
        self.store = store
        self.tokens = Tokens(store)
        self.token = token or secrets.token_urlsafe(24)
        for name, rules in ROLES.items():
            store.put(_rbac("ClusterRole", name, rules=rules))
        reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"}
        subject = {"apiGroup": RBAC, "kind": "Group", "name": MASTERS}
        store.put(_rbac("ClusterRoleBinding", "cluster-admin", subjects=[subject], roleRef=reference))

    def enter(self, namespace: str, name: str, rules: Sequence[Object] = (), *, within: str = "", **token: Any) -> str:
        """Make a service account that may do what the rules say, everywhere or `within` a namespace; return a token."""
        with self.store.lock:
            account = {"name": name, "namespace": namespace}
            if (namespace, name) not in self.store.shelf(kind_of("serviceaccounts")).found:
                self.store.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
            if rules:
                kind, own = ("Role", f"{namespace}-{name}") if within else ("ClusterRole", f"{namespace}-{name}")
                self.store.put(_rbac(kind, own, within, rules=list(rules)))
                reference = {"apiGroup": RBAC, "kind": kind, "name": own}
                subject = {"kind": "ServiceAccount", **account}
                self.store.put(_rbac(f"{kind}Binding", own, within, subjects=[subject], roleRef=reference))
        return self.tokens.issue(namespace, name, **token)

    def identify(self, call: Call) -> User:
        """Return who asks. Raises Refusal (401)."""
        kind, _, token = call.headers.get("Authorization", "").partition(" ")
        user = self.known(token.strip()) if kind.lower() == "bearer" else None
        if user is None:
            raise Refusal(401, "Unauthorized")
        return user

    def known(self, token: str) -> User | None:
        """Return the user of a token: the administrator, or a service account."""
        if token == self.token:
            return User("kubernetes-admin", groups=(MASTERS, "system:authenticated"))
        try:
            return self.tokens.check(token)[0]
        except Invalid:
            return None

    def why(self, user: User, wish: Wish) -> str:
        """Return by which binding a user may do something, empty when it may not."""
        if MASTERS in user.groups:
            return "system:masters"
        with self.store.lock:
            return self._by_binding(user, wish, "ClusterRoleBinding", "") or (
                self._by_binding(user, wish, "RoleBinding", wish.namespace) if wish.namespace else ""
            )

    def why_path(self, user: User, verb: str, path: str, open_paths: Sequence[str]) -> str:
        """Return why a user may ask for a path that is no resource, empty when it may not."""
        if MASTERS in user.groups:
            return "system:masters"
        free = any(path == start or path.startswith(f"{start}/") for start in open_paths)
        allowed = verb == "get" and free and "system:authenticated" in user.groups
        return (
            'RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery"'
            if allowed
            else ""
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
