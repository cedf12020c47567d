"""Hostile texts in the columns that no audit line fills: clusters, leases, policies, people, tokens, sources, trail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

from django.db import transaction

from accounts import trail
from accounts.models import ApiToken, PersonArea, User
from audit.lease_models import Lease
from audit.models import Alarm, Device, Gap, Generation, LeaseIssue, Principal, Quarantine, Secret, Source, Vault
from inventory.models import AuthRole, Connection, Policy
from tests.browser.hostile import packs
from tests.dashboard.pods_made import cluster, gets, pod, stuck, workload

NOW = datetime.now(UTC)


def fill(vault: str) -> None:
    """Write all of them beside a vault whose secrets and principals have hostile names already."""
    with transaction.atomic():
        _cluster()
        _leases(Vault.objects.get(name=vault))
        _access(vault)
        _people()
        _sources(Vault.objects.get(name=vault))


def _cluster() -> None:
    cluster(heard=timedelta(hours=-1))
    cluster("<script>report('ran')</script>", heard=timedelta(hours=1), trouble=packs(200)[3])
    for number, text in enumerate(packs(240)):
        workload(text, text, uid=f"w-evil-{number}", service_account=text)
        one = pod(text, text, uid=f"evil-{number}", workload_name=text, workload_uid=f"w-evil-{number}", node=text,
                  service_account=text)  # fmt: skip
        path = f"secret/data/h/{number}/{text}"
        gets(one, path, container=text, role=text, auth_mount=text, why=text, k8s_secret=text, fingerprint=text)
        stuck(one, says=text, mend=text, evidence=text, object_name=text)


def _leases(vault: Vault) -> None:
    secrets, people = (list(model.objects.filter(vault=vault).order_by("pk")) for model in (Secret, Principal))
    for number, text in enumerate(packs(240)):
        about = {
            "vault": vault, "lease_id": f"{text}/{number}", "event_id": 0, "secret": secrets[number],
            "principal": people[number],
        }  # fmt: skip
        issue = LeaseIssue.objects.create(time=NOW, **about)
        Lease.objects.create(
            issue=issue, issued=NOW - timedelta(minutes=9), state="live", since=NOW, namespace=text, pod=text,
            pod_uid=f"evil-{number}", grade="strong", expires=NOW + timedelta(hours=1), verified="found",
            verified_at=NOW, pod_gone=NOW - timedelta(minutes=3) if number % 2 else None, **about,
        )  # fmt: skip


def _access(vault: str) -> None:
    way = Connection.objects.create(vault=vault, address="https://vault.example", access_at=NOW)
    about = {"connection": way, "seen_first": NOW, "changed_at": NOW}
    rule = 'path "secret/data/*" { capabilities = ["read"] }'
    for text in packs(240):
        Policy.objects.create(name=text, text=rule, sha256="0" * 64, **about)
        Policy.objects.create(name=f"torn {text}", unreadable=text, sha256="0" * 64, **about)
        AuthRole.objects.create(
            method=f"auth/{text}/", type="userpass", name=text, policies=[text], binds={text[:20]: text}, **about
        )


def _people() -> None:
    cat = User.objects.get(username="cat")
    for number, text in enumerate(packs(140)):
        one = User.objects.create(username=text, first_name=text, last_name=text, email=f"{number}@example.org")
        PersonArea.objects.create(user=one, vault=text, namespace=text, prefix=text)
        trail.record(text, "accounts.user.created", trail.Subject("user", one.pk, text), details={"what": text})
    for number, text in enumerate(packs(95)):
        ApiToken.objects.create(
            owner=cat, name=text, sha256=number.to_bytes(32, "big"), scopes=["events:read"], made=NOW,
            expires=NOW + timedelta(days=9), refused=NOW, refused_why="revoked", refused_from=text[:45],
        )  # fmt: skip


def _sources(vault: Vault) -> None:
    numbers = count()
    for text in packs(190):
        device = Device.objects.create(vault=vault, name=text, last_time=NOW, seen_at=NOW)
        log = Generation.objects.create(device=device, fingerprint=text.encode(), path=text)
        Source.objects.create(device=device, settings={"path": f"/{text}"}, live=log, trouble=text)
        Quarantine.objects.create(
            generation=log, position=next(numbers), length=9, reason=text, sha256=b"", preview=text, at=NOW
        )
        Gap.objects.create(device=device, kind="cut", key=text[:100], start=NOW - timedelta(minutes=5), end=NOW,
                           detail=text)  # fmt: skip
        Alarm.objects.create(device=device, kind="plain token", first_at=NOW, last_at=NOW, count=1, detail=text)
