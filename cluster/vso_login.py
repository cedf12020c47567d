"""As whom Vault Secrets Operator reads: VaultAuth, the VaultAuthGlobal behind it, and the VaultConnection."""

from __future__ import annotations

from typing import NamedTuple

from cluster.kinds.vso import AuthSpec, Login, VaultAuth, VaultAuthGlobal, VaultConnection
from cluster.kinds.workload import Deployment
from cluster.scene import Scene

_DEFAULT = "default"
_OPERATOR = "vault-secrets-operator"


class VaultLogin(NamedTuple):
    """Where, at which mount, as which role and service account; "" for what is not said."""

    address: str = ""
    namespace: str = ""
    mount: str = ""
    method: str = ""
    role: str = ""
    account: str = ""


def login(scene: Scene, namespace: str, auth_ref: str) -> VaultLogin:
    """Return how a resource of this namespace logs in; empty when its VaultAuth is not there."""
    auth = auth_of(scene, namespace, auth_ref)
    if auth is None:
        return VaultLogin(address=_address(scene, namespace, ""))
    spec, behind = auth.spec, _global_of(scene, auth)
    method = spec.method or (behind.spec.default_auth_method or behind.spec.method if behind else "") or "kubernetes"
    own, shared = spec.login(method), behind.spec.login(method) if behind else Login()
    mount = spec.mount or shared.mount or (behind.spec.default_mount or behind.spec.mount if behind else "")
    vault_namespace = spec.namespace or shared.namespace or (behind.spec.default_vault_namespace if behind else "")
    connection = spec.vault_connection_ref or (behind.spec.vault_connection_ref if behind else "")
    return VaultLogin(
        _address(scene, auth.metadata.namespace, connection),
        vault_namespace,
        (mount or method.lower()).strip("/").removeprefix("auth/"),
        method,
        own.role or shared.role,
        own.service_account or shared.service_account,
    )


def auth_of(scene: Scene, namespace: str, auth_ref: str) -> VaultAuth | None:
    """Return the VaultAuth that a resource refers to (`name`, `namespace/name`, or the operator's default)."""
    if auth_ref:
        place, name = _split(auth_ref, namespace)
        return scene.named(VaultAuth, place, name)
    own = scene.named(VaultAuth, namespace, _DEFAULT)
    return own or scene.named(VaultAuth, operator_namespace(scene), _DEFAULT)


def missing(scene: Scene, namespace: str, auth_ref: str) -> str:
    """Return what is wrong with the login of a resource, as far as the objects show it; "" when nothing is."""
    auth = auth_of(scene, namespace, auth_ref)
    if auth is None:
        return f"Its VaultAuth {auth_ref or _DEFAULT} does not exist."
    if not _allows(auth, namespace):
        return f"VaultAuth {auth.metadata.namespace}/{auth.metadata.name} does not allow the namespace {namespace}."
    return ""


def operator_namespace(scene: Scene) -> str:
    """Return the namespace in which the operator runs; "" when its Deployment is not seen."""
    return scene.once(_operator_namespace)


def _operator_namespace(scene: Scene) -> str:
    for each in scene.all(Deployment):
        labels = each.metadata.labels
        if labels.get("app.kubernetes.io/name") == _OPERATOR or each.metadata.name.startswith(_OPERATOR):
            return each.metadata.namespace
    return ""


def _allows(auth: VaultAuth, namespace: str) -> bool:
    allowed: AuthSpec = auth.spec
    return namespace == auth.metadata.namespace or bool({"*", namespace} & set(allowed.allowed_namespaces))


def _global_of(scene: Scene, auth: VaultAuth) -> VaultAuthGlobal | None:
    given = auth.spec.vault_auth_global_ref
    if given is None:
        return None
    places = [given.namespace] if given.namespace else [auth.metadata.namespace, operator_namespace(scene)]
    found = (scene.named(VaultAuthGlobal, place, given.name or _DEFAULT) for place in places)
    return next((each for each in found if each is not None), None)


def _address(scene: Scene, namespace: str, connection: str) -> str:
    if connection:
        found = scene.named(VaultConnection, *_split(connection, namespace))
    else:
        own = scene.named(VaultConnection, namespace, _DEFAULT)
        found = own or scene.named(VaultConnection, operator_namespace(scene), _DEFAULT)
    return found.spec.address if found is not None else ""


def _split(reference: str, namespace: str) -> tuple[str, str]:
    place, slash, name = reference.partition("/")
    return (place, name) if slash else (namespace, reference)
