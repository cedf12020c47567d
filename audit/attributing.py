"""Attributes accepted calls to pods in turns of its own, behind ingestion: resumable anywhere, and anew when news come.

A turn reads events in order of acceptance from its cursor and notes which token called from which address; it reads
what changed of the pods from theirs. Both only mark uses as stale, in the transaction that moves the cursor. What is
stale is attributed anew, and where that says something else than before, it leaves an amendment. At last the stream
is told (`audit/telling.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from audit import calibrating, telling
from audit.bearers import LOGIN, Call, held, learn, tellers
from audit.models import Vault
from audit.pod_tables import (
    Attribution,
    AttributionAmendment,
    AttributionCursor,
    Bearer,
    Retelling,
    TokenUse,
    VaultCalibration,
)
from inventory.attribution import Pod, Verdict, stretches
from inventory.delivery_models import DeliveryAccount
from inventory.lives import canonical
from inventory.models import Cluster, PodLife, ServiceAccount
from inventory.moments import micros, time_of
from inventory.pods import Wanted, world_of
from inventory.verdict import SENTENCES, World

EVENTS, USES, LIVES = 10_000, 500, 2_000  # that one transaction takes
PATIENCE = timedelta(minutes=2)  # how long a call waits for the picture of its moment's pods
SKEW = timedelta(seconds=5)
_LOCK = 0x6B62_0006
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_NEXT = f"""
    WITH e AS MATERIALIZED (
        SELECT id, time, vault, token, address, block, line, flags, path, operation, outcome FROM audit_event
        WHERE id > %s ORDER BY id LIMIT {EVENTS})
    SELECT e.id, e.time, e.vault, e.token, e.address, e.block, e.line, e.flags,
           {LOGIN}
    FROM e JOIN audit_path a ON a.id = e.path ORDER BY e.id
"""  # noqa: S608 - our own text
_USED = """
    INSERT INTO audit_tokenuse (vault_id, token_id, address_id, first, last, stale)
    SELECT v, t, a, f, l, true FROM unnest(%s::int[], %s::int[], %s::int[], %s::timestamptz[], %s::timestamptz[])
        AS g(v, t, a, f, l)
    ON CONFLICT (token_id, address_id) DO UPDATE
    SET first = least(audit_tokenuse.first, excluded.first), last = greatest(audit_tokenuse.last, excluded.last)
"""
_STALE = "UPDATE audit_tokenuse SET stale = true WHERE NOT stale AND "
_TOUCHED = f"""{_STALE} token_id IN (
    SELECT token_id FROM audit_bearer WHERE uids && %(uids)s::text[]
    UNION SELECT u.token_id FROM audit_tokenuse u JOIN audit_address a ON a.id = u.address_id
    WHERE a.address = ANY(%(addresses)s) AND u.last >= %(since)s
    UNION SELECT u.token_id FROM audit_tokenuse u JOIN audit_attribution t ON t.use_id = u.id
    WHERE t.pod_uid = ANY(%(uids)s) AND t.pod_uid <> ''
    UNION SELECT u.token_id FROM audit_tokenuse u JOIN audit_bearer b USING (token_id)
    WHERE (b.account_namespace, b.account_name) IN (SELECT * FROM unnest(%(spaces)s::text[], %(names)s::text[]))
    AND u.last >= %(since)s)
"""  # noqa: S608 - our own text

_LATE = f"""{_STALE} token_id IN (
    SELECT u.token_id FROM audit_attribution t JOIN audit_tokenuse u ON u.id = t.use_id
    WHERE t.provisional AND t.since <= %s)"""  # noqa: S608 - our own text


@dataclass(slots=True)
class Report:
    """What a turn did; `drained` when there is nothing left to do now."""

    events: int = 0
    bearers: int = 0
    lives: int = 0
    uses: int = 0
    amendments: int = 0
    told: int = 0
    drained: bool = True


def attribute(*, seconds: float | None = None, now: datetime | None = None) -> Report | None:
    """Take a turn until nothing is left, or so many seconds are over; None when another process takes one now.

    Where no cluster is known there is nothing to do: the events are read from the first as soon as there is one.
    """
    report, began = Report(), datetime.now(UTC)
    if not Cluster.objects.exists():
        return report

    def over() -> bool:
        return seconds is not None and (datetime.now(UTC) - began).total_seconds() > seconds

    with _alone() as ours:
        if not ours:
            return None
        for step in (_read_events, _read_pods, _calibrate_all, _renew, _tell):
            while step(report, now or datetime.now(UTC)):
                if over():
                    report.drained = False
                    return report
    return report


@contextmanager
def _alone() -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        ours = bool(cursor.fetchone()[0])
        try:
            yield ours
        finally:
            if ours:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


# --- what is new


def _read_events(report: Report, now: datetime) -> bool:
    """Read on from the cursor; tells whether there may be more."""
    with transaction.atomic():
        cursor = _cursor("events")
        rows = [Call(*row) for row in _rows(_NEXT, [cursor.position])]
        calls = _ripe(rows, now)
        if not calls:
            return False
        with_token = [call for call in calls if call.token]
        report.bearers += len(learn(tellers(with_token)))
        _use(with_token)
        cursor.position = calls[-1].id
        cursor.save(update_fields=["position"])
        report.events += len(calls)
        return len(calls) == len(rows) == EVENTS


def _ripe(calls: list[Call], now: datetime) -> list[Call]:
    """Return the calls up to the first whose pods are not all known yet, unless that has been waited for."""
    known = [one for one in Cluster.objects.values_list("known_until", flat=True) if one is not None]
    horizon = max(min(known, default=now) - SKEW, now - PATIENCE)
    for number, call in enumerate(calls):
        if call.time > horizon and known:
            return calls[:number]
    return calls


def _use(calls: Sequence[Call]) -> None:
    spans: dict[tuple[int, int, int], list[datetime]] = {}
    for call in calls:
        span = spans.setdefault((call.vault, call.token, call.address), [call.time, call.time])
        span[:] = [min(span[0], call.time), max(span[1], call.time)]
    if spans:
        keys, times = zip(*sorted(spans.items()), strict=True)
        with connection.cursor() as cursor:
            cursor.execute(_USED, [*map(list, zip(*keys, strict=True)), *map(list, zip(*times, strict=True))])
            cursor.execute(f"{_STALE} token_id = ANY(%s)", [sorted({key[1] for key in keys})])


def _read_pods(report: Report, _: datetime) -> bool:
    """Mark as stale what the news of one cluster's pods and service accounts touch; tells whether there was any."""
    for cluster in Cluster.objects.order_by("pk"):
        with transaction.atomic():
            some = _read_lives(cluster, report) or _read_accounts(cluster) or _read_deliveries(cluster)
            if some or _read_horizon(cluster):
                return True
    return False


def _read_lives(cluster: Cluster, report: Report) -> bool:
    cursor = _cursor(f"pods of {cluster.pk}")
    news = PodLife.objects.filter(cluster=cluster, change__gt=cursor.position)
    changes = list(news.order_by("change").values_list("change", flat=True)[:LIVES])
    if not changes:
        return False
    some = news.filter(change__lte=changes[-1]).prefetch_related("addresses")
    for part in _parts(list(some), LIVES):
        _touch(
            uids=[life.uid for life in part],
            addresses=[one.address for life in part for one in life.addresses.all()],
            accounts=sorted({(life.namespace, life.service_account) for life in part}),
            since=min(life.started for life in part) - 3 * SKEW,
        )
        report.lives += len(part)
    cursor.position = changes[-1]
    cursor.save(update_fields=["position"])
    return True


def _parts(some: list[PodLife], size: int) -> Iterator[list[PodLife]]:
    for start in range(0, len(some), size):
        yield some[start : start + size]


def _read_accounts(cluster: Cluster) -> bool:
    cursor = _cursor(f"service accounts of {cluster.pk}")
    news = ServiceAccount.objects.filter(cluster=cluster, pk__gt=cursor.position).order_by("pk")[:LIVES]
    some = list(news)
    if not some:
        return False
    _touch(uids=[one.uid for one in some], addresses=[], accounts=[], since=datetime.now(UTC))
    cursor.position = some[-1].pk
    cursor.save(update_fields=["position"])
    return True


def _read_deliveries(cluster: Cluster) -> bool:
    """Mark what was said of accounts before it was known that operators deliver for them."""
    cursor = _cursor(f"deliveries of {cluster.pk}")
    some = list(DeliveryAccount.objects.filter(cluster=cluster, pk__gt=cursor.position).order_by("pk")[:LIVES])
    if not some:
        return False
    _touch(uids=[], addresses=[], accounts=[(one.namespace, one.name) for one in some], since=_LONG_AGO)
    cursor.position = some[-1].pk
    cursor.save(update_fields=["position"])
    return True


def _read_horizon(cluster: Cluster) -> bool:
    """Mark what was said before all pods of its time were known, as far as they are known now."""
    cursor = _cursor(f"horizon of {cluster.pk}")
    reached = micros(cluster.known_until) if cluster.known_until else 0
    if reached <= cursor.position:
        return False
    with connection.cursor() as sql:
        sql.execute(_LATE, [cluster.known_until])
    cursor.position = reached
    cursor.save(update_fields=["position"])
    return True


def _touch(*, uids: list[str], addresses: list[str], accounts: list[tuple[str, str]], since: datetime) -> None:
    given: dict[str, Any] = {
        "uids": uids, "addresses": addresses, "since": since,
        "spaces": [space for space, _ in accounts], "names": [name for _, name in accounts],
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_TOUCHED, given)


def _cursor(name: str) -> AttributionCursor:
    """Return a cursor, locked until the transaction ends."""
    AttributionCursor.objects.get_or_create(name=name)
    return AttributionCursor.objects.select_for_update().get(name=name)


def _calibrate_all(_: Report, __: datetime) -> bool:
    """Calibrate each vault; where something else is proven than before, all of its calls are stale. Done in one go."""
    for vault in Vault.objects.all():
        with transaction.atomic():
            calibrating.calibrate(vault)
    return False


# --- what is said


def _renew(report: Report, _: datetime) -> bool:
    """Attribute a handful of stale uses anew; tells whether there were any."""
    with transaction.atomic():
        stale = list(TokenUse.objects.filter(stale=True).select_related("address", "vault").order_by("pk")[:USES])
        by_vault: dict[Vault, list[TokenUse]] = defaultdict(list)
        for use in stale:
            by_vault[use.vault].append(use)
        for vault, uses in by_vault.items():
            report.amendments += _renew_of(vault, uses)
        TokenUse.objects.filter(pk__in=[use.pk for use in stale]).update(stale=False, untold=False)
        report.uses += len(stale)
    return bool(stale)


def _renew_of(vault: Vault, uses: list[TokenUse]) -> int:
    bearers = Bearer.objects.in_bulk([use.token_id for use in uses])
    last = _last_at_login(bearers)
    world = _world(vault, uses, bearers)
    before: dict[int, list[Attribution]] = defaultdict(list)
    for one in Attribution.objects.filter(use__in=uses).order_by("since"):
        before[one.use_id].append(one)
    after: list[Attribution] = []
    old: list[Attribution] = []
    longer: list[Attribution] = []
    amendments: list[AttributionAmendment] = []
    anew: list[Retelling] = []
    for use in uses:
        if use.token_id not in bearers:
            continue
        token = held(bearers[use.token_id], last.get(use.token_id))
        told = stretches(token, use.address.address, micros(use.first), micros(use.last), world)
        mine = [_row(use, since, until, verdict) for since, until, verdict in told]
        amendments += _amendments(use, before[use.pk], mine)
        anew += telling.retelling(use, before[use.pk], mine)
        if _lasts(before[use.pk], mine):
            longer.append(before[use.pk][-1])
        else:
            after += mine
            old += before[use.pk]
    Attribution.objects.filter(pk__in=[one.pk for one in old]).delete()
    Attribution.objects.bulk_create(after, batch_size=1_000)
    Attribution.objects.bulk_update(longer, ["until"], batch_size=1_000)
    AttributionAmendment.objects.bulk_create(amendments, batch_size=1_000)
    Retelling.objects.bulk_create(anew, batch_size=1_000)
    return len(amendments)


def _tell(report: Report, _: datetime) -> bool:
    """Tell the stream a little of what is said now; tells whether there may be more."""
    told, more = telling.step()
    report.told += told
    return more


def _last_at_login(bearers: dict[int, Bearer]) -> dict[int, datetime]:
    """Return of each token its last call from the address that it logged in from."""
    rows = _rows(
        """SELECT u.token_id, u.last FROM audit_tokenuse u JOIN audit_bearer b USING (token_id)
           JOIN audit_address a ON a.id = u.address_id AND a.address = b.login_address WHERE u.token_id = ANY(%s)""",
        [list(bearers)],
    )
    return dict(rows)


def _world(vault: Vault, uses: Sequence[TokenUse], bearers: dict[int, Bearer]) -> World:
    """Return what has to be known of pods to attribute these uses."""
    wanted = Wanted(since=min(micros(use.first) for use in uses), until=max(micros(use.last) for use in uses))
    wanted.addresses.update(canonical(use.address.address) for use in uses)
    for bearer in bearers.values():
        wanted.addresses.add(canonical(bearer.login_address))
        wanted.uids.update(bearer.uids)
        if bearer.account_name:
            wanted.accounts.add((bearer.account_namespace, bearer.account_name))
            names = [value for key, value in bearer.claims.items() if "pod" in key and "name" in key]
            wanted.names.update((bearer.account_namespace, name) for name in names)
        if bearer.login_at:
            wanted.since = min(wanted.since, micros(bearer.login_at))
    known = VaultCalibration.objects.filter(vault=vault).first()
    if known is None:
        return world_of(vault.name, wanted)
    return world_of(vault.name, wanted, known.links, calibrating.calibrations(known.clusters))


def _row(use: TokenUse, since: int, until: int, verdict: Verdict) -> Attribution:
    pod = verdict.pod or Pod("", "", "", "")
    return Attribution(
        use=use, since=time_of(since), until=time_of(until), grade=verdict.grade.value, cluster=pod.cluster,
        pod_uid=pod.uid, pod_namespace=pod.namespace, pod_name=pod.name, delivered_by=verdict.delivered_by,
        rule=verdict.rule, provisional="picture_late" in verdict.reasons, evidence={
            "reasons": list(verdict.reasons),
            "candidates": [_named(one) for one in verdict.candidates],
            "sentence": " ".join(SENTENCES[reason] for reason in verdict.reasons),
        },
    )  # fmt: skip


def _named(pod: Pod) -> dict[str, str]:
    return {"cluster": pod.cluster, "uid": pod.uid, "namespace": pod.namespace, "name": pod.name}


def _amendments(use: TokenUse, before: list[Attribution], after: list[Attribution]) -> list[AttributionAmendment]:
    """Return where something else is said now than before."""
    return [
        AttributionAmendment(use=use, since=since, until=until, before=_said(old), after=_said(new))
        for old in before
        for new in after
        if (since := max(old.since, new.since)) < (until := min(old.until, new.until)) and _said(old) != _said(new)
    ]


def _lasts(before: list[Attribution], after: list[Attribution]) -> bool:
    """Whether nothing is new but how long the last stretch lasts, which is then taken over."""
    told = [[(one.since, one.delivered_by, one.evidence, _said(one)) for one in some] for some in (before, after)]
    if not before or told[0] != told[1]:
        return False
    before[-1].until = after[-1].until
    return True


def _said(one: Attribution) -> dict[str, Any]:
    return {
        "grade": one.grade, "cluster": one.cluster, "pod_uid": one.pod_uid, "namespace": one.pod_namespace,
        "name": one.pod_name, "reasons": one.evidence["reasons"], "rule": one.rule,
    }  # fmt: skip


def forget_before(day: datetime) -> int:
    """Forget what was said of calls that retention has dropped; returns how many uses are gone."""
    old = TokenUse.objects.filter(last__lt=day)
    return old.delete()[1].get("audit.TokenUse", 0)


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
