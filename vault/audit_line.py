"""The grammar of one audit line, Vault 1.5 to today and OpenBao 2.x: decoded into frozen, typed parts.

Shape and field names: the `audit` package of both code bases and lines of OpenBao 2.7; every field is `omitempty`,
so a missing key means empty. A line with a field that is not listed here is still decoded (`exact` is then False,
so that whoever stores it takes the thorough way of masking); it is never refused.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeVar

import msgspec

from vault.errors import NotAnAuditLine

EMPTY = msgspec.Raw()


class Namespace(msgspec.Struct, gc=False, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`request.namespace`: the root namespace has the id `root` and no path; paths end in `/`."""

    id: str = ""
    path: str = ""


class Auth(msgspec.Struct, gc=False, frozen=True):
    """`auth` and `response.auth`: who the caller is to the vault; HMACs are of the device that wrote the line."""

    client_token: str = ""
    accessor: str = ""
    display_name: str = ""
    policies: list[str] | None = None
    metadata: dict[str, Any] | None = None
    entity_id: str = ""
    entity_created: bool = False
    token_type: str = ""
    token_ttl: int = 0


class WholeAuth(Auth, gc=False, frozen=True, forbid_unknown_fields=True):
    """Every field that an `auth` object is known to have: what decodes as this holds nothing unexpected."""

    token_policies: msgspec.Raw = EMPTY
    identity_policies: msgspec.Raw = EMPTY
    external_namespace_policies: msgspec.Raw = EMPTY
    no_default_policy: bool = False
    policy_results: msgspec.Raw = EMPTY
    num_uses: int = 0
    remaining_uses: int = 0
    token_issue_time: str = ""


class Request(msgspec.Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """`request`: what was asked. `path` is relative to the namespace, `mount_point` is not.

    The order of the fields is the one in which the vault writes them.
    """

    id: str = ""
    client_id: str = ""
    replication_cluster: str = ""
    operation: str = ""
    mount_point: str = ""
    mount_type: str = ""
    mount_accessor: str = ""
    mount_running_version: str = ""
    mount_running_sha256: str = ""
    mount_class: str = ""
    mount_is_external_plugin: bool = False
    client_token: str = ""
    client_token_accessor: str = ""
    namespace: Namespace = Namespace()
    path: str = ""
    data: msgspec.Raw = EMPTY
    policy_override: bool = False
    remote_address: str = ""
    remote_port: int = 0
    wrap_ttl: int = 0
    headers: msgspec.Raw = EMPTY
    client_certificate_serial_number: str = ""


class Secret(msgspec.Struct, gc=False, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`response.secret`: `{}` for every KV v1 read, so look at `lease_id`."""

    lease_id: str = ""


class WrapInfo(msgspec.Struct, gc=False, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`response.wrap_info`: the answer was wrapped; `token` is an HMAC, `creation_path` plain."""

    ttl: int = 0
    token: str = ""
    accessor: str = ""
    creation_time: str = ""
    creation_path: str = ""
    wrapped_accessor: str = ""


class Response(msgspec.Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """`response`: what was answered; `data` is missing when nothing was disclosed."""

    auth: msgspec.Raw = EMPTY
    mount_point: str = ""
    mount_type: str = ""
    mount_accessor: str = ""
    mount_running_plugin_version: str = ""
    mount_running_sha256: str = ""
    mount_class: str = ""
    mount_is_external_plugin: bool = False
    secret: Secret | None = None
    data: msgspec.Raw = EMPTY
    warnings: msgspec.Raw = EMPTY
    redirect: str = ""
    wrap_info: WrapInfo | None = None
    headers: msgspec.Raw = EMPTY


class Line(msgspec.Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """One decoded line; `auth` stays raw because the same token repeats the same bytes, so it is worth caching."""

    time: str = ""
    type: str = ""
    auth: msgspec.Raw = EMPTY
    request: Request = msgspec.field(default_factory=Request)
    response: Response | None = None
    error: str = ""
    forwarded_from: str = ""
    forwarded: bool = False


# The same line again, as the vaults themselves write it: shorter than what was read if anything stands there twice.
encode = msgspec.json.Encoder().encode
_strict = msgspec.json.Decoder(Line).decode
_auth = msgspec.json.Decoder(Auth).decode
_whole_auth = msgspec.json.Decoder(WholeAuth).decode
_T = TypeVar("_T", bound=msgspec.Struct)
_minutes: dict[str, int] = {}


def decode(raw: bytes) -> tuple[Line, bool]:
    """Return (line, exact); raises `NotAnAuditLine` unless it is a JSON object with a type and a request or auth."""
    try:
        if not raw.isascii():
            raw.decode()  # the parts that stay raw are only skimmed
        line = _strict(raw)
    except msgspec.ValidationError:
        return _decode_loosely(raw), False
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotAnAuditLine(f"not a JSON document: {error}") from None
    if not line.type or not (line.request.id or line.request.path or len(line.auth)):
        raise NotAnAuditLine("a JSON object without the type, request and auth of an audit line")
    return line, True


def decode_auth(raw: msgspec.Raw | bytes) -> Auth:
    """Return the `auth` object; fields of an unexpected type are dropped, never refused."""
    if not len(raw):
        return Auth()
    try:
        return _auth(raw)
    except msgspec.ValidationError:
        return _pick(Auth, msgspec.json.decode(raw))


def whole_auth(raw: bytes) -> WholeAuth | None:
    """Return the `auth` object if it has no field but the known ones, of the known types, and its token only once."""
    try:
        return _whole_auth(raw) if raw.count(b'"client_token":') <= 1 else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def is_response(line: Line) -> bool:
    """Tell a response from a request; newer types such as `kmip-request` carry their side at the end."""
    return line.type.endswith("response") or line.response is not None


def microseconds(time: str) -> int:
    """Return µs since the epoch of an RFC 3339 time with 0 to 9 decimals; raises `NotAnAuditLine`.

    Go cuts trailing zeros, so lengths differ within one file and text order is not time order.
    """
    minute = _minutes.get(time[:17])
    try:
        if minute is None:
            minute = _remember_minute(time)
        if time[-1] == "Z":
            return minute + round(float(time[17:-1]) * 1e6)
        return _microseconds(datetime.fromisoformat(_six_decimals(time)))
    except (ValueError, IndexError, OverflowError):
        raise NotAnAuditLine(f"its time ({len(time)} characters) is not RFC 3339") from None


def request_key(request_id: str, raw: bytes) -> tuple[bytes, bool]:
    """Return (16 bytes, genuine): the request id, or for entries without a UUID a key made from their content."""
    if len(request_id) == 36 and request_id[8:24:5] == "----":
        digits = request_id.replace("-", "")
        try:
            key = bytes.fromhex(digits)
            if len(key) == 16 and len(digits) == 32 and digits == digits.lower():  # one spelling only, one key only
                return key, True
        except ValueError:
            pass
    return sha256(request_id.encode() if request_id else raw).digest()[:16], False


def _remember_minute(time: str) -> int:
    if len(_minutes) > 100_000:
        _minutes.clear()
    value = _microseconds(datetime.fromisoformat(time[:17] + "00+00:00"))
    _minutes[time[:17]] = value
    return value


def _microseconds(moment: datetime) -> int:
    delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _six_decimals(time: str) -> str:
    """Python 3.11 reads at most six decimals; the rest is below our resolution."""
    head, dot, tail = time.partition(".")
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return head + dot + tail[: min(digits, 6)].ljust(6, "0") + tail[digits:] if dot else time


def _decode_loosely(raw: bytes) -> Line:
    """Decode a line with unknown fields or unexpected types: what fits is taken, the rest is left alone."""
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotAnAuditLine(f"not a JSON document: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("type"), str):
        raise NotAnAuditLine("a JSON document without the type of an audit line")
    if not isinstance(document.get("request"), dict) and not isinstance(document.get("auth"), dict):
        raise NotAnAuditLine("a JSON object without the request and auth of an audit line")
    return _pick(Line, document)


def _pick(kind: type[_T], document: object) -> _T:
    """Build a struct from the members of a JSON object that have the right type; the others take their default."""
    members: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if isinstance(document, dict) and field.encode_name in document:
            value = document[field.encode_name]
            members.update(_member(field, value))
    return kind(**members)


def _member(field: msgspec.structs.FieldInfo, value: object) -> dict[str, Any]:
    if field.type is msgspec.Raw:
        return {field.name: msgspec.Raw(msgspec.json.encode(value))}
    for nested in (Request, Response, Namespace, Secret, WrapInfo):
        if field.type in (nested, nested | None):
            return {field.name: _pick(nested, value)} if isinstance(value, dict) else {}
    try:
        return {field.name: msgspec.convert(value, field.type)}
    except msgspec.ValidationError:
        return {}
