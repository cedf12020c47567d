"""Where allauth asks us: who is signed in becomes an entry of the trail, and nothing is mailed or signed up."""

from __future__ import annotations

import base64
import hashlib
from time import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.contrib.auth import login, logout
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.address import client_address
from accounts.models import User
from accounts.sessions import sweep
from accounts.trail import person, record

BACKEND = "django.contrib.auth.backends.ModelBackend"


def methods(request: HttpRequest, user: User) -> list[str]:
    """Return how `user` proved who they are in this session, in order: password, totp, link, socialaccount ..."""
    return [one.get("type") or one["method"] for one in get_authentication_records(request, user)]


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """The steps of signing in: first factor, second factor, session."""

    def get_login_stages(self) -> list[str]:
        """Return the one step between the first factor and the session."""
        return ["allauth.mfa.stages.AuthenticateStage"]

    @transaction.atomic
    def login(self, request: HttpRequest, user: User) -> None:
        """Begin a session under a new key, and say so in the trail; those that ended by themselves are swept out."""
        sweep()
        request.session.set_expiry(None)
        login(request, user, backend=BACKEND)
        request.session["began_at"] = request.session["seen_at"] = time()
        record(user, "accounts.user.signed_in", person(user), details={"by": methods(request, user)}, request=request)

    @transaction.atomic
    def logout(self, request: HttpRequest) -> None:
        """End the session, and say so in the trail."""
        if isinstance(request.user, User):
            record(request.user, "accounts.user.signed_out", person(request.user), request=request)
        logout(request)

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody signs up: people are made by an administrator, a command, or the single sign-on's groups."""
        return False

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        """Send somebody disabled back to the door."""
        return redirect("sign-in")

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Return the first page."""
        return "/"

    def is_safe_url(self, url: str) -> bool:
        """Return whether `url` leads to this host and no other, for going on after signing in."""
        return safe(self.request, url)

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the client's address by our one rule; the list of sessions needs some address."""
        return client_address(request) or "0.0.0.0"  # noqa: S104 - a client behind a socket has none

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing: the pages show what happened."""

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Mail nothing."""


def safe(request: HttpRequest, url: str | None) -> bool:
    """Return whether `url` is an address of this Keybook, so that nobody is led away after signing in."""
    return url_has_allowed_host_and_scheme(url, allowed_hosts={request.get_host()}, require_https=request.is_secure())


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Second factors: what a code is computed from is encrypted, so that a copy of the database makes none."""

    def get_totp_label(self, user: User) -> str:
        """Return the name that the app shows."""
        return user.username

    def encrypt(self, text: str) -> str:
        """Return the text under a key made from `KEYBOOK_SECRET_KEY`."""
        return _fernet().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return the text, or "" if it was encrypted under another key: then no code fits."""
        try:
            return _fernet().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            return ""

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Mail nothing: the trail has it."""


def _fernet() -> Fernet:
    """Return the cipher whose key is made from the key that signs sessions."""
    derived = hashlib.blake2b(settings.SECRET_KEY.encode(), digest_size=32, person=b"second factor").digest()
    return Fernet(base64.urlsafe_b64encode(derived))
