"""A small OpenID provider over real HTTP: discovery, keys, authorization code with PKCE, tokens signed by RS256."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "keybook-client", "keybook-client-secret"
KEY, OTHER_KEY = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)


@dataclass
class Provider:
    """What the provider says; a test changes a part of it to lie, or to be broken."""

    claims: dict = field(default_factory=lambda: {"sub": "248289761001", "preferred_username": "mira.holt"})
    userinfo: dict = field(default_factory=dict)
    spoil: dict = field(default_factory=dict)
    key: rsa.RSAPrivateKey = KEY
    signing: rsa.RSAPrivateKey | str | None = None
    algorithm: str = "RS256"
    issuer: str = ""
    named: str = ""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def authorize(self, address: str) -> dict[str, str]:
        """Do what the person's browser and the provider do together; returns the answer's query."""
        asked = {name: value[0] for name, value in parse_qs(urlsplit(address).query).items()}
        assert asked["client_id"] == CLIENT and asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256" and asked["nonce"] and "openid" in asked["scope"].split()
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return {"code": code, "state": asked["state"]}

    def token(self, form: dict[str, str]) -> dict:
        """Exchange a code, once, by the client's secret and the verifier of its challenge."""
        asked = self.codes.pop(form["code"])
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked["code_challenge"]
        assert (form["client_id"], form["client_secret"]) == (CLIENT, SECRET)
        assert form["redirect_uri"] == asked["redirect_uri"]
        now = int(time())
        told = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        told = {name: value for name, value in (told | self.claims | self.spoil).items() if value is not None}
        key = "" if self.algorithm == "none" else self.signing or self.key
        signed = jwt.encode(told, key, algorithm=self.algorithm, headers={"kid": "one"})
        return {"access_token": "access", "token_type": "Bearer", "id_token": signed, "expires_in": 300}

    def answer(self, path: str, form: dict[str, str]) -> dict:
        """Return the document at a path."""
        if path == "/.well-known/openid-configuration":
            names = {"authorization_endpoint": "auth", "token_endpoint": "token", "jwks_uri": "keys"}
            names |= {"userinfo_endpoint": "me"} if self.userinfo else {}
            document = {name: f"{self.issuer}/{end}" for name, end in names.items()}
            return document | {"issuer": self.named or self.issuer}
        if path == "/keys":
            return {"keys": [json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key())) | {"kid": "one"}]}
        return self.userinfo if path == "/me" else self.token(form)

    def serve(self) -> ThreadingHTTPServer:
        """Answer at a free port of loopback."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._say({})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._say({name: value[0] for name, value in parse_qs(body).items()})

            def _say(self, form: dict[str, str]) -> None:
                document = json.dumps(provider.answer(urlsplit(self.path).path, form)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(document)

            def log_message(self, *args) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server
