"""RBAC: roles with their rules, bindings with their subjects."""

from __future__ import annotations

import msgspec

from cluster.kinds.meta import FullMeta, Selector, Shape


class PolicyRule(Shape):
    """One rule: verbs on resources of groups, or on URLs; `*` means all."""

    verbs: list[str] = []
    api_groups: list[str] = []
    resources: list[str] = []
    resource_names: list[str] = []
    non_resource_urls: list[str] = msgspec.field(name="nonResourceURLs", default_factory=list)


class Aggregation(Shape):
    """Which ClusterRoles are gathered into this one; the controller has filled the rules already."""

    cluster_role_selectors: list[Selector] = []


class Role(Shape):
    """rbac.authorization.k8s.io/v1 Role."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    rules: list[PolicyRule] = []


class ClusterRole(Role):
    """rbac.authorization.k8s.io/v1 ClusterRole."""

    aggregation_rule: Aggregation | None = None


class RoleRef(Shape):
    """The role that a binding gives."""

    api_group: str = ""
    kind: str = ""
    name: str = ""


class Subject(Shape):
    """To whom: User, Group or ServiceAccount."""

    kind: str = ""
    name: str = ""
    namespace: str = ""
    api_group: str = ""


class RoleBinding(Shape):
    """rbac.authorization.k8s.io/v1 RoleBinding."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    role_ref: RoleRef = msgspec.field(default_factory=RoleRef)
    subjects: list[Subject] = []


class ClusterRoleBinding(RoleBinding):
    """rbac.authorization.k8s.io/v1 ClusterRoleBinding."""
