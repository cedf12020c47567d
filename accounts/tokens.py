"""API tokens: made for a person, shown once, never wider than their owner, and found again by what a request shows."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.address import is_within, read_network
from accounts.areas import area_of, in_words, scope_of
from accounts.models import ApiToken, TokenArea, User
from accounts.not_done import NotDone
from accounts.scope import Scope
from accounts.token_wish import SCOPES, Wish, allowed, terms
from accounts.trail import Detail, Subject, record
from kit import tokens as forms

PREFIX = "kbk_"
MOST_LIVE = 20  # of one person
ENDED_SHOWN = 20
SOON = timedelta(days=14)
USED_EVERY = timedelta(minutes=10)  # a busy token is written once in that time
REFUSED_AGAIN = timedelta(days=1)  # the same refusal is told once in that time,
REFUSED_OTHERWISE = timedelta(minutes=10)  # another reason or address once in this

logger = logging.getLogger(__name__)


class Refused(Exception):
    """This token lets nobody in. The message says why and what to do; `kind` is one word for it.

    `malformed` and `unknown` are no tokens of ours; `revoked`, `expired`, `network` and `owner` (disabled) were.
    """

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whoever a token lets in: its owner, within the token's limits, as both are now.

    `scopes` are those that the owner's role still allows, `scope` is how far it sees; without `networks` it may come
    from anywhere.
    """

    token_id: int
    name: str
    owner: User
    scopes: frozenset[str]
    scope: Scope
    expires: datetime
    networks: tuple[str, ...]

    def may(self, scope: str) -> bool:
        """Return whether it has `scope`; one that is not in the table raises `LookupError`, so no typo allows it."""
        if scope not in SCOPES:
            raise LookupError(f"No scope is called {scope}. The table is accounts.token_wish.SCOPES.")
        return scope in self.scopes


def find(bearer: str, address: str) -> Bearer:
    """Return who comes with the token `bearer` from `address` (by `accounts.address.client_address`).

    Raises `Refused`. One that was ours leaves an entry in the trail then, throttled. Noting a use or a refusal never
    fails the request.
    """
    token = _known(bearer)
    if why := _wrong(token, address):
        _note_refusal(token, why.kind, address)
        raise why
    _note_use(token)
    return Bearer(
        token_id=token.pk,
        name=token.name,
        owner=token.owner,
        scopes=allowed(token.owner, token.scopes),
        scope=scope_of(token.owner).narrowed(Scope.of(map(area_of, token.areas.all()))),
        expires=token.expires,
        networks=tuple(token.networks),
    )


def _known(bearer: str) -> ApiToken:
    """Return the row of a token; raises `Refused`. A mistyped one is told by its checksum, without a look-up."""
    if not forms.is_whole(bearer, PREFIX):
        raise Refused("malformed", f"This is no whole API token. One begins with {PREFIX}; copy it again, to its end.")
    digest = forms.digest(bearer)
    found = ApiToken.objects.select_related("owner").filter(sha256=digest).first()
    # The index is asked for a digest, so how long that takes tells nothing of the token; nor does this comparison.
    if found is None or not compare_digest(bytes(found.sha256), digest):
        raise Refused("unknown", "This API token is none of this Keybook's. Make one under Your account.")
    return found


def _wrong(token: ApiToken, address: str) -> Refused | None:
    """Return why this token lets nobody in from there, or None if it does."""
    if token.revoked:
        return Refused("revoked", f"This API token was revoked at {_time(token.revoked)}. Make another one.")
    if token.expires <= timezone.now():
        return Refused("expired", f"This API token expired at {_time(token.expires)}. Make another one.")
    if not token.owner.is_active:
        return Refused("owner", "The owner of this API token is disabled. Somebody else has to make another one.")
    if token.networks and not is_within(address, map(read_network, token.networks)):
        whence = address or "a place without an address"
        return Refused("network", f"This API token may not be used from {whence}. Make one that may, or go elsewhere.")
    return None


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _note_use(token: ApiToken) -> None:
    """Keep when the token was last used, to about ten minutes."""
    now = timezone.now()
    if token.used is None or token.used < now - USED_EVERY:
        _note(token, "used", used=now)


def _note_refusal(token: ApiToken, why: str, address: str) -> None:
    """Tell a refusal in the trail and on the pages, so seldom that nobody floods them."""
    now, same = timezone.now(), (token.refused_why, token.refused_from) == (why, address)
    if token.refused is None or token.refused < now - (REFUSED_AGAIN if same else REFUSED_OTHERWISE):
        _note(token, "refused", told=why, refused=now, refused_why=why, refused_from=address)


def _note(token: ApiToken, guard: str, told: str = "", **values: Any) -> None:
    """Write `values` into a token's row and what is `told` of it into the trail, if `guard` is as it was read.

    Somebody else who has the row now writes the same; a database that takes no writes keeps nobody from reading.
    """
    try:
        with transaction.atomic():
            rows = ApiToken.objects.filter(pk=token.pk, **{guard: getattr(token, guard)})
            if not rows.select_for_update(skip_locked=True).values_list("pk"):
                return
            rows.update(**values)
            if told:
                facts: dict[str, Detail] = {"why": told, "address": values["refused_from"]}
                record("nobody", "accounts.token.refused", _subject(token), details=facts)
    except DatabaseError as error:
        logger.warning("API token %s: its use could not be noted: %s", token.pk, str(error).partition("\n")[0])


def _subject(token: ApiToken) -> Subject:
    return Subject("token", token.pk, str(token))


@transaction.atomic
def create(owner: User, wish: Wish, *, actor: User | str, request: HttpRequest | None = None) -> tuple[ApiToken, str]:
    """Make a token for `owner` and return its row with the token itself, which is shown this once; raises `NotDone`."""
    owner = User.objects.select_for_update().get(pk=owner.pk)  # as they are now: disabling them waits, or came before
    granted = terms(wish, owner)
    if live(owner).count() >= MOST_LIVE:
        raise NotDone(f"{owner.username} has {MOST_LIVE} API tokens that are good. Revoke one that is not used first.")
    now, text = timezone.now(), forms.make(PREFIX)
    token = ApiToken.objects.create(
        owner=owner,
        name=granted.name,
        sha256=forms.digest(text),
        scopes=granted.scopes,
        networks=granted.networks,
        made=now,
        expires=now + timedelta(days=granted.days),
    )
    TokenArea.objects.bulk_create(
        TokenArea(token=token, vault=one.vault, namespace=one.namespace, prefix=one.prefix) for one in granted.areas
    )
    facts: dict[str, Detail] = {
        "scopes": granted.scopes,
        "areas": in_words(granted.areas) or "as far as the owner",
        "networks": granted.networks or "any",
        "expires": f"{token.expires:%Y-%m-%dT%H:%M:%SZ}",
    }
    record(actor, "accounts.token.made", _subject(token), details=facts, request=request)
    return token, text


def all_live() -> QuerySet[ApiToken]:
    """Return the tokens of everybody that are neither revoked nor expired."""
    return ApiToken.objects.filter(revoked=None, expires__gt=timezone.now())


def ends_soon(token: ApiToken) -> bool:
    """Return whether the last quarter of its time has begun, and no more than 14 days are left."""
    return token.expires - timezone.now() < min(SOON, (token.expires - token.made) / 4)


def live(owner: User) -> QuerySet[ApiToken]:
    """Return those of one person."""
    return all_live().filter(owner=owner)


def of(owner: User, ended: int = ENDED_SHOWN) -> tuple[list[ApiToken], int]:
    """Return the tokens of a person, the good ones first, the newest first, and how many ended ones are left out."""
    good = list(live(owner).prefetch_related("areas").order_by("-pk"))
    others = ApiToken.objects.filter(owner=owner).exclude(pk__in=[one.pk for one in good])
    shown = list(others.prefetch_related("areas").order_by("-pk")[:ended])
    return good + shown, others.count() - len(shown)


@transaction.atomic
def revoke(owner: User, token_id: int, *, actor: User | str, request: HttpRequest | None = None) -> None:
    """Revoke a token of `owner`, from the next request on; twice changes nothing. Raises `NotDone`."""
    token = ApiToken.objects.select_related("owner").filter(owner=owner, pk=token_id).first()
    if token is None:
        raise NotDone(f"{owner.username} has no API token with the number {token_id}. Look at the list again.")
    if ApiToken.objects.filter(pk=token.pk, revoked=None).update(revoked=timezone.now()):
        record(actor, "accounts.token.revoked", _subject(token), request=request)


def revoke_all(owner: User, *, actor: User | str, request: HttpRequest | None = None) -> None:
    """Revoke every token of a person that is still good, within the transaction of the verb that takes it away."""
    for key in live(owner).order_by("pk").values_list("pk", flat=True):
        revoke(owner, key, actor=actor, request=request)
