"""Pods, workloads and the consumers of a secret, as a collector gets them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from accounts.scope import Area, Scope
from audit.models import Secret, Vault
from inventory import holding
from tests.audit.lines import calls, log
from tests.dashboard.pods_made import cluster, gets, pod, stuck, workload

pytestmark = pytest.mark.usefixtures("no_pods")


def test_pods_come_page_by_page_with_what_keeps_them_and_how_old_that_is(siem):
    some = [pod(f"ledger-7c9d8b6f5-{number:05}") for number in range(5)]
    stuck(some[3])
    first = siem.ask("/pods", limit=3)
    found = first.json["items"] + siem.ask(first.link).json["items"]
    assert [one["uid"] for one in found] == [one.uid for one in some]
    assert [[each["cause"] for each in one["troubles"]] for one in found] == [[], [], [], [16], []]
    assert found[0]["picture"]["state"] == "current" and found[0]["workload"]["name"] == "ledger"
    (one,) = siem.ask("/pods", troubled="true").json["items"]
    assert one["troubles"][0]["mend"] == "Bind the service account to the role ledger."


def test_a_stale_picture_says_so_with_every_row(siem):
    cluster(heard=timedelta(hours=1), trouble="nobody answers")
    pod(), workload()
    for path in ("/pods", "/workloads"):
        (one,) = siem.ask(path).json["items"]
        assert one["picture"]["state"] == "stale" and "nobody answers" in one["picture"]["why"]


def test_the_lists_are_narrowed(siem):
    pod(), pod("cart-5d8f7b6c4-bbbbb", "shop", of="lab"), workload(), workload("cart", "shop", of="lab")
    for path in ("/pods", "/workloads"):
        assert [one["cluster"] for one in siem.ask(path, cluster="lab").json["items"]] == ["lab"]
        assert len(siem.ask(path, namespace="payments", account="ledger").json["items"]) == 1
        assert siem.ask(path, cluster="none").json["items"] == []
        assert siem.ask(path, troubled="perhaps").problem()[0] == 400


def test_pods_on_an_old_version_are_found(siem, let_in):
    some = [pod(f"ledger-7c9d8b6f5-{number:05}") for number in range(3)]
    holding.keep_old(7, [some[1].uid, "gone"], datetime.now(UTC))
    assert [one["uid"] for one in siem.ask("/pods", old="true").json["items"]] == [some[1].uid]
    assert siem.ask("/workloads", old="true").problem()[0] == 400
    gets(some[0], "secret/data/mine/a")
    limited = let_in(scope=Scope.of([Area(prefix="secret/mine")]))
    assert [one["uid"] for one in limited.ask("/pods", old="true").json["items"]] == [some[0].uid], "it tells nothing"


def known(past, tmp_path) -> Secret:
    """Return a secret of the record."""
    (tmp_path / "a.log").write_bytes(log(calls(1)))
    past.take(tmp_path / "a.log")
    return Secret.objects.get()


def test_a_secrets_consumers_are_told_with_what_a_new_value_needs(past, siem, let_in, tmp_path):
    secret = known(past, tmp_path)
    mount, path = secret.mount, secret.path
    gets(pod(), f"{mount}data/{path}", needs_restart="always", k8s_secret="ledger-env")
    gets(pod("other-5d8f7b6c4-ccccc"), f"{mount}data/{path}-not")
    told = siem.ask(f"/secrets/{secret.pk}/consumers").json
    assert [(one["pod"], one["needs_restart"], one["k8s_secret"]) for one in told["consumers"]] == [
        ("ledger-7c9d8b6f5-x2lqp", "always", "ledger-env")
    ]
    assert told["pictures"][0]["state"] == "current"
    mine = let_in(scope=Scope.of([Area(prefix=secret.name)])).ask(f"/secrets/{secret.pk}/consumers").json
    assert mine == {**told, "pictures": mine["pictures"]} and len(mine["pictures"]) == 1, "also how old it is"
    other = Vault.objects.create(name="another")
    of_one = Scope.of([Area(vault=secret.vault.name)])
    assert let_in(scope=of_one).ask(f"/secrets/{secret.pk}/consumers").json["consumers"] == [], f"or of {other}"
    elsewhere = let_in(scope=Scope.of([Area(prefix="secret/elsewhere")]))
    assert elsewhere.ask(f"/secrets/{secret.pk}/consumers").problem() == (404, "not-found")


def test_a_limited_token_gets_the_pods_of_its_secrets_and_no_word_of_others(let_in):
    mine, other = pod(), pod("cart-5d8f7b6c4-bbbbb", "shop")
    workload(), workload("cart", "shop")
    gets(mine, "secret/data/mine/a"), gets(other, "secret/data/minecraft/b"), stuck(mine, says="secret/other")
    limited = let_in(scope=Scope.of([Area(prefix="secret/mine")]))
    (one,) = limited.ask("/pods").json["items"]
    assert one["uid"] == mine.uid and one["troubles"] == one["methods"] == []
    assert [one["uid"] for one in limited.ask("/pods", troubled="true").json["items"]] == [mine.uid]
    assert [one["troubles"] for one in limited.ask("/workloads").json["items"]] == [None]
