"""Joins the request and response lines of one device into events: who, what, outcome, and the lines as stored.

This is the hot path: what repeats (the bytes of `auth`, a mount and path, an answer) is worked out once and remembered.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Iterable
from hashlib import sha256

import msgspec

from audit import principal
from audit.dictionary import Address, Answer, MountInfo, Target, Who
from vault import masking, paths, reads
from vault.audit_line import EMPTY, Line, Response, decode_auth, microseconds, request_key, whole_auth
from vault.plain_text import scrub_tokens
from vault.reads import Disclosure, Outcome

SEEN_REQUEST, SEEN_RESPONSE, SUPERSEDED, BY_TOKEN, COLLAPSED, SYNTHETIC, WRAPPED = 1, 2, 4, 8, 16, 32, 64
SUSPICIOUS, AMENDS = 128, 8192
OPERATIONS = [
    "other",
    "create",
    "read",
    "update",
    "patch",
    "delete",
    "list",
    "scan",
    "help",
    "revoke",
    "renew",
    "rollback",
    "header",
    "alias-lookahead",
    "resolve-role",
    "sync-activation",
]
_OPERATION = {name: number for number, name in enumerate(OPERATIONS)}
_HMAC = "hmac-sha256:"
_PROBE = "sys/audit/test"  # a device writes it when it starts: nobody calls it
_DATA = b'"data":'
_UUIDS = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_REMEMBER = 100_000
_BIG = 8_192


class Held(msgspec.Struct, gc=False, eq=False):
    """One line with its place; `length` counts its bytes there, `stored` is set once it is known how it may be kept."""

    line: Line
    exact: bool
    raw: bytes
    generation: int
    position: int
    length: int
    micros: int
    key: str
    stored: bytes | None = None
    digest: bytes = b""


def hold(line: Line, exact: bool, raw: bytes, generation: int, position: int) -> Held:
    """Return the line with its place; raises `NotAnAuditLine` when its time can't be read.

    The key is the request id; entries without one get a key made from their content.
    """
    key = line.request.id or sha256(raw).hexdigest()
    return Held(line, exact, raw, generation, position, len(raw), microseconds(line.time), key)


class Event(msgspec.Struct, gc=False, eq=False):
    """One audited call of one device: its request and response lines joined (either may be missing)."""

    request: Held | None
    response: Held | None
    key: bytes
    micros: int
    flags: int
    who: Who
    target: Target
    address: Address
    operation: int
    outcome: int = 0
    disclosed: int = 0
    version: int = 0
    secret_id: int = 0
    id: int = 0
    block: int = 0
    line: int = 0
    lease: str = ""
    unwraps: bytes = b""
    wraps: bytes = b""

    @property
    def lines(self) -> list[Held]:
        """The event's lines, request first."""
        return [held for held in (self.request, self.response) if held is not None]


class Normaliser:
    """The memory of one device's turn; `new_*` list what still needs ids from the dictionary."""

    def __init__(self, mounts: Iterable[MountInfo] = ()) -> None:
        self.mounts = {(mount.namespace, mount.path): mount for mount in mounts}
        self.whos: dict[bytes, Who] = {}
        self.by_token: dict[bytes, Who] = {}
        self.targets: dict[tuple[str, ...], Target] = {}
        self.addresses: dict[str, Address] = {}
        self.wraps: dict[bytes, tuple[Target, int]] = {}
        self.new_whos: list[Who] = []
        self.new_targets: list[Target] = []
        self.new_addresses: list[Address] = []
        self.changed_mounts: list[MountInfo] = []
        self.findings: dict[str, int] = {}
        self._safe_errors: dict[str, bool] = {}
        self._safe_forms: dict[bytes, bool] = {}

    def event(self, request: Held | None, response: Held | None) -> Event:
        """Join two lines of one request (either may be None, not both) into an event and settle how they are stored."""
        first, last = request or response, response or request
        assert first is not None and last is not None  # noqa: S101 - an event has a line
        line = last.line
        asked, answer = line.request, line.response
        who = self.whos.get(bytes(line.auth)) or self._new_who(bytes(line.auth), first.micros)
        flags = (SEEN_REQUEST if request else 0) | (SEEN_RESPONSE if response else 0)
        if who.unsigned and asked.client_token:
            who, flags = self._by_token(asked.client_token, who, first.micros), flags | BY_TOKEN
        data = b"" if answer is None or answer.data is EMPTY else bytes(answer.data)
        target = self._target(line, who)
        if data and not target.mount.kv_version and target.mount.type == "kv":
            target = self._learn_version(line, target, data, who)
        address = self.addresses.get(asked.remote_address) or self._new_address(asked.remote_address, who)
        key, genuine = request_key(last.key, b"")
        if not genuine:
            flags |= SYNTHETIC
        event = Event(request, response, key, first.micros, flags, who, target, address, target.operation)
        self._judge(event, line, data)
        self._store(event, data)
        return event

    def attach(self, event: Event, request: Held) -> None:
        """Join a request line that was read after its response."""
        event.request, event.micros = request, request.micros
        event.flags |= SEEN_REQUEST
        response, event.response = event.response, None
        self._store(event, b"")
        event.response = response

    def _judge(self, event: Event, line: Line, data: bytes) -> None:
        """Settle outcome, disclosure, version, lease and wraps from the answer."""
        answer, target = line.response, event.target
        plain = answer is not None and data and not line.error and answer.wrap_info is None and answer.auth is EMPTY
        if plain and not target.login and target.rest != "wrapping/unwrap":
            _, event.outcome, event.disclosed, event.version = self._known(
                target, line.request.operation, data, "response"
            )
            if event.disclosed and answer is not None and answer.secret is not None:
                event.lease = _bounded(answer.secret.lease_id, 1000)
            return
        self._judge_oddity(event, line, data)

    def _judge_oddity(self, event: Event, line: Line, data: bytes) -> None:
        """Everything but a plain answer: errors, logins, wraps, unwraps, empty answers, no answer."""
        answer, target, request = line.response, event.target, event.request
        has_auth = answer is not None and len(answer.auth) > 0
        wrapped = answer is not None and answer.wrap_info is not None
        event.outcome = reads.outcome(
            operation=line.request.operation,
            mount=target.mount.path,
            rest=target.rest,
            has_response=event.response is not None,
            request_error=request.line.error if request else "",
            response_error=line.error if event.response is not None else "",
            data=data,
            has_auth=has_auth,
            wrapped=wrapped,
        )
        if event.outcome != Outcome.OK:
            return
        if wrapped:
            self._remember_wrap(event, line)
        elif target.rest == "wrapping/unwrap":
            self._unwrap(event, line, data, has_auth)
        elif has_auth:
            event.disclosed = reads.disclosure(
                outcome=Outcome.OK,
                operation=line.request.operation,
                mount_type=target.mount.type,
                rest=target.rest,
                data=data,
                kv_version=target.mount.kv_version,
                has_auth=True,
            )

    def _unwrap(self, event: Event, line: Line, data: bytes, has_auth: bool) -> None:
        """An unwrap names neither the secret nor, often, the reader: join it to the answer that was wrapped."""
        token = _unwrapped_token(line)
        known = self.wraps.get(token)
        event.disclosed = Disclosure.CREDENTIAL if has_auth else Disclosure.VALUE
        event.unwraps = token
        if known is not None:
            event.disclosed = Disclosure(known[1])
            if known[0].kv2:
                event.version = reads.kv_version_read(data) or 0

    def _remember_wrap(self, event: Event, line: Line) -> None:
        event.flags |= WRAPPED
        info = line.response.wrap_info if line.response else None
        if info and event.target.logical is not None and (token := _digest(info.token)):
            would = reads.unwrap_disclosure(
                operation=line.request.operation,
                mount_type=event.target.mount.type,
                rest=event.target.rest,
                data=b'{"data":{"x":0},"metadata":{"version":1},"secret_id":0,"private_key":0}',
                kv_version=event.target.mount.kv_version,
                has_auth=bool(info.wrapped_accessor),
            )
            event.wraps = token
            _remember(self.wraps)[token] = (event.target, int(would))

    def _new_who(self, raw: bytes, micros: int) -> Who:
        auth = decode_auth(raw)
        one = principal.identify(auth)
        hmac = _digest(auth.client_token) if one.kind != principal.Kind.ANONYMOUS else b""
        who = Who(str(one.kind), one.name, _bounded(one.namespace), _bounded(one.entity_id, 200), hmac,
                  _bounded(auth.accessor, 200), micros)  # fmt: skip
        who.unsigned = not hmac and who.nameless
        who.safe = self._auth_is_safe(raw)
        _remember(self.whos)[raw] = who
        self.new_whos.append(who)
        if hmac:
            _remember(self.by_token)[hmac] = who
        return who

    def _by_token(self, token: str, anonymous: Who, micros: int) -> Who:
        """A denial shows no identity, but its token's HMAC equals the one of its login on the same device."""
        digest = _digest(token)
        owner = self.by_token.get(digest)
        if owner is None:
            # To be looked up; it stays nameless if no login with this token was ever seen.
            owner = Who("", "", "", "", digest, "", micros, safe=anonymous.safe)
            self.new_whos.append(owner)
            if len(self.by_token) < _REMEMBER:
                self.by_token[digest] = owner
        return owner

    def _target(self, line: Line, who: Who) -> Target:
        asked = line.request
        known = (asked.namespace.path, asked.mount_point, asked.path, asked.operation, asked.mount_accessor)
        target = self.targets.get(known)
        if target is not None and (not target.nameless or who.nameless):
            return target
        return self._new_target(line, known, who)

    def _new_target(self, line: Line, known: tuple[str, ...], who: Who) -> Target:
        asked, answer = line.request, line.response
        namespace = _bounded(asked.namespace.path)
        where = paths.place(asked.path, asked.mount_point, asked.namespace.path)
        mount = self._mount(line, where)
        login = reads.is_login(where.mount, where.rest, asked.operation)
        failed = login and (answer is None or not len(answer.auth))
        path = masking.mask_login_path(asked.path) if failed else asked.path
        secretive = masking.find_plain_token(path.encode())  # lookups by token in the path, as old clients do
        if secretive:
            path = scrub_tokens(path)
        logical = paths.secret_path(mount.type, mount.kv_version, where.rest, asked.operation)
        if logical is not None and secretive:
            logical = scrub_tokens(logical)
        target = Target(
            mount=mount,
            namespace=namespace,
            path=_bounded(path, 1000),
            logical=None if logical is None else _bounded(logical, 900),
            print_name="" if logical is None else _bounded(paths.print_name(namespace, where.mount, logical), 1500),
            engine=_engine(mount),
            login=login,
            secretive=secretive,
            named_login=login and masking.mask_login_path(asked.path) != asked.path,
            rest=where.rest,
            operation=_OPERATION.get(asked.operation, 0),
        )
        target.kv2 = mount.type == "kv" and mount.kv_version != 1 and where.rest.startswith("data/")
        target.nameless = who.nameless and asked.path != _PROBE and not (login and mount.type)
        if not (failed and target.named_login):  # its path is masked; the next one may succeed
            _remember(self.targets)[known] = target
        self.new_targets.append(target)
        return target

    def _mount(self, line: Line, where: paths.Place) -> MountInfo:
        asked, answer = line.request, line.response
        key = (_bounded(where.namespace), _bounded(where.mount))
        mount = self.mounts.get(key)
        accessor = asked.mount_accessor or (answer.mount_accessor if answer else "")
        kind = (asked.mount_type or (answer.mount_type if answer else "")).removeprefix("ns_")
        if mount is None:
            mount = MountInfo(*key)
            if kind or accessor:  # a mount that nobody has seen answer is not worth remembering
                self.mounts[key] = mount
        if (accessor and accessor != mount.accessor) or (kind and kind != mount.type):
            if mount.accessor and accessor and accessor != mount.accessor:
                mount = self.mounts[key] = MountInfo(*key)  # re-mounted: another secrets engine under the same path
            mount.accessor, mount.type = _bounded(accessor or mount.accessor, 200), _bounded(kind or mount.type, 80)
            if mount not in self.changed_mounts:
                self.changed_mounts.append(mount)
        return mount

    def _learn_version(self, line: Line, target: Target, data: bytes, who: Who) -> Target:
        keys = reads.top_keys(data)
        version = paths.kv_version(target.rest, keys, line.request.operation)
        if not version:
            return target
        target.mount.kv_version = version
        if target.mount not in self.changed_mounts:
            self.changed_mounts.append(target.mount)
        self.targets = {k: t for k, t in self.targets.items() if t.mount is not target.mount}
        return self._target(line, who)

    def _new_address(self, text: str, who: Who) -> Address:
        """A new address; nameless callers of IPv6 are filed by network, apart from callers with a name."""
        known, shown = text, _bounded(text, 100)
        if ":" in shown and who.nameless:
            known, shown = f"nameless {text}", _network(shown)
            if known in self.addresses:
                return self.addresses[known]
        address = _remember(self.addresses)[known] = Address(shown)
        self.new_addresses.append(address)
        return address

    def _store(self, event: Event, data: bytes) -> None:
        """Settle how the lines are stored: the short way where every part is known to be safe, else the thorough."""
        request, response, target = event.request, event.response, event.target
        failed = target.named_login and event.outcome != Outcome.OK
        bare = not failed and not target.secretive  # nothing in the path is to be hidden
        safe = False
        if response is not None:
            safe = bare and event.who.safe and response.exact and self._is_safe(response.line)
            response.stored = self._stored(response, target, data) if safe else None
            if response.stored is None:
                response.stored = self._thoroughly(response.raw, failed)
        if request is not None and request.stored is None:
            if (
                bare
                and request.exact
                and ((safe and _alike(request.line, response)) or self._is_safe_alone(request.line))
            ):
                request.stored = self._stored(request, target, b"")
            if request.stored is None:
                request.stored = self._thoroughly(request.raw, failed)

    def _stored(self, held: Held, target: Target, data: bytes) -> bytes | None:
        """One line with its `data` objects masked in place; None if it is not written as the vault writes it."""
        line, raw = held.line, held.raw
        asked = line.request
        skip = len(line.auth)
        if asked.data is EMPTY and not data:
            return raw if raw.find(_DATA, skip) < 0 else None  # a second `data` would be doubled keys
        pieces: list[bytes] = []
        end = free = len(raw)  # `free` ends before the key of the object found last
        if data:
            at = raw.rfind(data, 0, free)  # `data` stands near the end of its object, and the response comes last
            if raw[at - 7 : at] != _DATA or raw.find(_DATA, at + len(data), free) >= 0:
                return None
            pieces += (raw[at + len(data) :], self._known(target, asked.operation, data, "response")[0])
            end, free = at, at - 7
        if asked.data is not EMPTY:
            data = bytes(asked.data)
            at = raw.rfind(data, 0, free)
            if raw[at - 7 : at] != _DATA or raw.find(_DATA, at + len(data), free) >= 0:
                return None
            pieces += (raw[at + len(data) : end], self._known(target, asked.operation, data, "request")[0])
            end, free = at, at - 7
        if raw.find(_DATA, skip, free) >= 0:
            return None
        pieces.append(raw[:end])
        pieces.reverse()
        return b"".join(pieces)

    def _is_safe_alone(self, line: Line) -> bool:
        return self._is_safe(line) and self._auth_is_safe(bytes(line.auth))

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
        if answer.auth is not EMPTY and not self._auth_is_safe(bytes(answer.auth)):
            return False
        return answer.wrap_info is None or answer.wrap_info.token.startswith(_HMAC)

    def _error_is_safe(self, error: str) -> bool:
        safe = self._safe_errors.get(error)
        if safe is None:
            safe = _remember(self._safe_errors)[error] = masking.mask_error(error) == error
        return safe

    def _headers_are_safe(self, headers: bytes) -> bool:
        """Headers differ from call to call in HMACs and UUIDs only: the rest is worth remembering."""
        form = _without_hmacs(headers)
        safe = self._safe_forms.get(form)
        if safe is None:
            form = _UUIDS.sub(b"", form)
            safe = self._safe_forms.get(form)
        if safe is None:
            safe = _remember(self._safe_forms)[form] = masking.headers_are_safe(headers)
        return safe

    def _auth_is_safe(self, raw: bytes) -> bool:
        """Whether an `auth` object may be stored as it stands; the quick look passes what the vault itself writes."""
        known = self.whos.get(raw)
        if known is not None:
            return known.safe
        auth = whole_auth(raw)
        if auth is not None and (not auth.client_token or auth.client_token.startswith(_HMAC)):
            return not masking.find_plain_token(raw) or masking.auth_is_safe(raw)
        return masking.auth_is_safe(raw)

    def _known(self, target: Target, operation: str, data: bytes, side: str) -> Answer:
        """What one `data` object of a target is: masked, and what it discloses; the same answer comes often."""
        memory = target.memory[side]
        known = memory.get(data)
        if known is None:
            known = _answer(target, operation, data, side)
            if len(data) < _BIG:
                if len(memory) > 256:
                    memory.clear()
                memory[data] = known
        return known

    def _thoroughly(self, raw: bytes, failed: bool) -> bytes:
        masked = masking.mask_line(raw, failed_login=failed)
        for finding in masked.findings - {"plain accessor"}:  # a device may be set to write accessors in plain
            self.findings[finding] = self.findings.get(finding, 0) + 1
        return masked.line

    def store_alone(self, held: Held) -> bytes:
        """How a request is stored while its response has not come: a login may still fail, so its name is masked."""
        asked = held.line.request
        where = paths.place(asked.path, asked.mount_point, asked.namespace.path)
        return self._thoroughly(held.raw, reads.is_login(where.mount, where.rest, asked.operation))


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


def _without_hmacs(text: bytes) -> bytes:
    """The text with every genuine HMAC cut out: what is left repeats."""
    first, *rest = text.split(b'"hmac-sha256:')
    try:
        return b"".join([first, *[piece[64:] for piece in rest if unhexlify(piece[:64])]])
    except ValueError:
        return text


def _remember(memory: dict) -> dict:  # type: ignore[type-arg]
    """Keep a memory bounded: a full one is emptied, which costs a few look-ups."""
    if len(memory) >= _REMEMBER:
        memory.clear()
    return memory


def _answer(target: Target, operation: str, data: bytes, side: str) -> Answer:
    mount = target.mount
    masked = masking.mask_data(
        data,
        mount_type=mount.type,
        path=mount.path + target.rest,
        operation=operation,
        side=side,
        kv_version=mount.kv_version,
    )
    if side == "request":
        return masked, Outcome.OK, Disclosure.NONE, 0
    outcome = reads.outcome(operation=operation, mount=mount.path, rest=target.rest, has_response=True, data=data)
    disclosed = reads.disclosure(
        outcome=outcome,
        operation=operation,
        mount_type=mount.type,
        rest=target.rest,
        data=data,
        kv_version=mount.kv_version,
    )
    version = (reads.kv_version_read(data) or 0) if disclosed and target.kv2 else 0
    return masked, outcome, disclosed, version


def _engine(mount: MountInfo) -> str:
    if mount.type == "kv":
        return "KV v1" if mount.kv_version == 1 else "KV v2"
    return mount.type


def _unwrapped_token(line: Line) -> bytes:
    """The wrapping token: in the body when the caller sent a token of its own, else the token of the call."""
    data = reads._as_dict.decode(line.request.data) if len(line.request.data) else {}
    token = bytes(data.get("token", b"")).strip(b'"').decode("ascii", "replace")
    return _digest(token or line.request.client_token)


def _digest(hmac: str) -> bytes:
    """Return the 32 bytes of an HMAC as the log writes it, or of a plain token its SHA-256 (never the token)."""
    if not hmac:
        return b""
    if hmac.startswith(_HMAC):
        try:
            return bytes.fromhex(hmac[12:])
        except ValueError:
            pass
    return sha256(hmac.encode("utf-8", "surrogatepass")).digest()


def _bounded(text: str, limit: int = 500) -> str:
    """Return text as PostgreSQL can keep and index it: no NUL, at most `limit` bytes, still distinct."""
    if "\0" in text:
        text = text.replace("\0", "\N{SYMBOL FOR NULL}")
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    mark = sha256(encoded).hexdigest()[:16]
    return encoded[: limit - 24].decode("utf-8", "ignore") + "… " + mark


def _network(address: str) -> str:
    """The /64 of an IPv6 address: a nameless caller has endless addresses in one."""
    head = address.split("%", maxsplit=1)[0]
    try:
        from ipaddress import IPv6Network

        return str(IPv6Network((head, 64), strict=False))
    except ValueError:
        return address
