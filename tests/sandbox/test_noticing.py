"""The company follows what Keybook does: restarted pods read at their start, operators read when they are asked."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from cluster.client import Client
from cluster.operating import Operator
from cluster.place import Address
from cluster.refresh import Synced
from sandbox.bao_http import Answer, Bao
from sandbox.company import SERVICES
from sandbox.kube_client import Kube
from sandbox.kube_company import attend, settle
from sandbox.kube_delivery import CSI
from sandbox.kubeapi import KubeApi
from sandbox.noticing import Notice
from sandbox.speakers import Speakers
from sandbox.upkeep import Upkeep

BY_NAME = {service.name: service for service in SERVICES}
AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Company:
    """The company on a simulated cluster, with a vault that only counts who reads what."""

    def __init__(self, api: KubeApi) -> None:
        speakers = Speakers("http://nowhere.invalid", Kube(api.url, api.token))
        self.reads: Counter[tuple[str, str, str]] = Counter()
        self.taken: list[tuple[str, str]] = []
        self.version = 1
        self.upkeep = Upkeep(Bao("http://nowhere.invalid"), speakers)
        self.upkeep.take_for = lambda service, role: self.taken.append((service.name, role))  # type: ignore[assignment]
        self.notice = Notice(speakers, self.upkeep, self.read, lambda s, _pod, role: self.taken.append((s.name, role)))
        self.operator = Operator(Client(Address(api.url, api.token)))
        self.cluster = speakers.cluster

    def read(self, service, pod, secret) -> Answer:
        self.reads[service.name, pod.uid, secret] += 1
        return Answer(200, {"data": {"metadata": {"version": self.version}}})

    def readers(self) -> set[tuple[str, str]]:
        return {(name, secret) for name, _, secret in self.reads}

    def restart(self, name: str) -> None:
        """Restart a deployment as Keybook does, and wait for its last new pod."""
        which = "Deployment", BY_NAME[name].namespace, name
        self.operator.restart(*which, "C-1", AT)
        until = time.monotonic() + 20
        while "No old pod is left" not in self.operator.progress(*which, "C-1").says:
            assert time.monotonic() < until
            time.sleep(0.05)


@pytest.fixture
def company():
    with KubeApi() as api:
        settle(api.store, api.access, timedelta(days=8))
        attend(api.store, api.controllers.kubelets)
        api.controllers.start()
        yield Company(api)


def test_pods_that_have_run_before_are_left_alone_and_new_ones_read_all_of_theirs_once(company):
    company.notice.greet()
    assert not company.reads
    company.restart("ledger")
    company.notice.greet()
    company.notice.greet()
    ledger = BY_NAME["ledger"]
    assert company.readers() == {("ledger", secret) for secret in ledger.secrets}
    assert len(company.reads) == ledger.replicas * len(ledger.secrets)
    assert set(company.reads.values()) == {1}
    assert company.taken == [("ledger", role) for role in ledger.database] * ledger.replicas


def test_new_pods_of_the_driver_tell_what_it_mounted_and_those_of_an_operator_start_from_its_copy(company):
    company.notice.greet()
    for name in ("notifications", "reports"):
        company.restart(name)
    company.notice.greet()
    assert {name for name, _ in company.readers()} == {"notifications"}
    items = company.cluster.must("GET", f"/apis/{CSI}/namespaces/storefront/secretproviderclasspodstatuses")["items"]
    pods = {pod.name for pod in company.notice._speakers.pods(BY_NAME["notifications"])}
    assert pods <= {one["status"]["podName"] for one in items}


def test_an_operator_that_is_asked_reads_anew_at_once_and_says_so(company):
    company.notice.answer()
    mark = company.operator.force_sync("ExternalSecret", "analytics", "reports", "C-1", AT).mark
    company.notice.answer()
    company.notice.answer()
    assert company.readers() == {("reports", secret) for secret in BY_NAME["reports"].secrets}
    assert set(company.reads.values()) == {1}
    before = datetime.now(UTC) - timedelta(minutes=1)
    assert isinstance(company.operator.synced("ExternalSecret", "analytics", "reports", mark, before), Synced)


def test_the_other_operator_reads_one_secret_or_takes_another_log_in(company):
    company.notice.answer()
    mark = company.operator.force_sync("VaultStaticSecret", "analytics", "forecast-weather-api", "C-1", AT).mark
    company.operator.force_sync("VaultDynamicSecret", "analytics", "forecast-payments-ro", "C-1", AT)
    company.notice.answer()
    assert company.readers() == {("forecast", "secret/prod/forecast/weather-api")}
    assert company.taken == [("forecast", "payments-ro")]
    which = "VaultStaticSecret", "analytics", "forecast-weather-api"
    assert isinstance(company.operator.synced(*which, mark, datetime.now(UTC) + timedelta(hours=1)), Synced)


def test_operators_find_another_version_by_themselves_unless_the_story_told_them(company, monkeypatch):
    renewed = []
    monkeypatch.setattr(company.upkeep, "renew", lambda service, secret: renewed.append((service.name, secret)))
    company.notice.poll()
    company.notice.poll()
    assert renewed == []
    company.version = 2
    company.notice.told("secret/prod/reports/smtp")
    company.notice.poll()
    assert ("reports", "secret/prod/reports/chart-api") in renewed
    assert ("notifications", "secret/prod/notifications/sms-api") in renewed
    assert ("reports", "secret/prod/reports/smtp") not in renewed
    assert {name for name, _ in renewed} == {"reports", "notifications", "invoicing", "catalog", "forecast"}


def test_looks_and_polls_come_in_their_time(company, monkeypatch):
    done = []
    for name in ("greet", "answer", "poll"):
        monkeypatch.setattr(company.notice, name, lambda name=name: done.append(name))
    company.notice.tick()
    company.notice.tick()
    assert done == ["greet", "answer", "poll"]
