"""`manage.py create_token`: what it prints, and that bad input makes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts import people
from accounts.models import ApiToken, TrailEntry
from accounts.scope import Area
from accounts.tokens import find
from tests.accounts.conftest import verbs


def _run(*arguments: str) -> str:
    out = StringIO()
    call_command("create_token", *arguments, stdout=out)
    return out.getvalue()


def test_it_prints_one_json_document_with_a_token_that_lets_its_owner_in(cat):
    document = json.loads(_run("--user", "cat", "--scope", "secrets:read", "events:read", "--json"))
    assert set(document) == {"token", "scopes", "expires"}
    assert document["scopes"] == ["events:read", "secrets:read"]
    expires = datetime.strptime(document["expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert timedelta(days=89, hours=23) < expires - datetime.now(UTC) < timedelta(days=90, minutes=1)
    assert find(document["token"], "203.0.113.9").owner == cat
    entry = TrailEntry.objects.get(verb="accounts.token.made")
    assert entry.actor_name.startswith("command line: ") and entry.details["areas"] == "as far as the owner"


def test_it_says_to_people_what_the_token_is_good_for(cat):
    limits = ["--vault", "prod", "--namespace", "/eu/", "--prefix", "secret/db/", "--prefix", "database/creds"]
    told = _run("--user", "cat", "--scope", "events:read", "--scope", "secrets:read", *limits, "--network",
                "10.0.0.0/8", "--days", "7", "--name", "collector").splitlines()  # fmt: skip
    assert told[0].startswith("collector, a token of cat until ")
    assert told[1] == (
        "May events:read, secrets:read; sees prod, namespace eu, secret/db; prod, namespace eu, database/creds; "
        "from 10.0.0.0/8."
    )
    found = find(told[-1], "10.1.2.3")
    assert found.scope.groups == ((Area("prod", "eu", "secret/db"), Area("prod", "eu", "database/creds")),)
    assert found.name == "collector"


@pytest.mark.parametrize(
    "more, sentence",
    [
        (["--user", "dan"], "Nobody is called “dan”."),
        (["--scope", "events:write"], "“events:write” is no scope that a token can have. The scopes are events:read, "),
        (["--scope", "trail:read"], "cat is reader, and trail:read needs administrator. Leave it out."),
        (["--scope", "changes:approve"], "cat is reader, and changes:approve needs approver. Leave it out."),
        (["--scope", "changes:ask"], "cat is reader, and changes:ask needs operator. Leave it out."),
        (["--scope", "changes:request"], "“changes:request” is no scope that a token can have. The scopes are"),
        (["--days", "401"], "A token lives for 1 to 400 days, not 401."),
        (["--days", "never"], "“never” is no number of days. A token lives for 1 to 400."),
        (["--days", "-1"], "“-1” is no number of days."),
        (["--network", "10.0.0.1/8"], "“10.0.0.1/8” is an address within a network. Write the network as 10.0.0.0/8."),
        (["--prefix", "secret/*"], "“secret/*” has a star. An area covers all below its path: leave the star out."),
        (["--vault", "v" * 201], "The vault of an area has at most 200 characters, all of them printable."),
        (["--name", ""], "A token needs a name of 1 to 100 characters"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2_and_nothing_is_made(cat, more, sentence):
    with pytest.raises(CommandError) as refused:
        _run("--user", "cat", "--scope", "events:read", *more)
    assert refused.value.returncode == 2 and str(refused.value).startswith(sentence)
    assert "\n" not in str(refused.value) and not ApiToken.objects.exists() and verbs() == []


def test_somebody_disabled_gets_none(cat, eve):
    people.disable(cat, actor=eve)
    with pytest.raises(CommandError, match="cat is disabled") as refused:
        _run("--user", "cat", "--scope", "events:read")
    assert refused.value.returncode == 2
