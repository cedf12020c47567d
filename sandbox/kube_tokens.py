"""Service accounts' tokens of the simulated Kubernetes API: made, signed, reviewed, and void soon after their pod."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from sandbox.kube_resources import Kind, kind_of
from sandbox.kube_selectors import Object
from sandbox.kube_status import Refusal
from sandbox.kube_store import Change, Store, decode
from sandbox.kube_users import User, account_user

ISSUER = "https://kubernetes.default.svc.cluster.local"
EXTRA = "authentication.kubernetes.io/"
OUTLIVES = 10.0  # seconds that a bound token is still good after its pod is gone
SHORTEST = 600  # seconds
ACCOUNT, POD, NODE = kind_of("serviceaccounts"), kind_of("pods"), kind_of("nodes")
VOID = "[invalid bearer token, service account token has been invalidated]"


class Invalid(Exception):
    """A token that is not good, with the reason that a TokenReview tells."""


@dataclass(frozen=True)
class Binding:
    """What a token stands for."""

    namespace: str
    account: str
    uid: str
    audiences: tuple[str, ...]
    until: float
    jti: str
    pod: Object = field(default_factory=dict, hash=False)  # name, uid
    node: Object = field(default_factory=dict, hash=False)

    def user(self) -> User:
        """Return the user whom the token lets in."""
        extra = {f"{EXTRA}credential-id": [f"JTI={self.jti}"]}
        for what, found in (("pod", self.pod), ("node", self.node)):
            extra |= {f"{EXTRA}{what}-{name}": [value] for name, value in found.items()}
        return account_user(self.namespace, self.account, self.uid, extra)

    def claims(self, now: int) -> Object:
        """Return the claims as the API server writes them."""
        about: Object = {"namespace": self.namespace, "serviceaccount": {"name": self.account, "uid": self.uid}}
        about |= {what: found for what, found in (("pod", self.pod), ("node", self.node)) if found}
        return {
            "aud": list(self.audiences),
            "exp": int(self.until),
            "iat": now,
            "nbf": now,
            "iss": ISSUER,
            "jti": self.jti,
            "kubernetes.io": about,
            "sub": f"system:serviceaccount:{self.namespace}:{self.account}",
        }


class Tokens:
    """Every token that was issued, by its text."""

    def __init__(self, store: Store) -> None:
        """Hear from the store when pods and service accounts go."""
        self.store = store
        self.outlives = OUTLIVES
        self._issued: dict[str, Binding] = {}
        self._gone: dict[str, float] = {}
        store.listeners.append(self._note)

    def _note(self, change: Change) -> None:
        if change.gone and change.after.kind in (POD, ACCOUNT):
            self._gone[change.after.object["metadata"]["uid"]] = time.monotonic()

    @cached_property
    def _key(self) -> RSAPrivateKey:
        return generate_private_key(public_exponent=65537, key_size=2048)

    def keys(self) -> Object:
        """Return the public key as a JSON Web Key Set."""
        found: Object = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**found, "use": "sig", "alg": "RS256", "kid": "sandbox"}]}

    def issue(
        self, namespace: str, account: str, *, audiences: tuple[str, ...] = (), life: int = 3600, pod: str = ""
    ) -> str:
        """Return a new token of a service account, bound to a pod by its name. Raises Refusal (400, 404)."""
        with self.store.lock:
            uid = self.store.get(ACCOUNT, namespace, account).object["metadata"]["uid"]
            bound = self._bound(namespace, account, pod) if pod else {}
        until = time.time() + life
        binding = Binding(namespace, account, uid, audiences or (ISSUER,), until, str(uuid4()), **bound)
        text = jwt.encode(binding.claims(int(time.time())), self._key, "RS256", headers={"kid": "sandbox"})
        self._issued[text] = binding
        return text

    def _bound(self, namespace: str, account: str, name: str) -> dict[str, Object]:
        pod = self.store.get(POD, namespace, name).object
        if (pod["spec"].get("serviceAccountName") or "default") != account:
            message = (
                f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
            )
            raise Refusal(400, message)
        found = {"pod": {"name": name, "uid": pod["metadata"]["uid"]}}
        node = self.store.shelf(NODE).found.get(("", pod["spec"].get("nodeName", "")))
        if node:
            found["node"] = {"name": node.key[1], "uid": node.object["metadata"]["uid"]}
        elif pod["spec"].get("nodeName"):
            found["node"] = {"name": pod["spec"]["nodeName"]}
        return found

    def check(self, token: str, audiences: tuple[str, ...] = ()) -> tuple[User, tuple[str, ...]]:
        """Return whom a token lets in and for which of the audiences. Raises Invalid."""
        found = self._issued.get(token)
        if found is None:
            raise Invalid("invalid bearer token")
        wanted = audiences or (ISSUER,)
        common = tuple(audience for audience in found.audiences if audience in wanted)
        if not common:
            mine, theirs = _quoted(found.audiences), _quoted(wanted)
            sentence = f"token audiences {mine} is invalid for the target audiences {theirs}"
            raise Invalid(f"[invalid bearer token, {sentence}]")
        if time.time() > found.until:
            raise Invalid("[invalid bearer token, service account token has expired]")
        for uid in (found.uid, found.pod.get("uid", "")):
            if time.monotonic() - self._gone.get(uid, float("inf")) >= self.outlives:
                raise Invalid(VOID)
        return found.user(), common

    # What is asked over HTTP ------------------------------------------------------------------------------------

    def request(self, namespace: str, account: str, asked: Object) -> Object:
        """Answer a TokenRequest. Raises Refusal (400, 404, 409, 422)."""
        spec: Object = asked.get("spec") or {}
        life, bound = spec.get("expirationSeconds") or 3600, spec.get("boundObjectRef") or {}
        if life < SHORTEST:
            sentence = f"spec.expirationSeconds: Invalid value: {life}: may not specify a duration less than 10 minutes"
            raise Refusal(422, f'TokenRequest.authentication.k8s.io "" is invalid: {sentence}')
        if bound and bound.get("kind") != "Pod":
            raise Refusal(422, f"cannot bind token for this object: {bound.get('kind')} is not known here")
        self._same_pod(namespace, bound)
        audiences = tuple(spec.get("audiences") or ())
        token = self.issue(namespace, account, audiences=audiences, life=life, pod=bound.get("name", ""))
        until = datetime.fromtimestamp(self._issued[token].until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        spec = {
            "audiences": list(self._issued[token].audiences),
            "expirationSeconds": life,
            "boundObjectRef": bound or None,
        }
        metadata = {"name": account, "namespace": namespace, "creationTimestamp": None}
        return {**asked, "metadata": metadata, "spec": spec, "status": {"token": token, "expirationTimestamp": until}}

    def _same_pod(self, namespace: str, bound: Object) -> None:
        if bound.get("uid"):
            found = self.store.get(POD, namespace, bound.get("name", "")).object["metadata"]["uid"]
            if found != bound["uid"]:
                message = f"the UID in the bound object reference ({bound['uid']}) does not match the UID in record."
                raise Refusal(409, f"{message} The object might have been deleted and then recreated")

    def review(self, asked: Object) -> Object:
        """Answer a TokenReview."""
        spec: dict[str, Any] = asked.get("spec") or {}
        status: Object
        try:
            user, audiences = self.check(spec.get("token", ""), tuple(spec.get("audiences") or ()))
            status = {"authenticated": True, "user": told(user), "audiences": list(audiences)}
        except Invalid as reason:
            status = {"user": {}, "error": str(reason)}
        return {**asked, "metadata": {"creationTimestamp": None}, "status": status}


def _quoted(values: tuple[str, ...]) -> str:
    return "[" + " ".join(f'"{value}"' for value in values) + "]"


def told(user: User) -> Object:
    """Return a user as reviews have it."""
    found: Object = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": user.extra}
    return {name: value for name, value in found.items() if value}


def claims_of(token: str) -> Object:
    """Return a token's claims without any check of them."""
    found: Object = decode(jwt.utils.base64url_decode(token.split(".")[1]))
    return found


def is_review(kind: Kind) -> bool:
    """Tell whether a resource is a question that is answered and not stored."""
    return kind.name.endswith("Review")
