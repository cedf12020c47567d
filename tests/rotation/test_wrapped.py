"""A value that the asker wrapped: opened once, written at once, and whatever goes wrong is told as it was."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test import Client

from accounts import tokens
from accounts.models import TrailEntry
from accounts.token_wish import Wish
from rotation import actions, handed, handing, preflight, runner
from rotation.approving import NotApproved
from rotation.lifecycle import Forbidden
from rotation.models import Attempt, Change, Handed, Mismatch, SealKey
from rotation.planning import Refused, digest
from rotation.runner import Hands
from rotation.sealing import Unsealable
from rotation.steps import write_wrapped
from sandbox.bao_http import Bao
from tests.rotation.asked import as_role, person
from tests.rotation.live import ROLE, LiveDoors, LogWitness, enrol
from vault.errors import Unknown
from vault.operating import Operator

pytestmark = [pytest.mark.live, pytest.mark.django_db]


class Killed(BaseException):
    """As a SIGKILL is: nothing after it runs."""


@dataclass(frozen=True)
class Carrying(LiveDoors):
    """Doors with what was handed over."""

    file: str = ""

    def given(self):
        return handed.given(self.change, self.file)


class Case:
    """A secret with two keys, and a change that writes one of them from what ann wrapped."""

    def __init__(self, folder: Path):
        self.root = Bao(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])
        enrol(self.root)
        self.path = f"wrapped/{secrets.token_hex(6)}"
        self.root.must("POST", f"secret/data/{self.path}", {"data": {"password": "first", "user": "app"}})
        self.file = str(folder / "seal.key")
        handed.publish(self.file)
        self.ann = person("ann")
        args = {"place": {"mount": "secret", "path": self.path}, "role": ROLE, "keys": ["password"]}
        plan = {"steps": [{"number": 1, "step": "write_wrapped", "args": args, "describe": {"title": "Write"}}]}
        self.change = Change.objects.create(
            target="kv", args={}, verb="Rotate", subject=f"secret/{self.path}", vault="demo", reason="to see",
            state="approved", asker_id=self.ann.pk, asker_name="ann", plan=plan, plan_hash=digest(plan),
            expires_at=datetime.now(UTC) + timedelta(hours=1),
        )  # fmt: skip
        server = Operator(self.root.url, self.root.token, plain_http=True)
        self.hands = Hands(
            "one", lambda change, step: Carrying(server, change.name, step, self.file),
            LogWitness(Path(os.environ["KEYBOOK_AUDIT_LOG"])), lambda _change: "", lambda _change: ("", ""),
        )  # fmt: skip
        self.secret = f"canary-{secrets.token_hex(8)}"

    def wrap(self, value=None, ttl="5m"):
        answer = self.root.must(
            "POST", "sys/wrapping/wrap", {"password": self.secret} if value is None else value, X_Vault_Wrap_TTL=ttl
        )
        return answer.body["wrap_info"]["token"]

    def give(self, token=None):
        given = token or self.wrap()
        handing.hand_over(self.change, self.ann, given)
        return given

    def turn(self):
        Change.objects.filter(pk=self.change.pk).update(due_at=None, lease_until=None)
        runner.turn(self.change.pk, self.hands)
        self.change.refresh_from_db()
        return self.change.state

    def held(self):
        data = self.root.must("GET", f"secret/data/{self.path}").data
        return data["metadata"]["version"], data["data"]["password"], data["data"]["user"]

    def says(self):
        return Attempt.objects.filter(step__change=self.change).order_by("-number").values_list("says", flat=True)[0]

    def open_by_hand(self, token):
        return self.root.must("POST", "sys/wrapping/unwrap", {"token": token}).data

    def anywhere(self, text):
        """Return the tables of the database in which a text stands."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            names = [row[0] for row in cursor.fetchall()]
            found = []
            for name in names:
                cursor.execute(f'SELECT EXISTS (SELECT FROM "{name}" t WHERE position(%s IN t::text) > 0 OR '
                               "position(%s IN t::text) > 0)", [text, text.encode().hex()])  # fmt: skip
                found += [name] if cursor.fetchone()[0] else []
        return found


@pytest.fixture
def case(tmp_path, monkeypatch):
    monkeypatch.setattr(write_wrapped, "ARRIVES", timedelta(seconds=-2))  # the log of the tests is there at once
    return Case(tmp_path)


def test_what_was_wrapped_is_written_once_over_the_keys_of_the_plan_and_stands_nowhere(case, caplog):
    token = case.give()
    assert case.turn() == "succeeded"
    assert case.held() == (2, case.secret, "app")
    row = Handed.objects.get()
    assert bytes(row.sealed) == b"" and row.opened_at is not None
    assert case.anywhere(case.secret) == case.anywhere(token) == []
    assert case.secret not in caplog.text and token not in caplog.text
    entry = TrailEntry.objects.get(verb="rotation.change.handed_over")
    assert entry.details == {"key": SealKey.objects.get().mark}
    log = Path(os.environ["KEYBOOK_AUDIT_LOG"]).read_text()
    assert case.secret not in log and token not in log


def test_a_token_is_sealed_from_the_moment_it_is_handed_over_and_another_change_can_not_open_it(case):
    token = case.give()
    assert case.anywhere(token) == []
    row = Handed.objects.get()
    sealed = bytes(row.sealed)
    assert len(sealed) > len(token)
    with pytest.raises(Unsealable, match="sealed for another key or another change"):
        handed.Given(row.pk, "ann", sealed, case.file, "C-999999").token()
    assert handed.Given(row.pk, "ann", sealed, case.file, case.change.name).token() == token


def test_a_worker_killed_between_opening_and_writing_ends_in_the_truth_and_goes_on_with_a_new_token(case, monkeypatch):
    case.give()
    write = Operator.kv_write

    def die(*_):
        raise Killed

    monkeypatch.setattr(Operator, "kv_write", die)
    with pytest.raises(Killed):
        case.turn()
    monkeypatch.setattr(Operator, "kv_write", write)
    assert case.turn() == "failed"
    assert case.held() == (1, "first", "app")
    assert (
        "The wrapping token was used by us at 20" in case.says() and "Hand over a new one, then resume" in case.says()
    )
    assert not Mismatch.objects.exists()
    assert bytes(Handed.objects.get().sealed) == b""
    actions.resume(case.change, case.ann)
    assert case.turn() == "running"
    assert "Nobody has handed over a wrapping token" in case.says()
    case.give()
    assert case.turn() == "succeeded"
    assert case.held() == (2, case.secret, "app")


def test_a_worker_killed_before_it_opened_the_token_opens_it_later(case, monkeypatch):
    case.give()
    unwrap = Operator.unwrap

    def die(*_, **__):
        raise Killed

    monkeypatch.setattr(Operator, "unwrap", die)
    with pytest.raises(Killed):
        case.turn()
    monkeypatch.setattr(Operator, "unwrap", unwrap)
    assert case.turn() == "succeeded"
    assert case.held() == (2, case.secret, "app")


def test_a_write_whose_answer_was_lost_is_found_by_its_line(case, monkeypatch):
    case.give()
    write = Operator.kv_write

    def lose(*given):
        write(*given)
        raise Unknown("the vault's answer did not come")

    monkeypatch.setattr(Operator, "kv_write", lose)
    assert case.turn() == "running"
    monkeypatch.setattr(Operator, "kv_write", write)
    assert case.turn() == "succeeded"
    assert case.held() == (2, case.secret, "app")
    assert bytes(Handed.objects.get().sealed) == b""


def test_a_token_that_somebody_else_opened_is_critical_and_nothing_is_written(case, monkeypatch, caplog):
    token = case.give()
    unwrap = Operator.unwrap

    def be_second(*given, **more):
        case.open_by_hand(token)
        return unwrap(*given, **more)

    monkeypatch.setattr(Operator, "unwrap", be_second)
    assert case.turn() == "running"
    assert case.turn() == "failed"
    assert case.held() == (1, "first", "app")
    assert "somebody opened it before us" in case.says()
    assert "opened by somebody else: the log shows no call of ours" in Mismatch.objects.get().says
    assert "CRITICAL" in {one.levelname for one in caplog.records}


def test_before_approval_the_token_is_looked_at_and_one_that_was_opened_stops_it(case):
    found = preflight.check(case.change, case.hands)
    assert not found["ok"] and "Nobody has handed over a wrapping token" in str(found["lines"])
    token = case.give()
    found = preflight.check(case.change, case.hands)
    assert found["ok"] and "ann handed over a wrapping token that nobody opened; it ends at" in str(found["lines"])
    case.open_by_hand(token)
    found = preflight.check(case.change, case.hands)
    assert not found["ok"] and "somebody opened it before us, or its time is over" in str(found["lines"])
    assert "ann handed over wraps nothing" in Mismatch.objects.get().says


@pytest.mark.parametrize("value", [
    {"password": "canary-a", "canary-key": "canary-b"}, {"canary-key": "canary-a"}, {"password": 4711},
    {"password": ""}, {"password": {"canary": 1}},
])  # fmt: skip
def test_what_does_not_fit_the_plan_is_not_written_and_not_shown(case, value):
    case.give(case.wrap(value))
    assert case.turn() == "failed"
    assert case.held() == (1, "first", "app")
    assert "What was wrapped is not one text for each of password" in case.says()
    assert "canary" not in case.says() and case.anywhere("canary-a") == case.anywhere("canary-key") == []


def test_a_token_that_wraps_a_read_of_a_secret_stays_shut(case):
    answer = case.root.must("GET", f"secret/data/{case.path}", X_Vault_Wrap_TTL="5m")
    token = answer.body["wrap_info"]["token"]
    case.give(token)
    found = preflight.check(case.change, case.hands)
    assert f"was made at secret/data/{case.path}, not at sys/wrapping/wrap" in str(found["lines"])
    assert case.turn() == "failed"
    assert case.open_by_hand(token)["data"]["password"] == "first"


def test_a_version_that_somebody_wrote_meanwhile_is_not_overwritten(case, monkeypatch):
    case.give()
    unwrap = Operator.unwrap

    def write_first(*given, **more):
        case.root.must("POST", f"secret/data/{case.path}", {"data": {"password": "drift", "user": "app"}})
        return unwrap(*given, **more)

    monkeypatch.setattr(Operator, "unwrap", write_first)
    assert case.turn() == "failed"
    assert case.held() == (2, "drift", "app")
    assert "used by us, and nothing was written" in case.says()


def test_only_the_asker_hands_over_and_only_what_can_be_a_token(case):
    with pytest.raises(NotApproved, match="only they hand its value over"):
        handing.hand_over(case.change, person("bob"), case.wrap())
    for wrong in ("", "short", "two words here", "a\nb-long-enough", "ü" * 20, "x" * 3000):
        with pytest.raises(Refused, match="This is no wrapping token") as told:
            handing.hand_over(case.change, case.ann, wrong)
        assert len(wrong) < 5 or wrong not in str(told.value)
    Change.objects.filter(pk=case.change.pk).update(state="succeeded")
    case.change.refresh_from_db()
    with pytest.raises(Forbidden, match="takes no wrapping token"):
        case.give()
    assert not Handed.objects.exists()


def test_without_a_key_nothing_is_taken(case):
    SealKey.objects.update(ended_at=datetime.now(UTC))
    with pytest.raises(Refused, match="Set KEYBOOK_SEAL for the worker"):
        case.give()


def test_a_new_token_takes_the_place_of_the_old_and_what_is_over_is_emptied(case):
    first, second = case.give(), case.give()
    assert handed.given(case.change.name, case.file).token() == second != first
    assert handed.forget() == 1
    assert [bool(one.sealed) for one in Handed.objects.order_by("pk")] == [False, True]
    Change.objects.filter(pk=case.change.pk).update(state="cancelled")
    assert handed.forget() == 1
    assert handed.given(case.change.name, case.file) is None


def test_a_key_is_made_once_for_its_owner_alone_and_one_that_others_can_read_is_refused(case):
    place = Path(case.file)
    assert place.stat().st_mode & 0o777 == 0o400 and len(place.read_bytes()) == 32
    handed.publish(case.file)
    assert SealKey.objects.count() == 1
    place.chmod(0o440)
    with pytest.raises(Unsealable, match="Others than the worker may read"):
        handed.publish(case.file)


def test_a_token_comes_by_page_or_api_and_no_answer_holds_it(case, settings):
    settings.SECURE_SSL_REDIRECT = False
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = settings.KEYBOOK.require_mfa = False
    first, second, place = case.wrap(), case.wrap(), f"/changes/{case.change.name}/hand-over/"
    client = Client()
    client.force_login(case.ann)
    assert "Hand over the value" in client.get(f"/changes/{case.change.name}/").content.decode()
    assert "password=…" in client.get(place).content.decode()
    wrong = client.post(place, {"token": "two words"})
    assert (
        wrong.status_code == 409 and b"This is no wrapping token" in wrong.content and b"two words" not in wrong.content
    )
    assert client.post(place, {"token": first}).status_code == 302
    _, bearer = tokens.create(case.ann, Wish("one", ("changes:read", "changes:ask")), actor=case.ann)
    sent = {"content_type": "application/json", "headers": {"Authorization": f"Bearer {bearer}"}}
    api = f"/api/v1/changes/{case.change.name}/hand-over"
    bad = client.post(api, {"token": "two words"}, **sent)
    assert bad.status_code == 422 and b"two words" not in bad.content
    answer = client.post(api, {"token": second}, **sent)
    assert answer.status_code == 200 and second not in answer.content.decode()
    assert handed.given(case.change.name, case.file).token() == second
    assert first not in client.get(place).content.decode()
    _, other = tokens.create(person("bob"), Wish("one", ("changes:ask",), allow_approve=True), actor=case.ann)
    sent["headers"] = {"Authorization": f"Bearer {other}"}
    assert client.post(api, {"token": first}, **sent).status_code in (403, 409)


@contextmanager
def refused():
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        yield


def test_the_web_role_adds_what_is_handed_over_and_neither_changes_it_nor_chooses_the_key(case, made_roles):
    with as_role("keybook_web"):
        case.give()
        with refused():
            Handed.objects.update(sealed=b"x")
        with refused():
            SealKey.objects.create(public_key=b"x" * 32, mark="x")
        with refused():
            SealKey.objects.update(public_key=b"x" * 32)
    with as_role("keybook_operations"):
        with refused():
            Handed.objects.create(change=case.change, sealed=b"x", key=SealKey.objects.get(), by_id=1, by_name="mia")
        handed.forget()
    with as_role("keybook_ingest"), refused():
        Handed.objects.count()
