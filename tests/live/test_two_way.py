"""Lines of a real OpenBao against our journal: the executor's match, and what somebody did in its name is told."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import pytest

from config.witness import AuditLog
from rotation import hearing, two_way
from rotation.models import Mismatch, Step
from sandbox import executor
from tests.live.test_our_calls import Stage
from tests.rotation.toys import approved
from vault import enrolment
from vault.operating import Operator

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]
ROLE = enrolment.enrolment("kv", "write", "secret").name


class Executing(Stage):
    """The executor as the product has it, and a change of one step that writes."""

    def __init__(self, folder):
        super().__init__(folder)
        executor.furnish_executor(self.root)
        place, _ = enrolment.approle()
        secret = self.root.must("POST", f"{place}/secret-id", {}).data["secret_id"]
        bare = Operator(self.root.url, plain_http=True)
        self.executor = bare.holding(bare.log_in("approle", {"role_id": executor.ROLE_ID, "secret_id": secret}))
        self.path = f"ours/{secrets.token_hex(6)}"
        self.change = approved("write_kv", state="running", vault="live")
        self.step = Step.objects.create(
            change=self.change, number=1, kind="write_kv", args={"role": ROLE}, title="w", state="running",
            started_at=datetime.now(UTC),
        )  # fmt: skip
        self.claims = {
            "keybook_change": self.change.name, "keybook_step": "1", "keybook_plan": self.change.plan_hash,
            "keybook_head": "",
        }  # fmt: skip
        self.entity = self.executor.whoami().entity_id

    def write(self, operator, cas):
        operator.kv_write("secret", self.path, {"password": secrets.token_hex(8)}, cas)

    def by_hand(self, place, **more):
        made = self.root.must("POST", place, {"meta": self.claims, "ttl": "5m", "num_uses": 5, **more}).body["auth"]
        return Operator(self.root.url, made["client_token"], plain_http=True)

    def hear(self):
        hearing.hear(AuditLog(), lambda _vault: {self.entity})
        return list(Mismatch.objects.order_by("event").values_list("says", flat=True))


@pytest.fixture
def stage(past, tmp_path):
    return Executing(tmp_path)


def test_what_the_executor_did_matches_and_what_root_did_in_its_name_is_told(stage, past):
    with stage.executor.minted(ROLE, stage.claims, 60, 3) as ours:
        stage.write(ours, 0)
    stage.ingest(past)
    assert stage.hear() == []
    stage.step.refresh_from_db()
    assert stage.step.seen_at is not None
    stage.write(stage.by_hand(f"auth/token/create/{ROLE}"), 1)
    stage.ingest(past)
    mint, write = stage.hear()
    assert f"update auth/token/create/{ROLE}" in mint and "root made it, and Keybook's executor did not" in mint
    assert f"patch secret/data/{stage.path}" in write and "root made its token" in write
    stage.write(stage.by_hand("auth/token/create", policies=["root"]), 2)
    stage.ingest(past)
    assert [one for one in stage.hear()[2:] if "made its token" in one]


def test_a_call_of_a_token_whose_making_the_record_does_not_show_is_told(stage, past, monkeypatch):
    monkeypatch.setattr(two_way, "SETTLES", two_way.SETTLES * 0)
    token = stage.executor.mint(ROLE, stage.claims, 60, 3)
    stage.start = stage.log.stat().st_size  # as a source that was added in this moment
    stage.write(stage.executor.holding(token), 0)
    stage.ingest(past)
    said = stage.hear()  # PATCH found nothing, and POST wrote
    assert len(said) == 2 and all("the record does not show who made its token" in one for one in said)
