"""Makes events of a Kubernetes API server's audit records: who read which Secret, as a vault's calls are told.

A cluster stands where a vault stands; its Secrets are named `kubernetes/<cluster>/<namespace>/<name or *>`. A record is
masked first, and everything is read from its masked form, so that a file and the receiver tell the same.
"""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

from audit import operations
from audit.dictionary import Address, MountInfo, Target, Who
from audit.event import SEEN_REQUEST, SEEN_RESPONSE, Event, Held
from audit.normalise import Normaliser, bounded
from cluster import audit_calls, audit_line, audit_masking
from cluster.audit_calls import IMPERSONATED, Caller, Sort
from cluster.audit_line import NotARecord, Record
from kit.memory import remember
from vault.audit_line import Line
from vault.reads import Disclosure, Outcome

ENGINE, MOUNT_TYPE = "Kubernetes Secret", "kubernetes"
_NO_LINE = Line()
_OPERATIONS = {
    "get": "read", "list": "list", "watch": "watch", "create": "create", "update": "update", "patch": "patch",
    "delete": "delete", "deletecollection": "delete",
}  # fmt: skip
_NUMBERS = {name: number for number, name in enumerate(operations.OPERATIONS)}


def is_kept(record: Record) -> bool:
    """Whether a record becomes part of an event; the others are only counted."""
    return audit_calls.sort_of(record) is not Sort.OTHER


def hold(record: Record, raw: bytes, generation: int, position: int) -> tuple[Held, frozenset[str]]:
    """Return the record with its place, masked, and what was found in it; raises `NotARecord` for its times."""
    form = audit_masking.stored(record)
    held = _held(form.line, generation=generation, position=position, length=len(raw))
    held.raw, held.digest = raw, b""
    return held, form.findings


def held_again(
    key: UUID, stored: bytes, digest: bytes, *, generation: int, position: int, length: int, micros: int
) -> Held:
    """Return a record that waited in the store or in the spool, masked; raises `NotARecord` for a vault's line."""
    held = _held(stored, generation=generation, position=position, length=length)
    held.digest = digest
    return held


def _held(masked: bytes, *, generation: int, position: int, length: int) -> Held:
    """The key is the audit id and the time of the request: a client may choose an id, and so choose one again."""
    call = audit_line.decode(masked)
    key = f"{audit_line.key_of(call.audit_id).hex()} {audit_line.received(call)}"
    micros = audit_line.staged(call)
    return Held(_NO_LINE, True, masked, generation, position, length, micros, key, stored=masked, call=call)


class NativeNormaliser(Normaliser):
    """The memory of one turn over a cluster's records."""

    def __init__(self, cluster: str) -> None:
        super().__init__()
        self.cluster = cluster
        self.mount = MountInfo("", bounded(f"kubernetes/{cluster}/"), MOUNT_TYPE)
        self.callers: dict[Caller, Who] = {}
        self.places: dict[tuple[str, ...], Target] = {}

    def event(self, request: Held | None, response: Held | None) -> Event:
        """Make the event of a call: from the record that tells its answer, else from that of its coming."""
        told = response or request
        assert told is not None  # noqa: S101 - an event has a line
        assert told.call is not None  # noqa: S101 - as a cluster's have
        call, came = told.call, audit_line.received(told.call)
        who = self._who(call, came)
        flags = (SEEN_REQUEST if request else 0) | (SEEN_RESPONSE if response else 0)
        target = self._place(call, who)
        address = self._address((call.source_ips or [""])[-1], who)
        event = Event(request, response, audit_line.key_of(call.audit_id), came, flags, who, target, address,
                      target.operation)  # fmt: skip
        event.outcome = Outcome[audit_calls.outcome_of(call).upper()]
        event.disclosed = Disclosure.VALUE if audit_calls.gave_secret(call) else Disclosure.NONE
        event.took = max(told.micros - came, 0) if response else -1
        return event

    def attach(self, event: Event, request: Held) -> None:
        """Join the record of a call's coming that was read after its answer."""
        event.request = request
        event.flags |= SEEN_REQUEST

    def _who(self, call: Record, came: int) -> Who:
        caller = audit_calls.caller_of(call)
        who = self.callers.get(caller)
        if who is None:
            who = remember(self.callers)[caller] = _new_who(caller, came)
            self.new_whos.append(who)
        return who

    def _place(self, call: Record, who: Who) -> Target:
        path = call.request_uri.partition("?")[0].strip("/")
        place = audit_calls.place_of(call) if audit_calls.sort_of(call) is Sort.SECRET else None
        known = (path, call.verb, *(place or ()), str(who.nameless))
        target = self.places.get(known)
        if target is None:
            target = remember(self.places)[known] = self._new_place(path, call.verb, place, who)
            self.new_targets.append(target)
        return target

    def _new_place(self, path: str, verb: str, place: audit_calls.Place | None, who: Who) -> Target:
        logical = None if place is None else bounded(f"{place.namespace}/{place.name}", 900)
        target = Target(
            mount=self.mount,
            namespace="",
            path=bounded(path, 1000),
            logical=logical,
            print_name="" if logical is None else bounded(f"{self.mount.path}{logical}", 1500),
            engine=ENGINE,
            login=False,
            named_login=False,
            secretive=False,
            rest="",
            operation=_NUMBERS[_OPERATIONS.get(verb, "other")],
        )
        target.nameless = who.nameless
        return target

    def _address(self, text: str, who: Who) -> Address:
        """The last address is the one that the API server saw; those before it, a client may write itself."""
        return self.addresses.get(text) or self._new_address(text, who)


def _new_who(caller: Caller, came: int) -> Who:
    by = f"{IMPERSONATED}{caller.by}" if caller.by else ""
    pod = caller.pod
    who = Who(caller.kind, bounded(caller.name, 900), "", bounded(by, 200), b"", "", came, safe=True)
    if pod is not None:
        seen = (caller.kind, caller.name, caller.by, *pod)
        who.hmac = sha256("\0".join(seen).encode("utf-8", "surrogatepass")).digest()
        who.accessor = bounded(pod.credential, 200)
        who.pod = (bounded(pod.namespace), bounded(pod.name), bounded(pod.uid), bounded(pod.node))
    return who


__all__ = ["ENGINE", "NativeNormaliser", "NotARecord", "held_again", "hold", "is_kept"]
