"""Tokens are shown once, at most two of a device live, and every verb on them is in the trail."""

from __future__ import annotations

import pytest

from accounts.models import TrailEntry
from audit import receivers
from audit.models import ReceiverToken, Source
from kit import tokens


def trail(verb):
    return list(TrailEntry.objects.filter(verb=verb, subject_text="demo/tokens").order_by("pk"))


def test_a_token_lives_until_it_is_revoked_and_only_its_hash_is_kept(past):
    source, first = receivers.add_receiver("demo", "tokens", actor="command line: eve")
    second = receivers.new_token(source.device)
    assert tokens.is_whole(first, "kbr_") and tokens.is_whole(second, "kbr_") and first != second
    with pytest.raises(receivers.UnusableToken, match="2 live tokens"):
        receivers.add_receiver("demo", "tokens")
    newest, oldest = receivers.tokens(source.device)
    receivers.revoke(oldest.id, actor="eve")
    receivers.revoke(oldest.id, actor="eve")
    assert receivers.tokens(source.device)[1].revoked_at is not None
    assert receivers.new_token(source.device)
    assert Source.objects.filter(kind="receiver").count() == 1
    kept = {bytes(one.digest) for one in ReceiverToken.objects.all()}
    assert {tokens.digest(first), tokens.digest(second)} < kept
    assert newest.used_at is None
    with pytest.raises(receivers.UnusableToken, match="no receiver token 999999"):
        receivers.revoke(999999)


def test_every_verb_leaves_one_entry_without_the_token(past):
    before = [len(trail(verb)) for verb in VERBS]
    source, token = receivers.add_receiver("demo", "tokens", actor="command line: eve")
    receivers.revoke(receivers.tokens(source.device)[0].id, actor="command line: eve")
    receivers.revoke(receivers.tokens(source.device)[0].id, actor="command line: eve")
    assert [len(trail(verb)) - had for verb, had in zip(VERBS, before, strict=True)] == [1, 1, 1]
    assert all(trail(verb)[-1].actor_name == "command line: eve" for verb in VERBS)
    assert not any(token in str(vars(entry)) for verb in VERBS for entry in trail(verb))


VERBS = ("audit.receiver.added", "audit.receiver_token.made", "audit.receiver_token.revoked")


@pytest.mark.parametrize("wrong", ["", "kbr_", "x" * 55, "kbr_" + "a" * 51, "kbx_" + "a" * 51])
def test_what_was_mistyped_is_told_from_what_is_wrong(wrong):
    token = tokens.make("kbr_")
    assert not tokens.is_whole(wrong, "kbr_")
    assert not any(tokens.is_whole(token[:at] + "~" + token[at + 1 :], "kbr_") for at in range(len(token)))


def test_what_waits_is_told_per_device(past):
    receivers.add_receiver("demo", "tokens")
    assert [(one.device, one.rows, one.oldest) for one in receivers.backlog()] == [("demo/tokens", 0, None)]
