"""People: made, disabled and changed by command and by page, and what that leaves in the trail."""

from __future__ import annotations

import ast
import json
import re
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts import areas, people, tokens
from accounts.models import EntryLink, TrailEntry, User
from accounts.people import NotDone
from accounts.scope import Area
from accounts.token_wish import Wish
from tests.accounts.conftest import PASSWORD, Browser, verbs

ROOT = Path(__file__).resolve().parents[2]


def _run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_create_user_makes_a_person_and_prints_a_link_that_asks_for_a_password(browser, db):
    document = json.loads(_run("create_user", "bob", "--role", "approver", "--json"))
    assert set(document) == {"user", "role", "link"} and (document["user"], document["role"]) == ("bob", "approver")
    path, _, code = document["link"].partition("#")
    assert browser.post(path, {"code": code}).headers["Location"] == "/enter/password/"
    browser.post("/enter/password/", {"password": PASSWORD, "again": PASSWORD})
    assert browser.name == "bob"


def test_create_user_prints_the_whole_address_where_it_is_known(settings, db):
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"url": "https://keybook.example"})
    assert "https://keybook.example/enter/#" in _run("create_user", "bob", "--role", "reader")


@pytest.mark.parametrize(
    "name, role, sentence",
    [
        ("bob", "boss", "“boss” is no role. The roles are reader, operator, approver, administrator."),
        ("bo b", "reader", "“bo b” is no name for a person. Use letters, digits and @ . + - _ only."),
        ("", "reader", "“” is no name for a person."),
        ("b" * 65, "reader", "The name has 65 characters. Use at most 64."),
        ("cat", "reader", "Somebody is called cat already."),
    ],
)
def test_bad_input_to_create_user_is_one_sentence_and_exit_code_2(cat, name, role, sentence):
    with pytest.raises(CommandError) as refused:
        _run("create_user", name, "--role", role)
    assert refused.value.returncode == 2 and str(refused.value).startswith(sentence)
    assert User.objects.count() == 1 and not EntryLink.objects.exists() and verbs() == []


def test_disable_user_shuts_somebody_out_and_names_who_is_not_known(browser, cat, eve):
    browser.enter("cat")
    assert _run("disable_user", "cat").startswith("cat is disabled")
    assert browser.name == ""
    with pytest.raises(CommandError, match="Nobody is called “dan”") as refused:
        _run("disable_user", "dan")
    assert refused.value.returncode == 2


@pytest.mark.parametrize("verb", [lambda user, by: people.disable(user, actor=by),
                                  lambda user, by: people.change_role(user, "reader", actor=by)])  # fmt: skip
def test_nobody_does_it_to_themselves_nor_to_the_last_administrator(eve, verb):
    with pytest.raises(NotDone, match=r"^You can't"):
        verb(eve, eve)
    with pytest.raises(NotDone, match=r"^eve is the last administrator"):
        verb(eve, "command line: root")
    eve.refresh_from_db()
    assert eve.is_active and eve.role == "administrator"


@pytest.fixture
def admin(browser, eve) -> Browser:
    browser.enter("eve")
    return browser


def test_an_administrator_makes_a_person_on_the_page_and_sees_the_link_once(admin):
    made = admin.post("/people/new/", {"name": "bob", "role": "operator"})
    code = re.search(r"http://testserver/enter/#([\w-]{43})", made.content.decode())[1]
    assert Browser().post("/enter/", {"code": code}).headers["Location"] == "/enter/password/"
    bob = User.objects.get(username="bob")
    assert bob.role == "operator" and code not in admin.get(f"/people/{bob.pk}/").content.decode()


@pytest.mark.parametrize("given", [{"name": "eve", "role": "reader"}, {"name": "a b", "role": "reader"},
                                   {"name": "x", "role": "boss"}, {"name": "", "role": "reader"}])  # fmt: skip
def test_a_person_who_cannot_be_is_refused_on_the_page(admin, given):
    assert admin.post("/people/new/", given).status_code == 400
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    "given, verb, state",
    [
        ({"action": "disable"}, "accounts.user.disabled", (False, "reader")),
        ({"action": "role", "role": "operator"}, "accounts.role.changed", (True, "operator")),
        ({"action": "link"}, "accounts.link.made", (True, "reader")),
        ({"action": "password"}, "accounts.link.made", (True, "reader")),
        ({"action": "remove-factor"}, "accounts.totp.removed", (True, "reader")),
    ],
)
def test_each_button_does_its_verb_and_leaves_its_entry(admin, cat, given, verb, state):
    admin.post(f"/people/{cat.pk}/change/", given)
    cat.refresh_from_db()
    entry = TrailEntry.objects.latest("pk")
    assert (cat.is_active, cat.role) == state
    assert (entry.verb, entry.actor_name, entry.subject_text, entry.address) == (verb, "eve", "cat", "203.0.113.9")
    assert re.fullmatch("[0-9a-f]{16}", entry.session)


@pytest.mark.parametrize("given", [{}, {"action": "delete"}, {"action": "role", "role": "boss"}])
def test_a_button_that_is_not_ours_does_nothing(admin, cat, given):
    assert admin.post(f"/people/{cat.pk}/change/", given).status_code == 400
    assert verbs() == ["accounts.user.signed_in"]


def test_a_hostile_name_is_shown_as_text(admin, cat):
    User.objects.filter(pk=cat.pk).update(username="<script>alert(1)</script>")
    people.disable(User.objects.get(pk=cat.pk), actor="<img src=x onerror=alert(1)>")
    connection.check_constraints()  # what a commit does: the entry is in the trail
    for address in ("/people/", f"/people/{cat.pk}/", "/trail/"):
        shown = admin.get(address).content.decode()
        assert "<script>alert" not in shown and "<img" not in shown


# Every verb that accounts writes into the trail, and the test above or beside that looks for it.
VERBS = {
    "accounts.user.created", "accounts.user.disabled", "accounts.user.enabled", "accounts.role.changed",
    "accounts.user.signed_in", "accounts.user.signed_out", "accounts.user.confirmed",
    "accounts.sign_in.refused", "accounts.sign_in.locked", "accounts.link.made", "accounts.link.used",
    "accounts.link.refused", "accounts.password.set", "accounts.totp.added", "accounts.totp.removed",
    "accounts.recovery_codes.renewed", "accounts.session.ended",
    "accounts.token.made", "accounts.token.revoked", "accounts.token.refused", "accounts.areas.changed",
    "accounts.time_zone.chosen",
}  # fmt: skip


VERB = re.compile(r"accounts\.[a-z_]+\.[a-z_]+")


def test_every_verb_of_accounts_leaves_its_entry(browser, admin, cat):
    """Walk through all of them as people do, and compare with the verbs that the code names."""
    named = {
        node.value
        for path in (ROOT / "accounts").rglob("*.py")
        if "migrations" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and VERB.fullmatch(str(node.value))
    }  # fmt: skip
    assert named == VERBS
    window, change = Browser("198.51.100.1"), f"/people/{cat.pk}/change/"
    admin.post("/people/new/", {"name": "bob", "role": "reader"})
    window.post("/enter/", {"code": "wrong"})
    link = admin.post(change, {"action": "password"}).content.decode()
    window.post("/enter/", {"code": re.search(r"/enter/#([\w-]+)", link)[1]})
    window.post("/enter/password/", {"password": PASSWORD, "again": PASSWORD})
    window.post("/confirm/", {"proof": PASSWORD})
    window.add_app()
    window.post("/account/second-factor/", {"action": "renew"})
    window.post("/account/second-factor/", {"action": "remove"})
    other = Browser("198.51.100.2")
    other.enter("cat")
    newest = max(re.findall(r"/account/sessions/(\d+)/end/", window.get("/account/").content.decode()), key=int)
    window.post(f"/account/sessions/{newest}/end/")
    window.post("/account/time-zone/", {"zone": "Europe/Berlin"})
    window.post("/sign-out/")
    for n in range(5):
        window.enter("cat", f"guess{n}")
    areas.add(cat, Area("prod"), actor="command line: root")
    token, text = tokens.create(cat, Wish("siem", ["events:read"]), actor=cat)
    tokens.revoke(cat, token.pk, actor=cat)
    with pytest.raises(tokens.Refused):
        tokens.find(text, "203.0.113.9")
    for action in ({"action": "role", "role": "operator"}, {"action": "disable"}, {"action": "enable"}):
        admin.post(change, action)
    assert set(verbs()) == VERBS
