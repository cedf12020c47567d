"""The trail: an entry with its verb or neither, no secret in it, and no way to change it."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import TrailEntry
from accounts.trail import LONGEST, Subject, person, record
from kit import tokens as forms


def _entry(actor) -> TrailEntry:
    with transaction.atomic():
        return record(actor, "accounts.user.created", person(actor), details={"role": "reader"})


def test_an_entry_says_who_did_what_to_whom_and_from_where(cat, ask):
    made = record(cat, "accounts.link.made", Subject("user", 7, "dan"), details={"minutes": 15}, request=ask())
    kept = TrailEntry.objects.values().get(pk=made.pk)
    assert kept.pop("at") is not None
    assert kept == {
        "id": made.pk, "actor_id": cat.pk, "actor_name": "cat", "verb": "accounts.link.made", "subject_kind": "user",
        "subject_id": 7, "subject_text": "dan", "details": {"minutes": 15}, "address": "203.0.113.9", "session": "",
        "position": None, "previous": "", "hash": "",
    }  # fmt: skip


def test_the_name_stays_as_it_was(cat):
    made = _entry(cat)
    cat.username = "kitty"
    cat.save()
    assert TrailEntry.objects.get(pk=made.pk).actor_name == "cat"


@pytest.mark.django_db(transaction=True)
def test_an_entry_outside_of_a_transaction_is_refused(ask):
    with pytest.raises(RuntimeError, match=r"^source.made was recorded outside of its transaction"):
        record("nobody", "source.made", Subject("source", None, "eu-prod"))
    assert not TrailEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_verb_that_fails_leaves_no_entry():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record("nobody", "source.made", Subject("source", None, "eu-prod"))
        _ = 1 / 0
    assert not TrailEntry.objects.exists()


@pytest.mark.parametrize("name", ["password", "code", "token", "otp"])
def test_a_detail_that_names_a_secret_is_refused(cat, name):
    with pytest.raises(ValueError, match=name):
        record(cat, "accounts.link.made", person(cat), details={name: "hush"})


TOKENS = [forms.make("kbk_"), forms.make("kbr_"), "hvs." + "A" * 30, "s." + "b" * 24]


@pytest.mark.parametrize("token", TOKENS, ids=["kbk", "kbr", "hvs", "s"])
def test_a_token_that_somebody_pasted_where_a_name_belongs_is_in_no_entry(cat, token):
    details = {"path": f"/x {token}", "scopes": [token, "a"], "minutes": 5}
    made = record(f"by {token}", "source.made", Subject("source", None, token), details=details)
    made.refresh_from_db()
    mark = f"<token, {len(token)}>"
    assert (made.actor_name, made.subject_text) == (f"by {mark}", mark)
    assert made.details == {"path": f"/x {mark}", "scopes": [mark, "a"], "minutes": 5}


def test_hostile_and_endless_text_is_kept_short_and_whole(cat):
    made = record("x\0y", "source.made", Subject("source", None, "z" * 9999), details={"path": "\0"})
    made.refresh_from_db()
    assert (made.actor_name, len(made.subject_text), made.details) == ("x\ufffdy", LONGEST, {"path": "\ufffd"})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_trailentry SET verb = 'accounts.user.signed_out'",
        "UPDATE accounts_trailentry SET at = at - interval '1 day' WHERE id > 0",
        "DELETE FROM accounts_trailentry",
        "TRUNCATE accounts_trailentry",
    ],
)
def test_the_database_refuses_to_change_or_remove_an_entry(cat, statement):
    made = _entry(cat)
    connection.check_constraints()  # what a commit does: from now on the entry is in the chain
    refused = pytest.raises(DatabaseError, match="The trail is append-only")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_trailentry ENABLE TRIGGER accounts_trail_whole")
        cursor.execute(statement)
    assert TrailEntry.objects.get(pk=made.pk).verb == "accounts.user.created"


def test_a_person_who_is_removed_leaves_their_entries(cat):
    made, key = _entry(cat), cat.pk
    cat.delete()
    assert TrailEntry.objects.get(pk=made.pk).actor_id == key
