"""Calibrates a vault's listener by its newest logins: which clusters its auth mounts serve, and what addresses tell."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Max, QuerySet

from audit.bearers import held
from audit.models import Vault
from audit.pod_tables import Bearer, TokenUse, VaultCalibration
from inventory.calibration import calibrated
from inventory.lives import canonical
from inventory.models import Cluster, Listener, ServiceAccount
from inventory.pods import Wanted, world_of
from inventory.verdict import RULE, Calibration

LOGINS = 1_000  # the newest, by which a vault's listener is calibrated


def calibrate(vault: Vault) -> None:
    """Calibrate a vault by its newest logins; where something else is proven than before, all its calls are stale."""
    logins = Bearer.objects.filter(vault=vault, signed=True, login_at__isnull=False).exclude(account_name="")
    known, _ = VaultCalibration.objects.get_or_create(vault=vault)
    seen = _seen(vault, logins)
    if known.seen == seen:
        return
    tokens = [held(one) for one in logins.order_by("-login_at")[:LOGINS]]
    wanted = Wanted()
    for token in tokens:
        wanted.addresses.add(canonical(token.address))
        wanted.uids.update(token.metadata.values())
    fresh = calibrated(tokens, world_of(vault.name, wanted))
    links = {**known.links, **fresh.links}
    clusters = {name: _told(one, known.clusters.get(name)) for name, one in fresh.calibrations.items()}
    proxies = None if fresh.proxies is None else sorted(fresh.proxies)
    now = (links, {**known.clusters, **clusters}, proxies, RULE)
    changed = _decisive(known.clusters) != _decisive(now[1])
    changed |= (known.links, known.proxies, known.rule) != (links, proxies, RULE)
    known.links, known.clusters, known.proxies, known.rule = now
    known.seen = seen
    known.save()
    if changed:
        TokenUse.objects.filter(vault=vault, stale=False).update(stale=True)


def _seen(vault: Vault, logins: QuerySet[Bearer]) -> list[Any]:
    """Return what tells whether a calibration is still that of the newest logins, pods, accounts and proxies."""
    newest = logins.aggregate(newest=Max("login_at"), count=Count("pk"))
    clusters = list(Cluster.objects.order_by("pk").values_list("name", "change"))
    accounts = ServiceAccount.objects.aggregate(last=Max("pk"))["last"]
    listener = Listener.objects.filter(vault=vault.name).values_list("proxies", flat=True).first()
    login = newest["newest"].isoformat() if newest["newest"] else None
    return [login, newest["count"], [list(one) for one in clusters], accounts, listener, RULE]


def _told(one: Calibration, before: dict[str, Any] | None) -> dict[str, Any]:
    """Return a calibration as it is kept; a node that once showed its pods' own addresses stays one that does."""
    direct = set(one.direct) | set((before or {}).get("direct", ()))
    return {"logins": one.logins, "matched": one.matched, "direct": sorted(direct), "relays": sorted(one.relays)}


def calibrations(known: dict[str, Any]) -> dict[str, Calibration]:
    """Return calibrations as they were kept, by cluster."""
    return {
        name: Calibration(one["logins"], one["matched"], frozenset(one["direct"]), frozenset(one["relays"]))
        for name, one in known.items()
    }


def _decisive(known: dict[str, Any]) -> dict[str, Any]:
    """Return of calibrations what verdicts hang on."""
    return {name: (one.usable, one.proven, one.direct, one.relays) for name, one in calibrations(known).items()}
