"""Masks a whole audit line before it is stored, and says which of its parts may be stored as they stand.

The rule (nothing that is not an HMAC, a list's entry or an open field of the entry) holds for any key order, unknown
fields and duplicate keys: each of a doubled key's values is masked, and a doubled field makes every `data` a user's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any

from vault import strict_json, vocabulary
from vault.data_masking import HMAC, TIME, DataMask, mask_data, rules_for
from vault.plain_text import find_plain_token, mask_error, mask_login_path, mask_url, scrub_tokens
from vault.preview import Head, preview, safe_head
from vault.strict_json import DEEPEST, Number, Pairs
from vault.vocabulary import Rules

__all__ = [
    "Head", "Masked", "auth_is_safe", "find_plain_token", "headers_are_safe", "mask_data", "mask_error", "mask_line",
    "mask_login_path", "preview", "rules_for", "safe_head",
]  # fmt: skip

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TYPE = re.compile(r"[a-z][a-z-]{0,39}")
_ACCESSOR = re.compile(r"[A-Za-z0-9-]{20,40}(?:\.[A-Za-z0-9]{3,12})?")
_PRIVATE_HEADER = re.compile(r"auth|token|cookie|secret|passw|key|session|credential|signature", re.IGNORECASE)
_LOGIN_PATH = re.compile(r"auth/.+?/login/.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Masked:
    """A line as it may be stored, and what was found in it: see `FINDINGS`."""

    line: bytes
    findings: frozenset[str]


FINDINGS = ("plain token", "plain accessor", "duplicate keys", "unknown field", "unreadable")


def mask_line(raw: bytes, *, failed_login: bool = False, kv_version: int = 0) -> Masked:
    """One JSON document, masked thoroughly; slow, and never raises.

    `failed_login` says that the login this line belongs to failed, or may still fail (its response has not come); a
    response entry of a login that shows no `auth` is one without being told.
    """
    try:
        parsed = strict_json.loads(raw)
    except strict_json.NotJson:
        parsed = None
    if not isinstance(parsed, Pairs):
        return Masked(f'{{"unreadable":{_quote(preview(raw))}}}'.encode(), frozenset(("unreadable",)))
    walk = _LineMask(parsed, failed_login, kv_version)
    text = walk.entry(parsed)
    if walk.data.plain_token:
        walk.findings.add("plain token")
    return Masked(text.encode("utf-8", "replace"), frozenset(walk.findings))


def auth_is_safe(raw: bytes) -> bool:
    """Whether an `auth` object may be stored as it stands: its token is an HMAC, nothing is unknown or doubled."""
    return _is_safe(raw, _LineMask.auth)


def headers_are_safe(raw: bytes) -> bool:
    """Whether a `headers` object may be stored as it stands: no credentials in plain."""
    return _is_safe(raw, _LineMask.headers)


def _is_safe(raw: bytes, part: Callable[[_LineMask, Any], str]) -> bool:
    try:
        parsed = strict_json.loads(raw)
    except strict_json.NotJson:
        return False
    walk = _LineMask(Pairs(), failed_login=False, kv_version=0)
    part(walk, parsed)
    return not walk.changed and not walk.findings - {"plain accessor"}


class _LineMask:
    """One walk over one entry; `changed` tells whether anything was masked outside of `data`."""

    def __init__(self, entry: Pairs, failed_login: bool, kv_version: int) -> None:
        self.findings: set[str] = set()
        self.changed = False
        self.data = DataMask()
        self._where = _Where(entry, kv_version)
        self._failed_login = failed_login or self._where.failed_login
        if strict_json.anywhere_duplicated(entry):
            self.findings.add("duplicate keys")

    def entry(self, pairs: Pairs) -> str:
        """The whole entry."""
        return self._fields(pairs, _ENTRY)

    def auth(self, value: Any) -> str:
        """`auth` and `response.auth`."""
        return self._struct(value, _AUTH)

    def request(self, value: Any) -> str:
        return self._struct(value, _REQUEST)

    def response(self, value: Any) -> str:
        return self._struct(value, _RESPONSE)

    def secret(self, value: Any) -> str:
        return self._struct(value, _SECRET)

    def namespace(self, value: Any) -> str:
        return self._struct(value, _NAMESPACE)

    def wrap_info(self, value: Any) -> str:
        return self._struct(value, _WRAP_INFO)

    def _struct(self, value: Any, fields: _Fields) -> str:
        return self._fields(value, fields) if isinstance(value, Pairs) else self.hidden(value)

    def _fields(self, pairs: Pairs, fields: _Fields) -> str:
        return "{" + ",".join(self._field(key, value, fields) for key, value in pairs) + "}"

    def _field(self, key: str, value: Any, fields: _Fields) -> str:
        mask = fields.get(key)
        if mask is not None:
            return f'"{key}":{mask(self, value)}'
        self.findings.add("unknown field")
        self.changed = True
        name = key if _NAME.fullmatch(key) else f"key, {len(key)}"
        return f'"{name}":{self.hidden(value)}'

    def hidden(self, value: Any) -> str:
        """Anything that may carry a value: its leaves and key names are masked."""
        if value is not None:
            self.changed = True
        return self.data.user(value)

    def request_data(self, value: Any) -> str:
        return self.data.mask(value, self._where.rules("request"))

    def response_data(self, value: Any) -> str:
        return self.data.mask(value, self._where.rules("response"))

    def token(self, value: Any) -> str:
        """A token's field: an HMAC, or else it is a plain token whatever its form."""
        if value is None or value == "" or (isinstance(value, str) and HMAC.fullmatch(value)):
            return _quote(value)
        self.findings.add("plain token")
        return self.hidden(value)

    def accessor(self, value: Any) -> str:
        """An accessor's field: an HMAC, or plain on a device that is set to write them so."""
        if not isinstance(value, str) or not _ACCESSOR.fullmatch(value):
            return self.token(value) if value else _quote(value)
        self.findings.add("plain accessor")
        return _quote(value)

    def plain(self, value: Any, depth: int = 1) -> str:
        """An open field: kept as it is, but for a token in it."""
        if isinstance(value, Pairs) and depth <= DEEPEST:
            return "{" + ",".join(f"{self._text(k)}:{self.plain(v, depth + 1)}" for k, v in value) + "}"
        if isinstance(value, list) and depth <= DEEPEST:
            return "[" + ",".join(self.plain(item, depth + 1) for item in value) + "]"
        if isinstance(value, str) and not isinstance(value, Number):
            return self._text(value)
        return self.hidden(value) if isinstance(value, list) else _quote(value)

    def scalar(self, value: Any) -> str:
        """An open field of one text, number or switch."""
        return self.hidden(value) if isinstance(value, list) else self.plain(value)

    def kind(self, value: Any) -> str:
        return _quote(value) if isinstance(value, str) and _TYPE.fullmatch(value) else self.hidden(value)

    def time(self, value: Any) -> str:
        return _quote(value) if isinstance(value, str) and TIME.fullmatch(value) else self.hidden(value)

    def error(self, value: Any) -> str:
        return self._through(value, mask_error)

    def url(self, value: Any) -> str:
        return self._through(value, lambda text: mask_url(self._path(text)))

    def path(self, value: Any) -> str:
        return self._through(value, lambda text: scrub_tokens(self._path(text)))

    def _path(self, text: str) -> str:
        return mask_login_path(text) if self._failed_login else text

    def warnings(self, value: Any) -> str:
        if not isinstance(value, list) or isinstance(value, Pairs):
            return self.error(value)
        return "[" + ",".join(self.error(item) for item in value) + "]"

    def headers(self, value: Any) -> str:
        """Headers that somebody chose to audit: credentials are masked, the others kept."""
        if not isinstance(value, Pairs):
            return self.hidden(value)
        members = (f"{self._text(name)}:{self._header(name, below)}" for name, below in value)
        return "{" + ",".join(members) + "}"

    def _header(self, name: str, value: Any) -> str:
        if isinstance(value, list) and not isinstance(value, Pairs):
            return "[" + ",".join(self._header(name, item) for item in value if not isinstance(item, list)) + "]"
        if not isinstance(value, str) or isinstance(value, Number):
            return self.hidden(value)
        if HMAC.fullmatch(value):
            return _quote(value)
        return self.hidden(value) if _PRIVATE_HEADER.search(name) else self._through(value, mask_url)

    def _text(self, text: str) -> str:
        return self._through(text, scrub_tokens)

    def _through(self, value: Any, mask: Callable[[str], str]) -> str:
        """A text through a mask; whatever is no text may carry anything, so it is hidden."""
        if not isinstance(value, str) or isinstance(value, Number):
            return self.hidden(value)
        masked = mask(value)
        if masked != value:
            self.changed = True
            if "<token, " in masked:
                self.findings.add("plain token")
        return _quote(masked)


_Fields = dict[str, Callable[[_LineMask, Any], str]]


def _quote(value: Any) -> str:
    """The JSON text of one scalar."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return encode_basestring(value)
    return {True: "true", False: "false"}.get(value, "null")


class _Where:
    """What the rules for `data` depend on, read from the entry's request."""

    def __init__(self, entry: Pairs, kv_version: int) -> None:
        request, response = entry.last("request"), entry.last("response")
        self._request = request if isinstance(request, Pairs) else Pairs()
        self._response = response if isinstance(response, Pairs) else Pairs()
        self._doubled = entry.duplicates() or self._request.duplicates() or self._response.duplicates()
        self._kv_version = kv_version
        answered = str(entry.last("type", "")).endswith("response")
        shown = {"auth", "wrap_info"} & {key for key, value in self._response if value is not None}
        self.failed_login = answered and not shown and _LOGIN_PATH.match(self._text("path")) is not None

    def _text(self, key: str) -> str:
        value = self._request.last(key, "")
        return value if isinstance(value, str) else ""

    def rules(self, side: str) -> Rules:
        if self._doubled:
            return vocabulary.USER
        mount_type = self._text("mount_type") or str(self._response.last("mount_type", ""))
        return rules_for(mount_type, self._text("path"), self._text("operation"), side, self._kv_version)


def _open(names: str, mask: Callable[[_LineMask, Any], str] = _LineMask.scalar) -> _Fields:
    return dict.fromkeys(names.split(), mask)


_MOUNT = _open("mount_point mount_type mount_accessor mount_running_sha256 mount_class mount_is_external_plugin")
_AUTH: _Fields = {
    **_open(
        "display_name no_default_policy num_uses remaining_uses entity_id entity_created token_type token_ttl "
        "token_issue_time"
    ),
    **_open(
        "policies token_policies identity_policies external_namespace_policies policy_results metadata",
        _LineMask.plain,
    ),
    "client_token": _LineMask.token,
    "accessor": _LineMask.accessor,
}
_SECRET: _Fields = {"lease_id": _LineMask.scalar}
_NAMESPACE: _Fields = {"id": _LineMask.scalar, "path": _LineMask.scalar}
_WRAP_INFO: _Fields = {
    **_open("ttl creation_time"),
    "token": _LineMask.token,
    "accessor": _LineMask.accessor,
    "wrapped_accessor": _LineMask.accessor,
    "creation_path": _LineMask.path,
}
_REQUEST: _Fields = {
    **_MOUNT,
    **_open(
        "id client_id replication_cluster operation mount_running_version policy_override remote_address remote_port "
        "wrap_ttl client_certificate_serial_number local"
    ),
    "client_token": _LineMask.token,
    "client_token_accessor": _LineMask.accessor,
    "namespace": _LineMask.namespace,
    "path": _LineMask.path,
    "request_uri": _LineMask.url,
    "data": _LineMask.request_data,
    "headers": _LineMask.headers,
}
_RESPONSE: _Fields = {
    **_MOUNT,
    **_open("mount_running_plugin_version"),
    "auth": _LineMask.auth,
    "secret": _LineMask.secret,
    "data": _LineMask.response_data,
    "warnings": _LineMask.warnings,
    "redirect": _LineMask.url,
    "wrap_info": _LineMask.wrap_info,
    "headers": _LineMask.headers,
}
_ENTRY: _Fields = {
    "time": _LineMask.time,
    "type": _LineMask.kind,
    "auth": _LineMask.auth,
    "request": _LineMask.request,
    "response": _LineMask.response,
    "error": _LineMask.error,
    "forwarded_from": _LineMask.scalar,
    "forwarded": _LineMask.scalar,
}
