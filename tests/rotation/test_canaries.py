"""R11 over changes: whatever is rotated, wrapped, patched, thrown or answered, no value of it shows anywhere."""

from __future__ import annotations

import json
import logging
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product

import pytest
import requests
from django.db import connection
from django.test import Client

from accounts import tokens
from accounts.models import Role
from accounts.token_wish import Wish
from config.logs import OneLine
from rotation import preflight, tasks, turns
from rotation.models import Change
from rotation.runner import Hands
from rotation.steps import write_kv, write_wrapped
from tests.audit.test_canaries import found_in, found_in_tables
from tests.rotation.asked import person
from tests.rotation.test_wrapped import Carrying, Case
from vault.errors import Refused, Unavailable, Unknown
from vault.operating import Operator

pytestmark = [pytest.mark.live, pytest.mark.django_db]
TEXT, NUMBER, DATE, KEY = "canary-Tr0ub4dor", 738291650417, "1987-06-05T04:03:02Z", "canary_key_of_a_secret"
OLD, NEW = "canary-old-value", "canary-new-value"
CANARIES = ["canary-", str(NUMBER), DATE, KEY]
HELD = {"password": OLD, "pin": NUMBER, "since": DATE, KEY: TEXT, "user": "app"}


@pytest.fixture(autouse=True)
def _plain(settings, monkeypatch):
    settings.SECURE_SSL_REDIRECT = False
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = settings.KEYBOOK.require_mfa = False
    monkeypatch.setattr(write_wrapped, "ARRIVES", timedelta(seconds=-2))


@pytest.fixture
def logged():
    """Every line that the project's own handler writes, as it writes it, from the lowest level on."""
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record):
            lines.append(self.format(record))

    handler, root = Kept(logging.DEBUG), logging.getLogger()
    handler.setFormatter(OneLine())
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lines
    root.removeHandler(handler)
    root.setLevel(before)


class Planted(Case):
    """A secret full of canaries, and a change that writes over one of its keys by one of the two ways."""

    def __init__(self, folder, kind):
        super().__init__(folder)
        self.secret, self.kind = NEW, kind
        self.root.must("POST", f"secret/data/{self.path}", {"data": HELD})
        self.prepare()

    def prepare(self):
        self.change.plan["steps"][0]["step"] = self.kind
        self.change.save()
        if self.kind == "write_wrapped":
            self.give()

    def again(self):
        """Ask for another change of the same secret, held against the vault and run as far as it goes."""
        self.change.pk, self.change.state, self.change.epoch = None, "approved", 0
        self.change.owner, self.change.lease_until, self.change.due_at = "", None, None
        self.prepare()

    def go(self):
        preflight.keep(self.change, preflight.check(self.change, self.hands))
        for _ in range(3):
            if self.change.state in ("approved", "running"):
                self.turn()

    def everywhere(self, logged):
        """Return where a canary stands: tables, log lines, pages, API, feed of the trail."""
        hits = found_in_tables(connection.connection, CANARIES)
        hits += found_in("log", "\n".join(logged).encode(), CANARIES)
        eve = person("eve", role=Role.ADMINISTRATOR)
        client = Client()
        client.force_login(eve)
        name = self.change.name
        for page in (f"/changes/{name}/", "/changes/", "/changes/all/", f"/changes/{name}/hand-over/", "/trail/"):
            answer = client.get(page)
            assert answer.status_code == 200, (page, answer.status_code)
            hits += found_in(page, answer.content, CANARIES)
        _, bearer = tokens.create(eve, Wish("all", ("changes:read", "trail:read")), actor=eve)
        for place in ("/changes", f"/changes/{name}", "/trail"):
            answer = client.get(f"/api/v1{place}", headers={"Authorization": f"Bearer {bearer}"})
            assert answer.status_code == 200, (place, answer.content[:300])
            hits += found_in(place, answer.content, CANARIES)
        return hits


@pytest.mark.parametrize("kind", ["write_kv", "write_wrapped"])
def test_a_change_that_succeeds_shows_no_value(tmp_path, monkeypatch, logged, kind):
    monkeypatch.setattr(write_kv, "random", lambda _length: NEW)
    case = Planted(tmp_path, kind)
    assert case.turn() == "succeeded"
    assert case.root.must("GET", f"secret/data/{case.path}").data["data"] == {**HELD, "password": NEW}
    assert case.everywhere(logged) == []


def _broken(error):
    def fail(*_, **__):
        raise error

    return fail


def _request():
    sent = requests.Request("PATCH", "http://127.0.0.1/x", json={"data": {KEY: TEXT}}).prepare()
    return requests.exceptions.ConnectionError(f"{TEXT} {sent.body!r}", request=sent)


def _chained():
    try:
        raise KeyError(TEXT)
    except KeyError as first:
        error = RuntimeError(f"while writing {TEXT}")
        error.__cause__ = first
        error.add_note(f"with {KEY}")
        return error


FAULTS = [
    KeyError(TEXT), ValueError(f"{KEY}={NUMBER} since {DATE}"), _chained(), _request(),
    UnicodeEncodeError("ascii", TEXT, 0, 1, KEY),
    Unknown("the vault's answer did not come", "here", "look", (TEXT, KEY)),
    Refused("the vault refused the call", "here", "mend it", (TEXT,)), Unavailable("away", "here", "wait", (TEXT,)),
]  # fmt: skip


@pytest.mark.parametrize("kind, calls", [
    ("write_kv", ["kv_state", "kv_write"]), ("write_wrapped", ["wrapped", "unwrap", "kv_write"]),
])  # fmt: skip
def test_whatever_is_thrown_in_the_worker_shows_no_value(tmp_path, monkeypatch, logged, kind, calls):
    monkeypatch.setattr(write_kv, "random", lambda _length: NEW)
    case = Planted(tmp_path, kind)
    for call, error in product(calls, FAULTS):
        with monkeypatch.context() as during:
            during.setattr(Operator, call, _broken(error))
            case.go()
        assert case.change.state != "succeeded", (call, error)
        case.again()
    assert sum("A step failed: KeyError at" in line for line in logged) >= len(calls)
    assert case.everywhere(logged) == []


class _Answers(BaseHTTPRequestHandler):
    status, body = 500, b""

    def _answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_GET = do_POST = do_PATCH = do_PUT = _answer

    def log_message(self, *_):
        pass


@contextmanager
def _lying_vault(status, body):
    handler = type("Answers", (_Answers,), {"status": status, "body": body})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Half(Carrying):
    """The token of the operation comes from the real vault, and everything else from one that lies."""

    bad: Operator | None = None

    @contextmanager
    def vault(self, *given):
        with super().vault(*given):
            yield self.bad


WORDS = json.dumps({"errors": [f"1 error occurred: {TEXT} {KEY} {NUMBER} {DATE}"], "data": {KEY: TEXT}}).encode()


ANSWERS = [*((status, WORDS) for status in (200, 400, 403, 404, 500, 503)), (200, TEXT.encode()), (302, TEXT.encode())]


@pytest.mark.parametrize("kind", ["write_kv", "write_wrapped"])
def test_whatever_a_vault_answers_shows_no_value(tmp_path, logged, kind):
    case = Planted(tmp_path, kind)
    good, real = Operator(case.root.url, case.root.token, plain_http=True), case.hands
    for status, body in ANSWERS:
        with _lying_vault(status, body) as address:
            bad = Operator(address, "x", plain_http=True)
            half = partial(Half, file=case.file, bad=bad)
            case.hands = Hands("one", lambda change, step, half=half: half(good, change.name, step), real.witness,
                               real.frozen, real.unsure)  # fmt: skip
            case.go()
        assert case.change.state != "succeeded", (status, body)
        case.again()
    assert case.everywhere(logged) == []


def test_a_fault_of_the_turn_itself_shows_no_value(tmp_path, monkeypatch, logged):
    case = Planted(tmp_path, "write_kv")
    monkeypatch.setattr(turns, "take", _broken(_chained()))
    tasks.run_change(case.change.pk)
    assert "Keybook itself failed on this change (RuntimeError)" in Change.objects.get(pk=case.change.pk).says
    assert any("RuntimeError at rotation/test_canaries.py" in line for line in logged)
    assert case.everywhere(logged) == []
