"""Tells the stream which pod made a call, once that is worked out and whenever it is worked out to be another.

The events are walked in order of acceptance behind attribution; what is said anew of calls that were passed leaves a
`Retelling`. What differs from what the stream was last told becomes an amendment of the event, whose number is drawn
last, under the stream's lock (decision 0006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from audit.event import ALIVE, AMENDS
from audit.grades import grade
from audit.pod_tables import Attribution, AttributionCursor, Retelling, TokenUse, ToldPod
from audit.store import STREAM_LOCK
from vault.reads import Outcome

MOST = 1_000  # amendments that one transaction writes: as long as it lasts, nobody else writes to the stream
SPAN = 50_000  # numbers of events that one transaction walks past
Said = tuple[str, str, str, str, str, str]  # grade, cluster, the pod's uid, its namespace and name, the operator

# Of a call that neither gave a secret nor was refused one, nobody asks who made it.
_TOLD = f"(e.disclosed > 0 OR e.outcome = {Outcome.DENIED.value}) AND e.{ALIVE}"
_COLUMNS = f"""
    e.id, CASE WHEN e.flags < {AMENDS} THEN e.id ELSE (SELECT o.id FROM audit_event o WHERE o.vault = e.vault
    AND o.request_id = e.request_id AND o.time = e.time AND o.flags < {AMENDS} LIMIT 1) END,
    e.time, p.kind, u.id, t.grade, t.cluster, t.pod_uid, t.pod_namespace, t.pod_name, t.delivered_by
"""  # noqa: S608 - our own text
_WITH = """
    JOIN audit_principal p ON p.id = e.principal
    LEFT JOIN audit_attribution t ON t.use_id = u.id AND t.since <= e.time AND t.until > e.time
"""
_WALK = f"""
    WITH e AS MATERIALIZED (SELECT * FROM audit_event e WHERE id > %s AND id <= %s AND token > 0 AND {_TOLD}
                            ORDER BY id LIMIT {MOST})
    SELECT {_COLUMNS} FROM e JOIN audit_tokenuse u ON u.token_id = e.token AND u.address_id = e.address {_WITH}
    ORDER BY e.id
"""  # noqa: S608 - our own text
# A token's calls are found by its principal; one of the same name may have got another entity meanwhile.
_AGAIN = f"""
    SELECT {_COLUMNS} FROM audit_tokenuse u JOIN audit_event e ON e.token = u.token_id AND e.address = u.address_id
    {_WITH} WHERE u.id = %s AND e.time >= %s AND e.time < %s AND (e.time, e.id) > (%s, %s) AND e.id <= %s AND {_TOLD}
    AND e.principal = ANY(ARRAY(
        SELECT s.id FROM audit_token k JOIN audit_principal o ON o.id = k.principal_id
        JOIN audit_principal s USING (vault_id, kind, name, namespace) WHERE k.id = u.token_id))
    ORDER BY e.time, e.id LIMIT %s
"""  # noqa: S608 - our own text
_LAST = """
    SELECT DISTINCT ON (s.event_id) s.event_id, p.grade, p.cluster, p.pod_uid, p.pod_namespace, p.pod_name,
           p.delivered_by
    FROM audit_told s JOIN audit_toldpod p ON p.id = s.pod
    WHERE s.event_id = ANY(%s) AND s.time >= %s AND s.time <= %s ORDER BY s.event_id, s.seq DESC
"""
_TELL = """
    INSERT INTO audit_told (seq, event_id, row_id, time, pod)
    SELECT nextval('audit_event_seq'), e, r, t, p
    FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[], %s::int[]) AS g(e, r, t, p)
"""


@dataclass(frozen=True, slots=True)
class Told:
    """A call, as event and as the row that it is now, and what is worked out of its pod; nothing for `said` None."""

    row: int
    event: int
    time: datetime
    kind: str
    use: int
    said: Said | None

    @property
    def at_first(self) -> Said:
        """What an event itself says: no more than its principal's kind does."""
        return (grade(self.kind), "", "", "", "", "")


def step() -> tuple[int, bool]:
    """Tell what one transaction may; returns how many amendments were made, and whether there may be more to tell."""
    told, more = _again()
    return (told, True) if more else _walk()


def _walk() -> tuple[int, bool]:
    """Walk on through the events that attribution has read."""
    with transaction.atomic():
        read = AttributionCursor.objects.filter(name="events").values_list("position", flat=True).first() or 0
        cursor = _cursor()
        upto = min(read, cursor.position + SPAN)
        if upto <= cursor.position:
            return 0, False
        calls = _calls(_WALK, [cursor.position, upto])
        unsaid = {call.use for call in calls if call.said is None}
        TokenUse.objects.filter(pk__in=unsaid, untold=False).update(untold=True)
        cursor.position = calls[-1].row if len(calls) == MOST else upto
        cursor.save(update_fields=["position"])
        return _tell(calls), cursor.position < read


def _again() -> tuple[int, bool]:
    """Look again at calls of which something else is said now; tells whether there were any."""
    with transaction.atomic():
        passed = _cursor().position
        calls: list[Told] = []
        done: list[int] = []
        jobs = list(Retelling.objects.order_by("pk")[:MOST])
        for job in jobs:
            left = MOST - len(calls)
            some = _calls(_AGAIN, [job.use_id, job.since, job.until, job.since, job.after, passed, left])
            calls += some
            if len(some) == left:
                job.since, job.after = some[-1].time, some[-1].row
                job.save(update_fields=["since", "after"])
                break
            done.append(job.pk)
        Retelling.objects.filter(pk__in=done).delete()
        return _tell(_last_of_each(calls)), bool(jobs)


def _last_of_each(calls: Sequence[Told]) -> list[Told]:
    """Two jobs may have found one call."""
    return list({call.event: call for call in calls}.values())


def _cursor() -> AttributionCursor:
    AttributionCursor.objects.get_or_create(name="stream")
    return AttributionCursor.objects.select_for_update().get(name="stream")


def _calls(sql: str, values: Sequence[Any]) -> list[Told]:
    found = []
    for row, event, time, kind, use, told, *pod in _rows(sql, values):
        said = None if told is None else (grade(kind, told), *pod)
        found.append(Told(row, event or row, time, kind, use, said))
    return found


def _tell(calls: Sequence[Told]) -> int:
    """Write what differs from what the stream was last told; nothing but that follows the stream's lock."""
    last = _last(calls)
    news = [call for call in calls if call.said is not None and call.said != last.get(call.event, call.at_first)]
    if not news:
        return 0
    pods = _numbers({call.said for call in news if call.said is not None})
    news.sort(key=lambda call: (call.time, call.event))
    columns: list[Any] = [[call.event for call in news], [call.row for call in news], [call.time for call in news],
               [pods[call.said] for call in news if call.said is not None]]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [STREAM_LOCK])
        cursor.execute(_TELL, columns)
    return len(news)


def _last(calls: Sequence[Told]) -> dict[int, Said]:
    times = [call.time for call in calls]
    if not times:
        return {}
    rows = _rows(_LAST, [[call.event for call in calls], min(times), max(times)])
    return {event: tuple(said) for event, *said in rows}


_FIELDS = ("grade", "cluster", "pod_uid", "pod_namespace", "pod_name", "delivered_by")


def _numbers(wanted: set[Said]) -> dict[Said, int]:
    """Return the rows of what is said, made where they are missing."""
    made = [ToldPod(**dict(zip(_FIELDS, said, strict=True))) for said in sorted(wanted)]
    ToldPod.objects.bulk_create(made, ignore_conflicts=True)
    uids = {said[2] for said in wanted}
    rows = ToldPod.objects.filter(pod_uid__in=uids).values_list("pk", *_FIELDS)
    return {said: key for key, *told in rows if (said := tuple(told)) in wanted}


def retelling(use: TokenUse, before: Sequence[Attribution], after: Sequence[Attribution]) -> list[Retelling]:
    """Return which calls of a use the stream has to be told of anew, as one stretch.

    What nothing was said of before was told by the walk, unless the walk had come by already.
    """
    times = [
        moment
        for new in after
        for old in before
        if max(old.since, new.since) < min(old.until, new.until) and _said(old) != _said(new)
        for moment in (max(old.since, new.since), min(old.until, new.until))
    ]
    if use.untold and after:
        begin, end = (before[0].since, before[-1].until) if before else (after[0].until, after[0].since)
        times += [after[0].since, begin] if after[0].since < begin else []
        times += [end, after[-1].until] if after[-1].until > end else []
    return [Retelling(use=use, since=min(times), until=max(times))] if times else []


def _said(one: Attribution) -> Said:
    return (one.grade, one.cluster, one.pod_uid, one.pod_namespace, one.pod_name, one.delivered_by)


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
