"""The pages of workloads and pods: what each gets, why it may not, and since when the picture is not current."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import PersonArea
from audit import pods
from audit.pods import Proof
from audit.refused import Refused
from dashboard import pod_page
from inventory.models import PodAddress, PodLife
from tests.dashboard.conftest import Page
from tests.dashboard.leases_made import lease, vault
from tests.dashboard.pods_made import NOW, cluster, gets, pod, stuck, workload

HOUR = timedelta(hours=1)
HOSTILE = "<script>report('ran')</script>\u202egnp"


@pytest.fixture
def get(signed_in, db):
    """Return a function that gets an address and reads the page, where a record is."""
    vault()

    def ask(address: str, status: int = 200) -> Page:
        response = signed_in.get(address)
        assert response.status_code == status, response.content.decode()[:2000]
        return Page.of(response)

    return ask


def listed(page: Page) -> list[str]:
    """Return the pods or workloads of a page by their address, as listed."""
    return [own["href"].split("/")[-2] for own in page.all("a", class_="row-link")]


def test_before_a_cluster_is_there_the_pages_say_how_to_connect_one(get, db):
    for address in ("/workloads/", "/pods/"):
        got = get(address)
        assert "No cluster is connected yet" in got.text and "manage.py connect --cluster" in got.text


def test_the_field_about_what_is_live_leads_to_a_lease_a_secrets_present_or_the_pods_that_are_meant(get, signed_in):
    pod()
    held = lease()
    home = get("/")
    asks = ("Leases held by pods that are gone", "Pods on an old version of a secret", "Pods that do not get their")
    assert all(one in home.text for one in asks)

    def leads(words):
        return signed_in.get("/now/", {"q": words}).headers["Location"]

    assert leads(held.lease_id) == f"/leases/{held.pk}/"
    assert leads("database/creds/payments-rw").endswith("?present=now")
    assert leads("payments/ledger") == "/pods/?namespace=payments&name=ledger"
    assert (leads("ledger"), leads("")) == ("/pods/?name=ledger", "/")
    assert signed_in.get("/now/", {"q": "a" * 2000}).status_code == 400


def test_a_stuck_pod_is_found_from_home_in_three_clicks_with_its_cause_and_what_to_do(get, db):
    one = pod()
    pod("ledger-7c9d8b6f5-b8kzn")
    stuck(one)
    home = get("/")
    (way,) = [own["href"] for own in home.all("a", class_="small-button") if "pods" in own["href"]]
    found = get(way)
    assert listed(found) == [one.uid] and "The agent runs and can't log in." in found.text
    (link,) = [own["href"] for own in found.all("a", class_="row-link")]
    got = get(link).text
    assert "Stuck before its start since " in got and "cause 16" in got and "permission denied" in got
    assert "Do: Bind the service account to the role ledger." in got and "causes 19, 24 would look the same" in got


@pytest.mark.parametrize(
    "asked, found",
    [("namespace=payments", {"a", "b"}), ("name=led", {"a"}), ("account=settlement", {"b"}), ("cluster=lab", {"c"}),
     ("cluster=none", set()), ("state=ended", {"b"}), ("troubled=1", {"a"}), ("name=%25", set()),
     ("after=x", {"a", "b", "c"})],
)  # fmt: skip
def test_pods_are_found_by_what_the_form_asks(get, db, asked, found):
    some = {
        "a": pod("ledger-7c9d8b6f5-x2lqp"), "b": pod("settlement-5d8f7b6c4-aaaaa", state="ended"),
        "c": pod("cart-5d8f7b6c4-bbbbb", "shop", of="lab"),
    }  # fmt: skip
    stuck(some["a"])
    assert set(listed(get(f"/pods/?{asked}"))) == {some[name].uid for name in found}


def test_pages_meet_without_a_double_or_a_loss(get, db, monkeypatch):
    monkeypatch.setattr("dashboard.pods_page.SHOWN", 3)
    keys = [pod(f"app-5d8f7b6c4-{number:05}").uid for number in range(8)]
    seen, address = [], "/pods/?namespace=payments"
    while address:
        got = get(address)
        seen += listed(got)
        more = got.by_id("more")
        address = f"/pods/{more['href']}" if more else ""
    assert seen == keys and "These are the last." in got.text


def test_a_stale_picture_says_since_when_and_why_on_every_page_and_in_the_strip(get, db):
    cluster(heard=HOUR, trouble="nobody answers at https://kube")
    one, owner = pod(), workload()
    for address in ("/pods/", "/workloads/", f"/pods/prod/{one.uid}/", f"/workloads/prod/{owner.uid}/"):
        got = get(address)
        assert "The picture of prod is stale since" in got.text and "nobody answers at https://kube" in got.text
        assert "was so then" in got.text
    strip = get("/events/").text
    assert "Cluster prod stale since" in strip
    assert "The picture of prod is stale" in get("/").text


def test_a_current_picture_is_told_by_its_age_alone(get, db):
    pod()
    got = get("/pods/")
    assert "stale" not in got.text and "Cluster prod 3." in got.text and "1 pod. These are all." in got.text


def test_a_pod_tells_what_it_gets_how_and_what_a_new_value_needs(get, db):
    one = pod()
    gets(one, needs_restart="always", restarted_by="reloader", k8s_secret="ledger-env", why="it is a variable")
    lease(pod="payments/ledger-7c9d8b6f5-x2lqp", pod_uid=one.uid, grade="strong")
    life = PodLife.objects.create(
        cluster=one.cluster, uid=one.uid, namespace="payments", name=one.name, service_account="ledger",
        started=NOW - HOUR, seen_at=NOW, change=1,
    )  # fmt: skip
    PodAddress.objects.create(life=life, address="10.42.3.17", started=NOW - HOUR)
    got = get(f"/pods/prod/{one.uid}/").text
    for words in ("bank-sftp", "needs a restart", "Reloader restarts it", "ledger-env", "it is a variable",
                  "10.42.3.17", "holds 1 lease", "No call is attributed to this pod."):  # fmt: skip
        assert words in got, words


def test_a_stuck_pod_shows_the_logins_that_a_vault_refused_and_its_cause_is_certain(get, db, monkeypatch, cat):
    one = pod()
    stuck(one)
    address = f"/pods/prod/{one.uid}/"
    assert "Probably:" in get(address).text and "refused, in the last day" not in get(address).text
    told = Refused(7, NOW, "eu-prod", "auth/kubernetes/login", "10.42.3.17", HOSTILE, "ledger", alone=True, fits=True)
    monkeypatch.setattr(pod_page, "refused_logins", lambda view: [told, replace(told, alone=False, error="")])
    got = get(address)
    assert "Because: The vault refused its login as ledger" in got.text and "Probably:" not in got.text
    assert "causes 19, 24" not in got.text and "other pods had the address, too" in got.text
    assert "\u202e" not in got.text and [own["href"] for own in got.all("a", href="/events/7/")]
    PersonArea.objects.create(user=cat, vault="", namespace="", prefix="secret/prod/ledger")
    gets(one)
    assert "a vault refused" not in get(address).text


def test_a_pod_that_is_gone_is_told_as_gone(get, db):
    PodLife.objects.create(
        cluster=cluster(), uid="old", namespace="payments", name="ledger-0", service_account="ledger",
        started=NOW - HOUR, seen_at=NOW, ended=NOW - HOUR / 2, change=1,
    )  # fmt: skip
    got = get("/pods/prod/old/").text
    assert "is gone: it ended" in got and "Not kept" in got


def test_a_workload_tells_its_pods_and_each_way_once(get, db):
    owner = workload(ready=1)
    one, other = pod(), pod("ledger-7c9d8b6f5-b8kzn")
    gets(one), gets(other)
    stuck(other)
    (row,) = get("/workloads/").all("tr", id="workload-")
    got = get(f"/workloads/prod/{owner.uid}/")
    assert row and "1 of 2 pods are ready" in got.text and "1 way by which" in got.text
    assert set(listed(got)) == {one.uid, other.uid} and "cause 16" in got.text


def test_what_was_never_seen_is_not_found(get, db):
    cluster()
    for address in ("/pods/prod/nobody/", "/workloads/prod/nobody/", "/pods/lab/x/", f"/pods/prod/{'x' * 400}/"):
        get(address, 404)


def test_hostile_names_are_printed_and_not_obeyed(get, db):
    one = pod(f"x{HOSTILE}", HOSTILE, uid="evil", workload_name=HOSTILE, workload_uid="w-evil", node=HOSTILE)
    workload(HOSTILE, HOSTILE, uid="w-evil")
    gets(one, f"secret/data/{HOSTILE}", role=HOSTILE, k8s_secret=HOSTILE, container=HOSTILE, why=HOSTILE)
    stuck(one, says=HOSTILE, mend=HOSTILE, evidence=HOSTILE)
    for address in ("/pods/", "/workloads/", "/pods/prod/evil/", "/workloads/prod/w-evil/", f"/pods/?name={HOSTILE}"):
        got = get(address)
        assert not [own for own in got.all("script") if "src" not in own] and "\u202e" not in got.text, address


def test_a_limited_view_has_the_pods_that_get_its_secrets_and_no_word_of_other_secrets(get, db, cat):
    PersonArea.objects.create(user=cat, vault="", namespace="", prefix="secret/prod/ledger")
    mine, other = pod(), pod("cart-5d8f7b6c4-bbbbb", "shop")
    workload(), workload("cart", "shop")
    gets(mine), gets(mine, "secret/data/prod/other/thing"), gets(other, "secret/data/prod/ledgers/x")
    stuck(mine, says="It can't read secret/prod/other/thing.")
    assert listed(get("/pods/")) == [mine.uid] and listed(get("/workloads/")) == ["w-ledger"]
    assert listed(get("/pods/?troubled=yes")) == [mine.uid], "a filter tells nothing"
    for address in ("/pods/", f"/pods/prod/{mine.uid}/", "/workloads/prod/w-ledger/", "/"):
        got = get(address).text
        assert "other/thing" not in got and "can't read" not in got, address
    get(f"/pods/prod/{other.uid}/", 404)
    get("/workloads/prod/w-cart/", 404)


def asked(client, address: str) -> int:
    """Return how many statements a page takes, once it is warm."""
    client.get(address)
    with CaptureQueriesContext(connection) as statements:
        assert client.get(address).status_code == 200
    return len(statements)


def test_the_map_shows_leases_with_what_they_have_left_and_the_row_of_no_pod(get, db):
    one, other = pod(), pod("ledger-7c9d8b6f5-b8kzn")
    pod("idle-7c9d8b6f5-b8kzn")
    took = lease("database/creds/ledger-ro", pod=f"payments/{one.name}", pod_uid=one.uid, grade="likely", state="live",
                 expires=NOW + HOUR)  # fmt: skip
    gets(one, "database/creds/ledger-ro", method="vso"), gets(other, "database/creds/ledger-ro", method="vso")
    lease("database/creds/ledger-ro", pod="payments/gone-1", pod_uid="gone", grade="exact", state="live",
          pod_gone=NOW - HOUR, expires=NOW + HOUR)  # fmt: skip
    got = get("/workloads/map/?namespace=payments")
    assert [own["href"] for own in got.all("a", href=f"/leases/{took.pk}/")]
    assert got.all("time", **{"data-left": ""}) and "likely" in got.text
    assert len(got.all("td", class_="map-unknown")) == 1
    assert "1 pod of which nothing shows a secret is left out." in got.text
    assert "No pod 1 lease is held by pods that are gone" in got.text
    assert "No pod fits" in get("/workloads/map/?namespace=nowhere").text


def test_the_map_of_a_limited_view_has_its_own_secrets_alone(get, db, cat):
    PersonArea.objects.create(user=cat, vault="", namespace="", prefix="secret/prod/ledger")
    one = pod()
    gets(one), gets(one, "secret/data/prod/other/thing")
    lease("database/creds/ledger-ro", pod=f"payments/{one.name}", pod_uid=one.uid, grade="likely", state="live")
    got = get("/workloads/map/").text
    assert "bank-sftp" in got and "other/thing" not in got and "ledger-ro" not in got


def test_the_map_keeps_to_the_secrets_that_most_pods_hold(get, db):
    one = pod()
    for number in range(14):
        gets(one, f"secret/data/x/{number}")
    gets(pod("ledger-7c9d8b6f5-b8kzn"), "secret/data/x/13")
    got = get("/workloads/map/")
    assert len(got.all("th", scope="col")) == 11 and "x/13" in got.text
    assert "4 secrets that fewer pods hold are left out" in got.text


def test_the_pages_ask_a_fixed_number_of_times(signed_in, db):
    one, owner = pod(), workload()
    gets(one), stuck(one)
    addresses = ("/pods/", "/pods/?old=yes", "/workloads/", f"/pods/prod/{one.uid}/", f"/workloads/prod/{owner.uid}/",
                 "/workloads/map/")  # fmt: skip
    few = [asked(signed_in, address) for address in addresses]
    for number in range(30):
        more = pod(f"ledger-7c9d8b6f5-{number:05}")
        gets(more), gets(one, f"secret/data/x/{number}"), stuck(more)
    assert [asked(signed_in, address) for address in addresses] == few == [14, 13, 12, 22, 16, 16]


# -- the pod of an event -----------------------------------------------------------------------------------------------


def proven(monkeypatch, **more) -> None:
    """Let attribution have said this of every event."""
    told = {"grade": "strong", "reasons": ("account", "address", "calibrated"), "rule": 4, **more}
    monkeypatch.setattr(pods, "proof_of", lambda event_id, *, scope: Proof(**told))


def test_the_drawer_names_the_pod_with_its_grade_and_the_evidence(page, monkeypatch):
    proven(monkeypatch, pod="payments/ledger-0", cluster="prod", pod_uid="u-1")
    got = page("/events/1/?tab=who")
    assert "strong" in got.text and "The service account of its token is the pod's." in got.text
    assert "No other candidate. Grading rule 4." in got.text
    assert {own["href"] for own in got.all("a", href="/pods/")} >= {"/pods/prod/u-1/"}


def test_the_drawer_lists_candidates_and_names_no_pod_where_several_fit(page, monkeypatch):
    some = [{"cluster": "prod", "uid": f"u-{n}", "namespace": "payments", "name": f"ledger-{n}"} for n in range(2)]
    proven(monkeypatch, grade="possible", reasons=("several",), candidates=some)
    got = page("/events/1/?tab=who")
    assert "Several pods fit." in got.text and "Candidates:" in got.text and "Open pod" not in got.text
    assert [own["href"] for own in got.all("a", href="/pods/prod/")] == ["/pods/prod/u-0/", "/pods/prod/u-1/"]


def test_what_an_operator_read_is_delivered_to_others_and_not_read_by_them(page, monkeypatch):
    proven(monkeypatch, pod="vso/manager", cluster="prod", pod_uid="u-1", delivered_by="vso", reasons=("operator",))
    got = page("/events/1/?tab=who").text
    assert "delivered to them, not read by them" in got and "Operator" in got


def test_a_hostile_candidate_breaks_no_page(page, monkeypatch):
    evil = {"cluster": "a/b", "uid": "../x", "namespace": HOSTILE, "name": HOSTILE}
    proven(monkeypatch, grade="conflict", reasons=("claim_account",), candidates=[evil])
    got = page("/events/1/?tab=who")
    assert "What the evidence points to:" in got.text and "\u202e" not in got.text
