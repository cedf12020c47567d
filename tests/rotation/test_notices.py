"""People are told by signed webhook and by mail: with the verb, at least once, and given up with the reason."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import transaction

from accounts.models import PersonArea, TrailEntry, User
from accounts.not_done import NotDone
from config import roles
from inventory.models import Connection
from rotation import channels, delivering, freeze, moves, notice_words, telling, webhook, webhook_secrets
from rotation.approving import approve, reject
from rotation.channels import Wish
from rotation.notice_models import Channel, ChannelSecret, Delivery, Notice, Try
from rotation.schedule_models import Schedule
from tests.rotation.asked import as_role, ask, check, fresh, person, toys
from tests.rotation.receiving import Got, mail_server
from tests.rotation.receiving import webhook as receiver

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("made_roles")]


@pytest.fixture(autouse=True)
def _settings(monkeypatch):
    """Be an installation with a key, whose receivers may be on loopback."""
    given = {"notice_key": "k" * 50, "notice_inside": "127.0.0.0/8", "url": "https://keybook.example"}
    for name, value in given.items():
        monkeypatch.setattr(settings.KEYBOOK, name, value)


@pytest.fixture
def hook():
    with receiver() as got:
        yield got


@pytest.fixture
def post(monkeypatch):
    """Be an installation with a mail server."""
    with mail_server() as mails:
        given = {"smtp_host": "127.0.0.1", "smtp_port": mails.port, "smtp_tls": "none", "mail_from": "kb@example.com"}
        for name, value in given.items():
            monkeypatch.setattr(settings.KEYBOOK, name, value)
        yield mails


@pytest.fixture
def eve() -> User:
    return person("eve", email="eve@example.com")


@pytest.fixture
def ann() -> User:
    return person("ann", email="ann@example.com")


def added(eve: User, got: Got, *kinds: str) -> tuple[Channel, str]:
    with as_role(roles.WEB):
        return channels.add(Wish("webhook", "on call", f"{got.url}/hook?token=abc", kinds), actor=eve)


def turn() -> int:
    """Let the worker take a turn, with its own rights."""
    with as_role(roles.NOTICES):
        return delivering.turn()


def later(seconds: int) -> None:
    """Let time pass for what waits."""
    waiting = Delivery.objects.filter(state="waiting")
    for row in waiting:
        Delivery.objects.filter(pk=row.pk).update(next_at=row.next_at - timedelta(seconds=seconds))


def told() -> list[str]:
    return list(Notice.objects.order_by("pk").values_list("kind", flat=True))


def good(got: Got, at: int, secret: str) -> bool:
    """Check a request as a receiver does, by Standard Webhooks' own words."""
    _, headers, body = got.requests[at]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mine = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return mine in headers["webhook-signature"].split(" ")


def test_the_signature_is_that_of_the_standard_s_own_example():
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    made = webhook.signature([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_notice_is_signed_says_what_to_do_and_comes_with_an_id(eve, ann, hook):
    channel, secret = added(eve, hook)
    Connection.objects.create(vault="prod", address="http://127.0.0.1:8200")
    with as_role(roles.WEB):
        freeze.freeze("vault", "prod", "The build's token is out.", actor=ann)
    assert turn() == 1
    path, headers, body = hook.requests[0]
    said = json.loads(body)
    assert path == "/hook?token=abc" and good(hook, 0, secret)
    assert abs(int(headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 10
    assert headers["webhook-id"] == said["id"] == Notice.objects.get().name
    assert said["type"] == "keybook.freeze_set" and said["data"]["title"] == "ann froze vault prod"
    assert said["data"]["link"] == "https://keybook.example/changes/freeze/"
    assert said["data"]["reason"] == "The build's token is out."
    row = Delivery.objects.get()
    assert (row.state, row.tries, row.says) == ("sent", 1, "It answered 204.")
    assert turn() == 0, "what is sent is not sent again"
    entry = TrailEntry.objects.get(verb="rotation.channel.added")
    assert entry.details["to"] == f"{hook.url}/…" and secret not in json.dumps(entry.details)
    assert secret not in ChannelSecret.objects.get().sealed and channel.kinds == []


def test_what_is_not_taken_is_tried_again_with_the_same_id_ever_later_and_then_given_up(eve, hook, caplog):
    added(eve, hook)
    hook.statuses = [500] * 10
    with transaction.atomic():
        telling.tell("mismatch", None, says="A write without a step.")
    assert turn() == 1
    row = Delivery.objects.get()
    assert row.state == "waiting" and row.says == "It answered 500."
    for wait in delivering.WAITS:
        later(wait - 1)
        assert turn() == 0, f"not before {wait} s"
        later(1)
        assert turn() == 1
    row.refresh_from_db()
    assert (row.state, row.tries, row.says) == ("given_up", 10, "It answered 500.")
    assert len({headers["webhook-id"] for _, headers, _ in hook.requests}) == 1
    assert list(Try.objects.values_list("number", "outcome", "says")) == [
        (number, "failed", "It answered 500.") for number in range(1, 11)
    ]
    assert "given up after try 10" in caplog.text and hook.url not in caplog.text
    assert channels.given_up() == 1


def test_a_worker_that_is_killed_while_it_sends_leaves_a_try_and_another_one_follows(eve, hook):
    added(eve, hook)
    channels.try_out(Channel.objects.get().pk, actor=eve)
    with as_role(roles.NOTICES):
        delivering.spread()
        assert delivering._take() is not None  # and there the worker ends
        assert delivering._take() is None, "nobody else takes it meanwhile"
    later(60)
    assert turn() == 1 and Delivery.objects.get().state == "sent"
    assert list(Try.objects.values_list("number", "outcome")) == [(1, ""), (2, "sent")]


@pytest.mark.parametrize(
    ("status", "state", "words"),
    [(302, "waiting", "follows no redirect"), (410, "given_up", "answered 410"), (204, "sent", "answered 204")],
)
def test_no_redirect_is_followed_and_gone_is_gone(eve, hook, status, state, words):
    added(eve, hook)
    hook.statuses = [status]
    channels.try_out(Channel.objects.get().pk, actor=eve)
    turn()
    row = Delivery.objects.get()
    assert row.state == state and words in row.says
    assert [path for path, _, _ in hook.requests] == ["/hook?token=abc"]


def test_an_answer_that_drips_is_cut_off(eve, hook, monkeypatch):
    monkeypatch.setattr(webhook, "WHOLE", 0.2)
    added(eve, hook)
    hook.slow = 0.05
    channels.try_out(Channel.objects.get().pk, actor=eve)
    turn()
    assert "did not take it" in Delivery.objects.get().says


def test_a_receiver_inside_is_not_called_unless_the_operator_says_so(eve, hook, monkeypatch):
    added(eve, hook)
    monkeypatch.setattr(settings.KEYBOOK, "notice_inside", "")
    channels.try_out(Channel.objects.get().pk, actor=eve)
    turn()
    row = Delivery.objects.get()
    assert row.state == "given_up" and "KEYBOOK_NOTICE_INSIDE" in row.says and not hook.requests


def test_two_secrets_sign_while_one_replaces_the_other(eve, hook):
    channel, old = added(eve, hook)
    with as_role(roles.WEB):
        _, new = channels.renew(channel.pk, actor=eve)
    channels.try_out(channel.pk, actor=eve)
    turn()
    assert good(hook, 0, old) and good(hook, 0, new)
    with pytest.raises(NotDone, match="Two secrets hold already"):
        channels.renew(channel.pk, actor=eve)
    with as_role(roles.WEB):
        channels.end_old(channel.pk, actor=eve)
    channels.try_out(channel.pk, actor=eve)
    turn()
    assert not good(hook, 1, old) and good(hook, 1, new)


def test_a_secret_of_another_key_signs_nothing_and_says_so(eve, hook, monkeypatch):
    channel, _ = added(eve, hook)
    monkeypatch.setattr(settings.KEYBOOK, "notice_key", "another")
    channels.try_out(channel.pk, actor=eve)
    turn()
    assert "sealed under another KEYBOOK_NOTICE_KEY" in Delivery.objects.get().says and not hook.requests
    monkeypatch.setattr(settings.KEYBOOK, "notice_key", "")
    with pytest.raises(NotDone, match="KEYBOOK_NOTICE_KEY is not set"):
        webhook_secrets.seal("x")


def test_a_channel_gets_its_kinds_alone_and_a_trial_goes_to_it_alone(eve, ann, hook, post):
    added(eve, hook, "freeze_set")
    with as_role(roles.WEB):
        channels.add(Wish("email", "team", "team@example.com"), actor=eve)
    with transaction.atomic():
        telling.tell("mismatch", None, says="x")
    channels.try_out(Channel.objects.get(kind="email").pk, actor=eve)
    turn()
    assert not hook.requests and [to for to, _ in post.taken] == ["team@example.com"] * 2
    with as_role(roles.WEB):
        channels.end(Channel.objects.get(kind="email").pk, actor=eve)
        freeze.freeze("everything", "", "Stop.", actor=ann)
    turn()
    assert len(hook.requests) == 1 and [to for to, _ in post.taken][2:] == ["eve@example.com"]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish("webhook", "", "https://x.example"), "needs a name"),
        (Wish("webhook", "x", "ftp://x.example"), "no http"),
        (Wish("webhook", "x", "https://u:p@x.example"), "user name"),
        (Wish("webhook", "x", "https://x.example", ("nothing",)), "No notice is called"),
        (Wish("email", "x", "nobody"), "no e-mail address"),
        (Wish("email", "x", "a@b.example\r\nBcc: c@d.example"), "no e-mail address"),
        (Wish("pager", "x", "1"), "no kind of channel"),
    ],
)
def test_a_channel_that_can_t_be_is_refused_with_the_reason(eve, wish, words):
    with pytest.raises(NotDone, match=words):
        channels.add(wish, actor=eve)
    assert not Channel.objects.exists()


def test_each_verb_tells_in_its_own_transaction(monkeypatch, ann, eve):
    toys(monkeypatch)
    bob = person("bob", email="bob@example.com")
    change = ask(ann)
    assert told() == ["asked", "needs_you"]
    assert Notice.objects.get(kind="needs_you").people == sorted([bob.pk, eve.pk])
    check(change)
    assert told() == ["asked", "needs_you"], "what was found again is not told again"
    approve(change, bob, change.plan_hash, fresh())
    change.refresh_from_db()
    assert told()[2:] == ["approved"] and Notice.objects.get(kind="approved").people == [ann.pk]
    with pytest.raises(RuntimeError), transaction.atomic():
        moves.make(change, "start", "worker")
        moves.make(change, "fail", "worker", says="It broke.")
        raise RuntimeError
    assert told()[3:] == [], "what is rolled back was not told"
    change.refresh_from_db()
    moves.make(change, "start", "worker")
    moves.make(change, "fail", "worker", says="Stopped at step 1 of 1. It broke.")
    other = ask(ann, label="more")
    reject(other, bob, other.plan_hash, fresh(), "No.")
    assert told()[3:] == ["failed", "asked", "needs_you", "rejected"]
    assert Notice.objects.get(kind="failed").told["says"] == "Stopped at step 1 of 1. It broke."


def test_an_approver_s_mail_says_what_to_decide_and_where(monkeypatch, ann, post):
    toys(monkeypatch)
    person("bob", email="bob@example.com")
    change = ask(ann)
    turn()
    to, text = next((to, text) for to, text in post.taken if "needs approval" in text)
    assert to == "bob@example.com" and f"https://keybook.example/changes/{change.name}/" in text
    assert f"Subject: [Keybook] {change.name} needs approval: toy toys" in text
    assert "ann wrote: to see" in text and "approve or reject it before" in text
    assert (
        "Auto-Submitted: auto-generated" in text
        and f"Message-ID: <{Notice.objects.get(kind='needs_you').name}." in text
    )


def test_a_mail_tells_nobody_more_than_they_may_see_and_nothing_to_who_has_left(monkeypatch, ann, post):
    toys(monkeypatch)
    bob, mia = person("bob", email="bob@example.com"), person("mia", role="approver", email="mia@example.com")
    PersonArea.objects.create(user=bob, vault="prod", prefix="secret/other")
    ask(ann)
    User.objects.filter(pk=mia.pk).update(is_active=False)
    turn()
    assert post.taken == []


@pytest.mark.parametrize(("answer", "state"), [("451 later", "waiting"), ("550 nobody here", "given_up")])
def test_what_a_mail_server_refuses_for_now_is_tried_again_and_for_good_is_given_up(eve, post, answer, state):
    channels.add(Wish("email", "team", "team@example.com"), actor=eve)
    post.refuse = answer
    channels.try_out(Channel.objects.get().pk, actor=eve)
    turn()
    row = Delivery.objects.get()
    assert row.state == state and answer[:3] in row.says


def test_without_a_mail_server_people_are_not_mailed_and_a_channel_says_why(eve, ann):
    channels.add(Wish("email", "team", "team@example.com"), actor=eve)
    with as_role(roles.WEB):
        freeze.freeze("everything", "", "Stop.", actor=ann)
    turn()
    row = Delivery.objects.get()
    assert row.address == "team@example.com" and row.state == "given_up" and "KEYBOOK_SMTP_HOST" in row.says


@pytest.mark.parametrize("kind", sorted(telling.KINDS))
def test_every_kind_has_words_of_one_line_and_a_next_step(kind):
    facts = {"name": "C-7", "verb": "Revoke", "subject": "database/creds/x\r\nBcc: all@example.com", "asker": "ann",
             "says": "It broke.", "reason": "why", "until": "2026-03-14T09:00:00+00:00", "vault": "prod"}  # fmt: skip
    said = notice_words.say(kind, facts, "eve", "https://keybook.example")
    assert "\n" not in said.title and "?" not in said.title and said.next.endswith(".") and said.link
    assert notice_words.say(kind, {}, "", "").link == ""


def test_a_token_that_somebody_pasted_into_a_reason_goes_nowhere(ann, eve, hook):
    added(eve, hook)
    with as_role(roles.WEB):
        freeze.freeze("everything", "", "hvs.CAESIJ1234567890abcdefghijklmnopqrstuvwxyz is out", actor=ann)
    turn()
    assert b"CAESIJ" not in hook.requests[0][2] and "CAESIJ" not in json.dumps(Notice.objects.get().told)


@pytest.mark.parametrize(("kind", "facts"), [("note", []), ("nothing", {}), ("note", {"verb": 1})])
def test_a_row_that_keybook_never_wrote_keeps_no_notice_back(eve, hook, caplog, kind, facts):
    added(eve, hook)
    with as_role(roles.WEB):
        Notice.objects.create(kind=kind, told=facts)
        with transaction.atomic():
            telling.tell("note", None, says="read me")
    turn()
    assert len(hook.requests) == 1 and b"read me" in hook.requests[0][2]
    assert "in no form that Keybook writes" in caplog.text and not Notice.objects.filter(spread_at=None).exists()


def test_a_failure_of_our_own_is_kept_with_its_try_and_keeps_no_notice_back(eve, hook, monkeypatch):
    added(eve, hook)
    with transaction.atomic():
        telling.tell("note", None, says="first")
        telling.tell("note", None, says="second")
    real = webhook.post

    def post(address, document, *rest):
        if document["data"]["says"] == "first":
            raise KeyError("a bug")
        return real(address, document, *rest)

    monkeypatch.setattr(webhook, "post", post)
    turn()
    assert len(hook.requests) == 1 and Delivery.objects.filter(state="sent").count() == 1
    assert Try.objects.get(outcome="failed").says == "Keybook itself failed here (KeyError). Report it."


def test_what_was_given_up_is_sent_again_to_that_address_alone_and_once(eve, ann, hook, post):
    added(eve, hook, "freeze_set")
    with as_role(roles.WEB):
        channels.add(Wish("email", "team", "team@example.com"), actor=eve)
    hook.statuses = [410]
    with as_role(roles.WEB):
        freeze.freeze("everything", "", "Stop.", actor=ann)
    turn()
    lost, taken = Delivery.objects.get(state="given_up"), len(post.taken)
    with as_role(roles.WEB):
        channels.again(lost.pk, actor=eve)
        with pytest.raises(NotDone, match="sent again already"):
            channels.again(lost.pk, actor=eve)
        with pytest.raises(NotDone, match="not given up"):
            channels.again(Delivery.objects.filter(state="sent").first().pk, actor=eve)
    turn()
    first, second = (json.loads(body) for _, _, body in hook.requests)
    assert second["data"] == first["data"] and second["type"] == first["type"]
    assert len(post.taken) == taken, "nobody else is told twice"
    entry = TrailEntry.objects.get(verb="rotation.notice.sent_again")
    assert entry.actor_name == "eve" and entry.details["to"] == "channel on call"
    with as_role(roles.WEB):
        channels.end(lost.channel_id, actor=eve)
    Notice.objects.filter(key__startswith="again").update(key=None)
    with as_role(roles.WEB), pytest.raises(NotDone, match="was removed"):
        channels.again(lost.pk, actor=eve)


def test_a_mail_that_was_given_up_is_sent_again_to_that_person_alone(eve, ann, hook, post):
    added(eve, hook)
    post.refuse = "550 no such user"
    with as_role(roles.WEB):
        freeze.freeze("everything", "", "Stop.", actor=ann)
    turn()
    post.refuse = ""
    lost = Delivery.objects.get(state="given_up", person_id=eve.pk)
    with as_role(roles.WEB):
        channels.again(lost.pk, actor=eve)
    turn()
    assert [to for to, _ in post.taken] == ["eve@example.com"] and len(hook.requests) == 1


def test_notices_of_more_than_ninety_days_are_forgotten_once_they_are_on_no_way(eve, ann, hook):
    added(eve, hook, "test")
    key = Channel.objects.get().pk
    for _ in range(3):
        channels.try_out(key, actor=eve)
    turn()
    old, waiting, new = Notice.objects.order_by("pk")
    before = datetime.now(UTC) - timedelta(days=settings.KEYBOOK.notice_days) - timedelta(seconds=1)
    Notice.objects.filter(pk__in=[old.pk, waiting.pk]).update(at=before)
    Delivery.objects.filter(notice=waiting).update(state="waiting", next_at=datetime.now(UTC) + timedelta(hours=1))
    turn()
    assert list(Notice.objects.order_by("pk")) == [waiting, new]
    assert Delivery.objects.count() == Try.objects.count() == 2
    assert TrailEntry.objects.filter(verb="rotation.channel.tried").count() == 3


def test_the_owner_of_a_schedule_is_mailed_of_it_within_their_view_alone(ann, post):
    PersonArea.objects.create(user=ann, vault="demo", prefix="secret/prod")
    for key, pattern in ((7, "secret/prod/*"), (8, "secret/*")):
        row = Schedule(pk=key, name="bank", pattern=pattern, vault="demo", reason="PCI")
        telling.tell("kept_back", row, says="ann may ask for nothing.", people=[ann.pk])
    turn()
    (mail,) = post.taken
    assert mail[0] == ann.email and "The schedule bank is kept back" in str(mail[1])
