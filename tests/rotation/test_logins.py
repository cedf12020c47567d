"""Whose login was whose, and what is said of a lease that Vault does not list any more: never more than is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rotation import at_databases
from rotation.logins import Away, Fit, Issued, Login, Logins, changed, fitting, said
from rotation.witnessed import watched

AT = datetime(2026, 3, 14, 9, 0, 0, 400_000, UTC)
LEASE = Issued("database/creds/payments-rw/abc", AT, AT + timedelta(hours=1))
SECOND = int(AT.timestamp())
OWN = Login(f"v-kubernet-payments-{'a' * 20}-{SECOND}", 10, True)


def named(role="payments", second=SECOND, number=11, random="b" * 20, **more):
    return Login(f"v-token-{role}-{random}-{second}", number, True, **more)


@pytest.mark.parametrize("others, found", [
    ([], [10]),
    ([Login("ledger", 1, True), Login("v-payments", 2, True)], [10]),
    ([named("reports")], [10]),
    ([named(second=SECOND - 20)], [10]),  # another of half a minute ago
    ([named(second=SECOND + 1)], [10]),  # made after the lease was issued
    ([named(second=SECOND - 1)], [10, 11]),  # may be either
])  # fmt: skip
def test_a_login_is_told_by_the_second_and_the_role_in_its_name(others, found):
    assert [one.number for one in fitting(LEASE, [*others, OWN])] == found


def test_a_slow_database_makes_a_login_earlier_than_its_lease():
    assert fitting(LEASE, [named(second=SECOND - 12), named(second=SECOND - 90, number=12)])[0].number == 11


def test_a_name_of_ones_own_is_told_by_when_its_password_ends():
    own = Login("app_17", 5, True, LEASE.ends + timedelta(seconds=5))
    assert fitting(LEASE, [own, Login("app_18", 6, True, LEASE.ends + timedelta(minutes=1))]) == (Fit(own.mark, 5),)
    assert fitting(replace(LEASE, ends=None), [own]) == ()


FITS = (Fit(OWN.mark, 10),)
TWO = (Fit(OWN.mark, 10), Fit(named().mark, 11))


@pytest.mark.parametrize("fits, alike, there, state, words", [
    (FITS, 1, [], "proven", "revoked in Vault, and gone at the database (role names asked at 2026-03-14 09:00:00 UTC)"),
    (FITS, 1, [replace(OWN, can=False)], "proven", "its login at the database can't log in any more"),
    (FITS, 1, [OWN], "short", f"Vault says revoked, the database still has a role that can log in: {OWN.name}"),
    ((), 1, [], "short", "not confirmed at the database: none of its logins could be told to be this lease's"),
    (TWO, 1, [], "proven", "gone at the database"),  # whichever it was
    (TWO, 1, [OWN], "short", "2 logins were made when it was issued, and 1 of them can still log in"),
    (TWO, 1, [OWN, named()], "short", "still has a role that can log in: one of v-"),
    (TWO, 2, [OWN], "short", "still has a role that can log in: v-kubernet"),  # both leases were revoked
])  # fmt: skip
def test_no_more_is_said_than_the_database_shows(fits, alike, there, state, words):
    found = said(LEASE.lease, fits, alike, Logins(AT, there))
    assert found.line.state == state and words in found.line.says
    assert found.again == bool(found.alive) == ("still has a role" in words)


def test_a_login_that_is_gone_may_leave_sessions_and_that_is_said():
    found = said(LEASE.lease, FITS, 1, Logins(AT, [], {10: 2, 11: 7}))
    assert found.line.state == "short" and "2 sessions that it opened go on" in found.line.says


def test_a_row_keeps_a_mark_of_a_name_and_never_the_name():
    assert len(OWN.mark) == 32 and OWN.mark not in OWN.name and "payments" not in OWN.mark


@pytest.mark.parametrize("words", ["prod", "prod=/a", "prod:=/a", ":database=/a", "prod:database=a", "prod:database="])
def test_a_setting_that_names_no_database_is_refused(words):
    with pytest.raises(ValueError, match="VAULT:MOUNT=/FILE"):
        watched(words)


def test_a_mount_that_nobody_watches_is_told_from_one_that_does_not_answer(tmp_path):
    file = tmp_path / "payments.dsn"
    setting = f"prod:database={file}, prod/team:db/x={file}"
    assert at_databases.logins(setting, "prod", "databases/creds/a/1") is None
    assert at_databases.logins(setting, "prod", "db/x/creds/a/1") is None
    assert at_databases.logins("", "prod", "database/creds/a/1") is None
    with pytest.raises(Away, match="can't be read"):
        at_databases.logins(setting, "prod/team", "db/x/creds/a/1")


@pytest.mark.parametrize("text, mode, words", [
    ("", 0o600, "holds no address"),
    ("postgresql:///a", 0o644, r"others may read or change .* \(mode 0644\); it was not used"),
    ("mysql://canary-password@host/a", 0o600, "takes postgresql://"),
    ("postgresql://u:canary-password@/x?host=/nowhere&canary=1", 0o600, "gave no answer"),
    ("postgresql://u:canary-password@/x?host=/nowhere", 0o400, "gave no answer"),
])  # fmt: skip
def test_a_witness_that_can_not_ask_says_why_and_nothing_of_its_address(tmp_path, text, mode, words):
    file = tmp_path / "payments.dsn"
    file.write_text(text)
    file.chmod(mode)
    with pytest.raises(Away, match=words) as told:
        at_databases.logins(f"prod:database={file}", "prod", "database/creds/a/1")
    assert "canary" not in str(told.value) and told.value.__cause__ is None and told.value.__context__ is None


STATIC = Login("payments_report", 7, True, version="901")


@pytest.mark.parametrize("before, there, state, words", [
    ("900", [STATIC], "proven", "Vault changed the password, and so did the database: the old one is refused"),
    ("901", [STATIC], "short", "the database has not changed payments_report since: the old one may still be good"),
    ("", [STATIC], "short", "does not tell its witness when a role was changed"),
    ("900", [replace(STATIC, version="")], "short", "does not tell its witness"),
    ("900", [], "short", "the database has no role payments_report"),
    (None, [STATIC], "short", "not confirmed at the database"),
])  # fmt: skip
def test_a_changed_password_is_proven_by_the_databases_own_change_alone(before, there, state, words):
    found = changed("database/report", before, STATIC.name, Logins(AT, there))
    assert found.state == state and words in found.says


def test_without_a_witness_a_changed_password_is_vaults_word():
    assert changed("database/report", "900", "x", None).state == "short"
