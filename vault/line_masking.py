"""Walks one parsed audit entry and masks it: open fields stay, tokens and whatever is unknown do not."""

from __future__ import annotations

import re
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any

from vault import strict_json
from vault.data_masking import HMAC, TIME, DataMask
from vault.data_rules import USER, Rules, rules_for
from vault.plain_text import mask_error, mask_login_path, mask_url, scrub_tokens
from vault.strict_json import DEEPEST, Number, Pairs

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TYPE = re.compile(r"[a-z][a-z-]{0,39}")
_ACCESSOR = re.compile(r"[A-Za-z0-9-]{20,40}(?:\.[A-Za-z0-9]{3,12})?")
_PRIVATE_HEADER = re.compile(r"auth|token|cookie|secret|passw|key|session|credential|signature", re.IGNORECASE)
_LOGIN_PATH = re.compile(r"auth/.+?/login/.", re.DOTALL)


class LineMask:
    """One walk over one entry; `changed` tells whether anything was masked outside of `data`."""

    def __init__(self, entry: Pairs, *, failed_login: bool = False, kv_version: int = 0) -> None:
        self.findings: set[str] = set()
        self.changed = False
        self.data = DataMask()
        self._where = _Where(entry, kv_version)
        self._failed_login = failed_login or self._where.failed_login or self._where.doubled
        if strict_json.anywhere_duplicated(entry):
            self.findings.add("duplicate keys")

    def entry(self, pairs: Pairs) -> str:
        """The whole entry."""
        return self._fields(pairs, _ENTRY)

    def auth(self, value: Any) -> str:
        """`auth` and `response.auth`."""
        return self._struct(value, _AUTH)

    def _request(self, value: Any) -> str:
        return self._struct(value, _REQUEST)

    def _response(self, value: Any) -> str:
        return self._struct(value, _RESPONSE)

    def _secret(self, value: Any) -> str:
        return self._struct(value, _SECRET)

    def _namespace(self, value: Any) -> str:
        return self._struct(value, _NAMESPACE)

    def _wrap_info(self, value: Any) -> str:
        return self._struct(value, _WRAP_INFO)

    def _struct(self, value: Any, fields: _Fields) -> str:
        return self._fields(value, fields) if isinstance(value, Pairs) else self._hidden(value)

    def _fields(self, pairs: Pairs, fields: _Fields) -> str:
        return "{" + ",".join(self._field(key, value, fields) for key, value in pairs) + "}"

    def _field(self, key: str, value: Any, fields: _Fields) -> str:
        mask = fields.get(key)
        if mask is not None:
            return f'"{key}":{mask(self, value)}'
        self.findings.add("unknown field")
        self.changed = True
        name = key if _NAME.fullmatch(key) else f"key, {len(key)}"
        return f'"{name}":{self._hidden(value)}'

    def _hidden(self, value: Any, depth: int = 1) -> str:
        """Anything that may carry a value: its leaves and key names are masked."""
        if value is not None:
            self.changed = True
        return self.data.user(value, depth)

    def _request_data(self, value: Any) -> str:
        return self.data.mask(value, self._where.rules("request"))

    def _response_data(self, value: Any) -> str:
        return self.data.mask(value, self._where.rules("response"))

    def _token(self, value: Any) -> str:
        """A token's field: an HMAC, or else it is a plain token whatever its form."""
        if value is None or value == "" or (isinstance(value, str) and HMAC.fullmatch(value)):
            return quote(value)
        self.findings.add("plain token")
        return self._hidden(value)

    def _accessor(self, value: Any) -> str:
        """An accessor's field: an HMAC, or plain on a device that is set to write them so."""
        if not isinstance(value, str) or not _ACCESSOR.fullmatch(value):
            return self._token(value) if value else self._scalar(value)
        self.findings.add("plain accessor")
        return quote(value)

    def _plain(self, value: Any, depth: int = 1) -> str:
        """An open field: kept as it is, but for a token in it."""
        if isinstance(value, Pairs) and depth <= DEEPEST:
            return "{" + ",".join(f"{self._text(k)}:{self._plain(v, depth + 1)}" for k, v in value) + "}"
        if isinstance(value, list) and depth <= DEEPEST:
            return "[" + ",".join(self._plain(item, depth + 1) for item in value) + "]"
        if isinstance(value, str) and not isinstance(value, Number):
            return self._text(value)
        return self._hidden(value, depth) if isinstance(value, list) else quote(value)

    def _scalar(self, value: Any) -> str:
        """An open field of one text, number or switch."""
        return self._hidden(value) if isinstance(value, list) else self._plain(value)

    def _kind(self, value: Any) -> str:
        return quote(value) if isinstance(value, str) and _TYPE.fullmatch(value) else self._hidden(value)

    def _time(self, value: Any) -> str:
        return quote(value) if isinstance(value, str) and TIME.fullmatch(value) else self._hidden(value)

    def _error(self, value: Any) -> str:
        return self._through(value, mask_error)

    def _url(self, value: Any) -> str:
        return self._through(value, lambda text: mask_url(self._login(text)))

    def _path(self, value: Any) -> str:
        return self._through(value, lambda text: scrub_tokens(self._login(text)))

    def _login(self, text: str) -> str:
        return mask_login_path(text) if self._failed_login else text

    def _warnings(self, value: Any) -> str:
        if not isinstance(value, list) or isinstance(value, Pairs):
            return self._error(value)
        return "[" + ",".join(self._error(item) for item in value) + "]"

    def headers(self, value: Any) -> str:
        """Headers that somebody chose to audit: credentials are masked, the others kept."""
        if not isinstance(value, Pairs):
            return self._hidden(value)
        members = (f"{self._text(name)}:{self._header(name, below)}" for name, below in value)
        return "{" + ",".join(members) + "}"

    def _header(self, name: str, value: Any) -> str:
        if isinstance(value, list) and not isinstance(value, Pairs):
            return "[" + ",".join(self._header(name, item) for item in value if not isinstance(item, list)) + "]"
        if not isinstance(value, str) or isinstance(value, Number):
            return self._hidden(value)
        if HMAC.fullmatch(value):
            return quote(value)
        return self._hidden(value) if _PRIVATE_HEADER.search(name) else self._through(value, mask_url)

    def _text(self, text: str) -> str:
        return self._through(text, scrub_tokens)

    def _through(self, value: Any, mask: Callable[[str], str]) -> str:
        """A text through a mask; whatever is no text may carry anything, so it is hidden."""
        if not isinstance(value, str) or isinstance(value, Number):
            return self._hidden(value)
        masked = mask(value)
        if masked != value:
            self.changed = True
            if "<token, " in masked:
                self.findings.add("plain token")
        return quote(masked)


_Fields = dict[str, Callable[[LineMask, Any], str]]


def quote(value: Any) -> str:
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
        self.doubled = entry.duplicates() or self._request.duplicates() or self._response.duplicates()
        self._kv_version = kv_version
        answered = str(entry.last("type", "")).endswith("response")
        shown = {"auth", "wrap_info"} & {key for key, value in self._response if value is not None}
        self.failed_login = answered and not shown and _LOGIN_PATH.match(self._text("path")) is not None

    def _text(self, key: str) -> str:
        value = self._request.last(key, "")
        return value if isinstance(value, str) else ""

    def rules(self, side: str) -> Rules:
        if self.doubled:
            return USER
        mount_type = self._text("mount_type") or str(self._response.last("mount_type", ""))
        return rules_for(mount_type, self._text("path"), self._text("operation"), side, self._kv_version)


def _open(names: str, mask: Callable[[LineMask, Any], str] = LineMask._scalar) -> _Fields:
    return dict.fromkeys(names.split(), mask)


_MOUNT = _open("mount_point mount_type mount_accessor mount_running_sha256 mount_class mount_is_external_plugin")
_AUTH: _Fields = {
    **_open(
        "display_name no_default_policy num_uses remaining_uses entity_id entity_created token_type token_ttl "
        "token_issue_time"
    ),
    **_open(
        "policies token_policies identity_policies external_namespace_policies policy_results metadata",
        LineMask._plain,
    ),
    "client_token": LineMask._token,
    "accessor": LineMask._accessor,
}
_SECRET: _Fields = {"lease_id": LineMask._scalar}
_NAMESPACE: _Fields = {"id": LineMask._scalar, "path": LineMask._scalar}
_WRAP_INFO: _Fields = {
    **_open("ttl creation_time"),
    "token": LineMask._token,
    "accessor": LineMask._accessor,
    "wrapped_accessor": LineMask._accessor,
    "creation_path": LineMask._path,
}
_REQUEST: _Fields = {
    **_MOUNT,
    **_open(
        "id client_id replication_cluster operation mount_running_version policy_override remote_address remote_port "
        "wrap_ttl client_certificate_serial_number local"
    ),
    "client_token": LineMask._token,
    "client_token_accessor": LineMask._accessor,
    "namespace": LineMask._namespace,
    "path": LineMask._path,
    "request_uri": LineMask._url,
    "data": LineMask._request_data,
    "headers": LineMask.headers,
}
_RESPONSE: _Fields = {
    **_MOUNT,
    **_open("mount_running_plugin_version"),
    "auth": LineMask.auth,
    "secret": LineMask._secret,
    "data": LineMask._response_data,
    "warnings": LineMask._warnings,
    "redirect": LineMask._url,
    "wrap_info": LineMask._wrap_info,
    "headers": LineMask.headers,
}
_ENTRY: _Fields = {
    "time": LineMask._time,
    "type": LineMask._kind,
    "auth": LineMask.auth,
    "request": LineMask._request,
    "response": LineMask._response,
    "error": LineMask._error,
    "forwarded_from": LineMask._scalar,
    "forwarded": LineMask._scalar,
}
