"""The grammar of one record of a kube-apiserver's audit log (`audit.k8s.io/v1`), in a file or in a webhook's list.

Shape and field names: the `audit` API of Kubernetes and records of 1.36. A record is whole in itself: each stage of a
request (received, its long answer begun, answered) is a record of its own. Unknown fields are left alone.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Protocol
from urllib.parse import unquote

import msgspec

EMPTY = msgspec.Raw()
RECEIVED, STARTED, COMPLETE, PANIC = STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
API = "audit.k8s.io/"
BEGINNING = re.compile(rb'\{"(?:kind":"Event","apiVersion":"audit\.k8s\.io/|level":"[A-Z]|auditID":")')  # of a record
_HASHED = "sha256:"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?\d{0,3}(?:Z|[+-]\d\d:\d\d)")
_BELOW_MICROS = re.compile(r"(\.\d{6})\d+")
_EPOCH, _MICRO = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Document(Protocol):
    """A JSON object as pairs in order."""

    def last(self, key: str, default: object = None) -> object:
        """Return the value that ordinary parsers see."""


class NotARecord(ValueError):
    """These bytes are no audit record of an API server; the message says why, without a byte of them."""


class User(msgspec.Struct, gc=False):
    """`user` and `impersonatedUser`: an OIDC provider or a person who impersonates chooses all of the latter."""

    username: str = ""
    uid: str = ""
    groups: list[str] | None = None
    extra: dict[str, list[str] | None] | None = None


class ObjectRef(msgspec.Struct, gc=False, rename="camel"):
    """`objectRef`: what was asked for; `name` is that of the field selector for a list or watch that has one."""

    resource: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_group: str = ""
    api_version: str = ""
    resource_version: str = ""
    subresource: str = ""


class Status(msgspec.Struct, gc=False):
    """`responseStatus`: `status` is set when a Status was answered instead of the object that was asked for."""

    status: str = ""
    reason: str = ""
    message: str = ""
    code: int = 0


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One stage of one request; the objects stay raw, for they may hold values."""

    kind: str = ""
    api_version: str = ""
    level: str = ""
    audit_id: str = msgspec.field(name="auditID", default="")
    stage: str = ""
    request_uri: str = msgspec.field(name="requestURI", default="")
    verb: str = ""
    user: User = msgspec.field(default_factory=User)
    impersonated_user: User | None = None
    source_ips: list[str] | None = msgspec.field(name="sourceIPs", default=None)
    user_agent: str = ""
    object_ref: ObjectRef | None = None
    response_status: Status | None = None
    request_object: msgspec.Raw = EMPTY
    response_object: msgspec.Raw = EMPTY
    request_received_timestamp: str = ""
    stage_timestamp: str = ""
    annotations: dict[str, str] | None = None

    @property
    def answers(self) -> bool:
        """Whether this stage tells how the request ended, or how its long answer began."""
        return self.stage != RECEIVED


class _List(msgspec.Struct):
    kind: str
    items: list[msgspec.Raw] | None = None


_record = msgspec.json.Decoder(Record).decode
_list = msgspec.json.Decoder(_List).decode


def decode(raw: bytes) -> Record:
    """Return the record; raises `NotARecord` unless it is one whole JSON object with an id, a stage and a time."""
    try:
        if not raw.isascii():
            raw.decode()  # the parts that stay raw are only skimmed
        record = _record(raw)
    except msgspec.ValidationError:
        raise NotARecord("JSON, but not of the form of an API server's audit record") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotARecord("not a JSON document") from None
    if not is_record(record.kind, record.api_version, record.audit_id, record.stage):
        raise NotARecord("JSON, but not an audit record of an API server")
    return record


def is_record(kind: object, version: object, audit_id: object, stage: object) -> bool:
    """Tell an audit record from other objects; a webhook's have an empty kind and version."""
    named = isinstance(audit_id, str) and audit_id != "" and stage in STAGES
    return named and kind in ("", "Event") and isinstance(version, str) and (not version or version.startswith(API))


def is_entry(document: Document) -> bool:
    """Tell the same of a document that was read as pairs, where a key may stand twice."""
    return is_record(*[document.last(name, "") for name in ("kind", "apiVersion", "auditID", "stage")])


def items(body: bytes) -> list[bytes] | None:
    """Return the records of a webhook's `EventList`, each as it stands there; None if the body is none."""
    try:
        found = _list(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return [bytes(one) for one in found.items or ()] if found.kind == "EventList" else None


def received(record: Record) -> int:
    """Return when the request came, in µs since the epoch; all its stages tell the same. Raises `NotARecord`."""
    return microseconds(record.request_received_timestamp or record.stage_timestamp)


def staged(record: Record) -> int:
    """Return when this stage was reached, in µs since the epoch; raises `NotARecord`."""
    return microseconds(record.stage_timestamp or record.request_received_timestamp)


def microseconds(time: str) -> int:
    """Return µs since the epoch of an RFC 3339 time; raises `NotARecord`."""
    try:
        if not _TIME.fullmatch(time):
            raise ValueError
        return (datetime.fromisoformat(_BELOW_MICROS.sub(r"\1", time)) - _EPOCH) // _MICRO
    except (ValueError, OverflowError):
        raise NotARecord(f"its time ({len(time)} characters) is not RFC 3339") from None


def key_of(audit_id: str) -> bytes:
    """Return the 16 bytes that stand for an audit id: a UUID's own, else of its hash, also when only that is kept.

    A client may choose the id of its request (`Audit-ID`), so that it proves nothing by itself.
    """
    if audit_id.startswith(_HASHED):
        try:
            return bytes.fromhex(audit_id.removeprefix(_HASHED))[:16].ljust(16, b"\0")
        except ValueError:
            pass
    digits = audit_id.replace("-", "")
    if len(audit_id) == 36 and audit_id[8:24:5] == "----" and len(digits) == 32 and digits == digits.lower():
        try:
            return bytes.fromhex(digits)
        except ValueError:
            pass
    return sha256(audit_id.encode("utf-8", "surrogatepass")).digest()[:16]


def hashed(audit_id: str) -> str:
    """Return an id that can't be kept as it is so that its `key_of` stays the same."""
    return _HASHED + sha256(audit_id.encode("utf-8", "surrogatepass")).hexdigest()


def query_of(uri: str) -> list[tuple[str, str]]:
    """Return the parameters of a request URI in order, decoded."""
    pairs = []
    for piece in uri.partition("?")[2].split("&")[:200]:
        name, _, value = piece.partition("=")
        if name:
            pairs.append((unquote(name.replace("+", " ")), unquote(value.replace("+", " "))))
    return pairs
