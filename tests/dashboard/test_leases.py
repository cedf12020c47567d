"""The pages of leases: which are listed, how each stands and how well that is known, and what is not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import PersonArea
from dashboard import lease_words
from inventory.models import CheckLine, Connection
from tests.dashboard import leases_made
from tests.dashboard.conftest import Page
from tests.dashboard.leases_made import NOW, fact, lease, vault

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture(autouse=True)
def now(monkeypatch):
    """Let each test begin now: the modules were read when the run began, and pages tell how long ago something was."""
    at = datetime.now(UTC).replace(microsecond=0)
    monkeypatch.setattr(leases_made, "NOW", at)
    monkeypatch.setitem(globals(), "NOW", at)


@pytest.fixture
def get(signed_in):
    """Return a function that gets an address and reads the page."""

    def ask(address: str, status: int = 200) -> Page:
        response = signed_in.get(address)
        assert response.status_code == status, response.content.decode()[:2000]
        return Page.of(response)

    return ask


def listed(page: Page) -> list[int]:
    """Return the leases of a page, as listed."""
    return [int(own["id"].removeprefix("lease-")) for own in page.all("tr", id="lease-")]


def orphan(**more):
    """Make a lease whose pod ended 52 minutes ago."""
    gone = {"pod": "payments/payments-api-5d8f7b6c4-2knvd", "pod_uid": "u-1", "grade": "strong"}
    return lease(ago=3 * HOUR, **{**gone, "pod_gone": NOW - 52 * MINUTE, "state": "live", **more})


# -- the list ----------------------------------------------------------------------------------------------------------


def test_before_a_log_is_there_the_page_says_how_to_get_one(get, db):
    assert "No audit source yet" in get("/leases/").text


def test_before_a_lease_is_there_the_page_says_what_takes_one(get, db):
    vault()
    got = get("/leases/")
    assert "No lease was issued yet" in got.text and "takes a lease" in got.text


def test_each_state_is_told_in_words_with_how_well_it_is_known(get, db):
    minute_ago = {"verified_at": NOW - MINUTE, "verified": "found"}
    told = {
        lease().pk: ("issued", "unverified", "not known"),
        lease(state="live", expires=NOW + HOUR, **minute_ago).pk: ("live", "verified at", "59:"),
        lease(state="live", expires=NOW + HOUR, verified_at=NOW - HOUR).pk: ("live", "not verified since", "59:"),
        lease(expires=NOW - MINUTE).pk: ("must have ended", "unverified", "over"),
        lease(state="revoke_asked", asked=NOW, **minute_ago).pk: (
            "revocation asked",
            "not verified since",
            "not known",
        ),
        lease(state="revocation_failing", **minute_ago).pk: ("revocation fails", "verified at", "not known"),
        lease(state="irrevocable", **minute_ago).pk: ("irrevocable", "verified at", "not known"),
        lease(state="revoked", how="id", verified_at=NOW - HOUR).pk: ("revoked", "verified at", "ended"),
        lease(state="expired", verified_at=NOW - HOUR).pk: ("expired", "verified at", "ended"),
        lease(state="live", **minute_ago).pk: ("live", "verified at", "no end"),
    }
    html = get("/leases/")
    assert set(listed(html)) == set(told)
    for key, words in told.items():
        (row,) = listed_row(html, key)
        assert all(word in row for word in words), (words, row)


def listed_row(page: Page, key: int) -> list[str]:
    """Return the text of a lease's row: what stands between its id's print and the next."""
    own = {one["href"]: one["title"] for one in page.all("a", class_="row-link")}
    printed = lease_words_id(own[f"/leases/{key}/"])
    prints = [lease_words_id(title) for title in own.values()]
    rest = page.text.split(printed, 1)[1]
    ends = [place for one in prints if one != printed and (place := rest.find(one)) >= 0]
    return [rest[: min(ends, default=len(rest))]]


def lease_words_id(lease_id: str) -> str:
    tail = lease_id.rpartition("/")[2]
    return f"{tail[:6]}…{tail[-6:]}"


def test_a_lease_that_outlives_its_pod_is_counted_first_and_found_alone(get, db):
    lease()
    one = orphan()
    got = get("/leases/")
    assert "1 lease outlives its pod" in got.text and "ended 52 min ago" in got.text
    assert [own["href"] for own in got.all("a", class_="warn-words")] == ["/leases/?orphaned=yes"]
    alone = get("/leases/?orphaned=yes")
    assert listed(alone) == [one.pk] and "outlived 52 min" in alone.text
    assert "those that outlive their pod" in alone.text


def test_home_leads_to_it_in_two_clicks(get, db):
    one = orphan()
    home = get("/")
    assert "1 lease outlives its pod." in home.text
    (way,) = [own["href"] for own in home.all("a", class_="small-button") if "leases" in own["href"]]
    (lease_link,) = [own["href"] for own in get(way).all("a", class_="row-link")]
    assert "It outlives its pod by 52 min" in get(lease_link).text and lease_link == f"/leases/{one.pk}/"


@pytest.mark.parametrize(
    "asked, found",
    [("secret=database/creds/pay", {"a", "b"}), ("secret=database/creds/pay*", {"a", "b"}), ("holder=shop/cart", {"b"}),
     ("pod=payments/api-1", {"a"}), ("pod=api-1", {"a"}), ("vault=lab", {"c"}), ("state=live", {"b"}),
     ("secret=ssh/&state=unverified", {"c"}), ("state=nonsense", {"a", "b", "c"}), ("holder=shop/car", set())],
)  # fmt: skip
def test_leases_are_found_by_what_the_form_asks(get, db, asked, found):
    keys = {
        "a": lease(pod="payments/api-1", grade="exact").pk,
        "b": lease("database/creds/payments-ro", "shop/cart", state="live").pk,
        "c": lease("ssh/creds/otp", of="lab").pk,
    }
    assert set(listed(get(f"/leases/?{asked}"))) == {keys[name] for name in found}


def test_pages_meet_without_a_double_or_a_loss(get, db, monkeypatch):
    monkeypatch.setattr("dashboard.leases_page.SHOWN", 3)
    keys = [lease().pk for _ in range(8)]
    seen, address = [], "/leases/?state=unverified"
    while address:
        got = get(address)
        seen += listed(got)
        older = got.by_id("older")
        address = f"/leases/{older['href']}" if older else ""
    assert seen == sorted(keys, reverse=True)
    assert got.by_id("newest")["href"] == "?state=unverified" and "These are the oldest." in got.text


def test_a_filter_that_finds_nothing_says_that_nothing_is_missing_and_how_to_widen_it(get, db):
    lease()
    got = get("/leases/?pod=nobody&vault=eu-prod")
    assert "No lease fits, and nothing is missing" in got.text
    assert {own["href"] for own in got.all("a", href="?")} >= {"?vault=eu-prod", "?pod=nobody"}


def test_a_vault_that_may_not_be_asked_is_named_with_the_right_that_is_missing(get, db):
    lease(), lease(of="lab")
    way = Connection.objects.create(vault="lab", address="https://127.0.0.1:1")
    CheckLine.objects.create(connection=way, place=1, name="read sys/leases/lookup (update)", ok=True, detail="there")
    assert "lab: Keybook may not" not in get("/leases/").text
    CheckLine.objects.filter(connection=way).update(detail="missing, optional")
    got = get("/leases/").text
    assert "lab: Keybook may not look up leases. The right sys/leases/lookup is missing" in got
    assert "eu-prod: states are what the log alone proves, because this vault is not connected." in got


# -- one lease ---------------------------------------------------------------------------------------------------------


def test_a_lease_tells_its_life_oldest_first_with_the_calls_it_rests_on(get, db):
    one = lease(ago=HOUR, state="revoke_asked", how="id", asked=NOW - MINUTE, renewals=1, renewed=NOW - 20 * MINUTE)
    renewed, revoked = fact(one, "renew", NOW - 20 * MINUTE), fact(one, "revoke", NOW - MINUTE)
    got = get(f"/leases/{one.pk}/")
    places = [got.text.index(word) for word in ("What is known", "issued", "renewed", "revocation by its id asked")]
    assert places == sorted(places)
    assert [own["href"] for own in got.all("a", href="/events/") if own["href"] != "/events/"] == [
        f"/events/{event}/" for event in (one.event_id, renewed.event_id, revoked.event_id)
    ]
    assert "Its revocation was asked for by its id" in got.text and "no lookup has shown the effect" in got.text
    assert "Whether it lives: no lookup at the vault has told." in got.text


def test_a_call_that_failed_is_told_as_one(get, db):
    one = lease()
    fact(one, "revoke", NOW, ok=False)
    assert "revocation by its id failed" in get(f"/leases/{one.pk}/").text


def test_the_middle_of_a_long_life_is_left_out_and_counted(get, db, monkeypatch):
    monkeypatch.setattr("dashboard.lease_page.FIRST", 2)
    monkeypatch.setattr("dashboard.lease_page.LAST", 3)
    one = lease(ago=3 * HOUR)
    for number in range(10):
        fact(one, "renew", NOW - 100 * MINUTE + number * MINUTE)
    assert "6 more facts between them" in get(f"/leases/{one.pk}/").text
    assert "more fact" not in get(f"/leases/{one.pk}/?all=yes").text


def test_a_lease_that_is_not_there_is_not_found(get, db):
    assert "There is no lease 5" in get("/leases/5/", 404).text


def test_hostile_names_are_printed_and_not_obeyed(get, db):
    evil = "<script>report('ran')</script>\u202egnp"
    one = lease(f"database/creds/{evil}", evil, "human", own=evil, pod=f"x/{evil}", grade="likely")
    for address in ("/leases/", f"/leases/{one.pk}/", f"/leases/?secret={evil}&pod={evil}"):
        got = get(address)
        assert not [own for own in got.all("script") if "src" not in own] and "\u202e" not in got.text


# -- limits ------------------------------------------------------------------------------------------------------------


def test_a_limited_view_has_leases_in_scope_and_no_word_of_others(get, db, cat):
    PersonArea.objects.create(user=cat, vault="eu-prod", namespace="", prefix="database/creds/payments-rw")
    mine = lease(pod="payments/api-1", grade="exact", state="live")
    call = fact(mine, "renew", NOW)
    other = orphan()
    type(other).objects.filter(pk=other.pk).update(secret=lease("ssh/creds/otp", "ops/bastion").secret)
    for address in ("/leases/", "/leases/?orphaned=yes", "/leases/?holder=ops/bastion", "/leases/?secret=ssh"):
        got = get(address)
        assert set(listed(got)) <= {mine.pk}
        assert not [word for word in ("bastion</b>", "ssh/creds", "2knvd", "outlives its pod:") if word in got.text]
    assert "outlive" not in get("/").text.replace("no lease that outlives its pod", "")
    get(f"/leases/{other.pk}/", 404)
    got = get(f"/leases/{mine.pk}/")
    assert "outside of your view" in got.text and not got.all("a", href=f"/events/{call.event_id}/")


# -- how it asks -------------------------------------------------------------------------------------------------------


def asked(client, address: str) -> int:
    """Return how many statements a page takes, once it is warm."""
    client.get(address)
    with CaptureQueriesContext(connection) as statements:
        assert client.get(address).status_code == 200
    return len(statements)


def test_the_pages_ask_a_fixed_number_of_times(signed_in, db):
    one = orphan()
    fact(one, "renew", NOW)
    few = [asked(signed_in, address) for address in ("/leases/", f"/leases/{one.pk}/", "/leases/?orphaned=yes")]
    for number in range(30):
        lease(f"database/creds/r{number}", f"shop/app-{number}", of=f"v{number % 3}")
        fact(one, "renew", NOW)
    many = [asked(signed_in, address) for address in ("/leases/", f"/leases/{one.pk}/", "/leases/?orphaned=yes")]
    assert many == few == [9, 8, 9]


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seconds, words",
    [(0, "00:00"), (59, "00:59"), (2467, "41:07"), (81668, "22:41:08"), (86400, "1 d 00:00:00"),
     (2687468, "31 d 02:31:08")],
)  # fmt: skip
def test_a_remaining_time_is_told_as_a_clock_does(seconds, words):
    assert lease_words.clock_left(seconds) == words


@pytest.mark.parametrize("minutes, words", [(0.5, "30 s"), (1, "1 min"), (119, "119 min"), (192, "3 h 12 min")])
def test_exposure_is_told_in_minutes(minutes, words):
    assert lease_words.exposed(timedelta(minutes=minutes)) == words


def test_little_time_without_a_renewal_is_told_in_another_voice(get, db):
    near = {"state": "live", "verified_at": NOW, "expires": NOW + 2 * MINUTE, "ago": HOUR}
    lease(**near)
    assert len(get("/leases/").all("span", class_="left warn-words")) == 1
    lease(**near, renewals=3, renewed=NOW - 50 * MINUTE)
    assert len(get("/leases/").all("span", class_="left warn-words")) == 1
