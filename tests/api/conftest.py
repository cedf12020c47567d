"""A collector that comes with a token, over a past of its own."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from accounts import api_rate, tokens
from accounts.models import User
from accounts.scope import EVERYTHING, Scope
from accounts.token_wish import SCOPES
from accounts.tokens import Bearer
from tests.audit.conftest import empty_past, no_pods, past, recorded, test_database

__all__ = ["empty_past", "no_pods", "past", "recorded", "test_database"]


@pytest.fixture(autouse=True)
def _plain_http(settings):
    """Let the API answer on plain http."""
    settings.SECURE_SSL_REDIRECT = False
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "keybook", "keybook-csrf"
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"require_mfa": False, "url": ""})
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@dataclass
class Answer:
    """What the API answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the document."""
        return json.loads(self.body)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Return the items of an NDJSON answer."""
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def link(self) -> str:
        """Return the path and query of the next page."""
        whole = urlsplit(self.headers["Link"].partition(">")[0].strip("<"))
        return f"{whole.path}?{whole.query}"

    def problem(self) -> tuple[int, str]:
        """Return status and kind of a problem, which has the form that RFC 9457 asks for."""
        told = self.json
        assert self.headers["Content-Type"] == "application/problem+json"
        assert told["status"] == self.status and told["title"] and " " in told["detail"]
        return self.status, told["type"].removeprefix("urn:keybook:problem:")


class Collector:
    """A client of the API that shows a token."""

    def __init__(self, token: str = "", client: Client | None = None) -> None:
        self.client, self.token = client or Client(raise_request_exception=False), token

    def ask(self, path: str, method: str = "GET", headers: dict[str, str] | None = None, **query: Any) -> Answer:
        """Ask something; `path` is under /api/v1 unless it begins with /api."""
        address = path if path.startswith("/api") else f"/api/v1{path}"
        shown = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = self.client.generic(method, address, headers={**shown, **(headers or {})}, query_params=query or None)
        body = answer.content
        if answer.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return Answer(answer.status_code, dict(answer.headers), body)

    def events(self, **query: Any) -> Answer:
        """Ask for events."""
        return self.ask("/events", **query)

    def all_of(self, **query: Any) -> list[dict[str, Any]]:
        """Read a list to its end, page by page."""
        found, page = [], self.events(**query).json
        found += page["items"]
        while page["has_more"]:
            page = self.events(**{**query, "cursor": page["next_cursor"]}).json
            found += page["items"]
        return found


@pytest.fixture
def let_in(monkeypatch):
    """Return a function that makes a collector with some scopes and a view, without a row of a token."""

    def make(scopes=tuple(SCOPES), scope: Scope = EVERYTHING, role: str = "administrator") -> Collector:
        person = User(pk=1, username="cat", role=role)
        end = datetime.now(UTC) + timedelta(days=1)
        found = Bearer(1, "siem", person, frozenset(scopes), scope, end, ())
        monkeypatch.setattr(tokens, "find", lambda bearer, address: found)
        monkeypatch.setattr(api_rate, "count", lambda caller: None)
        return Collector("kbk_stand-in")

    return make


@pytest.fixture
def siem(let_in) -> Collector:
    """A collector that may read everything."""
    return let_in()
