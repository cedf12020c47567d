"""R6: "revoked" is said when Vault's lookup and the database say so, however long one of them is away; never before."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from audit import leasing
from config.witness import AuditLog
from rotation import at_databases, revoking, runner
from rotation.logins import Logins
from rotation.models import Change, Mismatch, Step
from rotation.surroundings import Hands
from tests.rotation.live import LiveDoors
from tests.rotation.own_postgres import DROP, TELLS, Engine, own_postgres
from tests.rotation.toys import approved
from vault import enrolment
from vault.operating import Operator

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def server():
    with own_postgres() as made:
        yield made


@pytest.fixture
def own(server):
    yield server
    if server._part.pid is None:
        server.start()


@dataclass(frozen=True)
class Watching(LiveDoors):
    """Doors with a witness."""

    witness: str = ""
    asked: tuple = ()  # what happens after each look at the database

    def logins(self, vault, namespace, path) -> Logins | None:
        try:
            return at_databases.logins(self.witness, vault, path)
        finally:
            if self.asked:
                self.asked[0]()


BLIND = SimpleNamespace(login_hashes=lambda vault, leases: {})  # a record that tells of no lease


class Case:
    """Leases of an engine, a change that revokes them (or what `steps` say), and turns over it."""

    def __init__(self, own, engine, tmp_path, leases, witness=True, asked=(), steps=(), record=BLIND):
        self.own, self.engine = own, engine
        file = tmp_path / "payments.dsn"
        file.write_text(own.address("keybook_witness"))
        file.chmod(0o400)
        server = Operator(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"], plain_http=True)
        setting = f"live:{engine.mount}={file}" if witness else ""
        self.hands = Hands(
            "one", lambda change, step: Watching(server, change.name, step, setting, asked), record,
            lambda _change: "", lambda _change: ("", ""),
        )  # fmt: skip
        steps = steps or (
            ("revoke_leases", {"leases": leases, "role": engine.role, "proven_later": True}),
            ("verify_revoked", {"revoked_by": [1]}),
        )
        self.change = approved(*(kind for kind, _ in steps), vault="live")
        for planned, (_, args) in zip(self.change.plan["steps"], steps, strict=True):
            planned["args"] = args
        self.change.save()

    def turn(self) -> str:
        """Take one turn, and see that nothing is called revoked that can still log in."""
        Change.objects.filter(pk=self.change.pk).update(due_at=None)
        runner.turn(self.change.pk, self.hands)
        self.change.refresh_from_db()
        return self.change.state

    def lines(self) -> list[tuple[str, str]]:
        return list(self.change.proofs.order_by("subject").values_list("state", "says"))

    def says(self) -> str:
        return Step.objects.get(change=self.change, number=2).says


def test_revoked_is_said_only_when_the_database_has_come_back_and_says_so_too(own, tmp_path):
    engine = Engine(own)
    lease, user, password = engine.take()
    time.sleep(1 - time.time() % 1)  # a login of the same second could not be told from it
    kept, other, their = engine.take()
    stopped = []

    def stop_once():
        if not stopped:
            stopped.append(own.stop())

    case = Case(own, engine, tmp_path, [lease], asked=(stop_once,))
    assert own.enters(user, password)
    for _ in range(3):  # the database goes right before the call
        assert case.turn() == "running"
        assert engine.lists(lease)
        assert [state for state, _ in case.lines()] == ["waiting"]
    assert "Vault could not end 1 of them yet" in Step.objects.get(change=case.change, number=1).says
    assert "0 of 1 leases are gone in Vault" in case.says()
    own.start()
    assert own.enters(user, password), "nothing has ended it yet"
    assert case.turn() == "succeeded"
    assert not own.enters(user, password) and other in own.logins() and own.enters(other, their)
    ((state, says),) = case.lines()
    assert state == "proven" and says.startswith("revoked in Vault, and gone at the database (role names asked at ")
    assert case.change.says == "Done and proven."
    rows = str(list(case.change.steps.values())) + str([one.intent for step in case.change.steps.all()
                                                        for one in step.attempts.all()])  # fmt: skip
    assert user not in rows and password not in rows
    assert engine.lists(kept)


def test_a_database_that_was_away_from_the_beginning_is_asked_whose_login_it_was_before_it_is_ended(own, tmp_path):
    engine = Engine(own)
    lease, user, password = engine.take()
    own.stop()
    case = Case(own, engine, tmp_path, [lease])
    assert (case.turn(), case.turn()) == ("running", "running")
    assert [state for state, _ in case.lines()] == ["waiting"]
    own.start()
    assert case.turn() == "succeeded"
    assert not own.enters(user, password)
    assert case.lines()[0][0] == "proven"


def test_a_login_that_vault_forgot_is_told_as_critical_until_somebody_drops_it(own, tmp_path, caplog, monkeypatch):
    engine = Engine(own)
    lease, user, password = engine.take()
    revoke = revoking.revoke

    def forget(operator, lease):
        """Be somebody who forces it while the database is away: Vault forgets the lease, and nobody ends the login."""
        own.stop()
        engine.root.must("PUT", f"sys/leases/revoke-force/{engine.mount}/creds")
        own.start()
        return revoke(operator, lease)

    monkeypatch.setattr(revoking, "revoke", forget)
    case = Case(own, engine, tmp_path, [lease])
    assert case.turn() == "running"
    assert own.enters(user, password) and not engine.lists(lease)
    ((state, says),) = case.lines()
    assert state == "short"
    assert says.startswith(f"Vault says revoked, the database still has a role that can log in: {user} (role names")
    assert "Drop them there, or take their LOGIN away" in case.says()
    assert case.turn() == "running"
    assert "still has roles that can log in" in Mismatch.objects.get().says
    assert [one.levelname for one in caplog.records if "can log in" in one.getMessage()] == ["CRITICAL"]
    own.psql(f'DROP ROLE "{user}"')
    assert case.turn() == "succeeded"
    assert case.lines()[0][0] == "proven"


def test_a_login_that_can_not_log_in_is_as_good_as_gone_and_its_open_sessions_are_told(own, tmp_path):
    engine = Engine(own, 'ALTER ROLE "{{name}}" NOLOGIN')
    lease, user, password = engine.take()
    with psycopg.connect(f"user={user} password={password} host={own._part.folder} dbname=payments"):
        case = Case(own, engine, tmp_path, [lease])
        assert case.turn() == "succeeded"
        ((state, says),) = case.lines()
    assert state == "short" and "can't log in any more" in says and "1 sessions that it opened go on" in says
    assert case.change.says == "Done; 1 line falls short of proof."


def test_without_a_witness_nothing_is_said_of_the_database(own, tmp_path):
    engine = Engine(own, DROP)
    case = Case(own, engine, tmp_path, [engine.take()[0]], witness=False)
    assert case.turn() == "succeeded"
    assert case.lines() == [("short", "gone in Vault, not confirmed at the database")]


def test_of_two_logins_of_one_second_it_is_said_that_either_may_have_been_the_leases(own, tmp_path):
    engine = Engine(own)
    time.sleep(1 - time.time() % 1)
    lease, kept = engine.take()[0], engine.take()[0]
    case = Case(own, engine, tmp_path, [lease])
    assert case.turn() == "succeeded"
    ((state, says),) = case.lines()
    assert state == "short" and "2 logins were made when it was issued, and 1 of them can still log in" in says
    assert engine.lists(kept)


@pytest.mark.parametrize("may", [True, False])
def test_the_log_tells_two_logins_of_one_second_apart_where_the_vault_may_be_asked(own, tmp_path, past, may):
    engine, log = Engine(own), Path(os.environ["KEYBOOK_AUDIT_LOG"])
    start = log.stat().st_size
    time.sleep(1 - time.time() % 1)
    (lease, user, _), (kept, other, _) = engine.take(), engine.take()
    if not may:
        policy = engine.root.must("GET", f"sys/policies/acl/{engine.role}").data["policy"]
        engine.root.must(
            "PUT", f"sys/policies/acl/{engine.role}", {"policy": policy.replace("sys/audit-hash", "sys/x")}
        )
    (tmp_path / "since.log").write_bytes(log.read_bytes()[start:])
    past.take(tmp_path / "since.log", vault="live")
    leasing.catch_up()
    case = Case(own, engine, tmp_path, [lease], record=AuditLog())
    assert case.turn() == "succeeded"
    ((state, says),) = case.lines()
    assert (state == "proven") == may, says
    assert ("gone at the database" in says) == may
    assert user not in own.logins() and other in own.logins() and engine.lists(kept)


def test_many_leases_of_one_moment_are_proven_together(own, tmp_path):
    engine = Engine(own)
    taken = [engine.take() for _ in range(12)]
    case = Case(own, engine, tmp_path, [lease for lease, _, _ in taken])
    began = datetime.now(UTC)
    assert case.turn() == "succeeded"
    assert [state for state, _ in case.lines()] == ["proven"] * 12
    assert (datetime.now(UTC) - began).total_seconds() < 30


def test_a_rotated_login_is_proven_by_the_change_that_the_database_made_of_it(own, tmp_path):
    engine = Engine(own)
    engine.root.must("POST", f"{engine.mount}/static-roles/report", {
        "db_name": "payments", "username": "payments_report", "rotation_period": "720h",
    })  # fmt: skip
    one = enrolment.enrolment("database_role", "rotate", engine.mount)
    engine.root.must("PUT", f"sys/policies/acl/{one.name}", {"policy": one.policy()})
    engine.root.must("POST", f"auth/token/roles/{one.name}", one.role())
    step = ("rotate_role", {"mount": engine.mount, "name": "report", "role": one.name})

    def rotate():
        before = engine.root.must("GET", f"{engine.mount}/static-creds/report").data["password"]
        assert own.enters("payments_report", before)
        case = Case(own, engine, tmp_path, [], steps=(step,))
        assert case.turn() == "succeeded"
        assert not own.enters("payments_report", before)
        return case.lines()[0]

    state, says = rotate()
    assert state == "short" and "does not tell its witness when a role was changed" in says
    own.psql(TELLS)
    (tmp_path / "payments.dsn").unlink()
    state, says = rotate()
    assert state == "proven" and "and so did the database: the old one is refused" in says
