"""For each line of doctor about the trail's anchor: its subject is broken, and the line and its mend are seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import connection, transaction

from accounts import anchor
from accounts.models import TrailEntry
from audit.checks import trail
from tests.audit.doctor_lines import bad, line, well

__all__ = ["well"]

# The trail's anchor -------------------------------------------------------------------------------------------------


@pytest.fixture
def entries(well):
    """Three entries of the trail, the first of them an hour old, and the anchor of the first."""
    for number in range(3):
        with transaction.atomic():
            at = datetime.now(UTC) - timedelta(hours=0 if number else 1)
            TrailEntry.objects.create(at=at, actor_name="ann", verb="a.b", subject_kind="x", subject_text=str(number))
        if not number:
            assert anchor.now().position == 1
    return anchor.place()


def test_a_trail_without_an_anchor(well, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "anchor", "")
    assert "KEYBOOK_ANCHOR" in bad("trail anchor").mend


def test_an_anchor_that_keeps_up_and_one_that_does_not(entries, monkeypatch):
    assert "has entry 1" in line("trail anchor").detail and line("trail anchor").ok
    monkeypatch.setattr(trail, "LATE", -1)
    assert "wait for" in bad("trail anchor").detail and "follow" in bad("trail anchor").mend
    anchor.now()
    assert "has entry 3" in line("trail anchor").detail and line("trail anchor").ok


def test_an_anchor_that_is_lost_while_entries_wait(entries):
    entries.unlink()
    assert "wait for" in bad("trail anchor").detail


def test_an_anchor_that_is_no_plain_file(entries, tmp_path):
    entries.unlink()
    entries.symlink_to(tmp_path / "elsewhere")
    assert "can't be opened" in bad("trail anchor").detail


def test_a_trail_that_lost_what_was_anchored(entries):
    anchor.now()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_trailentry DISABLE TRIGGER accounts_trail_unchanged")
        cursor.execute("DELETE FROM accounts_trailentry WHERE position = 3")
        cursor.execute("ALTER TABLE accounts_trailentry ENABLE TRIGGER accounts_trail_unchanged")
    assert "Entry 3" in bad("trail anchor").detail and "verify_trail" in bad("trail anchor").mend
