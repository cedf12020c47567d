"""A limited person meets no name out of their scope, on any address, and can't tell it from one that never was."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from difflib import unified_diff
from urllib.parse import quote, quote_plus, unquote_plus

import pytest
from django.test import Client

from accounts.areas import scope_of
from accounts.models import PersonArea, User
from accounts.scope import Area
from audit import leasing
from audit.lease_models import Lease
from audit.models import Principal, Secret
from audit.query_fields import FIELDS
from tests.audit.conftest import empty_past, recorded, test_database
from tests.audit.past import Past
from tests.audit.wide import Stored, everything, inside, visible
from tests.dashboard.route_table import TABLE
from tests.dashboard.test_export import Keeping
from vault import policy

__all__ = ["empty_past", "recorded", "test_database"]
AREAS = {
    "a path": Area(prefix="secret/prod/ledger"),
    "a namespace": Area(namespace="analytics"),
    "one secret": Area(vault="demo", prefix="database/creds/payments-rw"),
    "nothing that is there": Area(vault="elsewhere"),
}


@dataclass
class Told:
    """What one limited person may meet: the whole record, what they see of it, and the names that are not theirs."""

    past: Past
    events: list[Stored]
    role: str
    seen: set[str]
    foreign: set[str]
    client: Client
    area: Area

    def window(self) -> str:
        """Return the time of the whole record, as an address says it."""
        times = [one.seen.time for one in self.events]
        since, until = min(times) - timedelta(seconds=1), max(times) + timedelta(seconds=1)
        return f"since={since:%Y-%m-%dT%H:%M:%S}Z&until={until:%Y-%m-%dT%H:%M:%S}Z"


@pytest.fixture(scope="module")
def filled(empty_past, recorded, tmp_path_factory) -> Iterator[tuple[Past, list[Stored]]]:
    """The recorded log of both devices."""
    folder = tmp_path_factory.mktemp("logs")
    with empty_past() as past:
        for device, name in (("file", "audit.log"), ("http", "audit-http.log")):
            (folder / name).write_bytes(recorded(name))
            past.take(folder / name, device=device)
        leasing.catch_up()
        yield past, everything(past)


PERSONS = [*((name, "reader") for name in AREAS), ("a path", "administrator")]
QUICK = PERSONS[:2]


@pytest.fixture(params=[pytest.param(one, marks=() if one in QUICK else pytest.mark.long) for one in PERSONS], ids=str)
def told(request, filled, db) -> Told:
    past, events = filled
    name, role = request.param
    cat = User.objects.create_user("cat", password="a long enough password", role=role)
    area = AREAS[name]
    PersonArea.objects.create(user=cat, vault=area.vault, namespace=area.namespace, prefix=area.prefix)
    client = Keeping()
    client.force_login(cat)
    scope = scope_of(cat)
    times = [one.seen.time for one in events]
    rows = visible(scope, events, min(times), max(times) + timedelta(seconds=1))
    seen = {text for row in rows for text in (row.secret, row.path, row.principal)}
    lines = {one.seen.path for one in events if inside(scope, one)}
    everyone = {one.seen.principal for one in events} | set(Principal.objects.values_list("name", flat=True))
    every = {one.seen.path for one in events} | set(Secret.objects.values_list("name", flat=True)) | everyone
    known = seen | lines
    # Words of ours that look like names.
    ours = [policy.hcl(), *(word for field in FIELDS.values() for word in (field.example, *field.choices))]
    foreign = {text for text in every if len(text) > 7 and not any(text in one for one in (*known, *ours))}
    return Told(past, events, role, known, foreign, client, area)


TAG = re.compile("<[^>]*>")


def words_of(response) -> str:
    """Return everything that an answer says: its text as read, and its source and addresses unquoted."""
    source = b"".join(response.streaming_content) if response.streaming else response.content
    text = source.decode("utf-8", "replace")
    plain, read = html.unescape(text), html.unescape(TAG.sub("", text))
    return "\n".join((plain, unquote_plus(plain), read, response.headers.get("Location", "")))


def leaks(told: Told, response) -> set[str]:
    """Return the foreign names in an answer."""
    said = words_of(response)
    return {name for name in told.foreign if name in said}


def test_the_names_to_look_for_are_many(told):
    assert len([name for name in told.foreign if name.count("/") > 1]) > 40
    assert told.area.vault == "elsewhere" or any(name.count("/") for name in told.seen)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_no_route_says_a_foreign_name(told, name):
    address = TABLE[name].address.format(person=User.objects.get().pk)
    for more in ("", "?range=all", f"?{told.window()}&facets=now"):
        asked = f"{address}{more}"
        assert leaks(told, told.client.get(asked)) == set(), asked


def test_no_page_of_one_thing_says_a_foreign_name(told):
    secrets = list(Secret.objects.values_list("pk", flat=True))
    principals = list(Principal.objects.values_list("pk", flat=True))
    events = [one.seen.id for one in told.events][:: max(len(told.events) // 25, 1)]
    addresses = [f"/secrets/{pk}/?range=all" for pk in secrets] + [
        f"/principals/{pk}/?{told.window()}" for pk in principals
    ]
    addresses += [f"/secrets/{pk}/?range=all&present=now" for pk in secrets[::5]]
    addresses += [f"/leases/{pk}/" for pk in Lease.objects.values_list("pk", flat=True)[:40]]
    addresses += [f"/events/{pk}/?tab={tab}" for pk in events for tab in ("summary", "who", "around", "line")]
    for address in addresses:
        assert leaks(told, told.client.get(address)) == set(), address


def test_no_list_of_events_and_nothing_offered_says_a_foreign_name(told):
    span = told.window()
    questions = ["", "outcome:denied", "-secret:*", "kind:service_account", "login", "-path:secret/*", "operation:read"]
    addresses = [f"/events/?{span}&q={quote(q)}&facets=now" for q in questions]
    addresses += [f"/events/?{span}&q={quote(q)}&view=table" for q in questions[:2]]
    typed = [
        "secret:",
        "path:",
        "principal:",
        "address:",
        "operation:",
        "namespace:",
        "vault:",
        "secret:s",
        "principal:p",
    ]
    addresses += [f"/events/suggest/?{span}&text={quote(text)}&at={len(text) + 1}" for text in typed]
    for address in addresses:
        assert leaks(told, told.client.get(address)) == set(), address


def test_an_export_holds_no_foreign_name(told):
    times = dict(pair.split("=") for pair in told.window().split("&"))
    for kind in ("csv", "ndjson"):
        response = told.client.post("/events/export/", {**times, "format": kind, "q": ""})
        assert response.status_code == 200
        assert leaks(told, response) == set()


# What differs between two answers to the same question: marks of the session and of the moment.
MOVING = re.compile(
    r'nonce="[^"]*"|hx-nonce=\S+|name="csrfmiddlewaretoken" value="[^"]*"|[\d:]{8}|\b\d+(\.\d)? (s|min|h)\b'
)


def nobody(name: str) -> str:
    """Return a name that nothing has, as like to another as can be."""
    others = (name[:-1] + letter for letter in "qxjz7")
    return next(o for o in others if not (Secret.objects.filter(name=o) or Principal.objects.filter(name=o)))


def same(told: Told, address: str, foreign: str, nobodys: str) -> None:
    """See that an address answers a foreign name and a name that never was alike."""
    answers = []
    for name in (foreign, nobodys):
        response = told.client.get(address.replace("{}", quote(name, safe="")))
        said = html.unescape(MOVING.sub("", response.content.decode())) + response.headers.get("Location", "")
        said = re.sub("</?bdi>|<wbr>", "", said)  # which part names as they are printed
        forms = [quote(name, safe=""), quote(name), quote_plus(name), name]
        forms += [f"{before}{name.rsplit('/', 1)[-1]}{after}" for before, after in (("…/", ""), ("<b>", "</b>"))]
        if name.isdecimal():
            said = re.sub(rf"(number |event |events/|secrets/|principals/){name}\b", r"\1NAME", said)
            forms = []
        for form in forms:
            said = said.replace(form, "NAME")
        answers.append((response.status_code, said))
    (status, said), (nobodys_status, nobodys_said) = answers
    assert status == nobodys_status
    told_apart = "\n".join(unified_diff(nobodys_said.splitlines(), said.splitlines(), address, lineterm="", n=0))
    assert not told_apart, told_apart


def test_a_foreign_secret_can_not_be_told_from_one_that_never_was(told):
    foreign = [one for one in Secret.objects.order_by("pk") if one.name in told.foreign][:12]
    for one in foreign:
        nobodys = nobody(one.name)
        for address in ("/secrets/?q={}", "/ask/?q={}", f"/events/?{told.window()}&q=secret:%22{{}}%22"):
            same(told, address, one.name, nobodys)
        same(told, "/secrets/{}/", str(one.pk), str(one.pk + 500_000))
        same(told, "/leases/?secret={}", one.name, nobodys)
    events = [one.seen.id for one in told.events if one.seen.secret in told.foreign and one.seen.outcome == "ok"][:5]
    for id in events:
        same(told, "/events/{}/", str(id), str(id + 500_000))


def test_a_foreign_principal_can_not_be_told_from_one_that_never_was(told):
    shown = {one.seen.principal_id for one in told.events if one.seen.principal in told.seen}
    foreign = [one for one in Principal.objects.order_by("pk") if one.name in told.foreign and one.pk not in shown][:12]
    for one in foreign:
        for address in ("/principals/?q={}", "/ask/?q={}", f"/events/?{told.window()}&q=principal:%22{{}}%22"):
            same(told, address, one.name, nobody(one.name))
        same(told, "/principals/{}/", str(one.pk), str(one.pk + 500_000))
