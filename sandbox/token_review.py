"""The one corner of a Kubernetes API server that OpenBao's kubernetes login asks: TokenReview."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sandbox.company import Pod, Service

TOKEN_LIFE = 3600  # seconds, as the kubelet's default for projected tokens


def encode(part: bytes) -> str:
    """Return base64url without padding, as JSON Web Signature has it (RFC 7515)."""
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


class TokenReview:
    """Hands out pods' tokens and knows them again; it listens on loopback while the story is told.

    OpenBao reads the claims itself and leaves the signature to the review, so ours is noise of the right length.
    """

    def __init__(self) -> None:
        """Listen on a free port."""
        self._known: dict[str, tuple[Service, Pod]] = {}
        review = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = json.dumps(review.answer(asked)).encode()
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Return the address for `kubernetes_host`."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def token(self, service: Service, pod: Pod) -> str:
        """Return a fresh projected token of a pod."""
        now = int(time.time())
        claims = {
            "aud": ["https://kubernetes.default.svc"],
            "exp": now + TOKEN_LIFE,
            "iat": now,
            "nbf": now,
            "iss": "https://kubernetes.default.svc",
            "jti": secrets.token_hex(8),
            "kubernetes.io": {
                "namespace": service.namespace,
                "pod": {"name": pod.name, "uid": pod.uid},
                "serviceaccount": {"name": service.name, "uid": service.uid},
            },
            "sub": f"system:serviceaccount:{service.namespace}:{service.name}",
        }
        parts = ({"alg": "RS256", "kid": "story"}, claims)
        token = ".".join([*(encode(json.dumps(part).encode()) for part in parts), encode(secrets.token_bytes(256))])
        self._known[token] = (service, pod)
        return token

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the TokenReview (authentication.k8s.io/v1) with its status: who it is, or that nobody knows."""
        known = self._known.get(asked["spec"]["token"])
        if known is None:
            return {**asked, "status": {"authenticated": False, "error": "unknown token"}}
        service, pod = known
        user = {
            "username": f"system:serviceaccount:{service.namespace}:{service.name}",
            "uid": service.uid,
            "groups": ["system:serviceaccounts", f"system:serviceaccounts:{service.namespace}", "system:authenticated"],
            "extra": {
                "authentication.kubernetes.io/pod-name": [pod.name],
                "authentication.kubernetes.io/pod-uid": [pod.uid],
            },
        }
        return {
            **asked,
            "status": {"authenticated": True, "user": user, "audiences": ["https://kubernetes.default.svc"]},
        }
