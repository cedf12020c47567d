"""API tokens: made and shown once, found by what a request shows, narrower than their owner, ended at once."""

from __future__ import annotations

import logging
import random
import string
from datetime import timedelta
from hashlib import sha256
from threading import Thread
from time import sleep

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts import areas, people, tokens
from accounts.address import client_address
from accounts.may import least, may
from accounts.models import ApiToken, Role, TrailEntry, User
from accounts.not_done import NotDone
from accounts.scope import Area
from accounts.token_wish import RESERVED, SCOPES, Wish
from accounts.tokens import Refused, find
from rotation.models import ApprovalPolicy
from tests.accounts.conftest import verbs

HERE = "203.0.113.9"
READ = ["events:read", "secrets:read", "principals:read", "sources:read"]
pytestmark = pytest.mark.django_db


def make(owner: User, **wish) -> str:
    """Return a token of `owner`."""
    return tokens.create(owner, Wish(**{"name": "siem", "scopes": ["events:read"]} | wish), actor=owner)[1]


def refused(token: str, address: str = HERE) -> tuple[str, str]:
    """Return the kind and the sentence with which a token is refused."""
    with pytest.raises(Refused) as why:
        find(token, address)
    return why.value.kind, str(why.value)


# What a token is ----------------------------------------------------------------------------------------------------


def test_a_token_lets_its_owner_in_as_far_as_they_see(cat):
    row, text = tokens.create(cat, Wish("siem", READ), actor=cat)
    found = find(text, HERE)
    assert (found.token_id, found.name, found.owner, found.scopes) == (row.pk, "siem", cat, set(READ))
    assert (found.scope.everything, found.networks, found.expires) == (True, (), row.expires)
    assert found.may("events:read") and not found.may("trail:read")
    with pytest.raises(LookupError, match="No scope is called event:read"):
        found.may("event:read")


def test_a_token_has_32_random_bytes_and_only_their_sha256_is_kept(cat):
    made = {make(cat) for _ in range(tokens.MOST_LIVE)}
    assert len(made) == tokens.MOST_LIVE and all(len(one) == len("kbk_") + 43 + 8 for one in made)
    assert {bytes(row.sha256) for row in ApiToken.objects.all()} == {sha256(one.encode()).digest() for one in made}


def _near_miss(token: str, at: random.Random) -> str:
    """Return a text that differs from `token` by one slip of a hand."""
    place, letters = at.randrange(len(token)), string.ascii_letters + string.digits + "-_ .\0é"
    slip = at.randrange(5)
    if slip == 0:
        return token[:place] + at.choice(letters) + token[place + 1 :]
    if slip == 1:
        return token[:place] + token[place + 1 :]
    if slip == 2:
        return token[:place] + at.choice(letters) + token[place:]
    if slip == 3:
        return token[:place] + token[place : place + 2][::-1] + token[place + 2 :]
    return token[:place] + token[place:].swapcase()


def test_of_a_thousand_near_misses_none_passes_and_none_is_looked_up(cat, django_assert_num_queries):
    token, at = make(cat), random.Random(5372)
    misses = [miss for _ in range(1_500) if (miss := _near_miss(token, at)) != token][:1_000]
    assert len(misses) == 1_000
    with django_assert_num_queries(0):
        assert {refused(miss)[0] for miss in misses} == {"malformed"}
    assert find(token, HERE).owner == cat


def test_whole_tokens_of_nobody_are_told_from_mistyped_ones_and_leave_nothing(cat):
    make(cat)
    before = verbs()
    assert {refused(tokens.forms.make("kbk_"))[0] for _ in range(100)} == {"unknown"}
    assert verbs() == before


@pytest.mark.parametrize("text", ["", "kbk_", "x" * 55, "kbk_" + "a" * 51, "☃" * 55, "kbk_" + "\0" * 51, "a" * 100_000])
def test_what_has_not_the_form_of_a_token_is_malformed(db, text):
    assert refused(text)[0] == "malformed"


def test_a_receivers_token_is_no_api_token(db):
    assert refused(tokens.forms.make("kbr_"))[0] == "malformed"


def test_a_row_whose_digest_was_swapped_lets_nobody_in(cat):
    token = make(cat)
    ApiToken.objects.update(sha256=b"\0" * 32)
    assert refused(token)[0] == "unknown"


# How it ends --------------------------------------------------------------------------------------------------------


def test_a_token_ends_by_itself(cat):
    token = make(cat, days=1)
    ApiToken.objects.update(expires=timezone.now() + timedelta(seconds=30))
    assert find(token, HERE)
    ApiToken.objects.update(expires=timezone.now())
    kind, sentence = refused(token)
    assert kind == "expired" and sentence.startswith("This API token expired at ")


def test_a_revoked_token_is_refused_from_the_next_request_on(cat):
    row, text = tokens.create(cat, Wish("siem", READ), actor=cat)
    tokens.revoke(cat, row.pk, actor=cat)
    tokens.revoke(cat, row.pk, actor=cat)
    assert refused(text)[0] == "revoked"
    assert verbs() == ["accounts.token.made", "accounts.token.revoked", "accounts.token.refused"]


def test_nobody_revokes_a_token_of_somebody_else_by_its_number(cat, ann):
    row, text = tokens.create(ann, Wish("siem", READ), actor=ann)
    with pytest.raises(NotDone, match="cat has no API token with the number"):
        tokens.revoke(cat, row.pk, actor=cat)
    assert find(text, HERE).owner == ann


def test_somebody_disabled_takes_their_tokens_along_and_gets_none_back(cat, eve):
    token, others = make(cat), make(eve)
    people.disable(cat, actor=eve)
    assert refused(token)[0] == "revoked"
    people.enable(cat, actor=eve)
    assert refused(token)[0] == "revoked" and find(others, HERE).owner == eve
    assert verbs().count("accounts.token.revoked") == 1


def test_an_owner_who_was_disabled_behind_our_back_is_not_let_in(cat):
    token = make(cat)
    User.objects.filter(pk=cat.pk).update(is_active=False)
    assert refused(token)[0] == "owner"


def test_a_role_that_sinks_takes_its_scopes_along_at_once_and_one_that_rises_gives_none(cat, eve):
    both, small = make(eve, scopes=["events:read", "trail:read"]), make(cat)
    people.change_role(cat, "administrator", actor=eve)
    assert find(small, HERE).scopes == {"events:read"}
    people.change_role(eve, "approver", actor=cat)
    assert find(both, HERE).scopes == {"events:read"}
    User.objects.filter(pk=eve.pk).update(role="")
    assert find(both, HERE).scopes == frozenset()


# What it may and sees -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_a_token_is_given_what_its_owners_role_may_and_nothing_else(db, role):
    owner = User.objects.create_user("x", role=role)
    scopes = {scope for scope, verb in SCOPES.items() if may(owner, verb)}
    assert set(READ) <= scopes and ("trail:read" in scopes) == (role == Role.ADMINISTRATOR)
    assert find(make(owner, scopes=sorted(scopes - RESERVED)), HERE).scopes == scopes - RESERVED
    for other in set(SCOPES) - scopes:
        with pytest.raises(NotDone, match=rf"^x is {role}, and {other} needs {least(SCOPES[other])}\."):
            make(owner, scopes=[other])


def test_areas_narrow_what_the_owner_sees_and_never_widen_it(cat, eve):
    areas.add(cat, Area("prod", "", "secret"), actor=eve)
    inside = find(make(cat, areas=[Area("prod", "", "secret/db")]), HERE).scope
    assert inside.covers("prod", "", "secret/db/password") and not inside.covers("prod", "", "secret/api")
    outside = find(make(cat, areas=[Area("stage"), Area("prod", "", "database")]), HERE).scope
    assert not outside.covers("stage", "", "secret/db") and not outside.covers("prod", "", "database/creds")
    assert find(make(cat), HERE).scope.covers("prod", "", "secret/api")


def test_areas_of_the_owner_count_for_tokens_that_were_made_before(cat, eve):
    token = make(cat)
    assert find(token, HERE).scope.everything
    areas.add(cat, Area("prod"), actor=eve)
    assert not find(token, HERE).scope.covers("stage", "", "secret/db")


@pytest.mark.parametrize(
    "wish, sentence",
    [
        ({"scopes": []}, "A token needs a scope. The scopes are events:read, "),
        (
            {"scopes": ["events:write"]},
            "“events:write” is no scope that a token can have. The scopes are events:read, ",
        ),
        ({"scopes": ["changes:ask"]}, "cat is reader, and changes:ask needs operator. Leave it out."),
        ({"days": 0}, "A token lives for 1 to 400 days, not 0."),
        ({"days": 401}, "A token lives for 1 to 400 days, not 401."),
        ({"name": " "}, "A token needs a name of 1 to 100 characters"),
        ({"name": "x" * 101}, "A token needs a name of 1 to 100 characters"),
        ({"name": "x\0y"}, "A token needs a name of 1 to 100 characters"),
        ({"networks": ["10.0.0.1/8"]}, "“10.0.0.1/8” is an address within a network. Write the network as 10.0.0.0/8."),
        ({"networks": ["internal"]}, "“internal” is no network. Write one as 10.0.0.0/8, or one address."),
        ({"networks": ["fe80::%eth0/64"]}, "“fe80::%eth0/64” names an interface of one machine."),
        ({"networks": [f"10.0.{n}.0/24" for n in range(21)]}, "A token has at most 20 areas and 20 networks."),
        ({"areas": [Area(f"v{n}") for n in range(21)]}, "A token has at most 20 areas and 20 networks."),
    ],
)
def test_a_wish_that_cannot_be_granted_makes_nothing_and_says_why(cat, wish, sentence):
    with pytest.raises(NotDone) as why:
        make(cat, **wish)
    assert str(why.value).startswith(sentence) and not ApiToken.objects.exists() and verbs() == []


def test_a_token_that_approves_is_made_on_purpose_and_only_where_a_policy_takes_its_votes(db):
    bob = User.objects.create_user("bob", role=Role.APPROVER)
    with pytest.raises(NotDone, match="with --allow-approve, and no other way"):
        make(bob, scopes=["changes:approve"])
    with pytest.raises(NotDone, match="No approval policy permits approving by API"):
        make(bob, scopes=["changes:approve"], allow_approve=True)
    ApprovalPolicy.objects.filter(name="everything").update(proof="api_token")
    token = make(bob, scopes=["changes:read", "changes:approve"], allow_approve=True)
    assert find(token, HERE).scopes == {"changes:read", "changes:approve"}
    User.objects.filter(pk=bob.pk).update(role=Role.OPERATOR)
    assert find(token, HERE).scopes == {"changes:read"}


def test_somebody_disabled_gets_no_token_and_nobody_has_more_than_20(cat, eve):
    for _ in range(tokens.MOST_LIVE):
        make(cat)
    with pytest.raises(NotDone, match="cat has 20 API tokens that are good"):
        make(cat)
    people.disable(cat, actor=eve)
    with pytest.raises(NotDone, match="cat is disabled"):
        make(cat)


# From where ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "networks, address, let_in",
    [
        (["10.0.0.0/8"], "10.255.255.255", True),
        (["10.0.0.0/8"], "11.0.0.0", False),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", True),
        (["::ffff:10.0.0.0/104"], "10.1.2.3", True),
        (["::ffff:10.0.0.0/104"], "11.1.2.3", False),
        (["192.0.2.7"], "192.0.2.7", True),
        (["192.0.2.7"], "192.0.2.8", False),
        (["2001:db8::/32"], "2001:db8:0:1::1", True),
        (["2001:db8::/32"], "2001:db9::1", False),
        (["2001:db8::/32", "10.0.0.0/8"], "10.0.0.1", True),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["::/0"], "10.0.0.1", False),
        (["10.0.0.0/8"], "", False),
        (["10.0.0.0/8"], "nonsense", False),
        ([], "", True),
    ],
)
def test_a_token_is_good_in_its_networks_only(cat, networks, address, let_in):
    token = make(cat, networks=networks)
    if let_in:
        assert find(token, address).owner == cat
    else:
        assert refused(token, address)[0] == "network"


@pytest.mark.parametrize(
    "trusted, peer, forwarded, let_in",
    [
        ("", "10.0.0.1", "", True),
        ("", "198.51.100.1", "10.0.0.1", False),  # anybody can write this header
        ("198.51.100.1", "198.51.100.1", "10.0.0.1", True),
        ("198.51.100.1", "198.51.100.1", "10.0.0.1, 203.0.113.5", False),  # the proxy saw another client
        ("198.51.100.1", "198.51.100.1", "::ffff:10.0.0.1", True),
        ("198.51.100.1", "::ffff:198.51.100.1", "10.0.0.1", True),
        ("198.51.100.1", "198.51.100.2", "10.0.0.1", False),
        ("10.0.0.0/8", "10.0.0.1", "203.0.113.5", False),  # the proxy's own network lets its clients in nowhere
        ("unix", "", "10.0.0.1", True),
        ("", "", "10.0.0.1", False),
    ],
)
def test_whose_address_counts_is_decided_by_the_trusted_proxies(cat, ask, settings, trusted, peer, forwarded, let_in):
    settings.TRUSTED_PROXIES = trusted
    token, address = make(cat, networks=["10.0.0.0/8"]), client_address(ask(peer, forwarded))
    if let_in:
        assert find(token, address).owner == cat
    else:
        assert refused(token, address)[0] == "network"


@pytest.mark.django_db(transaction=True)
def test_whoever_is_disabled_while_a_token_is_made_for_them_has_none_that_is_good():
    """Making waits for the row of its owner, and looks at them as they are once it has it."""
    cat = User.objects.create_user("cat")
    with connection.cursor() as cursor, psycopg.connect(**connection.get_connection_params()) as other:
        cursor.execute("SET lock_timeout = '10s'")
        other.execute("UPDATE accounts_user SET is_active = false")
        waiting = Thread(target=lambda: (sleep(0.3), other.commit()))
        waiting.start()
        with pytest.raises(NotDone, match="cat is disabled"):
            make(cat)
        waiting.join()
    assert not ApiToken.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_else_holds_keeps_no_request_waiting(caplog):
    cat = User.objects.create_user("cat")
    token = make(cat)
    with connection.cursor() as cursor, psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("SELECT 1 FROM accounts_apitoken FOR UPDATE")
        cursor.execute("SET statement_timeout = '2s'")
        assert find(token, HERE).owner == cat
        assert ApiToken.objects.get().used is None and caplog.text == ""  # it did not wait until a time ran out
        other.rollback()
        assert find(token, HERE) and ApiToken.objects.get().used
        cursor.execute("RESET statement_timeout")


# What use and refusal leave -----------------------------------------------------------------------------------------


def _writes(queries) -> list[str]:
    return [one["sql"] for one in queries if one["sql"].lstrip().upper().startswith(("UPDATE", "INSERT", "DELETE"))]


def test_use_is_written_at_most_once_in_ten_minutes(cat, django_assert_num_queries):
    token = make(cat)
    for minutes, written in ((0, 1), (0, 0), (9, 0), (11, 1)):
        if minutes:
            ApiToken.objects.update(used=timezone.now() - timedelta(minutes=minutes))
        with django_assert_num_queries(7 if written else 3) as seen:
            find(token, HERE)
        assert len(_writes(seen.captured_queries)) == written
    assert timezone.now() - ApiToken.objects.get().used < timedelta(minutes=1)


def test_a_use_that_cannot_be_noted_fails_no_request(cat, caplog):
    token = make(cat)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        with caplog.at_level(logging.WARNING, "accounts.tokens"):
            assert find(token, HERE).owner == cat
    assert ApiToken.objects.get().used is None
    assert "its use could not be noted" in caplog.text and token not in caplog.text


@pytest.mark.parametrize(
    "spoil, why",
    [
        ({"expires": timezone.now()}, "expired"),
        ({"revoked": timezone.now()}, "revoked"),
        ({"networks": ["10.0.0.0/8"]}, "network"),
    ],
)
def test_a_refused_token_leaves_who_came_from_where_and_why(cat, spoil, why):
    token = make(cat)
    ApiToken.objects.update(**spoil)
    assert refused(token)[0] == why
    row, entry = ApiToken.objects.get(), TrailEntry.objects.latest("pk")
    assert (row.refused_why, row.refused_from, row.used) == (why, HERE, None)
    assert (entry.verb, entry.actor_name, entry.subject_kind, entry.subject_id) == (
        "accounts.token.refused", "nobody", "token", row.pk,
    )  # fmt: skip
    assert (entry.subject_text, entry.details) == ("siem of cat", {"why": why, "address": HERE})


def test_two_hundred_refusals_flood_nobody(cat):
    token = make(cat, networks=["10.0.0.0/8"])
    for n in range(200):
        refused(token, f"203.0.113.{n}")
    assert verbs().count("accounts.token.refused") == 1


@pytest.mark.parametrize(
    "ago, address, told",
    [(9, "192.0.2.1", 1), (11, "192.0.2.1", 2), (11, HERE, 1), (23 * 60, HERE, 1), (25 * 60, HERE, 2)],
)
def test_another_refusal_is_told_after_ten_minutes_and_the_same_after_a_day(cat, ago, address, told):
    token = make(cat, networks=["10.0.0.0/8"])
    refused(token)
    ApiToken.objects.update(refused=timezone.now() - timedelta(minutes=ago))
    refused(token, address)
    assert verbs().count("accounts.token.refused") == told


def test_a_refusal_that_cannot_be_noted_is_still_a_refusal(cat):
    token = make(cat, networks=["10.0.0.0/8"])
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        assert refused(token)[0] == "network"
    assert "accounts.token.refused" not in verbs()


def test_the_trail_says_what_a_token_was_given_and_never_the_token(cat, ask):
    wish = Wish("siem", ["secrets:read", "events:read"], [Area("prod", "eu", "secret/db")], ["10.0.0.0/8"], 30)
    row, text = tokens.create(cat, wish, actor=cat, request=ask())
    entry = TrailEntry.objects.get()
    assert (entry.verb, entry.subject_text, entry.address) == ("accounts.token.made", "siem of cat", HERE)
    assert entry.details == {
        "scopes": ["events:read", "secrets:read"], "areas": ["prod, namespace eu, secret/db"],
        "networks": ["10.0.0.0/8"], "expires": f"{row.expires:%Y-%m-%dT%H:%M:%SZ}",
    }  # fmt: skip
    assert text not in str(TrailEntry.objects.values())
