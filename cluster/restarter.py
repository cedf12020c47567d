"""The rights of the restarter, as the manifest to apply: where it may do what, and what alone it may change."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import indent

from cluster.operating import FILLING, FORCE_ESO, FORCE_VSO, KINDS
from cluster.resources import RESOURCES, Resource
from cluster.rollouts import CHANGE, RESTARTED_AT

NAME, NAMESPACE = "keybook-restarter", "keybook"
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class UnusableNamespace(ValueError):
    """What was given as a namespace can't be one; the message names it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the role: verbs on resources of one group, and what for."""

    resources: tuple[Resource, ...]
    verbs: tuple[str, ...]
    why: str

    def yaml(self) -> str:
        """The rule as it stands in the role."""
        names = ", ".join(f'"{one.plural}"' for one in self.resources)
        verbs = ", ".join(f'"{one}"' for one in self.verbs)
        return (
            f'  # {self.why}\n  - apiGroups: ["{self.resources[0].group}"]\n'
            f"    resources: [{names}]\n    verbs: [{verbs}]\n"
        )


RULES = (
    Rule(tuple(KINDS.values()), ("get", "patch"), "Restart them: two annotations on the pod template."),
    Rule((RESOURCES["replicasets"],), ("list",), "The way from a Deployment to its pods."),
    Rule((RESOURCES["pods"],), ("list",), "See that no pod of the old set is left. No exec, no delete."),
    Rule((FILLING["ExternalSecret"],), ("get", "patch"), "Have a secret read anew: two annotations."),
    Rule((RESOURCES["events"],), ("list",), "Hear an operator say that it has read a secret."),
    Rule((FILLING["VaultStaticSecret"], FILLING["VaultDynamicSecret"]), ("get", "patch"), "The same."),
)


def manifest(namespaces: Sequence[str], *, namespace: str = NAMESPACE) -> str:
    """Return all that is to be applied, as YAML; the restarter itself lives in `namespace`.

    The role counts in the enrolled namespaces alone; two admission policies hold it to its annotations, whatever else
    it may be given. Raises `UnusableNamespace`.
    """
    for one in (*namespaces, namespace):
        if not _NAMESPACE.fullmatch(one):
            raise UnusableNamespace(f"{one!r} can't be a namespace: take lower-case letters, digits and '-'.")
    parts = [_role(), _account(namespace), *(_binding(one, namespace) for one in namespaces)]
    parts += [_policy("workloads", tuple(KINDS.values()), "spec.template.metadata", _WORKLOADS, namespace)]
    parts += [_policy("secrets", tuple(FILLING.values()), "metadata", _SECRETS, namespace)]
    return "---\n".join(parts)


def _role() -> str:
    return f"""\
# Keybook's restarter: the identity of the worker `operations`. It has no right on Secrets, and none in a namespace that
# is not enrolled by a RoleBinding below.
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {NAME}
rules:
{"".join(one.yaml() for one in RULES)}"""


def _account(namespace: str) -> str:
    return f"""\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {NAME}
  namespace: {namespace}
"""


def _binding(enrolled: str, namespace: str) -> str:
    return f"""\
# Enrols the namespace {enrolled}; without it nothing in there can be restarted.
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {NAME}
  namespace: {enrolled}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {NAME}
subjects:
  - kind: ServiceAccount
    name: {NAME}
    namespace: {namespace}
"""


_STAMPED = '"resourceVersion", "generation", "managedFields"'  # what the API server itself writes at each change


def _same(path: str, but: str) -> str:
    """Return an expression: nothing at a path was changed, added or taken away but these fields."""
    new, old = f"object.{path}", f"oldObject.{path}"
    return (
        f"{new}.all(key, key in [{but}] ||\n  (key in {old} && {new}[key] == {old}[key])) &&\n"
        f"{old}.all(key, key in [{but}] || key in {new})"
    )


def _own(allowed: Sequence[str]) -> str:
    """Return an expression: of the annotations none was changed, added or taken away but these."""
    keys = ", ".join(f'"{one}"' for one in allowed)
    return (
        f"variables.after.all(key, key in [{keys}] ||\n"
        f"  (key in variables.before && variables.after[key] == variables.before[key])) &&\n"
        f"variables.before.all(key, key in [{keys}] || key in variables.after)"
    )


def _notes(root: str, path: str) -> str:
    return f"has({root}.{path}.annotations) ? {root}.{path}.annotations : {{}}"


_WORKLOADS = (
    ("nothing of the object's own metadata", _same("metadata", _STAMPED)),
    ("nothing of the specification but the template", _same("spec", '"template"')),
    ("nothing of the pods' specification", "object.spec.template.spec == oldObject.spec.template.spec"),
    ("no label of the template", _same("spec.template.metadata", '"annotations"')),
    ("no annotation but its own", _own((CHANGE, RESTARTED_AT))),
)
_SECRETS = (
    ("no label, owner or finalizer", _same("metadata", f'"annotations", {_STAMPED}')),
    ("nothing of the specification", "object.spec == oldObject.spec"),
    ("no annotation but its own", _own((CHANGE, FORCE_ESO, FORCE_VSO))),
)


def _policy(
    name: str, resources: tuple[Resource, ...], notes: str, rules: tuple[tuple[str, str], ...], namespace: str
) -> str:  # fmt: skip
    """Return a policy and its binding; `notes` is where the annotations stand that it lets change."""
    groups = list(dict.fromkeys(one.group for one in resources))
    matched = "".join(_matched(group, [one for one in resources if one.group == group]) for group in groups)
    checks = "".join(
        f'    - message: "Keybook\'s restarter changes {what}."\n      expression: >-\n{indent(rule, " " * 8)}\n'
        for what, rule in rules
    )
    return f"""\
# Whatever the restarter may be given, of these it can change only the annotations that are its own.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {NAME}-{name}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
{matched}  matchConditions:
    - name: it-is-the-restarter
      expression: request.userInfo.username == "system:serviceaccount:{namespace}:{NAME}"
  variables:
    - name: before
      expression: "{_notes("oldObject", notes)}"
    - name: after
      expression: "{_notes("object", notes)}"
  validations:
{checks}---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {NAME}-{name}
spec:
  policyName: {NAME}-{name}
  validationActions: ["Deny"]
"""


def _matched(group: str, resources: list[Resource]) -> str:
    names = ", ".join(f'"{one.plural}"' for one in resources)
    return (
        f'      - apiGroups: ["{group}"]\n        apiVersions: ["*"]\n        operations: ["UPDATE"]\n'
        f"        resources: [{names}]\n"
    )
