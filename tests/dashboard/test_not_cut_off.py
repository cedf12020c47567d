"""The page of a change that could not cut somebody off: who, first and as an alert, and which steps are tried again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rotation import lifecycle
from rotation.models import Change
from tests.dashboard.change_windows import Window, ann, anns, toys
from tests.rotation.toy_targets import asked

__all__ = ["ann", "anns", "toys"]
pytestmark = pytest.mark.django_db
SAYS = "Not cut off: the token with the accessor t-1 (step 2). Step 2: Vault said no."


@pytest.fixture
def change(ann):
    made = asked(ann)
    kinds = (("disable_entity", "rotations", "done"), ("revoke_token", "rotations", "failed"),
             ("revoke_leases", "nothing", "done"), ("write_kv", "", "planned"))  # fmt: skip
    planned = [
        {"number": at, "step": kind, "args": {}, "describe": {"title": f"Do {kind}"}, "holds_up": holds}
        for at, (kind, holds, _) in enumerate(kinds, 1)
    ]
    Change.objects.filter(pk=made.pk).update(plan={**made.plan, "steps": planned})
    made.refresh_from_db()
    for at, (kind, _, state) in enumerate(kinds, 1):
        step = made.steps.create(number=at, kind=kind, args={}, title=f"Do {kind}", state=state)
        if state == "failed":
            clock = {"clock": {"looked": "2026-11-28T03:00:00+00:00"}, "not revoked": ["a/b"]}
            step.attempts.create(number=1, epoch=1, worker="w", outcome="refused", says="Vault said no.", receipt=clock)
    return made


def test_before_it_begins_the_plan_says_of_each_step_what_a_failure_of_it_holds_up(anns: Window, change):
    change.steps.all().delete()
    text = anns.get(f"/changes/{change.name}/").text
    assert text.count("If it fails, others are still cut off, and no rotation begins.") == 2
    assert text.count("If it fails, all others are still done.") == 1


def test_while_it_runs_and_once_it_stopped_it_says_who_and_what_is_tried_again(anns: Window, change):
    now = datetime.now(UTC)
    rows = Change.objects.filter(pk=change.pk)
    rows.update(state=lifecycle.RUNNING, approved_at=now, started_at=now, says=SAYS)
    page = anns.get(f"/changes/{change.name}/")
    assert SAYS in page.text and "Each is tried again by itself, every five minutes" in page.text
    assert "2 of 4 done, 1 failed" in page.text
    assert any(own.get("role") == "alert" and own.get("class") == "stopped" for _, own in page.elements)
    assert "2026-11-28T03:00:00" not in page.text and "not revoked" in page.text
    rows.update(state=lifecycle.FAILED, ended_at=now)
    change.steps.filter(state="failed").update(state="stopped")
    text = anns.get(f"/changes/{change.name}/").text
    assert SAYS in text and "Try step 2 again…" in text
