"""Which pods hold leases, as attribution has worked it out: the pod of the call that took each, and when it ended."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from audit.grades import grade
from inventory.leases import Holding
from inventory.models import Cluster

_LATE = "1 day"  # how long after its issue what is known of the pod of an ended lease may still change


def changed(most: int) -> dict[int, Holding]:
    """Return {lease: its holder} of leases of which something else is known than their rows say, at most so many.

    Open leases are looked at, and those issued since a day; nothing is known before there is a cluster. A call that an
    operator made for a pod is the operator's: its lease does not end with the operator's pod.
    """
    if not Cluster.objects.exists():
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_CHANGED, [most])
        return {row[0]: _holding(*row[1:]) for row in cursor.fetchall()}


def _holding(
    kind: str, told: str, uid: str, namespace: str, name: str, operator: str, ended: datetime | None
) -> Holding:
    pod = f"{namespace}/{name}" if uid else ""
    return Holding(pod, uid, grade(kind, told), None if operator else ended)


_CHANGED = f"""
    SELECT l.id, p.kind, t.grade, t.pod_uid, t.pod_namespace, t.pod_name, t.delivered_by, x.ended
    FROM audit_lease l
    JOIN audit_event e ON e.id = l.event_id AND e.time = l.issued
    JOIN audit_principal p ON p.id = e.principal
    JOIN audit_tokenuse u ON u.token_id = e.token AND u.address_id = e.address
    JOIN audit_attribution t ON t.use_id = u.id AND t.since <= e.time AND t.until > e.time
    LEFT JOIN inventory_podlife x ON x.uid = t.pod_uid AND t.pod_uid <> '' AND t.delivered_by = ''
    WHERE (l.look_at IS NOT NULL OR l.issued > now() - interval '{_LATE}' OR l.grade = '')
    AND (l.pod_uid IS DISTINCT FROM t.pod_uid OR l.pod_gone IS DISTINCT FROM x.ended
         OR l.grade = '' OR t.grade <> 'unknown' AND l.grade <> t.grade)
    ORDER BY l.id LIMIT %s
"""  # noqa: S608 - our own text
