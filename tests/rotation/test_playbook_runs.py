"""A playbook on a real OpenBao: what it cuts off is cut off, and where it stops it says where, why and what is next."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from inventory.models import Cluster, Connection, Entity, PodLife
from rotation import actions, approvers, plan, turns
from rotation.actions import Asked
from rotation.models import Change
from rotation.planning import Wish
from sandbox.kubeapi import KubeApi
from tests.rotation.ground import Ground
from tests.rotation.live import LogWitness
from tests.rotation.test_playbook_target import Books
from tests.rotation.vaults import NOW, connected, enrol, held

pytestmark = pytest.mark.django_db
ENROLLED = (
    ("kv", "write", "secret"), ("kv", "destroy", "secret"), ("token", "revoke", ""), ("entity", "disable", ""),
    ("lease", "revoke", "database"),
)  # fmt: skip


class Yard(Ground):
    """The OpenBao of all tests with an entity, a lease, a token and a secret that one pod had."""

    def furnish(self, monkeypatch) -> None:
        """Mirror the vault, and let the record say what the pod had."""
        made = connected()
        Connection.objects.filter(pk=made.pk).update(address=self.root.url)
        for one in ENROLLED:
            enrol(made, *one)
        cluster = Cluster.objects.create(name="prod", uid="prod")
        PodLife.objects.create(cluster=cluster, uid="u1", namespace="payments", name="ledger-1", change=1,
                               service_account="ledger", started=NOW, seen_at=NOW)  # fmt: skip
        self.name = f"ledger-{uuid.uuid4().hex[:8]}"
        self.entity = self.root.must("POST", "identity/entity", {"name": self.name}).data["id"]
        Entity.objects.create(connection=made, entity_id=self.entity, name=self.name, seen_first=NOW)
        self.lease = self.issue()
        token = self.root.must("POST", "auth/token/create-orphan", {"policies": ["default"], "ttl": "5m"}).body["auth"]
        self.theirs = self.root.seen_as(token=token["client_token"])
        self.books = Books(held=[held(self.lease, expires=None)], ids=[self.entity], read=[f"secret/{self.secret}"],
                           held_tokens=[token["accessor"]], until=datetime.now(UTC))  # fmt: skip
        monkeypatch.setattr("rotation.hands.books", lambda: self.books)
        monkeypatch.setattr(LogWitness, "reads", lambda *_: [], raising=False)

    def asked(self, name: str = "compromised-pod", **inputs: Any) -> Change:
        """Have ann ask for a playbook."""
        args = {"playbook": name, "inputs": inputs or {"which": "u1"}}
        made = plan.make("playbook", args, self.books, Wish("playbook"))
        rule = approvers.rule_for_plan(made.document, made.risk)
        return actions.request(self.people("ann"), made, "A shell that nobody knows.", Asked(),
                               rule=approvers.rules.document(rule), hours=rule.hours)  # fmt: skip

    def respond(self, name: str = "compromised-pod", **inputs: Any) -> Change:
        """Have ann ask for a playbook and the worker look at it."""
        change = self.asked(name, **inputs)
        turns.take(change.pk)
        change.refresh_from_db()
        assert change.found["ok"], change.found
        return change

    def state(self) -> tuple[bool, bool, bool]:
        """Return whether the entity is let in, the lease lives, and the token works."""
        entity = self.root.must("GET", f"identity/entity/id/{self.entity}").data
        works = self.theirs.call("GET", "auth/token/lookup-self").status == 200
        return not entity["disabled"], self.lives(self.lease), works


@pytest.fixture
def yard(monkeypatch):
    with KubeApi() as kube:
        made = Yard(kube)
        made.take_over(monkeypatch)
        made.furnish(monkeypatch)
        yield made


def waits(change: Change) -> bool:
    return change.steps.filter(kind="await_version", state="waiting").exists()


def test_a_pod_is_cut_off_at_once_and_what_it_read_is_replaced_when_its_issuer_has_written(yard):
    change = yard.respond()
    assert yard.state() == (True, True, True), "nothing happens before another person has approved"
    yard.approve(change, "bob")
    change = yard.take(change, waits)
    assert yard.state() == (False, False, False)
    assert yard.versions() == {1: False}
    says = change.steps.get(kind="await_version").says
    assert says == "Version 1 is still the newest. Write the new value in Vault; this goes on by itself."
    yard.write("second")
    change = yard.take(change)
    assert (change.state, yard.versions()) == ("succeeded", {1: True, 2: False})
    kinds = {(one.kind, one.state) for one in change.proofs.all()}
    assert {("entity", "proven"), ("token", "proven"), ("version", "proven")} <= kinds


def test_a_value_that_came_while_it_waited_for_approval_voids_what_was_approved_and_is_not_taken_for_the_new_one(yard):
    change = yard.approve(yard.respond(), "bob")
    yard.write("too early")
    change = yard.take(change, lambda one: one.state == "requested")
    assert "approvals are void" in change.says and yard.state() == (True, True, True)


def test_an_entity_that_is_another_by_now_is_named_first_and_what_else_had_access_is_cut_off(yard, monkeypatch):
    change = yard.approve(yard.respond(), "bob")
    monkeypatch.setattr("rotation.preflight.drift", lambda *_: ("", ""))  # it changes right after the last look
    yard.root.must("POST", f"identity/entity/id/{yard.entity}", {"name": f"{yard.name}-x"})
    change = yard.take(change)
    assert change.state == "failed"
    assert change.says.startswith(
        f"Not cut off: the entity {yard.name}, which may still log in (step 1). Step 1: Vault "
    )
    assert "any more. Ask for a new change. " in change.says
    assert yard.state() == (True, False, False) and yard.versions() == {1: False}


def test_it_is_cancelled_between_two_steps_and_what_was_cut_off_stays_cut_off(yard):
    change = yard.take(yard.approve(yard.respond(), "bob"), waits)
    actions.cancel(change, yard.people("ann"))
    change = yard.take(change)
    assert change.state == "cancelled" and yard.state() == (False, False, False)
    assert yard.versions() == {1: False}, "the old version is there for whoever still needs it"
    done = set(change.steps.filter(state="done").values_list("kind", flat=True))
    assert done >= {"disable_entity", "revoke_leases", "revoke_token"} and "retire_version" not in done


def test_a_token_that_has_ended_since_is_no_trouble(yard):
    change = yard.respond()
    yard.theirs.must("POST", "auth/token/revoke-self")
    yard.approve(change, "bob")
    change = yard.take(change, waits)
    assert yard.state() == (False, False, False)
