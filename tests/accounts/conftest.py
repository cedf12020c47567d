"""The cast: ann operator, bob approver, cat reader, dan nobody, eve administrator."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from accounts.models import Role, User

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
