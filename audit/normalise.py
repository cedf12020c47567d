"""Joins the request and response lines of one device into events: who, what, outcome, and the lines as they may be stored.

This is the hot path: what repeats (the bytes of `auth`, a mount and path, an answer) is worked out once and remembered.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from audit import principal
from audit.dictionary import Address, MountInfo, Target, Who
from vault import masking, paths, reads
from vault.audit_line import Line, decode_auth, microseconds, request_key
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
_REMEMBER = 100_000
_BIG = 8_192


class Held:
    """One line with its place; `stored` is set once it is known how it may be stored."""

    __slots__ = ("exact", "generation", "key", "length", "line", "micros", "position", "raw", "sha256", "stored")

    def __init__(self, line: Line, exact: bool, raw: bytes, generation: int, position: int) -> None:
        self.line, self.exact, self.raw, self.generation, self.position = line, exact, raw, generation, position
        self.length = len(raw)
        self.micros = microseconds(line.time)
        self.key, genuine = request_key(line.request.id, raw)
        self.exact = exact and genuine
        self.sha256 = sha256(raw).digest()
        self.stored: bytes | None = None


class Event:
    """One audited call of one device: its request and response lines joined (either may be missing)."""

    __slots__ = (
        "address", "disclosed", "flags", "id", "key", "lease", "micros", "operation", "outcome", "request", "response",
        "secret_id", "target", "unwraps", "version", "who", "wraps",
    )  # fmt: skip

    def __init__(self, request: Held | None, response: Held | None) -> None:
        self.request, self.response = request, response
        self.flags = (SEEN_REQUEST if request else 0) | (SEEN_RESPONSE if response else 0)
        first = request or response
        assert first is not None  # noqa: S101 - an event has a line
        self.key, self.micros = first.key, first.micros
        self.version = self.secret_id = 0
        self.lease = ""
        self.unwraps = b""
        self.wraps = b""

    @property
    def duration(self) -> int:
        """µs from request to response, -1 when one of them is missing."""
        if self.request is None or self.response is None:
            return -1
        return min(max(self.response.micros - self.request.micros, 0), 2_147_483_647)

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
        self._safe_errors: dict[str, bool] = {"": True}

    def event(self, request: Held | None, response: Held | None) -> Event:
        """Join two lines of one request (either may be None, not both) into an event and settle how they are stored."""
        event = Event(request, response)
        line = (response or request).line  # type: ignore[union-attr]
        asked, answer = line.request, line.response
        event.operation = _OPERATION.get(asked.operation, 0)
        event.who = self._who(line, event)
        data = bytes(answer.data) if answer is not None and len(answer.data) else b""
        target = event.target = self._target(line, event.who)
        if data and target.mount.kv_version == 0 and target.mount.type == "kv":
            target = event.target = self._learn_version(line, target, data, event.who)
        event.address = self._address(asked.remote_address, event.who)
        self._judge(event, request, line, data)
        self._store(event, data)
        return event

    def attach(self, event: Event, request: Held) -> None:
        """Join a request line that was read after its response."""
        request.stored = self._stored(
            request, event, b"", "request", event.target.reads < 0 and event.outcome != Outcome.OK
        )
        event.request, event.micros = request, request.micros
        event.flags |= SEEN_REQUEST

    def _judge(self, event: Event, request: Held | None, line: Line, data: bytes) -> None:
        """Settle outcome, disclosure, version, lease and wraps from the answer."""
        answer, target = line.response, event.target
        has_auth = answer is not None and len(answer.auth) > 0
        wrapped = answer is not None and answer.wrap_info is not None
        error = line.error
        if error or not data or has_auth or wrapped or target.reads < 0:
            event.outcome = reads.outcome(
                operation=line.request.operation,
                mount=target.mount.path,
                rest=target.rest,
                has_response=event.response is not None,
                request_error=request.line.error if request else "",
                response_error=error if event.response is not None else "",
                data=data,
                has_auth=has_auth,
                wrapped=wrapped,
            )
        else:
            event.outcome = reads._by_answer(data, target.mount.path)
        event.disclosed = Disclosure.NONE
        if event.outcome == Outcome.OK:
            if wrapped:
                self._remember_wrap(event, line)
            elif target.reads:
                self._disclose(event, line, data, has_auth)

    def _disclose(self, event: Event, line: Line, data: bytes, has_auth: bool) -> None:
        target = event.target
        event.disclosed = reads.disclosure(
            outcome=Outcome.OK,
            operation=line.request.operation,
            mount_type=target.mount.type,
            rest=target.rest,
            data=data,
            kv_version=target.mount.kv_version,
            has_auth=has_auth,
        )
        if target.rest == "wrapping/unwrap":
            self._unwrap(event, line, data, has_auth)
        if event.disclosed and target.kv2:
            event.version = reads.kv_version_read(data) or 0
        answer = line.response
        if event.disclosed and answer is not None and answer.secret is not None:
            event.lease = _bounded(answer.secret.lease_id, 1000)

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

    def _who(self, line: Line, event: Event) -> Who:
        raw = bytes(line.auth)
        who = self.whos.get(raw)
        if who is None:
            who = self._new_who(raw, event.micros)
        if not who.hmac and who.nameless and line.request.client_token:
            return self._by_token(line.request.client_token, who, event)
        return who

    def _new_who(self, raw: bytes, micros: int) -> Who:
        auth = decode_auth(raw)
        one = principal.identify(auth)
        hmac = _digest(auth.client_token) if one.kind != principal.Kind.ANONYMOUS else b""
        who = Who(str(one.kind), one.name, _bounded(one.namespace), _bounded(one.entity_id, 200), hmac,
                  _bounded(auth.accessor, 200), micros)  # fmt: skip
        who.safe = masking.auth_is_safe(raw)
        _remember(self.whos)[raw] = who
        self.new_whos.append(who)
        if hmac:
            _remember(self.by_token)[hmac] = who
        return who

    def _by_token(self, token: str, anonymous: Who, event: Event) -> Who:
        """A denial shows no identity, but its token's HMAC equals the one of its login on the same device."""
        digest = _digest(token)
        owner = self.by_token.get(digest)
        if owner is None:
            # To be looked up; it stays nameless if no login with this token was ever seen.
            owner = Who("", "", "", "", digest, "", event.micros, safe=anonymous.safe)
        event.flags |= BY_TOKEN
        if not owner.kind and owner.principal_id == 0:
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
        logical = paths.secret_path(mount.type, mount.kv_version, where.rest, asked.operation)
        target = Target(
            mount=mount,
            namespace=namespace,
            path=_bounded(path, 1000),
            logical=None if logical is None else _bounded(logical, 900),
            print_name="" if logical is None else _bounded(paths.print_name(namespace, where.mount, logical), 1500),
            engine=_engine(mount),
            reads=-1 if login else _may_disclose(mount.type, asked.operation),
            rest=where.rest,
            operation=_OPERATION.get(asked.operation, 0),
        )
        target.kv2 = mount.type == "kv" and mount.kv_version != 1 and where.rest.startswith("data/")
        target.nameless = who.nameless and not (login and mount.type)
        if not failed:  # a failed login's path is masked, the next one may succeed
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

    def _address(self, text: str, who: Who) -> Address:
        address = self.addresses.get(text)
        if address is None:
            shown = _bounded(text, 100)
            if ":" in shown and who.nameless:
                shown = _network(shown)
            address = Address(shown)
            _remember(self.addresses)[text] = address
            self.new_addresses.append(address)
        return address

    def _store(self, event: Event, data: bytes) -> None:
        """Settle how the lines may be stored: the short way where every part is known to be safe, else the thorough one."""
        failed = event.target.reads < 0 and event.outcome != Outcome.OK
        if event.response is not None:
            event.response.stored = self._stored(event.response, event, data, "response", failed)
        if event.request is not None and event.request.stored is None:
            event.request.stored = self._stored(event.request, event, b"", "request", failed)

    def _stored(self, held: Held, event: Event, data: bytes, side: str, failed: bool) -> bytes:
        line, raw = held.line, held.raw
        asked, answer = line.request, line.response
        if not held.exact or failed or not event.who.safe or not self._is_safe(line):
            return self._thoroughly(raw, failed)
        expected = 0
        for given, of in ((bytes(asked.data), "request"), (data, "response")):
            if given:
                masked, inner = self._masked(given, event.target, asked.operation, of)
                expected += inner
                if masked is not given:
                    at = raw.find(b'"data":' + given) + 7
                    if at == 6:  # another spacing than the vault's own
                        return self._thoroughly(held.raw, failed)
                    raw = raw[:at] + masked + raw[at + len(given) :]
        if held.raw.count(b'"data":', len(line.auth)) != expected:
            return self._thoroughly(held.raw, failed)
        return raw

    def _is_safe(self, line: Line) -> bool:
        """Whether everything but `data` and `auth` may be stored as it stands."""
        asked, answer = line.request, line.response
        safe = self._safe_errors.get(line.error)
        if safe is None:
            safe = masking.mask_error(line.error) == line.error
            if len(self._safe_errors) < _REMEMBER:
                self._safe_errors[line.error] = safe
        if not safe or (asked.client_token and not asked.client_token.startswith(_HMAC)):
            return False
        if len(asked.headers) and not masking.headers_are_safe(bytes(asked.headers)):
            return False
        if answer is None:
            return True
        if len(answer.warnings) or len(answer.headers) or answer.redirect:
            return False
        if len(answer.auth) and not masking.auth_is_safe(bytes(answer.auth)):
            return False
        return answer.wrap_info is None or answer.wrap_info.token.startswith(_HMAC)

    def _masked(self, data: bytes, target: Target, operation: str, side: str) -> tuple[bytes, int]:
        memory = target.memory[side]
        known = memory.get(data)
        if known is not None:
            return known
        mount = target.mount
        path = mount.path + target.rest
        masked = masking.mask_data(
            data, mount_type=mount.type, path=path, operation=operation, side=side, kv_version=mount.kv_version
        )
        result = (data if masked is data else masked, 1 + data.count(b'"data":'))
        if len(data) < _BIG:
            if len(memory) > 256:
                memory.clear()
            memory[data] = result
        return result

    def _thoroughly(self, raw: bytes, failed: bool) -> bytes:
        masked = masking.mask_line(raw, failed_login=failed)
        for finding in masked.findings:
            self.findings[finding] = self.findings.get(finding, 0) + 1
        return masked.line

    def store_alone(self, held: Held) -> bytes:
        """How a request line is stored while its response has not come: a login may still fail, so its name is masked."""
        asked = held.line.request
        where = paths.place(asked.path, asked.mount_point, asked.namespace.path)
        return self._thoroughly(held.raw, reads.is_login(where.mount, where.rest, asked.operation))


def _remember(memory: dict) -> dict:  # type: ignore[type-arg]
    """Keep a memory bounded: a full one is emptied, which costs a few look-ups."""
    if len(memory) >= _REMEMBER:
        memory.clear()
    return memory


def _may_disclose(mount_type: str, operation: str) -> int:
    return 0 if operation not in ("read", "update", "create") else 1


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
