"""Pins one passkey for one person, in the table that the web process can't write."""

from __future__ import annotations

from typing import Any

import msgspec
from django.db import IntegrityError, transaction

from accounts.trail import Subject, record
from rotation.assertions import Key, fingerprint, unpack
from rotation.governing import asker_of, change_of
from rotation.models import ApproverKey, Change
from rotation.outcomes import Checked, Done, NotDone, Outcome, Refused, Sentence
from rotation.world import World


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose, and the key; credential and public key are base64url."""

    user_id: int
    user: str
    credential: str
    public_key: str
    sign_count: int = 0
    name: str = ""


def describe(args: Args) -> Sentence:
    """Say what the key is good for."""
    return Sentence(
        f"Pin the passkey {args.name or 'without a name'} of {args.user}", "it proves nothing",
        f"it proves approvals of {args.user}, of the highest class too",
        "it is good for nothing once its owner is disabled",
    )  # fmt: skip


def check(args: Args, world: World) -> Checked:
    """See that its owner asked, and that it is not pinned yet."""
    if trouble := _of_another(args, world):
        return Checked({}, (trouble,))
    if row := _rows(args).first():
        says = "is pinned already" if row.ended_at is None else "was ended, and stays so: register a new one"
        return Checked({}, (f"This passkey {says}.",))
    return Checked({"fingerprint": fingerprint(_key(args))}, (), (f"It is the key {fingerprint(_key(args))}.",))


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Nothing but the key is needed; whose it is only they can say."""
    if trouble := _of_another(args, world):
        return Refused(trouble)
    return {"fingerprint": fingerprint(_key(args))}


def done(args: Args, world: World) -> Outcome:
    """Look whether it is pinned, for this person."""
    if _rows(args).filter(user_id=args.user_id, public_key=unpack(args.public_key)).exists():
        return Done(f"The passkey of {args.user} is pinned.", {"fingerprint": fingerprint(_key(args))})
    return NotDone("It is not pinned.")


def run(args: Args, world: World) -> Outcome:
    """Pin it."""
    try:
        pin(args, change_of(world))
    except IntegrityError:
        return Refused("This passkey is pinned already, for somebody else or with another key.")
    return done(args, world)


@transaction.atomic
def pin(args: Args, change: Change, actor: str = "") -> ApproverKey:
    """Pin a key by an approved change, or at set-up as `actor`. Raises `IntegrityError` for one that is pinned."""
    made = ApproverKey.objects.create(
        user_id=args.user_id, user_name=args.user, credential=unpack(args.credential), name=args.name,
        public_key=unpack(args.public_key), sign_count=args.sign_count, pinned_by_change=change.pk,
    )  # fmt: skip
    told = {"fingerprint": fingerprint(_key(args)), "change": change.name}
    subject = Subject("user", args.user_id, args.user)
    record(actor or asker_of(change), "rotation.key.pinned", subject, details=told)
    return made


def _of_another(args: Args, world: World) -> str:
    """Return why this key may not be pinned for this person: somebody else's would vote in their name."""
    change = change_of(world)
    if change.asker_id == args.user_id:
        return ""
    return f"{change.asker_name} asked, and nobody but {args.user} can say which passkey is theirs."


def _key(args: Args) -> Key:
    return Key(args.user_id, unpack(args.credential), unpack(args.public_key), args.sign_count)


def _rows(args: Args) -> Any:
    return ApproverKey.objects.filter(credential=unpack(args.credential))
