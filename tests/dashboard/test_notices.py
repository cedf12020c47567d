"""Settings > Notices: an administrator adds channels, tries them, renews secrets, and sees what became of each."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import TrailEntry, User
from rotation import delivering, telling
from rotation.notice_models import Channel, ChannelSecret, Delivery, Notice, Try
from tests.dashboard.conftest import Browser, Page

PASSWORD = "a long enough password"
PAGE, CHANGE = "/settings/notices/", "/settings/notices/change/"
HOOK = "https://hooks.example.com/services/very-secret-path"


@pytest.fixture
def eve(db, settings):
    settings.KEYBOOK = settings.KEYBOOK.model_copy(
        update={"notice_key": "k" * 50, "url": "https://keybook.example", "smtp_host": ""}
    )
    User.objects.create_user("eve", password=PASSWORD, role="administrator")
    client = Browser()
    client.post("/sign-in/", {"username": "eve", "password": PASSWORD})
    return client


def press(client, action, status=302, **given):
    response = client.post(CHANGE, {"action": action, **given})
    assert response.status_code == status, response.content.decode()[:3000]
    return response


def test_a_webhook_s_secret_is_shown_once_and_its_path_never(eve):
    response = press(eve, "webhook", 200, name="on call", address=HOOK, kinds=["failed", "break_glass"])
    assert response.headers["Cache-Control"] == "no-store"
    secret = re.search(r"whsec_[A-Za-z0-9+/=]{44}", response.content.decode())
    assert secret and "very-secret-path" not in response.content.decode()
    page = eve.get(PAGE).content.decode()
    assert secret[0] not in page and "very-secret-path" not in page and "https://hooks.example.com/…" in page
    assert "a change stopped, somebody broke the glass" in Page.of(eve.get(PAGE)).text
    assert Channel.objects.get().kinds == ["failed", "break_glass"]


def test_a_second_secret_is_made_and_the_old_one_ended(eve):
    press(eve, "webhook", 200, name="on call", address=HOOK)
    key = Channel.objects.get().pk
    assert "whsec_" in press(eve, "renew", 200, key=key).content.decode()
    assert "2 secrets" in Page.of(eve.get(PAGE)).text
    assert "Two secrets hold already" in press(eve, "renew", 400, key=key).content.decode()
    press(eve, "end_old", key=key)
    assert ChannelSecret.objects.filter(ended_at=None).count() == 1
    verbs = [one.verb for one in TrailEntry.objects.order_by("pk") if one.verb.startswith("rotation.channel")]
    assert verbs == ["rotation.channel.added", "rotation.channel.secret_made", "rotation.channel.secret_ended"]


def test_what_is_wrong_is_said_and_what_was_typed_stays(eve):
    response = press(eve, "webhook", 400, name="on call", address="ftp://x.example", kinds=["failed"])
    text = Page.of(response).text
    assert "no http(s) address" in text and 'value="ftp://x.example"' in response.content.decode()
    assert not Channel.objects.exists()
    assert "not one of ours" in press(eve, "explode", 400).content.decode()


def test_without_a_key_the_page_says_what_to_set(eve, settings):
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"notice_key": "", "url": ""})
    text = Page.of(eve.get(PAGE)).text
    assert "KEYBOOK_NOTICE_KEY is not set" in text and "KEYBOOK_URL is not set" in text
    assert "KEYBOOK_NOTICE_KEY" in press(eve, "webhook", 400, name="x", address=HOOK).content.decode()


def test_a_trial_is_told_to_its_channel_and_the_page_says_what_became_of_it(eve):
    press(eve, "email", name="team", address="team@example.com")
    press(eve, "try", key=Channel.objects.get().pk)
    delivering.turn()
    text = Page.of(eve.get(PAGE)).text
    assert "eve tried this channel" in text and "given up" in text and "Set KEYBOOK_SMTP_HOST" in text
    press(eve, "end", key=Channel.objects.get().pk)
    assert "No channel gets notices yet" in Page.of(eve.get(PAGE)).text
    assert "there no more" in press(eve, "end", 400, key=Channel.objects.get().pk).content.decode()


def test_a_worker_that_does_not_run_is_told_where_somebody_can_mend_it(eve, record):
    with transaction.atomic():
        telling.tell("mismatch", None, says="x")
    assert "nobody is told" not in Page.of(eve.get(PAGE)).text
    Notice.objects.update(at=timezone.now() - timedelta(minutes=3))
    assert "the worker notices does not run" in Page.of(eve.get(PAGE)).text
    delivering.spread()
    assert "nobody is told" not in Page.of(eve.get(PAGE)).text


def test_each_try_stands_with_its_time_and_reason_and_hostile_words_are_quoted(eve):
    channel = Channel.objects.create(kind="webhook", name="<script>x</script>", address=HOOK, made_by="eve")
    with transaction.atomic():
        notice = telling.tell("note", None, who="ann", says="</td><script>alert(1)</script>")
    row = Delivery.objects.create(
        notice=notice, channel=channel, address=HOOK, tries=2, says="It answered 500.", next_at=timezone.now()
    )
    for number in (1, 2):
        Try.objects.create(delivery=row, number=number, outcome="failed", says=f"It answered 50{number}.")
    page = eve.get(PAGE)
    text = Page.of(page).text
    assert "It answered 501." in text and "It answered 502." in text and "2 tries" in text and "again" in text
    assert "<script>alert" not in page.content.decode() and Notice.objects.count() == 1
