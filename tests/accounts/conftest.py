"""The cast: ann operator, bob approver, cat reader, dan nobody, eve administrator."""

from __future__ import annotations

import re
from time import sleep, time

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client, RequestFactory

from accounts.models import Role, TrailEntry, User

PASSWORD = "a long enough password"
CAST = {"ann": Role.OPERATOR, "bob": Role.APPROVER, "cat": Role.READER, "eve": Role.ADMINISTRATOR}


@pytest.fixture(autouse=True)
def _plain_http(settings):
    """Let pages answer on plain http, and hash quickly."""
    settings.SECURE_SSL_REDIRECT = False
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "keybook", "keybook-csrf"
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"require_mfa": False, "url": ""})
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def _make(name: str) -> User:
    return User.objects.create_user(name, password=PASSWORD, role=CAST[name])


class Browser(Client):
    """A window at an address: enters by password, knows its app's secret, and reads what a page says."""

    secret = ""

    def __init__(self, address: str = "203.0.113.9", **options) -> None:
        super().__init__(REMOTE_ADDR=address, **options)

    def enter(self, name: str, password: str = PASSWORD, **more: str):
        """Send name and password."""
        return self.post("/sign-in/", {"username": name, "password": password, **more})

    def prove(self, code: str):
        """Send the second factor."""
        return self.post("/sign-in/second/", {"proof": code})

    def code(self, steps: int = 0) -> str:
        """Return the app's code of the half minute that is `steps` from now; one before it is refused after this."""
        if steps < 0 and (left := 30 - time() % 30) < 2:
            sleep(left + 0.1)
        return format_hotp_value(hotp_value(self.secret, int(time()) // 30 + steps))

    def add_app(self, steps: int = -1) -> list[str]:
        """Set up a second factor and return the recovery codes."""
        page = self.get("/account/second-factor/").content.decode()
        self.secret = re.search(r'id="secret">([A-Z2-7]+)<', page)[1]
        done = self.post("/account/second-factor/", {"proof": self.code(steps)})
        assert done.status_code == 200, done.content.decode()
        return re.search(r'id="codes">([^<]+)<', done.content.decode())[1].split()

    @property
    def name(self) -> str:
        """Return who is signed in here by what the account page says, or "" for nobody."""
        answer = self.get("/account/")
        found = re.search(r"You are <b>([^<]+)</b>", answer.content.decode())
        return found[1] if found else ""


def words(answer) -> str:
    """Return the text of a page without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def verbs() -> list[str]:
    """Return the verbs of the trail, oldest first."""
    return list(TrailEntry.objects.order_by("pk").values_list("verb", flat=True))


@pytest.fixture
def browser() -> Browser:
    return Browser()


@pytest.fixture
def cat(db) -> User:
    return _make("cat")


@pytest.fixture
def ann(db) -> User:
    return _make("ann")


@pytest.fixture
def eve(db) -> User:
    return _make("eve")


@pytest.fixture
def ask():
    """Return a function that makes a request with headers of its own."""

    def make(address: str = "203.0.113.9", forwarded: str = ""):
        extra = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
        return RequestFactory().get("/", REMOTE_ADDR=address, **extra)

    return make
