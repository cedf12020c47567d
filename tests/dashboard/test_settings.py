"""Settings > Sources: an administrator adds vaults, logs and receiver tokens, and sees what is missing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from accounts.models import TrailEntry, User
from audit.models import ReceiverToken, Source
from dashboard.views.settings import NEVER_ALONE
from inventory import sync
from inventory.models import Connection
from kit import tokens as forms
from kit.check import Check
from tests.dashboard.conftest import Browser, Page
from vault import policy

PASSWORD = "a long enough password"
PAGE, CHANGE = "/settings/sources/", "/settings/sources/change/"


@pytest.fixture
def eve(record, db, settings):
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"log_roots": "/var/log/vault"})
    User.objects.create_user("eve", password=PASSWORD, role="administrator")
    client = Browser()
    client.post("/sign-in/", {"username": "eve", "password": PASSWORD})
    return client


def shown(client) -> Page:
    response = client.get(PAGE)
    assert response.status_code == 200
    return Page.of(response)


def press(client, action, status=302, **given):
    response = client.post(CHANGE, {"action": action, **given})
    assert response.status_code == status, response.content.decode()[:3000]
    return Page.of(response) if status != 302 else response


def trail():
    return [entry.verb for entry in TrailEntry.objects.order_by("pk") if entry.verb.startswith("audit.")]


def test_the_policy_stands_on_the_page_as_the_command_prints_it(eve):
    text = shown(eve).text
    assert " ".join(policy.hcl().split()) in text and "bao token create -orphan" in text


def test_a_vault_is_kept_with_the_wish_for_a_look_and_the_page_says_what_takes_it(eve):
    press(eve, "vault", vault="prod", address="https://vault.example:8200/", namespace="team-a")
    one = Connection.objects.get()
    assert (str(one), one.address, bool(one.wanted_at)) == ("prod/team-a", "https://vault.example:8200", True)
    text = shown(eve).text
    assert "A look is wanted" in text and "KEYBOOK_VAULT_TOKEN_FILES=prod/team-a=" in text
    assert (
        "manage.py connect --vault prod --addr https://vault.example:8200 --namespace team-a --token-file FILE" in text
    )
    assert trail() == ["audit.vault.asked"]


def test_another_look_keeps_the_certificate_and_another_address_does_not(eve):
    Connection.objects.create(vault="prod", address="https://vault.example:8200", ca_file="/etc/ssl/own.pem")
    press(eve, "vault", vault="prod", address="https://vault.example:8200/")
    assert Connection.objects.get().ca_file == "/etc/ssl/own.pem"
    press(eve, "vault", vault="prod", address="https://other.example:8200")
    assert Connection.objects.get().ca_file == ""


def test_the_last_look_is_told_line_by_line_with_the_mend(eve):
    one = Connection.objects.create(vault="prod", address="https://vault.example", wanted_at=datetime.now(UTC))
    sync.keep_lines(
        one, [Check("vault", True, "it answers"), Check("sys/auth (read)", False, "missing read", "Add it")]
    )
    text = shown(eve).text
    assert "1 thing to mend" in text and "missing read" in text and "Add it" in text and "A look is wanted" not in text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"vault": "prod", "address": "http://vault.example"}, "plain http to another machine"),
        ({"vault": "prod", "address": "https://169.254.169.254"}, "where no vault can be"),
        ({"vault": "a/b", "address": "https://vault.example"}, "can't be used"),
        ({"vault": "", "address": "https://vault.example"}, "Enter the vault's name."),
        ({"vault": "prod", "address": ""}, "Enter the address."),
    ],
)
def test_a_vault_that_can_t_be_used_is_refused_with_a_sentence(eve, given, said):
    assert said in press(eve, "vault", 400, **given).text
    assert not Connection.objects.exists() and trail() == []


def test_a_log_is_added_without_being_opened_by_the_page(eve):
    press(eve, "file", vault="prod", device="", path="/var/log/vault/audit.log")
    assert str(Source.objects.get()) == "prod/file: /var/log/vault/audit.log"
    text = shown(eve).text
    assert "/var/log/vault/audit.log" in text and "An ingest worker reads it within seconds" in text
    press(eve, "file", vault="prod", device="file", path="/var/log/vault/audit.log")
    assert Source.objects.count() == 1 and trail() == ["audit.source.added"]


@pytest.mark.parametrize("path", ["audit.log", "/etc/passwd", "/var/log/vault/../../etc/passwd", "/var/log/vaults/x"])
def test_a_log_outside_of_the_roots_is_refused(eve, path):
    assert "Nothing was changed" in press(eve, "file", 400, vault="prod", path=path).text
    assert not Source.objects.exists()


def test_what_the_worker_says_of_a_log_stands_on_the_page(eve):
    press(eve, "file", vault="prod", path="/var/log/vault/audit.log")
    Source.objects.update(trouble="/var/log/vault/audit.log: uid 999 may not read it.")
    assert "uid 999 may not read it" in shown(eve).text


def test_a_log_is_no_longer_followed_when_it_is_stopped(eve):
    press(eve, "file", vault="prod", path="/var/log/vault/audit.log")
    press(eve, "stop", key=str(Source.objects.get().pk))
    assert not Source.objects.exists() and trail() == ["audit.source.added", "audit.source.stopped"]
    assert "Nothing was changed" in press(eve, "stop", 400, key="1").text


def test_a_receiver_token_is_shown_once_with_the_stanza_and_the_warning(eve):
    page = press(eve, "receiver", 200, vault="prod", device="")
    token = next(word for word in page.text.split() if word.startswith("kbr_"))
    assert bytes(ReceiverToken.objects.get().digest) == forms.digest(token)
    assert 'audit "http" "keybook"' in page.text and NEVER_ALONE in page.text
    again = shown(eve)
    assert token not in again.text and "prod/http" in again.text
    assert trail() == ["audit.receiver.added", "audit.receiver_token.made"]
    assert token not in str(list(TrailEntry.objects.values()))


def test_a_token_is_rotated_and_the_old_one_revoked(eve):
    for _ in range(2):
        press(eve, "receiver", 200, vault="prod", device="http")
    assert "2 live tokens" in press(eve, "receiver", 400, vault="prod", device="http").text
    press(eve, "revoke", key=str(ReceiverToken.objects.order_by("pk")[0].pk))
    assert [bool(one.revoked_at) for one in ReceiverToken.objects.order_by("pk")] == [True, False]
    page = shown(eve).text
    assert "2 tokens. These are all, the revoked ones too." in page and trail()[-1] == "audit.receiver_token.revoked"
    assert "There is no receiver token 99" in press(eve, "revoke", 400, key="99").text


def test_one_device_has_one_way(eve):
    press(eve, "file", vault="prod", device="audit", path="/var/log/vault/audit.log")
    assert "is read from a file already" in press(eve, "receiver", 400, vault="prod", device="audit").text
    press(eve, "receiver", 200, vault="prod", device="http")
    said = press(eve, "file", 400, vault="prod", device="http", path="/var/log/vault/b.log").text
    assert "comes by the receiver already" in said


@pytest.mark.parametrize("action", ["", "delete", "__class__"])
def test_a_button_that_is_not_ours_changes_nothing(eve, action):
    assert "not one of ours" in press(eve, action, 400).text


def test_a_change_asks_who_one_is_once_more(eve, monkeypatch):
    monkeypatch.setattr("accounts.step_up.SECONDS", -1)
    monkeypatch.setattr("accounts.step_up.fresh", lambda *_: False)
    response = press(eve, "file", vault="prod", path="/var/log/vault/audit.log")
    assert response.headers["Location"].startswith("/confirm/?next=") and not Source.objects.exists()


def test_a_form_in_error_keeps_what_was_typed(eve):
    page = press(eve, "vault", 400, vault="prod", address="")
    assert page.by_id("vault-name")["value"] == "prod"


def test_hostile_names_are_shown_inert(eve):
    Connection.objects.create(vault="<script>x", address="https://vault.example", wanted_at=datetime.now(UTC))
    assert b"<script>x" not in eve.get(PAGE).content


def test_only_administrators_find_the_way_to_it(page, eve):
    assert not page("/secrets/").all("a", href=PAGE)
    assert shown(eve).all("a", href=PAGE)


def test_the_page_asks_the_database_a_fixed_number_of_times(eve, django_assert_max_num_queries):
    for number in range(4):
        one = Connection.objects.create(vault=f"v{number}", address="https://vault.example")
        sync.keep_lines(one, [Check("vault", True, "it answers")] * 5)
        press(eve, "file", vault=f"v{number}", path="/var/log/vault/audit.log")
        press(eve, "receiver", 200, vault=f"v{number}", device="http")
    with django_assert_max_num_queries(9):
        eve.get(PAGE)
