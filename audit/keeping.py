"""Settles how each line of an event is stored: masked the short way where every part is known to be safe.

The short way is for lines as the vaults themselves write them; anything else is masked thoroughly, which is slower.
What repeats (an answer, the form of headers, an error) is judged once and remembered.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from typing import NamedTuple

from msgspec import Raw

from audit.dictionary import Answer, Target
from audit.event import Event, Held
from kit.memory import remember
from vault import masking, reads
from vault.audit_line import EMPTY, Line, Request, Response, encode, whole_auth
from vault.data_masking import form_of
from vault.plain_text import find_plain_token
from vault.reads import Disclosure, Outcome
from vault.shapes import Memory, shape, take_apart

_HMAC = "hmac-sha256:"
_UUIDS = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DIGITS_TELL = re.compile(rb'\\\\|"http_status_code"')  # an escape may spell any key; the status is a number
_TOKEN, _ACCESSOR, _ISSUED = b'{"client_token":"hmac-sha256:', b'","accessor":"hmac-sha256:', b'"token_issue_time":"'
_ZEROS, _HEX = bytes.maketrans(b"123456789", b"0" * 9), b"0123456789abcdef"
_BIG = 8_192
LARGEST = 2_147_483_647


class CutAuth(NamedTuple):
    """An `auth` object as the vaults write it: its form is all but the token, the accessor and the time of issue."""

    form: bytes
    token: bytes
    accessor: str


def cut_auth(raw: bytes) -> CutAuth | None:
    """Cut what is new with each token out of an `auth` object; None if anything else in it could be an HMAC."""
    token, accessor, form = raw[29:93], raw[119:183], raw[183:]
    if not raw.startswith(_TOKEN) or not raw.startswith(_ACCESSOR, 93) or b"\\" in form or b"hmac-sha256:" in form:
        return None
    if (token + accessor).translate(None, _HEX) or len(accessor) != 64:
        return None
    before, issued, rest = form.partition(_ISSUED)
    if issued:
        if rest[:20].translate(_ZEROS) != b"0000-00-00T00:00:00Z":
            return None
        form = before + rest[20:]
    return CutAuth(form, unhexlify(token), _HMAC + accessor.decode())


class Keeper:
    """The memory of what is safe; `findings` counts what was found in plain, such as tokens."""

    def __init__(self) -> None:
        self.findings: dict[str, int] = {}
        self._safe_errors: dict[str, bool] = {}
        self._safe_forms: dict[bytes, bool] = {}

    def keep(self, event: Event, data: bytes) -> None:
        """Settle how the lines are stored: the short way where every part is known to be safe, else the thorough."""
        request, response, target = event.request, event.response, event.target
        failed = target.named_login and not _logged_in(response)
        bare = not failed and not target.secretive and not event.address.secretive  # nothing outside `data` to hide
        safe, version = False, target.mount.kv_version
        if response is not None and response.stored is None:
            safe = bare and event.who.safe and response.exact and self._is_safe(response.line)
            response.stored = self._stored(response, target, data) if safe else None
            if response.stored is None:
                response.stored = self._thoroughly(response.raw, failed, version)
        if request is not None and request.stored is None:
            if response is not None and not same_call(request.line.request, response.line.request):
                request.stored = self.store_alone(request)  # two calls under one id: what is told of one is not of both
            elif (
                bare
                and request.exact
                and ((safe and _alike(request.line, response)) or self._is_safe_alone(request.line))
            ):
                request.stored = self._stored(request, target, b"")
            if request.stored is None:
                request.stored = self._thoroughly(request.raw, failed, version)

    def _stored(self, held: Held, target: Target, data: bytes) -> bytes | None:
        """One line with its `data` objects masked; None if it is not written as the vaults write it.

        Writing the decoded line again shows that: whatever stands in it twice or is spelt otherwise makes it longer.
        """
        line, grown, changed = held.line, 0, False
        asked = line.request
        if data and line.response is not None:
            masked = self.answer(target, asked.operation, data, "response")[0]
            if masked is not data:
                line.response.data, grown, changed = Raw(masked), len(masked) - len(data), True
        if asked.data is not EMPTY:
            data = bytes(asked.data)
            masked = self.answer(target, asked.operation, data, "request")[0]
            if masked is not data:
                asked.data, grown, changed = Raw(masked), grown + len(masked) - len(data), True
        written = encode(line)
        if len(written) != len(held.raw) + grown:
            return None
        return written if changed else held.raw

    def _is_safe_alone(self, line: Line) -> bool:
        return self._is_safe(line) and self.auth_is_safe(bytes(line.auth))

    def _is_safe(self, line: Line) -> bool:
        """Whether everything but `data` and `auth` may be stored as it stands."""
        asked, answer = line.request, line.response
        if line.error and not self._error_is_safe(line.error):
            return False
        if asked.client_token and not asked.client_token.startswith(_HMAC):
            return False
        if asked.headers is not EMPTY and not self._headers_are_safe(bytes(asked.headers)):
            return False
        return answer is None or self._is_safe_answer(answer)

    def _is_safe_answer(self, answer: Response) -> bool:
        if answer.warnings is not EMPTY or answer.headers is not EMPTY or answer.redirect:
            return False
        if answer.auth is not EMPTY and not self.auth_is_safe(bytes(answer.auth)):
            return False
        lease, wrap = answer.secret and answer.secret.lease_id, answer.wrap_info
        if (lease and find_plain_token(lease.encode())) or find_plain_token(answer.mount_accessor.encode()):
            return False
        return wrap is None or (wrap.token.startswith(_HMAC) and not find_plain_token(wrap.creation_path.encode()))

    def _error_is_safe(self, error: str) -> bool:
        safe = self._safe_errors.get(error)
        if safe is None:
            safe = remember(self._safe_errors)[error] = masking.mask_error(error) == error
        return safe

    def _headers_are_safe(self, headers: bytes) -> bool:
        """Headers differ from call to call in HMACs and UUIDs only: the rest is worth remembering."""
        form = _without_hmacs(headers)
        safe = self._safe_forms.get(form)
        if safe is None:
            form = _UUIDS.sub(b"", form)
            safe = self._safe_forms.get(form)
        if safe is None:
            safe = remember(self._safe_forms)[form] = masking.headers_are_safe(headers)
        return safe

    def auth_is_safe(self, raw: bytes) -> bool:
        """Whether an `auth` object may be stored as it stands; the quick look passes what the vault itself writes."""
        auth = whole_auth(raw)
        if auth is not None and (not auth.client_token or auth.client_token.startswith(_HMAC)):
            return not masking.find_plain_token(raw) or masking.auth_is_safe(raw)
        return masking.auth_is_safe(raw)

    def answer(self, target: Target, operation: str, data: bytes, side: str) -> Answer:
        """What one `data` object of a target is: masked, and what it discloses; the same answer comes often."""
        memory = target.memory[side]
        known = memory.get(data)
        if known is None:
            known = _by_form(target, data, side) or _answer(target, operation, data, side)
            if len(data) < _BIG:
                if len(memory) > 256:
                    memory.clear()
                memory[data] = known
        return known

    def _thoroughly(self, raw: bytes, failed: bool, kv_version: int = 0) -> bytes:
        masked = masking.mask_line(raw, failed_login=failed, kv_version=kv_version)
        for finding in masked.findings - {"plain accessor"}:  # a device may be set to write accessors in plain
            self.findings[finding] = self.findings.get(finding, 0) + 1
        return masked.line

    def store_alone(self, held: Held) -> bytes:
        """How a request is stored while its response has not come: a login may still fail, so its name is masked."""
        path = held.line.request.path
        return self._thoroughly(held.raw, masking.mask_login_path(path) != path)


def _by_form(target: Target, data: bytes, side: str) -> Answer | None:
    """The answer for an object that differs from one answered before in digits and HMACs only."""
    if target.forms is None:
        return None
    apart = take_apart(data)
    told = target.forms[side].get(shape(apart[0])) if apart else None
    if apart is None or told is None:
        return None
    form, outcome, disclosed, versioned = told
    version = _version(target, data) if versioned else 0
    return (data if form is None else form.fill(data, apart[1])), outcome, disclosed, version


def _answer(target: Target, operation: str, data: bytes, side: str) -> Answer:
    mount = target.mount
    rules = masking.rules_for(mount.type, mount.path + target.rest, operation, side, mount.kv_version)
    masked = masking.mask_by(data, rules)
    outcome, disclosed, versioned = Outcome.OK, Disclosure.NONE, False
    if side == "response":
        outcome = reads.outcome(operation=operation, mount=mount.path, rest=target.rest, has_response=True, data=data)
        disclosed = reads.disclosure(
            outcome=outcome,
            operation=operation,
            mount_type=mount.type,
            rest=target.rest,
            data=data,
            kv_version=mount.kv_version,
        )
        versioned = target.kv2 and (bool(disclosed) or (target.writes and outcome is Outcome.OK))
    found = form_of(data, rules)
    if found and _DIGITS_TELL.search(data) is None:
        if target.forms is None:
            target.forms = {"request": Memory(), "response": Memory()}
        target.forms[side].learn(found[0], (found[2], outcome, disclosed, versioned))
    return masked, outcome, disclosed, _version(target, data) if versioned else 0


def _version(target: Target, data: bytes) -> int:
    """The version that a KV v2 read gave or a write made; no vault counts beyond what a column holds."""
    version = (reads.kv_version_written(data) if target.writes else reads.kv_version_read(data)) or 0
    return version if 0 <= version <= LARGEST else 0


def _logged_in(response: Held | None) -> bool:
    answer = response.line.response if response is not None else None
    return answer is not None and answer.auth is not EMPTY


def _alike(request: Line, response: Held | None) -> bool:
    """Whether a request line's free parts say nothing that its response line, already judged, does not say too."""
    if response is None or request.error:
        return False
    asked, again = request.request, response.line.request
    return (
        request.auth == response.line.auth
        and asked.headers == again.headers
        and asked.client_token == again.client_token
    )


def same_call(one: Request, other: Request) -> bool:
    """Whether a request and a response line speak of one call; a request id alone may be anybody's."""
    return (
        one.path == other.path
        and one.mount_type == other.mount_type
        and one.operation == other.operation
        and one.namespace == other.namespace
    )


def _without_hmacs(text: bytes) -> bytes:
    """The text with every genuine HMAC cut out: what is left repeats."""
    first, *rest = text.split(b'"hmac-sha256:')
    try:
        return b"".join([first, *[piece[64:] for piece in rest if unhexlify(piece[:64])]])
    except ValueError:
        return text
