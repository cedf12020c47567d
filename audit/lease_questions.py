"""Which leases there are and who holds them: a page of them, and one with all that was seen of it.

Whoever is limited sees the leases of secrets in their scope and no others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet

from accounts.scope import Scope
from audit import lease_facts
from audit.grades import grade
from audit.lease_models import Lease
from audit.models import Principal, Vault
from audit.queries import secrets_in
from audit.reach import vaults_of
from inventory.leases import Fact, How, Kind, Standing, State, exposure, is_orphan, is_overdue, standing
from inventory.models import CheckLine, Connection

STATES = [str(one) for one in State]


@dataclass(frozen=True, slots=True)
class Wish:
    """Which leases are asked for; what is empty is not asked. `pod` is `namespace/name`, a name, or a uid."""

    pod: str = ""
    secret: int = 0
    prefix: str = ""  # of the secret's name
    principal: int = 0
    state: str = ""
    vault: str = ""
    orphaned: bool = False
    holder: str = ""  # the whole name of a principal
    pod_uid: str = ""


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """A lease as it stands at a time.

    `expires` is its own end where a lookup told it; `exposed` is how long it has outlived its pod.
    """

    id: int
    lease_id: str
    vault: str
    secret_id: int
    secret: str
    state: State
    how: How
    since: datetime
    standing: Standing
    verified: datetime | None
    overdue: bool
    holder_id: int
    holder: str
    kind: str
    pod: str
    pod_uid: str
    grade: str
    pod_gone: datetime | None
    orphaned: bool
    exposed: timedelta | None
    issued: datetime
    renewed: datetime | None
    renewals: int
    asked: datetime | None
    expires: datetime | None
    token_ends: datetime | None
    event_id: int


@dataclass(frozen=True, slots=True)
class Outlived:
    """How many leases outlive their pod; the first of these pods ended at `since`, None where there is none."""

    count: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Unseen:
    """A vault whose leases nobody can look up: it is not connected, or its connection lacks the right."""

    vault: str
    connected: bool


@dataclass(frozen=True, slots=True)
class Told:
    """One lease with what is known of it, oldest first."""

    row: LeaseRow
    facts: list[Fact]


def leases(wish: Wish, *, scope: Scope, now: datetime) -> QuerySet[Lease]:
    """Return the leases that are asked for and may be seen, in any order; page by their keys, ascending or not."""
    rows = Lease.objects.select_related("secret", "principal", "vault").filter(_wanted(wish))
    if wish.orphaned:
        rows = rows.filter(_orphaned(now))
    if wish.prefix or not scope.everything:
        some = secrets_in(scope).filter(name__startswith=wish.prefix)
        rows = rows.filter(secret_id__in=list(some.values_list("pk", flat=True)))
    return rows


def _wanted(wish: Wish) -> Q:
    wanted = Q()
    for column, value in (
        ("secret_id", wish.secret),
        ("principal_id", wish.principal),
        ("state", wish.state),
        ("vault__name", wish.vault),
    ):
        wanted &= Q((column, value)) if value else Q()
    if wish.holder:
        wanted &= Q(principal_id__in=list(Principal.objects.filter(name=wish.holder).values_list("pk", flat=True)))
    if wish.pod_uid:  # said apart from the other ways to name a pod, for which no index helps
        wanted &= ~Q(pod_uid="") & Q(pod_uid=wish.pod_uid)
    if wish.pod:
        named = Q(pod=wish.pod) if "/" in wish.pod else Q(pod__endswith=f"/{wish.pod}") | Q(pod_uid=wish.pod)
        wanted &= ~Q(pod="") & named
    return wanted


def _orphaned(now: datetime) -> Q:
    """Say in SQL what `inventory.leases.is_orphan` says of a lease that is not overdue."""
    running = Q(expires=None) | Q(expires__gt=now)
    running &= Q(token_ends=None) | Q(token_ends__gt=now)
    listed = Q(state__in=[State.QUEUED, State.IRREVOCABLE])
    return Q(pod_gone__isnull=False) & (listed | Q(state__in=[State.UNVERIFIED, State.LIVE]) & running)


def outlived(*, scope: Scope, now: datetime) -> Outlived:
    """Return how many leases outlive their pod."""
    found = leases(Wish(orphaned=True), scope=scope, now=now).aggregate(count=Count("pk"), since=Min("pod_gone"))
    return Outlived(found["count"], found["since"])


def unseen(*, scope: Scope) -> list[Unseen]:
    """Return the vaults in view with leases that may live and that nobody looks up: not connected, or not allowed."""
    some = Vault.objects.filter(Exists(Lease.objects.filter(vault=OuterRef("pk"), look_at__isnull=False)))
    named = vaults_of(scope)
    if named is not None:
        some = some.filter(name__in=named)
    missing = CheckLine.objects.filter(
        connection__vault=OuterRef("name"), name__contains=" sys/leases/lookup (", detail__startswith="missing"
    )
    connected = Connection.objects.filter(vault=OuterRef("name"))
    rows = some.annotate(connected=Exists(connected), missing=Exists(missing)).order_by("name")
    return [Unseen(one.name, one.connected) for one in rows if one.missing or not one.connected]


def shown(rows: Iterable[Lease], now: datetime) -> list[LeaseRow]:
    """Return leases as they stand at a time."""
    return [_row(one, now) for one in rows]


def lease(key: int, *, scope: Scope, now: datetime) -> Told:
    """Return one lease with its facts; raises `LookupError` for one that is not to be seen."""
    one = leases(Wish(), scope=scope, now=now).filter(pk=key).first()
    if one is None:
        raise LookupError(f"There is no lease {key}.")
    facts = [Fact(Kind.ISSUED, one.issued, event=one.event_id), *lease_facts.known_of([one.pk]).get(one.pk, ())]
    if one.found_at is not None:
        facts.append(Fact(Kind.FOUND, one.found_at, ends=one.found_ends))
    if one.verified_at is not None and one.verified != Kind.FOUND:
        facts.append(Fact(Kind(one.verified), one.verified_at))
    return Told(_row(one, now), sorted(facts, key=lambda fact: fact.at))


def _row(one: Lease, now: datetime) -> LeaseRow:
    state, overdue = State(one.state), is_overdue(State(one.state), one.expires, one.token_ends, now)
    return LeaseRow(
        id=one.pk, lease_id=one.lease_id, vault=one.vault.name, secret_id=one.secret_id, secret=one.secret.name,
        state=state, how=How(one.how), since=one.since,
        standing=standing(state, one.verified_at, one.asked, now), verified=one.verified_at, overdue=overdue,
        holder_id=one.principal_id, holder=one.principal.name, kind=one.principal.kind,
        pod=one.pod, pod_uid=one.pod_uid, grade=one.grade or grade(one.principal.kind), pod_gone=one.pod_gone,
        orphaned=is_orphan(state, one.pod_gone, overdue=overdue),
        exposed=exposure(state, one.since, one.pod_gone, now, (one.expires, one.token_ends)),
        issued=one.issued, renewed=one.renewed, renewals=one.renewals, asked=one.asked,
        expires=one.expires, token_ends=one.token_ends, event_id=one.event_id,
    )  # fmt: skip
