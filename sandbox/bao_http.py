"""Speaks plain HTTP with the embedded OpenBao, as any client from any address would."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from sandbox.errors import YardError


@dataclass(frozen=True)
class Answer:
    """An HTTP status and the JSON body, {} when there is none."""

    status: int
    body: dict[str, Any]

    @property
    def data(self) -> dict[str, Any]:
        """Return the body's `data`, {} when there is none."""
        return self.body.get("data") or {}


@dataclass(frozen=True)
class Bao:
    """A client of the OpenBao at `url`, with a token, seen at `address` (our listener trusts X-Forwarded-For)."""

    url: str
    token: str = ""
    address: str = ""

    def seen_as(self, *, token: str = "", address: str = "") -> Bao:
        """Return the same client with another token or address."""
        return replace(self, token=token or self.token, address=address or self.address)

    def call(self, method: str, path: str, data: dict[str, Any] | None = None, **headers: str) -> Answer:
        """Send one request to /v1/`path`; any status is an answer. Raises OSError when OpenBao can't be reached."""
        wire = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            if self.token:
                sent["X-Vault-Token"] = self.token
            if self.address:
                sent["X-Forwarded-For"] = self.address
            wire.request(method, f"/v1/{path}", body=None if data is None else json.dumps(data), headers=sent)
            reply = wire.getresponse()
            raw = reply.read()
            return Answer(reply.status, json.loads(raw) if raw else {})
        except http.client.HTTPException as trouble:
            raise ConnectionError(f"OpenBao at {self.url} broke off its answer: {trouble!r}") from trouble
        finally:
            wire.close()

    def must(self, method: str, path: str, data: dict[str, Any] | None = None, **headers: str) -> Answer:
        """Send one request that has to succeed. Raises YardError with OpenBao's own words, which hold no value."""
        answer = self.call(method, path, data, **headers)
        if answer.status >= 300:
            said = "; ".join(answer.body.get("errors") or []) or "no reason given"
            raise YardError(f"OpenBao refused {method} {path} with {answer.status}: {said}.")
        return answer
