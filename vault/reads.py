"""What a call did: its outcome, and whether it disclosed a secret.

Facts: the responses of OpenBao 2.7.2 and Vault as recorded in their audit logs. No entry holds an HTTP status, so the
outcome is read from `error`, from the shape of `response.data` and from what is missing.
"""

from __future__ import annotations

import re
from enum import IntEnum

import msgspec


class Outcome(IntEnum):
    """How a call ended; the numbers are stored, so they never change."""

    OK = 1
    DENIED = 2
    ERROR = 3
    NOT_FOUND = 4
    NO_RESPONSE = 5

    @property
    def label(self) -> str:
        """The word of the pages, the API and the commands: `ok`, `denied`, `error`, `not_found`, `no_response`."""
        return self.name.lower()


class Disclosure(IntEnum):
    """What a call gave away; the numbers are stored, so they never change."""

    NONE = 0
    VALUE = 1
    CREDENTIAL = 2
    KEY = 3
    PLAINTEXT = 4

    @property
    def label(self) -> str:
        """The word of the pages, the API and the commands: `none`, `value`, `credential`, `key`, `plaintext`."""
        return self.name.lower()


# 403 texts of login plugins that do not contain "permission denied" (vault-plugin-auth-kubernetes, path_login.go).
_REFUSED = ("permission denied", "service account name not authorized", "namespace not authorized")
_ASKS = frozenset(("read", "list", "scan"))
_WRITES = frozenset(("update", "create"))
_GIVES = frozenset(("read", "update", "create"))


class _KvMetadata(msgspec.Struct, gc=False):
    version: int | None = None


class _KvAnswer(msgspec.Struct, gc=False):
    data: msgspec.Raw = msgspec.Raw(b"null")
    metadata: _KvMetadata | None = None
    version: int | None = None


# Go sorts the keys of a map, so the answer of a KV v2 read ends so.
_KV2_END = re.compile(rb'"destroyed":(?:true|false),"version":(\d{1,18})\}\}\Z')

_kv_answer = msgspec.json.Decoder(_KvAnswer)
_as_dict = msgspec.json.Decoder(dict[str, msgspec.Raw])


def outcome(
    *,
    operation: str,
    mount: str,
    rest: str,
    has_response: bool,
    request_error: str = "",
    response_error: str = "",
    data: bytes = b"",
    has_auth: bool = False,
    wrapped: bool = False,
) -> Outcome:
    """The outcome of one request from its entries.

    `data` is the raw `response.data` (empty when missing), `has_auth` that `response.auth` came, `wrapped` that
    `response.wrap_info` came, `mount` and `rest` the two parts of the path (`vault.paths.place`). A request entry that
    carries an error and has no response (the second use of a wrapping token) was refused: it is told by its error.
    """
    error = response_error or request_error
    if error:
        return Outcome.DENIED if any(text in error for text in _REFUSED) else Outcome.ERROR
    if not has_response:
        return Outcome.NO_RESPONSE
    if has_auth or wrapped:
        return Outcome.OK
    if is_login(mount, rest, operation):
        return Outcome.ERROR  # a refused role or claim leaves no error, only the missing auth
    if not data or data == b"null":
        return Outcome.NOT_FOUND if operation in _ASKS else Outcome.OK
    return _by_answer(data, mount)


def _by_answer(data: bytes, mount: str) -> Outcome:
    """The outcome of an answer with data: `http_status_code` of raw responses, or a lone `error` of an auth method."""
    if b'"http_status_code"' in data:
        status = http_status(data)
        if status >= 400:
            return {403: Outcome.DENIED, 404: Outcome.NOT_FOUND}.get(status, Outcome.ERROR)
    if mount.startswith("auth/") and data.startswith(b'{"error":') and top_keys(data) == {"error"}:
        return Outcome.ERROR
    return Outcome.OK


def is_login(mount: str, rest: str, operation: str) -> bool:
    """Whether a call is a login: `auth/<mount>/login[/<name>]`."""
    return (rest == "login" or rest.startswith("login/")) and mount.startswith("auth/") and operation in _WRITES


def http_status(data: bytes) -> int:
    """`http_status_code` of a raw answer, 0 if `data` has none."""
    try:
        value = msgspec.json.decode(_as_dict.decode(data)["http_status_code"])
    except (msgspec.DecodeError, KeyError):
        return 0
    return value if isinstance(value, int) else 0


def top_keys(data: bytes) -> frozenset[str]:
    """The key names of one raw JSON object; empty for anything else."""
    try:
        return frozenset(_as_dict.decode(data))
    except msgspec.DecodeError:
        return frozenset()


def kv_version_read(data: bytes) -> int | None:
    """`metadata.version` of a KV v2 read's raw answer: the only place where the version that was read shows."""
    found = _KV2_END.search(data, max(len(data) - 80, 0))
    if found is not None:
        return int(found[1])
    answer = _kv(data)
    return answer.metadata.version if answer and answer.metadata else None


def kv_version_written(data: bytes) -> int | None:
    """`version` of a KV v2 write's raw answer."""
    answer = _kv(data)
    return answer.version if answer else None


def _kv(data: bytes) -> _KvAnswer | None:
    try:
        return _kv_answer.decode(data)
    except msgspec.DecodeError:
        return None


def kv_value_came(data: bytes, kv_version: int, rest: str) -> bool:
    """Whether a KV read's raw answer holds a value; version 0 (not known yet) is told by the answer's shape."""
    if not data or data == b"null" or b'"http_raw_body"' in data:
        return False
    if kv_version == 1:
        return True
    if not rest.startswith("data/"):
        return kv_version == 0 and not rest.startswith(("metadata/", "subkeys/")) and rest != "config"
    if data.startswith(b'{"data":{'):
        return True
    answer = _kv(data)
    return answer is not None and bytes(answer.data) not in (b"", b"null")


def disclosure(
    *,
    outcome: Outcome,
    operation: str,
    mount_type: str,
    rest: str,
    data: bytes = b"",
    kv_version: int = 0,
    has_auth: bool = False,
    wrapped: bool = False,
) -> Disclosure:
    """What one call disclosed, by mount type and by the path below the mount (`rest`).

    A wrapped answer (also a deferred control-group read, which is one) disclosed nothing yet: its unwrap does, and
    `unwrap_disclosure` says what. Signing, encrypting, listing and metadata disclose nothing.
    """
    if outcome is not Outcome.OK or wrapped or operation not in _GIVES:
        return Disclosure.NONE
    kind = mount_type.removeprefix("ns_")
    if kind in ("kv", "generic"):
        came = operation == "read" and kv_value_came(data, 1 if kind == "generic" else kv_version, rest)
        return Disclosure.VALUE if came else Disclosure.NONE
    if kind == "token":
        made = has_auth and rest.split("/", 1)[0] in ("create", "create-orphan")
        return Disclosure.CREDENTIAL if made else Disclosure.NONE
    if not data or data == b"null":
        return Disclosure.NONE
    return _by_engine(kind, operation, rest, data)


def _by_engine(kind: str, operation: str, rest: str, data: bytes) -> Disclosure:
    """The table for engines whose answers have data: one function per vendor's engine, else by the word `creds`."""
    if kind == "cubbyhole":
        return Disclosure.VALUE if operation == "read" else Disclosure.NONE
    first, _, tail = rest.partition("/")
    if kind == "transit":
        return _transit(first, tail)
    if kind == "pki":
        return Disclosure.KEY if b'"private_key":' in data else Disclosure.NONE
    if kind in _PLACES and first in _PLACES[kind]:
        return _PLACES[kind][first](rest, data)
    return _CREDENTIALS.get(first, Disclosure.NONE) if tail else Disclosure.NONE


_CREDENTIALS = {
    "creds": Disclosure.CREDENTIAL,
    "sts": Disclosure.CREDENTIAL,  # aws
    "static-creds": Disclosure.VALUE,
    "static-cred": Disclosure.VALUE,  # ldap
}


def _transit(first: str, tail: str) -> Disclosure:
    if first == "decrypt":
        return Disclosure.PLAINTEXT
    if first in ("export", "backup") or (first == "datakey" and tail.startswith("plaintext/")):
        return Disclosure.KEY
    return Disclosure.NONE


def _secret_id(rest: str, data: bytes) -> Disclosure:
    made = rest.endswith(("/secret-id", "/custom-secret-id")) and b'"secret_id":' in data
    return Disclosure.CREDENTIAL if made else Disclosure.NONE


def _unwrapped(rest: str, data: bytes) -> Disclosure:
    return Disclosure.VALUE if rest == "wrapping/unwrap" else Disclosure.NONE


def _totp_key(rest: str, data: bytes) -> Disclosure:
    return Disclosure.KEY if b'"url":' in data and b'"barcode":' in data else Disclosure.NONE


_PLACES = {
    "approle": {"role": _secret_id},
    "system": {"wrapping": _unwrapped, "raw": lambda rest, data: Disclosure.VALUE},
    "totp": {"code": lambda rest, data: Disclosure.PLAINTEXT, "keys": _totp_key},
    "identity": {
        "oidc": lambda rest, data: Disclosure.CREDENTIAL if rest.startswith("oidc/token/") else Disclosure.NONE
    },
}


def unwrap_disclosure(
    *, operation: str, mount_type: str, rest: str, data: bytes, kv_version: int = 0, has_auth: bool = False
) -> Disclosure:
    """What an unwrap gave away, told as if the wrapped call had answered openly.

    `operation`, `mount_type` and `rest` are of the call that was wrapped, `data` and `has_auth` of the unwrap's answer.
    What can't be told (an unknown mount) counts as a value, because something was handed over.
    """
    found = disclosure(
        outcome=Outcome.OK,
        operation=operation,
        mount_type=mount_type,
        rest=rest,
        data=data,
        kv_version=kv_version,
        has_auth=has_auth,
    )
    return found or (Disclosure.CREDENTIAL if has_auth else Disclosure.VALUE)


class _Unwrap(msgspec.Struct, gc=False):
    token: str = ""


_unwrap = msgspec.json.Decoder(_Unwrap)


def unwrapped_token(request_data: bytes, client_token: str) -> str:
    """The HMAC of the wrapping token that an unwrap used: in the body, or it is the call's own token.

    It equals `wrap_info.token` of the answer that was wrapped, on the same device.
    """
    try:
        return (_unwrap.decode(request_data).token if request_data else "") or client_token
    except msgspec.DecodeError:
        return client_token
