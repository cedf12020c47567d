"""Questions to the simulated Kubernetes API that are answered and not stored: whose token is it, who may do what."""

from __future__ import annotations

from sandbox.kube_access import Access, Wish
from sandbox.kube_call import Call, Place, Reply
from sandbox.kube_selectors import Object
from sandbox.kube_status import Refusal
from sandbox.kube_store import encode
from sandbox.kube_tokens import Tokens, told
from sandbox.kube_users import User

OPEN_PATHS = ("/api", "/apis", "/healthz", "/livez", "/openapi", "/readyz", "/version")


class Reviews:
    """Answers the reviews and makes tokens."""

    def __init__(self, access: Access, tokens: Tokens) -> None:
        """Ask these."""
        self.access = access
        self.tokens = tokens

    def answer(self, call: Call, place: Place) -> Reply:
        """Answer a review or a TokenRequest. Raises Refusal."""
        if call.verb != "create":
            raise Refusal(405, "the server does not allow this method on the requested resource")
        asked, kind = call.object(), place.kind
        asked |= {"kind": asked.get("kind", kind.name), "apiVersion": asked.get("apiVersion", kind.api_version)}
        if place.subresource == "token":
            found = self.tokens.request(place.namespace, place.name, asked)
        elif kind.name == "TokenReview":
            found = self.tokens.review(asked)
        elif kind.name == "SelfSubjectReview":
            found = {**asked, "metadata": {"creationTimestamp": None}, "status": {"userInfo": told(call.user)}}
        else:
            found = self._access(call.user, asked, place)
        return Reply(201, encode(found))

    def _access(self, asking: User, asked: Object, place: Place) -> Object:
        spec: Object = asked.get("spec") or {}
        mine = place.kind.name.startswith("Self")
        user = asking if mine else User(spec.get("user", ""), spec.get("uid", ""), tuple(spec.get("groups") or ()))
        if not mine and not (user.name or user.groups):
            sentence = "at least one of user or group must be specified"
            raise Refusal(422, f'{place.kind.name}.authorization.k8s.io "" is invalid: spec.user: {sentence}')
        reason = self._reason(user, spec, place.namespace)
        status = {"allowed": bool(reason), "reason": "" if reason == "system:masters" else reason}
        return {
            **asked,
            "metadata": {"creationTimestamp": None},
            "status": {name: value for name, value in status.items() if value or name == "allowed"},
        }

    def _reason(self, user: User, spec: Object, namespace: str) -> str:
        path: Object = spec.get("nonResourceAttributes") or {}
        if path:
            return self.access.why_path(user, path.get("verb", ""), path.get("path", ""), OPEN_PATHS)
        asked: Object = spec.get("resourceAttributes") or {}
        resource = asked.get("resource", "")
        if asked.get("subresource"):
            resource += f"/{asked['subresource']}"
        place = asked.get("namespace", "") or namespace
        return self.access.why(
            user, Wish(asked.get("verb", ""), asked.get("group", ""), resource, place, asked.get("name", ""))
        )
