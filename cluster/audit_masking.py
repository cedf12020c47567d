"""How an API server's audit record is stored: written anew from the fields that say who, what and when, and no other.

Objects, query values and free texts never come along, whatever they hold: a policy of level Request or RequestResponse
for Secrets writes their values into the log. What of that was seen is told, so that somebody mends the policy.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from cluster.audit_calls import PLAIN_SELECTOR, Sort, sort_of
from cluster.audit_line import EMPTY, NotARecord, Record, Status, User, hashed, microseconds, query_of

SECRET_VALUE, PLAIN_TOKEN = "secret value", "plain token"
# Kubernetes' own tokens are JWTs; a vault's stand in commands, selectors and names that people paste.
_TOKEN = re.compile(
    r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)?"
    r"|(?:(?<![A-Za-z0-9_])hv|(?<![A-Za-z0-9_-]))[sbr]\.[A-Za-z0-9_-]{24,}(?:\.[A-Za-z0-9]{3,})?"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VERSION = re.compile(r"audit\.k8s\.io/v[0-9a-z]{1,20}")
_HOST = re.compile(r"[0-9A-Fa-f.:]{2,45}(?:%[A-Za-z0-9]{1,16})?")
_AGENT = re.compile(r"[A-Za-z0-9 ._/(),;:+-]{1,256}")
_DROPPED = re.compile(rb'"<dropped, \d+ bytes>"|"<string, \d+>"')
_KEPT_QUERY = {
    "fieldSelector": PLAIN_SELECTOR,
    **dict.fromkeys(
        ["watch", "limit", "timeout", "timeoutSeconds", "resourceVersion", "resourceVersionMatch", "sendInitialEvents",
         "allowWatchBookmarks", "dryRun", "force", "pretty", "stdin", "stdout", "stderr", "tty"],
        re.compile(r"[A-Za-z0-9]{0,20}"),
    ),
}  # fmt: skip
_FORBIDDEN = re.compile(
    r'[a-z.]+(?: "[^"]{1,253}")? is forbidden: User "[^"]{1,512}" cannot [a-z]+ resource "[a-z/.]+" in API group '
    r'"[a-z0-9.]*"(?: in the namespace "[a-z0-9-]{1,63}"| at the cluster scope)?'
)
_ANNOTATIONS = re.compile(
    r"authorization\.k8s\.io/(?:decision|reason)|audit\.k8s\.io/truncated|authentication\.k8s\.io/[a-z-]+"
    r"|authentication\.kubernetes\.io/[a-z-]+|pod-security\.kubernetes\.io/enforce-policy"
    r"|(?:failed-open\.)?mutation\.webhook\.admission\.k8s\.io/round_\d+_index_\d+"
    r"|(?:failed-open\.)?validat(?:ion|ing)\.webhook\.admission\.k8s\.io/round_\d+_index_\d+"
    r"|apiserver\.latency\.k8s\.io/[a-z-]+"
)
_PATCH = "patch.webhook.admission.k8s.io/"
_CLAIM = re.compile(r"authentication\.kubernetes\.io/(?:pod-name|pod-uid|node-name|node-uid|credential-id)")
_MOST, _LOOK, _BEGUN = 1_000, 5_000, 60


class Stored(NamedTuple):
    """A record as it may be stored, and what was found in it that should not stand in a log."""

    line: bytes
    findings: frozenset[str]


class _Shape(msgspec.Struct):
    kind: Any = None


_shape = msgspec.json.Decoder(_Shape).decode
_encode = msgspec.json.Encoder().encode


def stored(record: Record) -> Stored:
    """Return the record without values; its id, times, Secret, caller and outcome are read from it as before."""
    findings = set(_findings(record))
    line = _encode(_written(record, findings))
    return Stored(line, frozenset(findings))


def _findings(record: Record) -> list[str]:
    """What a record holds that a policy of level Metadata would not have written."""
    objects = [one for one in (record.request_object, record.response_object) if _is_content(bytes(one))]
    patched = any(key.startswith(_PATCH) for key in record.annotations or ())
    if not objects and not patched:
        return []
    return [PLAIN_TOKEN] if sort_of(record) is Sort.TOKEN else [SECRET_VALUE] if sort_of(record) is Sort.SECRET else []


def _is_content(raw: bytes) -> bool:
    """Whether an object may hold values: not one that was left out, nor the server's word or options of a delete."""
    if raw in (b"", b"null", b"{}") or _DROPPED.fullmatch(raw):
        return False
    try:
        return _shape(raw).kind not in ("Status", "DeleteOptions")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True  # a patch that is a list, or text


def _written(record: Record, findings: set[str]) -> dict[str, Any]:
    ref, status = record.object_ref, record.response_status
    made: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": record.api_version if _VERSION.fullmatch(record.api_version) else "",
        "level": _word(record.level),
        "auditID": record.audit_id if _ID.fullmatch(record.audit_id) else hashed(record.audit_id),
        "stage": record.stage,
        "requestURI": _uri(record.request_uri, findings),
        "verb": _word(record.verb),
        "user": _user(record.user, findings),
        "impersonatedUser": _user(record.impersonated_user, findings) if record.impersonated_user else None,
        "sourceIPs": [one if _HOST.fullmatch(one) else _hidden(one) for one in (record.source_ips or ())[-20:]],
        "userAgent": _agent(record.user_agent, findings),
        "objectRef": {name: _text(value, findings) for name, value in _members(ref) if value} if ref else None,
        "responseStatus": _status(status, findings) if status else None,
        "requestObject": _object(record.request_object),
        "responseObject": _object(record.response_object),
        "requestReceivedTimestamp": _time(record.request_received_timestamp),
        "stageTimestamp": _time(record.stage_timestamp),
        "annotations": _annotations(record.annotations or {}, findings),
    }
    return {name: value for name, value in made.items() if value not in (None, "", [], {})}


def _members(ref: Any) -> list[tuple[str, str]]:
    return [(field.encode_name, getattr(ref, field.name)) for field in msgspec.structs.fields(ref)]


def _word(text: str) -> str:
    return text if not text or _WORD.fullmatch(text) else _hidden(text)


def _hidden(text: str) -> str:
    return f"<string, {len(text)}>"


def _time(text: str) -> str:
    """A time; one that can't be read is left out, and then another stands for it."""
    try:
        microseconds(text)
    except NotARecord:
        return ""
    return text


def _text(text: str, findings: set[str]) -> str:
    """A name, without a token that somebody put there, and bounded."""
    if len(text) <= _MOST and "." not in text:  # as every token has one
        return text
    # Tokens are looked for in what may be kept and some way behind it: the search through a hostile name is quadratic.
    cut, count = _TOKEN.subn(lambda found: f"<token, {len(found[0])}>", text[:_LOOK])
    if count:
        findings.add(PLAIN_TOKEN)
    if len(text) > _LOOK:  # the last of it may be the beginning of a token, too short to be known as one
        return f"{cut[:-_BEGUN][:_MOST]}… {hashed(text)}"
    return cut if len(cut) <= _MOST else f"{cut[:_MOST]}… {hashed(cut)}"


def _agent(text: str, findings: set[str]) -> str:
    return _text(text, findings) if not text or _AGENT.fullmatch(text) else _hidden(text)


def _uri(uri: str, findings: set[str]) -> str:
    """The path, and of the query only what says which objects: a command line of an exec stands there too."""
    path = _text(uri.partition("?")[0], findings)
    query = "&".join(f"{_word(name)}={_parameter(name, value)}" for name, value in query_of(uri))
    return f"{path}?{query}" if query else path


def _parameter(name: str, value: str) -> str:
    form = _KEPT_QUERY.get(name)
    return value if form is not None and form.fullmatch(value) else _hidden(value)


def _user(user: User, findings: set[str]) -> dict[str, Any]:
    extra = {
        key: [_text(value, findings) for value in (values or ())[:5]]
        for key, values in (user.extra or {}).items()
        if _CLAIM.fullmatch(key)
    }
    made = {
        "username": _text(user.username, findings),
        "uid": _text(user.uid, findings),
        "groups": [_text(group, findings) for group in (user.groups or ())[:200]],
        "extra": extra,
    }
    return {name: value for name, value in made.items() if value}


def _status(status: Status, findings: set[str]) -> dict[str, Any]:
    """How it ended; of the message only the server's own sentence of a denial, for others quote what was sent."""
    message = status.message
    told = _text(message, findings) if not message or _FORBIDDEN.fullmatch(message) else _hidden(message)
    made = {"status": _word(status.status), "reason": _word(status.reason), "message": told, "code": status.code}
    return {name: value for name, value in made.items() if value}


def _object(raw: msgspec.Raw) -> str | None:
    """Nothing of an object but its size; what was left out before stays as it was told then."""
    if raw is EMPTY or bytes(raw) == b"null":
        return None
    if _DROPPED.fullmatch(bytes(raw)):
        return bytes(raw)[1:-1].decode()
    return f"<dropped, {len(raw)} bytes>"


def _annotations(given: dict[str, str], findings: set[str]) -> dict[str, str]:
    """The server's own annotations, the right that granted the call among them; others lose name and value."""
    kept = {key: _text(value, findings) for key, value in given.items() if _ANNOTATIONS.fullmatch(key)}
    others = sum(len(value) for key, value in given.items() if key not in kept)
    return {**kept, "others": f"<string, {others}>"} if others else kept
