"""Who gets in, and how: by password, by a one-time link, and not otherwise."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from time import time

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db.transaction import atomic, set_rollback
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from accounts.entry import LinkSpent, consume, demo_user, make_link
from accounts.models import EntryLink, Role, User
from tests.dashboard.conftest import Browser, Page
from tests.dashboard.route_table import ROLES, TABLE

PASSWORD = "a long enough password"

MAY = ("GET", "HEAD", "POST")  # POST last: it may sign out
NEVER = ("PUT", "PATCH", "DELETE", "OPTIONS")
# What nobody may do is refused to the administrator, who may do most; to the others between in the long form.
DOORS = [
    *((role, NEVER + MAY) for role in ("", "administrator")),
    *((role, MAY) for role in ROLES[:-1]),
    *(pytest.param(role, NEVER, marks=pytest.mark.long) for role in ROLES[:-1]),
]


def _routes(patterns) -> list[str]:
    """Return the name of every route, those of included lists too; a route without a name is its own text."""
    return [
        name
        for one in patterns
        for name in (_routes(one.url_patterns) if isinstance(one, URLResolver) else [one.name or str(one.pattern)])
    ]


def test_every_route_has_a_row_in_the_table():
    assert sorted(_routes(get_resolver().url_patterns)) == sorted(TABLE)


@pytest.mark.parametrize("role, methods", DOORS)
def test_every_route_answers_each_role_as_the_table_says(role, methods, record, cat):
    client, found = Browser(), {}
    if role:
        _sign_in(client, role)
    for name, row in TABLE.items():
        with atomic():  # what a route does is undone, and its next one is met by the same person
            here = Browser()
            here.cookies.load(client.cookies.output(header="", sep=";"))
            address = row.address.format(person=cat.pk)
            found[name] = {method: here.generic(method, address).status_code for method in methods}
            set_rollback(True)
    assert found == {name: {method: row.answers[method][role] for method in methods} for name, row in TABLE.items()}


def _sign_in(client: Client, role: str) -> None:
    User.objects.filter(username=role).exists() or User.objects.create_user(role, password=PASSWORD, role=role)
    assert client.post("/sign-in/", {"username": role, "password": PASSWORD}).status_code == 302


@pytest.mark.parametrize("name", sorted(name for name, row in TABLE.items() if not row.open))
def test_nobody_is_sent_to_sign_in_and_back_afterwards(name, client, db):
    address = TABLE[name].address.format(person=1)
    response = client.get(address)
    assert response.headers["Location"] == f"/sign-in/?next={address}"
    assert response.content == b""


def test_a_part_asked_for_by_htmx_without_a_session_reloads_the_page_instead_of_nesting_the_sign_in_page(client, db):
    response = client.get("/secrets/1/", headers={"HX-Request": "true", "HX-Target": "section#events"})
    assert (response.status_code, response.headers["HX-Refresh"], response.content) == (401, "true", b"")


def test_the_right_password_leads_to_the_page_asked_for(client, cat, record):
    response = client.post(
        "/sign-in/", {"username": "cat", "password": "a long enough password", "next": "/secrets/1/"}
    )
    assert response.headers["Location"] == "/secrets/1/"
    assert client.get("/secrets/1/").status_code == 200


def test_a_foreign_address_to_go_on_to_is_not_followed(client, cat):
    given = {"username": "cat", "password": "a long enough password", "next": "https://evil.example/"}
    assert client.post("/sign-in/", given).headers["Location"] == "/"


@pytest.mark.parametrize("given", [{"username": "cat", "password": "wrong"}, {"username": "dan", "password": "wrong"}])
def test_a_wrong_password_and_an_unknown_name_get_the_same_sentence(client, cat, given):
    page = Page.of(client.post("/sign-in/", given))
    assert "No person with this name and password may sign in." in page.text
    assert "/secrets/" not in client.get("/sign-in/").headers.get("Location", "")


def test_a_password_form_without_its_mark_is_refused_in_plain_words(cat):
    response = Client(enforce_csrf_checks=True).post("/sign-in/", {"username": "cat", "password": "x"})
    assert response.status_code == 403
    assert "nothing was done" in Page.of(response).text


def test_signing_out_by_get_is_refused_and_by_post_ends_the_session(signed_in, record):
    assert signed_in.get("/sign-out/").status_code == 405
    assert signed_in.post("/sign-out/").headers["Location"] == "/sign-in/"
    assert signed_in.get("/secrets/").status_code == 302


def test_looking_at_a_one_time_link_spends_nothing(client, cat):
    code = make_link(cat)
    assert client.get("/enter/").status_code == 200
    assert client.get("/enter/", {"code": code}).status_code == 200
    assert EntryLink.objects.get().used is None
    assert "_auth_user_id" not in client.session


def test_a_one_time_link_signs_its_person_in(client, cat, record):
    response = client.post("/enter/", {"code": make_link(cat)})
    assert response.headers["Location"] == "/"
    assert client.session["_auth_user_id"] == str(cat.pk)


def test_a_one_time_link_works_once(client, cat):
    code = make_link(cat)
    client.post("/enter/", {"code": code})
    again = Client().post("/enter/", {"code": code})
    assert again.status_code == 400
    assert "was used already" in Page.of(again).text


def test_a_link_older_than_a_quarter_of_an_hour_is_refused(cat):
    code = make_link(cat)
    EntryLink.objects.update(ends=timezone.now() - timedelta(seconds=1))
    with pytest.raises(LinkSpent):
        consume(code)


def test_a_link_of_somebody_who_may_no_longer_enter_is_refused(cat):
    code = make_link(cat)
    User.objects.update(is_active=False)
    with pytest.raises(LinkSpent):
        consume(code)


def test_a_code_is_not_kept(cat):
    code = make_link(cat)
    row = EntryLink.objects.values().get()
    assert code not in str(row) and len(row["code_sha256"]) == 64


@pytest.mark.parametrize("code", ["", "x", "x" * 101, "\u0000", "☃"])
def test_nonsense_for_a_code_is_refused(client, db, code):
    assert client.post("/enter/", {"code": code}).status_code == 400


def test_demo_link_prints_a_path_that_signs_the_demo_reader_in(client, db, record):
    out = StringIO()
    call_command("demo_link", stdout=out)
    path, _, code = out.getvalue().strip().partition("#")
    client.post(path, {"code": code})
    user = User.objects.get(pk=client.session["_auth_user_id"])
    assert (user.username, user.role, user.has_usable_password()) == ("demo", "reader", False)


def test_demo_link_gives_one_json_document_when_asked(db):
    out = StringIO()
    call_command("demo_link", "--json", stdout=out)
    assert '"path": "/enter/#' in out.getvalue() and out.getvalue().count("\n") == 1


def test_demo_links_share_one_person(db):
    assert demo_user() == demo_user()


def test_only_an_embedded_database_gives_the_demos_person_more_than_reading(db, monkeypatch):
    monkeypatch.setattr(django_settings.KEYBOOK, "embedded", False)
    with pytest.raises(CommandError, match="only in `make demo`"):
        call_command("demo_link", "--role", "administrator", stdout=StringIO())
    assert not User.objects.exists()
    monkeypatch.setattr(django_settings.KEYBOOK, "embedded", True)
    call_command("demo_link", "--role", "administrator", stdout=StringIO())
    call_command("demo_link", stdout=StringIO())
    assert User.objects.get().role == Role.ADMINISTRATOR


def _age(client: Client, **ages: float) -> None:
    session = client.session
    session.update({name: time() - seconds for name, seconds in ages.items()})
    session.save()


@pytest.mark.parametrize(
    "ages, status",
    [
        ({"began_at": 10, "seen_at": 10}, 200),
        ({"began_at": 4000, "seen_at": django_settings.SESSION_IDLE_SECONDS + 1}, 302),
        ({"began_at": django_settings.SESSION_ABSOLUTE_SECONDS + 1, "seen_at": 1}, 302),
    ],
    ids=["fresh", "idle too long", "too old however busy"],
)
def test_a_session_ends_by_idleness_and_by_age(signed_in, record, ages, status):
    signed_in.get("/secrets/")
    _age(signed_in, **ages)
    assert signed_in.get("/secrets/").status_code == status


def test_use_keeps_a_session_from_idling_out(signed_in, record):
    signed_in.get("/secrets/")
    _age(signed_in, seen_at=120)
    signed_in.get("/secrets/")
    assert time() - signed_in.session["seen_at"] < 60
