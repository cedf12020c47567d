"""What there is, through the API: secrets and who read one, leases, principals, and where the record comes from."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from accounts.api_door import Door, place_of
from accounts.scope import Scope
from audit import lease_questions, queries, scoping
from audit.answers import DeviceState, NotOneSecret, Reader
from audit.closed import BEGIN, END
from audit.item import moment
from audit.lease_models import Lease
from audit.lease_questions import STATES, LeaseRow, Wish
from audit.models import Principal, Secret
from audit.principal import Kind
from kit.parameters import Parameters
from kit.problem import Problem

MOST, USUAL = 1_000, 100


class Listing(Door):
    """A list by key, in the order in which things were first seen; it ends, and what comes later stands at its end."""

    limits = True
    parameters: ClassVar[tuple[str, ...]] = ("cursor", "limit", "prefix")
    letter = ""

    def rows(self, given: Parameters, scope: Scope) -> QuerySet[Any]:
        """Return what is asked for and may be seen, in any order."""
        raise NotImplementedError

    def told_of(self, rows: Iterable[Any]) -> list[dict[str, object]]:
        """Return rows as the API shows them."""
        raise NotImplementedError

    def get(self, request: Request) -> HttpResponse:
        """Give the next page."""
        given = self.asked(request)
        limit = given.limit(USUAL, MOST)
        binding = self.binding(self.letter, repr([given.text(name) for name in self.parameters[2:]]))
        after = place_of(binding, given.text("cursor"))[0] if "cursor" in given else 0
        rows = list(self.rows(given, self.caller.scope).filter(pk__gt=after).order_by("pk")[: limit + 1])
        cursor = binding.pack(rows[limit - 1].pk) if len(rows) > limit else None
        items = [msgspec.json.encode(one).decode() for one in self.told_of(rows[:limit])]
        more: dict[str, object] = {"next_cursor": cursor} if cursor else {}
        return self.page(items, {**more, "has_more": cursor is not None}, cursor)


class Secrets(Listing):
    """Secrets that a call named, with when each was first and last read."""

    scope, letter = "secrets:read", "k"

    def rows(self, given: Parameters, scope: Scope) -> QuerySet[Secret]:
        """Return those whose name begins so."""
        return queries.secrets_in(scope).filter(name__startswith=given.text("prefix"))

    def told_of(self, rows: Iterable[Secret]) -> list[dict[str, object]]:
        """Return their names and times."""
        seen = queries.read_times([one.pk for one in rows])
        return [_secret(one, *seen.get(one.pk, (None, None))) for one in rows]


def _secret(one: Secret, first: Any, last: Any) -> dict[str, object]:
    return {
        "id": one.pk,
        "name": one.name,
        "vault": one.vault.name,
        "namespace": one.namespace.strip("/"),
        "engine": one.engine,
        "first_read": moment(first) if first else None,
        "last_read": moment(last) if last else None,
    }


class Readers(Door):
    """Who read one secret: each principal with its counts, from `since` up to `until` if they are given."""

    scope, limits = "secrets:read", True
    parameters = ("since", "until")

    def get(self, request: Request, secret_id: int) -> HttpResponse:
        """Give all of them, most reads first."""
        since, until = self.asked(request).window()
        try:
            found = queries.who_read_and_from_where(queries.secret(secret_id, scope=self.caller.scope), since, until)
        except NotOneSecret:
            raise Problem("not-found", f"There is no secret {secret_id}. /api/v1/secrets lists them.") from None
        reached = found.complete_until
        return self.document(
            {
                "secret": {"id": found.secret.id, "name": found.secret.name, "vault": found.secret.vault},
                "complete_until": moment(reached) if reached else None,
                "readers": [_reader(one) for one in found.readers],
                "gaps": len(found.gaps) + len(found.unread),
            }
        )


def _reader(one: Reader) -> dict[str, object]:
    return {
        "principal_id": one.principal_id,
        "principal": one.principal,
        "kind": one.kind,
        "pod": one.pod,
        "pod_uid": one.pod_uid or None,
        "cluster": one.cluster or None,
        "grade": one.grade,
        "delivered_by": one.delivered_by or None,
        "count": one.count,
        "denied": one.denied,
        "first": moment(one.first) if one.first else None,
        "last": moment(one.last) if one.last else None,
        "addresses": list(one.addresses),
        "versions": list(one.versions),
    }


class Principals(Listing):
    """Who calls: service accounts, people, pipelines and whoever else a vault's log names."""

    scope, letter = "principals:read", "p"
    parameters: ClassVar[tuple[str, ...]] = ("cursor", "limit", "prefix", "kind")

    def rows(self, given: Parameters, scope: Scope) -> QuerySet[Principal]:
        """Return those whose name begins so, of one kind if it is given; a limited view has those that ever had an
        event in scope."""
        kind = given.choice("kind", ["", *(one.value for one in Kind)])
        some = Principal.objects.filter(name__startswith=given.text("prefix")).select_related("vault")
        if not scope.everything:
            some = some.filter(pk__in=scoping.principals_in(scope, BEGIN, END))
        return some.filter(kind=kind) if kind else some

    def told_of(self, rows: Iterable[Principal]) -> list[dict[str, object]]:
        """Return their names and what tells two of one name apart."""
        return [
            {"id": one.pk, "name": one.name, "kind": one.kind, "vault": one.vault.name, "entity_id": one.entity_id}
            for one in rows
        ]


class Leases(Listing):
    """Leases that were issued: who holds each, where it stands, and how well that is known."""

    scope, letter = "secrets:read", "l"
    parameters: ClassVar[tuple[str, ...]] = ("cursor", "limit", "prefix", "state", "pod", "orphaned")

    def rows(self, given: Parameters, scope: Scope) -> QuerySet[Lease]:
        """Return those of secrets whose name begins so, of one state or pod, or that outlive their pod."""
        wish = Wish(
            prefix=given.text("prefix"),
            state=given.choice("state", ["", *STATES]),
            pod=given.text("pod"),
            orphaned=given.choice("orphaned", ["false", "true"]) == "true",
        )
        return lease_questions.leases(wish, scope=scope, now=datetime.now(UTC))

    def told_of(self, rows: Iterable[Lease]) -> list[dict[str, object]]:
        """Return them as they stand now."""
        return [_lease(one) for one in lease_questions.shown(rows, datetime.now(UTC))]


def _lease(one: LeaseRow) -> dict[str, object]:
    times = ("since", "verified", "pod_gone", "issued", "renewed", "asked", "expires", "token_ends")
    return {
        "id": one.id,
        "lease_id": one.lease_id,
        "vault": one.vault,
        "secret_id": one.secret_id,
        "secret": one.secret,
        "state": one.state,
        "how": one.how or None,
        "standing": one.standing,
        "overdue": one.overdue,
        "holder_id": one.holder_id,
        "holder": one.holder,
        "kind": one.kind,
        "pod": one.pod or None,
        "pod_uid": one.pod_uid or None,
        "grade": one.grade,
        "orphaned": one.orphaned,
        "exposed_seconds": None if one.exposed is None else int(one.exposed.total_seconds()),
        "renewals": one.renewals,
        "event_id": one.event_id,
        **{name: moment(value) if (value := getattr(one, name)) else None for name in times},
    }


class Sources(Door):
    """The audit devices that the record comes from, and how far each was read."""

    scope, limits = "sources:read", True

    def get(self, request: Request) -> HttpResponse:
        """Give all of them."""
        self.asked(request)
        return self.document({"items": [device(one) for one in queries.devices(scope=self.caller.scope)]})


def device(one: DeviceState) -> dict[str, object]:
    """Return a device as the API shows it; `lag_seconds` is None where nothing is followed."""
    return {
        "vault": one.vault,
        "device": one.device,
        "followed": one.followed,
        "last_line": moment(one.last) if one.last else None,
        "read_to_its_end": moment(one.drained) if one.drained else None,
        "lag_seconds": one.lag,
        "silent": one.silent,
    }
