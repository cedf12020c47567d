"""Sources and whoever reads them: the broker, the workers, each log, the receiver and its spool."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import redis
from django.conf import settings

from audit import absence, receivers
from audit.models import Device, ReceiverToken, Source, Vault
from audit.sources.content import KUBERNETES
from audit.sources.file import UnusableFile, open_log
from audit.sources.spool import KIND
from kit.check import Check

LAG = 30  # seconds since a source was read to its end
DEEP = 30  # seconds that the oldest received line may wait
UNUSED = timedelta(days=1)


def broker() -> Iterator[Check]:
    """Whether the workers and beat have a place to meet."""
    url = settings.KEYBOOK.redis_url
    if not url:
        yield Check("broker", True, "none is named: workers and beat need REDIS_URL, manage.py follow does without")
        return
    try:
        asked = redis.Redis.from_url(url.replace("redis+socket:", "unix:").replace("virtual_host=", "db="),
                                     socket_timeout=2, socket_connect_timeout=2)  # fmt: skip
        asked.ping()
        asked.close()
    except redis.AuthenticationError:
        yield Check("broker", False, "the broker refuses our password", "Correct the password in REDIS_URL.")
    except (redis.RedisError, OSError, ValueError) as error:
        detail = f"the broker does not answer ({type(error).__name__})"
        yield Check("broker", False, detail, "Start Valkey or correct REDIS_URL; rows wait in PostgreSQL meanwhile.")
    else:
        yield Check("broker", True, "the broker answers")


def workers() -> Iterator[Check]:
    """Whether somebody reads: some source was read to its end lately."""
    times = list(Source.objects.values_list("drained_at", flat=True))
    if not times:
        return
    newest = max((time for time in times if time is not None), default=None)
    mend = "Start beat and the ingest worker (docs/operations.md), or manage.py follow."
    if newest is None:
        yield Check("workers", False, "no worker has ever read a source", mend)
        return
    ago = datetime.now(UTC) - newest
    late = ago > timedelta(seconds=LAG)
    detail = f"a source was last read to its end {int(ago.total_seconds())} s ago"
    yield Check("workers", not late, detail, mend if late else "")


def sources() -> Iterator[Check]:
    """Each source, and what every vault's sources are together."""
    found = Source.objects.select_related("device__vault").order_by("pk")
    if not found:
        mend = "Run manage.py connect --vault NAME --addr URL --file PATH, or manage.py ingest_file PATH --vault NAME."
        yield Check("sources", bool(Device.objects.exists()), "no log is followed", mend)
    for source in found:
        yield _source(source)
    yield from _only_device()


def _source(source: Source) -> Check:
    name = f"source {source.device}"
    what = str(source.settings.get("path", "the receiver's spool"))
    if source.kind != KIND:
        try:
            open_log(what, settings.KEYBOOK.log_roots.split(":")).close()
        except UnusableFile as error:
            reason = absence.about_file(what)
            mend = reason.mend if reason else "Mend the path or its permission."
            return Check(name, False, str(error), f"{mend} Nothing is lost while the file is kept.")
    if source.trouble:
        return Check(name, False, source.trouble, "See the sentence; ingestion goes on by itself when it is mended.")
    if source.drained_at is None:
        return Check(name, False, f"{what} was never read to its end", "Is the ingest worker running? See its log.")
    lag = datetime.now(UTC) - source.drained_at
    late = lag > timedelta(seconds=LAG)
    detail = f"{what} was last read to its end {int(lag.total_seconds())} s ago"
    return Check(name, not late, detail, "Is the ingest worker running? See its log." if late else "")


def _only_device() -> Iterator[Check]:
    # An API server goes on without us.
    followed = Vault.objects.filter(device__source__isnull=False).exclude(kind=KUBERNETES)
    for vault in followed.distinct().order_by("name"):
        kinds = set(Source.objects.filter(device__vault=vault).values_list("kind", flat=True))
        if kinds == {KIND}:
            yield Check(
                f"only device of {vault}",
                False,
                "every line of it comes over http: if that is its only audit device, it stops when we do",
                "Never let the http device be the only one: declare a file device too, and follow or ship its log.",
            )


def receiver() -> Iterator[Check]:
    """Whether the receiver answers and its spool is emptied, and which of its tokens nobody uses."""
    if not Source.objects.filter(kind=KIND).exists():
        return
    yield _receiver_answers(absence.receiver_address())
    for waiting in receivers.backlog():
        age = int((datetime.now(UTC) - waiting.oldest).total_seconds()) if waiting.oldest else 0
        detail = f"{waiting.rows} lines wait to be ingested, the oldest for {age} s" if waiting.rows else "empty"
        mend = "Is the ingest worker running? Nothing is lost while PostgreSQL has room." if age > DEEP else ""
        yield Check(f"spool {waiting.device}", age <= DEEP, detail, mend)
    unused = ReceiverToken.objects.filter(revoked_at=None, used_at=None).select_related("device__vault")
    for token in unused:
        old = datetime.now(UTC) - token.made_at > UNUSED
        mend = f"Put it into the device's headers, or revoke it: manage.py receiver_token --revoke {token.pk}."
        yield Check(f"token {token.pk} of {token.device}", not old, f"never used since {token.made_at:%Y-%m-%d}", mend)


def _receiver_answers(address: str) -> Check:
    host, _, port = address.rpartition(":")
    mend = "Start it: python -m receiver. A vault whose http device posts to it must have another device."
    try:
        wire = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=2)
        wire.request("GET", "/health/live")
        answer = wire.getresponse()
        body = answer.read(1000)
        wire.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Check("receiver", False, f"nothing answers at {address} ({type(error).__name__})", mend)
    if answer.status != 200 or b'"spool":"up"' not in body:
        return Check(
            "receiver", False, f"it answers at {address}, and can't reach its spool", "Is PostgreSQL up? See its log."
        )
    return Check("receiver", True, f"it answers at {address} and reaches its spool")
