"""Pages over a small record with known answers, somebody signed in, and a page read as elements."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from django.test import Client

from accounts.models import User
from audit import queries
from tests.dashboard.record import Record, small

QUESTIONS = (
    "find_secret secret secrets who_read uses_of pods_of timeline events_of_secret event lines_of devices".split()  # noqa: SIM905
)
VOID = set("area base br col embed hr img input link meta source track wbr path circle rect line ellipse use".split())  # noqa: SIM905


@dataclass
class Page(HTMLParser):
    """An answer's elements in order, each (tag, attributes), and its text with single spaces."""

    text: str = ""
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def of(cls, response) -> Page:
        page = cls()
        page.feed(response.content.decode())
        page.text = " ".join(page.text.split())
        return page

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str, **attrs: str) -> list[dict[str, str]]:
        """Return the attributes of every such element; an attribute asked for must contain the text."""
        return [
            own for name, own in self.elements
            if name == tag and all(text in own.get(key.rstrip("_"), "") for key, text in attrs.items())
        ]  # fmt: skip

    def by_id(self, name: str) -> dict[str, str] | None:
        """Return the attributes of the element with this id."""
        return next((own for _, own in self.elements if own.get("id") == name), None)


@pytest.fixture(autouse=True)
def _plain_http(settings):
    """Let pages answer on plain http, as the demo does on loopback; `test_headers.py` looks at https."""
    settings.SECURE_SSL_REDIRECT = False
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "keybook", "keybook-csrf"
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"require_mfa": False})
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def show(monkeypatch):
    """Return a function that puts a record in the place of the questions to the past."""

    def put(record: Record) -> Record:
        for name in QUESTIONS:
            monkeypatch.setattr(queries, name, getattr(record, name))
        return record

    return put


@pytest.fixture
def record(show) -> Record:
    return show(small())


@pytest.fixture
def cat(db) -> User:
    return User.objects.create_user("cat", password="a long enough password")


class Browser(Client):
    """Django's client; the file behind a static answer is closed, as a server closes it."""

    def generic(self, *args, **kwargs):
        response = super().generic(*args, **kwargs)
        if response.streaming:
            response.close()
        return response


@pytest.fixture
def client() -> Client:
    return Browser()


@pytest.fixture
def signed_in(cat) -> Client:
    client = Browser()
    client.force_login(cat)
    return client


@pytest.fixture
def page(signed_in, record):
    """Return a function that gets an address and reads the page."""

    def get(address: str, status: int = 200, **headers: str) -> Page:
        response = signed_in.get(address, headers=headers or None)
        assert response.status_code == status, response.content.decode()[:2000]
        return Page.of(response)

    return get
