"""Vault's log against our journal: what matches says nothing, and each disagreement is told once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from config import roles
from inventory.sightings import OurCall, Reach, Written
from rotation import engines, hearing, kv, two_way
from rotation.models import Attempt, Change, Heard, Mismatch, Step
from rotation.outcomes import Done
from rotation.two_way import Known
from tests.rotation.asked import as_role
from tests.rotation.toys import approved

AT = datetime(2026, 3, 14, 9, tzinfo=UTC)
ROLE = "keybook-op-kv-write-secret"
CALL = OurCall(
    event=7, seq=7, vault="demo", at=AT, request_id="r", kind="call", change="C-1", step="1", plan="p", head="",
    role=ROLE, minted=6, minted_by="keybook-executor", principal="token", principal_kind="token", entity="",
    policies=(ROLE,), address="10.0.0.1", operation="patch", namespace="", path="secret/data/prod/key",
    secret="secret/prod/key", version=2, versions=(), lease="", prefix="", outcome="ok",
)  # fmt: skip
STEP = Known("C-1", "p", 1, "write_kv", ROLE, AT - timedelta(seconds=1), AT + timedelta(seconds=1))


def test_a_call_that_its_step_made_says_nothing():
    assert two_way.rogue(CALL, STEP, change_there=True) == ""


@pytest.mark.parametrize("call, known, there, words", [
    ({}, None, False, "Keybook has no such change"),
    ({"change": ""}, None, False, "it claims no change"),
    ({}, None, True, "C-1 had not begun a step 1"),
    ({}, {"began": None}, True, "C-1 had not begun a step 1"),
    ({"plan": "other"}, {}, True, "it claims another plan than C-1 has"),
    ({}, {"kind": "verify_delivery"}, True, "writes nothing in Vault"),
    ({"role": "keybook-op-kv-write"}, {}, True, "its token is of the role keybook-op-kv-write"),
    ({"role": ""}, {}, True, "its token is of no role of ours"),
    ({"at": AT + timedelta(minutes=5)}, {}, True, "had ended at 09:00:01"),
])  # fmt: skip
def test_a_call_that_matches_no_step_is_told_with_what_and_from_where(call, known, there, words):
    step = None if known is None else replace(STEP, **known)
    said = two_way.rogue(replace(CALL, **call), step, change_there=there)
    assert words in said
    assert "patch secret/data/prod/key at 2026-03-14 09:0" in said and "from 10.0.0.1" in said


OURS = frozenset({"e-executor"})
MINE = replace(CALL, minter="e-executor")
OWN = replace(CALL, change="", policies=("keybook-executor",), entity="e-executor", minted=None)
MINT = replace(CALL, kind="mint", path=f"auth/token/create/{ROLE}", entity="e-executor", minted=None)


@pytest.mark.parametrize("call, words", [
    (MINE, ""),
    (replace(MINE, minted=None), "the record does not show who made its token"),
    (replace(MINE, minted=None, change="", policies=("keybook-op-lease",)), "does not show who made its token"),
    (replace(MINE, minter="", minted_by="root"), "root made its token, and Keybook's executor did not"),
    (replace(MINE, minter="e-ann", minted_by="ann", operation="read"), "ann made its token"),
    (MINT, ""),
    (replace(MINT, entity="", principal="root"), "root made it, and Keybook's executor did not"),
    (replace(MINT, entity="", outcome="denied"), ""),
    (OWN, ""),
    (replace(OWN, entity="e-mia", principal="mia"), "mia has the policy of Keybook's executor"),
])  # fmt: skip
def test_a_token_that_the_executor_did_not_make_is_told_whatever_it_claims(call, words):
    said = two_way.forged(call, OURS)
    assert bool(said) == bool(words) and words in said


@pytest.mark.parametrize("call", [replace(MINE, minter=""), replace(MINT, entity=""), replace(OWN, entity="")])
def test_where_the_executor_is_not_known_nobody_is_called_another(call):
    assert two_way.forged(call, frozenset()) == ""


def test_the_making_of_a_token_may_show_a_little_later_than_its_first_call():
    late = replace(CALL, minted=None)
    assert two_way.unsettled(late, AT + timedelta(seconds=5))
    assert not two_way.unsettled(late, AT + timedelta(seconds=20))
    assert not two_way.unsettled(late, AT - timedelta(seconds=5)), "a clock that is wrong holds nothing up"
    assert not two_way.unsettled(CALL, AT) and not two_way.unsettled(OWN, AT)


@pytest.mark.parametrize("path, operation, kind", [
    ("secret/metadata/prod/key", "read", "call"),
    ("auth/token/revoke-self", "update", "call"),
    ("sys/leases/lookup", "update", "call"),
    ("auth/token/create/keybook-op-kv-write", "update", "mint"),
])  # fmt: skip
def test_looks_mints_and_a_tokens_own_end_are_no_effects(path, operation, kind):
    assert not two_way.is_effect(replace(CALL, path=path, operation=operation, kind=kind))


@pytest.mark.parametrize("known, calls, until, told", [
    ({}, [], timedelta(minutes=5), True),
    ({}, [CALL], timedelta(minutes=5), False),
    ({}, [replace(CALL, outcome="denied")], timedelta(minutes=5), True),
    ({}, [replace(CALL, step="2")], timedelta(minutes=5), True),
    ({}, [], timedelta(seconds=30), False),  # the record has not come so far
    ({"kind": "verify_delivery"}, [], timedelta(minutes=5), False),
    ({"ended": None}, [], timedelta(minutes=5), False),
])  # fmt: skip
def test_a_step_without_its_line_is_told_once_the_record_covers_its_time(known, calls, until, told):
    said = two_way.silent(replace(STEP, **known), calls, Reach(AT + until))
    assert bool(said) == told


class Log:
    """A witness with these calls."""

    def __init__(self, *calls, until=None):
        self.said, self.until = calls, until

    def calls_since(self, seq, limit):
        return [one for one in self.said if one.seq > seq][:limit]

    def calls(self, change):
        return [one for one in self.said if one.change == change]

    def reach(self, vault, since):
        return Reach(self.until)


@pytest.fixture
def step(db):
    """A change that has written, a minute and a half ago."""
    now = datetime.now(UTC) - timedelta(seconds=90)
    change = approved("write_kv", state="running", vault="demo")
    made = Step.objects.create(
        change=change, number=1, kind="write_kv", args={"role": ROLE}, title="w", state="done", started_at=now,
        ended_at=now + timedelta(seconds=1),
    )  # fmt: skip
    Attempt.objects.create(step=made, number=1, epoch=1, worker="w", outcome="done")
    return made


def of(step, **more):
    change = step.change
    return replace(CALL, change=change.name, plan=change.plan_hash, at=step.started_at, **more)


def test_a_step_learns_when_vaults_log_showed_it(step):
    assert hearing.hear(Log(of(step))) == 1
    step.refresh_from_db()
    assert (step.seen_at, step.seen_event) == (step.started_at, 7)
    assert not Mismatch.objects.exists()


def test_a_rogue_write_in_our_name_is_kept_once_however_often_it_is_heard(step):
    rogue = of(step, event=9, seq=9, role="keybook-op-kv-destroy")
    hearing.hear(Log(of(step), rogue))
    Heard.objects.update(seq=0)
    hearing.hear(Log(of(step), rogue))
    found = Mismatch.objects.get()
    assert (found.change, found.step, found.event, found.vault) == (step.change.name, "1", 9, "demo")
    assert "its token is of the role keybook-op-kv-destroy" in found.says


@pytest.mark.parametrize("claim", ["C-999999", "C-0", "C-1x", "", "C-" + "9" * 30, "drop table", "C-1\n"])
def test_whatever_a_forged_line_claims_it_is_told_and_never_a_fault(step, claim):
    hearing.hear(Log(of(step), replace(CALL, change=claim, event=11, seq=11)))
    assert Mismatch.objects.filter(event=11).count() == 1


def test_a_done_step_that_the_log_does_not_show_is_told(step):
    hearing.hear(Log(until=datetime.now(UTC)))
    assert "Vault's log shows no call of it" in Mismatch.objects.get().says
    assert Change.objects.get().state == "running"


def test_a_forged_call_marks_no_step_as_seen_and_its_reads_are_told_once(step):
    forged = of(step, minter="e-ann", minted_by="ann")
    reads = [replace(forged, event=at, seq=at, operation="read") for at in (21, 22, 23)]
    hearing.hear(Log(forged, *reads), lambda _vault: OURS)
    step.refresh_from_db()
    assert step.seen_at is None
    assert [one.event for one in Mismatch.objects.order_by("event")] == [7]
    Mismatch.objects.all().delete()
    Heard.objects.update(seq=0)
    hearing.hear(Log(*reads), lambda _vault: OURS)
    assert [one.event for one in Mismatch.objects.all()] == [21]


def test_a_call_whose_mint_may_still_come_is_judged_at_a_later_turn_and_never_skipped(step):
    Step.objects.update(state="running", ended_at=None)
    fresh = replace(of(step), at=datetime.now(UTC), minted=None)
    after = of(step, event=8, seq=8)
    assert hearing.hear(Log(fresh, after)) == 0
    assert Heard.objects.get().seq == 0
    assert hearing.hear(Log(replace(fresh, minted=6), after)) == 2
    assert not Mismatch.objects.exists()


class Wrote:
    """A record of one write."""

    def __init__(self, **call):
        self.call = replace(CALL, **call)

    def written(self, *_):
        return [Written("write", 2, (), "token", "token", AT, 7, "ok", self.call.change, self.call)]

    def calls(self, _change):
        return [self.call]

    def reach(self, *_):
        return Reach(AT)


@pytest.mark.parametrize("call, ours, by", [
    ({}, True, "C-1"),
    ({"step": "2"}, False, "C-1"),
    ({"minted": None}, False, "a token that claims C-1 and whose making the audit log does not show"),
])  # fmt: skip
def test_after_a_crash_a_line_counts_as_ours_only_where_the_making_of_its_token_shows(call, ours, by):
    world = SimpleNamespace(change="C-1", step=1, vault="demo", began=AT, tried=AT, witness=Wrote(**call))
    assert kv.ours(kv.Place("secret", "prod/key"), world, 2, AT) == kv.Whose(ours, by)
    assert isinstance(engines.by_the_log(world, CALL.path, "done", {}), Done) == ours


def test_a_row_that_says_succeeded_over_a_step_that_is_not_done_is_told(made_roles, step):
    with as_role(roles.WEB):
        Change.objects.filter(pk=step.change.pk).update(state="succeeded", says="Done and proven.")
    hearing.hear(Log(of(step)))
    assert not Mismatch.objects.exists(), "all of its steps are done"
    Step.objects.create(
        change=step.change, number=2, kind="verify_delivery", args={}, title="Prove it", state="waiting"
    )
    hearing.hear(Log(of(step)))
    hearing.hear(Log(of(step)))
    (found,) = Mismatch.objects.all()
    assert (found.change, found.step) == (step.change.name, "end")
    assert f"{step.change.name} says that it succeeded, and its step 2, Prove it, is waiting: " in found.says
    Step.objects.all().delete()
    Mismatch.objects.all().delete()
    hearing.hear(Log())
    assert "no step of it was ever begun" in Mismatch.objects.get().says
