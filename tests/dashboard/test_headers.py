"""What every answer carries: the policy, and what keeps pages out of caches, frames and other sites."""

from __future__ import annotations

import re

import pytest
from django.core.management import call_command
from django.test import Client

from tests.dashboard.conftest import Page

NONCE = re.compile(r"'nonce-([A-Za-z0-9+/]{22}==)'")
ADDRESSES = [
    "/", "/secrets/", "/secrets/?q=secret/prod", "/secrets/?q=%00", "/secrets/1/", "/secrets/1/?event=1", "/events/1/",
    "/secrets/77/", "/nothing/here", "/sign-in/", "/enter/", "/sign-out/", "/static/dashboard/page.js",
]  # fmt: skip
STRICT = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "htmx",
}


def _policy(response) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in response.headers["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in parts}


@pytest.mark.parametrize("who", ["nobody", "cat"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_carries_the_strict_policy(address, who, client, signed_in, record):
    policy = _policy((signed_in if who == "cat" else client).get(address))
    script = policy.pop("script-src")
    assert policy == STRICT
    assert NONCE.sub("", script).split() == ["'strict-dynamic'"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_keeps_to_itself(address, signed_in, record):
    headers = signed_in.get(address).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


def test_pages_are_not_kept_and_static_files_are(signed_in, record):
    assert signed_in.get("/secrets/1/").headers["Cache-Control"] == "no-store"
    static = signed_in.get("/static/dashboard/page.js").headers["Cache-Control"]
    assert "max-age=31536000" in static and "no-store" not in static


def test_a_nonce_is_used_once_and_is_the_one_in_the_page(signed_in, record):
    seen = set()
    for _ in range(3):
        response = signed_in.get("/secrets/1/")
        nonce = NONCE.search(_policy(response)["script-src"])[1]
        assert {own["nonce"] for own in Page.of(response).all("script")} == {nonce}
        seen.add(nonce)
    assert len(seen) == 3


def test_an_error_nobody_foresaw_answers_in_plain_words_under_the_policy(signed_in, record, monkeypatch):
    def fall(*_args, **_kwargs):
        raise RuntimeError("s.hush-hush")

    monkeypatch.setattr("audit.queries.secrets", fall)
    signed_in.raise_request_exception = False
    response = signed_in.get("/secrets/")
    assert response.status_code == 500
    assert _policy(response)["default-src"] == "'none'"
    assert "This page could not be made" in Page.of(response).text
    assert b"hush" not in response.content


def test_a_page_that_is_not_there_says_so_and_keeps_the_way_back(signed_in, client, record):
    page = Page.of(signed_in.get("/nothing/<script>"))
    assert "No page of Keybook has this address." in page.text and page.all("nav")
    assert Page.of(client.get("/nothing")).all("nav") == []


def test_a_wrong_host_is_answered_in_plain_words(signed_in, record):
    response = signed_in.get("/secrets/", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert "can't be understood" in Page.of(response).text


def test_an_error_for_htmx_is_only_its_words(signed_in, record):
    response = signed_in.get("/events/99/", headers={"HX-Request": "true", "HX-Target": "aside#drawer"})
    assert response.status_code == 404
    assert "No event 99 is known" in Page.of(response).text
    assert Page.of(response).all("html") == []


@pytest.fixture
def https(settings, cat, record):
    """Return a signed-in browser on https, under the settings that are the default."""
    settings.SECURE_SSL_REDIRECT = True
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "__Host-keybook", "__Host-keybook-csrf"
    settings.SECURE_HSTS_SECONDS = 31536000
    client = Client()
    client.force_login(cat)
    return client


def test_plain_http_is_sent_to_https_under_the_policy(https):
    response = https.get("/secrets/")
    assert (response.status_code, response.headers["Location"]) == (301, "https://testserver/secrets/")
    assert _policy(response)["default-src"] == "'none'"


def test_the_cookies_are_bound_to_this_host_over_https(https):
    https.post("/sign-out/", secure=True)
    response = https.post("/sign-in/", {"username": "cat", "password": "a long enough password"}, secure=True)
    session, csrf = response.cookies["__Host-keybook"], response.cookies["__Host-keybook-csrf"]
    assert session["secure"] and session["httponly"] and session["path"] == "/" and not session["domain"]
    assert csrf["secure"] and csrf["path"] == "/" and not csrf["domain"]
    assert (session["samesite"], csrf["samesite"]) == ("Lax", "Strict")


def test_https_is_remembered(https):
    assert "max-age=31536000" in https.get("/secrets/", secure=True).headers["Strict-Transport-Security"]


def test_the_default_settings_pass_the_check_for_deployment(house_settings):
    assert house_settings("from django.core.management import call_command as c; c('check', '--deploy')") == ""


def test_debug_is_refused_unless_asked_for_by_name(house_settings):
    code = "from django.conf import settings; print(settings.DEBUG)"
    assert house_settings(code, DEBUG="1", DJANGO_DEBUG="1") == "False"
    assert house_settings(code, KEYBOOK_DEBUG="1") == "True"


@pytest.fixture
def house_settings(tmp_path):
    """Return a function that runs code under settings from a clean environment and returns what it prints."""
    import os
    import subprocess
    import sys
    from pathlib import Path

    root = Path(call_command.__code__.co_filename) and Path(__file__).resolve().parents[2]

    def run(code: str, **environment: str) -> str:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("KEYBOOK_", "DJANGO_"))}
        clean |= {"KEYBOOK_SECRET_KEY": "k" * 10 + "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOP"}
        start = "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'; django.setup(); "
        done = subprocess.run(
            [sys.executable, "-c", start + code],
            cwd=root, env=clean | environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return (done.stdout + done.stderr).strip().removeprefix("System check identified no issues (0 silenced).")

    return run
