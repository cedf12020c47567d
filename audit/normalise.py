"""Joins the request and response lines of one device into events: who, what, outcome, and the lines as stored.

This is the hot path: what repeats (the bytes of `auth`, a mount and path, an answer) is worked out once and remembered.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from ipaddress import IPv6Network

from audit import principal
from audit.dictionary import Address, MountInfo, Target, Told, Who
from audit.event import BY_TOKEN, OPERATIONS, SEEN_REQUEST, SEEN_RESPONSE, SYNTHETIC, WRAPPED, Event, Held
from audit.keeping import LARGEST, Keeper, cut_auth, same_call
from kit.memory import LIMIT, remember
from vault import masking, our_tokens, paths, reads
from vault.audit_line import EMPTY, Line, Request, decode_auth, request_key
from vault.plain_text import find_plain_token, scrub_tokens
from vault.reads import Disclosure, Outcome
from vault.shapes import Memory

_HMAC = "hmac-sha256:"
_OPERATION = {name: number for number, name in enumerate(OPERATIONS)}
_WRITES = frozenset(("create", "update", "patch"))
_LONG = 400  # of a path that is kept whole in every column
_PROBE = "sys/audit/test"  # a device writes it when it starts: nobody calls it


class Normaliser:
    """The memory of one device's turn; `new_*` list what still needs ids from the dictionary."""

    def __init__(self, mounts: Iterable[MountInfo] = ()) -> None:
        self.mounts = {(mount.namespace, mount.path): mount for mount in mounts}
        self.whos: dict[bytes, Who] = {}
        self.forms: dict[bytes, Who] = {}  # of callers alike but for their token
        self.kins: dict[tuple[str, ...], Kin] = {}
        self.by_token: dict[bytes, Who] = {}
        self.targets: dict[tuple[str, ...], Target] = {}
        self.addresses: dict[str, Address] = {}
        self.wraps: dict[bytes, tuple[Target, int]] = {}
        self.new_whos: list[Who] = []
        self.new_targets: list[Target] = []
        self.new_addresses: list[Address] = []
        self.changed_mounts: list[MountInfo] = []
        self.keeper = Keeper()
        self.marked = False  # whether a token of ours, or the making of one, has been seen

    def event(self, request: Held | None, response: Held | None) -> Event:
        """Join two lines of one request (either may be None, not both) into an event and settle how they are stored."""
        first, last = request or response, response or request
        assert first is not None and last is not None  # noqa: S101 - an event has a line
        line = last.line
        asked, answer = line.request, line.response
        who = self.whos.get(bytes(line.auth)) or self._new_who(bytes(line.auth), first.micros)
        flags = (SEEN_REQUEST if request else 0) | (SEEN_RESPONSE if response else 0)
        if who.unsigned and (token := _digest(asked.client_token)):
            who, flags = self._by_token(token, who, first.micros), flags | BY_TOKEN
        data = b"" if answer is None or answer.data is EMPTY else bytes(answer.data)
        target = self._target(line, who)
        if data and not line.error and not target.mount.kv_version and target.mount.type == "kv":
            target = self._learn_version(line, target, data, who)
        address = self.addresses.get(asked.remote_address) or self._new_address(asked.remote_address, who)
        key, genuine = request_key(last.key, b"")
        if not genuine:
            flags |= SYNTHETIC
        event = Event(request, response, key, first.micros, flags, who, target, address, target.operation)
        self._judge(event, line, data)
        self.keeper.keep(event, data)
        return event

    def attach(self, event: Event, request: Held) -> None:
        """Join a request line that was read after its response."""
        event.request, event.micros = request, request.micros
        event.flags |= SEEN_REQUEST
        response, event.response = event.response, None
        if response is None or same_call(request.line.request, response.line.request):
            self.keeper.keep(event, b"")
        else:
            request.stored = self.keeper.store_alone(request)
        event.response = response

    def _judge(self, event: Event, line: Line, data: bytes) -> None:
        """Settle outcome, disclosure, version, lease and wraps from the answer."""
        answer, target = line.response, event.target
        plain = answer is not None and data and not line.error and answer.wrap_info is None and answer.auth is EMPTY
        if plain and not target.login and target.rest != "wrapping/unwrap":
            _, event.outcome, event.disclosed, event.version = self.keeper.answer(
                target, line.request.operation, data, "response"
            )
            if event.disclosed and answer is not None and answer.secret is not None:
                event.lease = bounded(answer.secret.lease_id, 1000)
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
            self.marked |= answer is not None and our_tokens.SHOWN in bytes(answer.auth)
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
                event.version = min(max(reads.kv_version_read(data) or 0, 0), LARGEST)

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
            remember(self.wraps)[token] = (event.target, int(would))

    def _new_who(self, raw: bytes, micros: int) -> Who:
        cut = cut_auth(raw)
        like = self.forms.get(cut.form) if cut else None
        if cut and like:
            who = Who(like.kind, like.name, like.namespace, like.entity_id, cut.token, cut.accessor, micros, like.safe,
                      mark=like.mark)  # fmt: skip
        else:
            who = self._read_who(raw, micros)
            if cut and who.hmac == cut.token and who.accessor == cut.accessor and b'"display_name":"' in cut.form:
                remember(self.forms)[cut.form] = who
        remember(self.whos)[raw] = who
        self.new_whos.append(who)
        if who.hmac:
            remember(self.by_token)[who.hmac] = who
        return who

    def _read_who(self, raw: bytes, micros: int) -> Who:
        auth = decode_auth(raw)
        one = principal.identify(auth)
        hmac = _digest(auth.client_token) if one.kind != principal.Kind.ANONYMOUS else b""
        who = Who(str(one.kind), bounded(one.name, 900), bounded(one.namespace), bounded(one.entity_id, 200), hmac,
                  bounded(auth.accessor, 200), micros)  # fmt: skip
        who.unsigned = not hmac and who.nameless
        who.safe = self.keeper.auth_is_safe(raw)
        if our_tokens.SHOWN in raw:
            who.mark = our_tokens.mark_of(auth)
            self.marked |= who.mark is not None
        return who

    def _by_token(self, digest: bytes, anonymous: Who, micros: int) -> Who:
        """A denial shows no identity, but its token's HMAC equals the one of its login on the same device."""
        owner = self.by_token.get(digest)
        if owner is None:
            # To be looked up; it stays nameless if no login with this token was ever seen.
            owner = Who("", "", "", "", digest, "", micros, safe=anonymous.safe)
            self.new_whos.append(owner)
            if len(self.by_token) < LIMIT:
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
        asked = line.request
        of = (asked.namespace.path, asked.mount_point, asked.mount_type, asked.mount_accessor, asked.operation)
        kin = self.kins.get(of)
        if kin is not None and (target := kin.target(asked.path)):
            target.nameless = who.nameless
        else:
            target = self._judge_target(line, who)
            if target.kv2 and not target.secretive and _is_plain(asked):
                remember(self.kins, 1_000)[of] = Kin(target, asked.mount_point)
        if not target.refused:  # its path is masked; the next one may succeed
            remember(self.targets)[known] = target
        self.new_targets.append(target)
        return target

    def _judge_target(self, line: Line, who: Who) -> Target:
        asked, answer = line.request, line.response
        namespace = bounded(asked.namespace.path)
        where = paths.place(asked.path, asked.mount_point, asked.namespace.path)
        mount = self._mount(line, where)
        login = reads.is_login(where.mount, where.rest, asked.operation)
        hidden = masking.mask_login_path(asked.path)  # whatever the verb, and whether or not we know the mount
        named = hidden != asked.path
        refused = named and (answer is None or answer.auth is EMPTY)
        path = hidden if refused else asked.path
        logical = None if refused else paths.secret_path(mount.type, mount.kv_version, where.rest, asked.operation)
        places = " ".join((asked.path, asked.namespace.path, asked.mount_point, asked.mount_type, asked.mount_accessor))
        target = Target(
            mount=mount,
            namespace=namespace,
            path=bounded(path, 1000),
            logical=None if logical is None else bounded(logical, 900),
            print_name="" if logical is None else bounded(paths.print_name(namespace, where.mount, logical), 1500),
            engine=_engine(mount, where.rest),
            login=login,
            secretive=masking.find_plain_token(places.encode()),  # lookups by token in the path, as old clients do
            named_login=named,
            rest=where.rest,
            operation=_OPERATION.get(asked.operation, 0),
        )
        target.kv2 = mount.type == "kv" and mount.kv_version != 1 and where.rest.startswith("data/")
        target.writes = target.kv2 and asked.operation in _WRITES
        target.nameless = who.nameless and asked.path != _PROBE and not (login and mount.type)
        target.refused = refused
        target.mints = asked.path.startswith(our_tokens.MINTED_AT)
        self.marked |= target.mints
        return target

    def _mount(self, line: Line, where: paths.Place) -> MountInfo:
        asked, answer = line.request, line.response
        key = (bounded(where.namespace), bounded(where.mount))
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
            mount.accessor, mount.type = bounded(accessor or mount.accessor, 200), bounded(kind or mount.type, 80)
            self.kins.clear()
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
        self.kins.clear()
        return self._target(line, who)

    def _new_address(self, text: str, who: Who) -> Address:
        """A new address; nameless callers of IPv6 are filed by network, apart from callers with a name."""
        known, shown = text, bounded(text, 100)
        if ":" in shown and who.nameless:
            known, shown = f"nameless {text}", _network(shown)
            if known in self.addresses:
                return self.addresses[known]
        address = remember(self.addresses)[known] = Address(shown, secretive=masking.find_plain_token(text.encode()))
        self.new_addresses.append(address)
        return address


class Kin:
    """What targets of one operation below `data/` of one KV v2 mount have in common: all but their path.

    Made after one of them was judged; a path that might hold a token, or that is long or unusual, is judged itself.
    """

    def __init__(self, like: Target, mount_point: str) -> None:
        self._like, self._head = like, mount_point + "data/"
        self._print = like.print_name.removesuffix(like.logical or "")
        self._forms: dict[str, Memory[Told]] = {"request": Memory(), "response": Memory()}

    def target(self, path: str) -> Target | None:
        """The target of another path, None if it must be judged itself."""
        like, logical = self._like, path[len(self._head) :]
        if not path.startswith(self._head) or not path.isascii() or not path.isprintable():
            return None
        if not logical or logical.endswith("/") or len(path) > _LONG or find_plain_token(path.encode()):
            return None
        target = Target(
            like.mount, like.namespace, path, logical if self._print else None,
            self._print + logical if self._print else "", like.engine, False, False, False, "data/" + logical,
            like.operation,
        )  # fmt: skip
        target.kv2, target.writes, target.forms = True, like.writes, self._forms
        return target


def _is_plain(asked: Request) -> bool:
    """Whether others may be judged by this path: it is kept as it is, and tells by itself how far the mount's goes."""
    path, mount = asked.path, asked.mount_point
    usual = len(path) <= _LONG and path.isascii() and path.isprintable() and not path.endswith("/")
    kv = mount != "" and path.startswith(mount + "data/") and not mount.lower().startswith("auth/")
    return usual and kv and not asked.namespace.path


def _engine(mount: MountInfo, rest: str) -> str:
    if mount.type == "kv":
        return f"KV v{mount.kv_version or paths.kv_version_of(rest)}"
    return mount.type


def _unwrapped_token(line: Line) -> bytes:
    """The wrapping token: in the body when the caller sent a token of its own, else the token of the call."""
    return _digest(reads.unwrapped_token(bytes(line.request.data), line.request.client_token))


def _digest(hmac: str) -> bytes:
    """Return the 32 bytes of an HMAC as the log writes it, or of a plain token its SHA-256 (never the token).

    A token that was masked before it came to us (`string, 26`) is no token's: all of that length look alike.
    """
    if not hmac or hmac.startswith("string, "):
        return b""
    if hmac.startswith(_HMAC):
        try:
            return bytes.fromhex(hmac[12:])
        except ValueError:
            pass
    return sha256(hmac.encode("utf-8", "surrogatepass")).digest()


def bounded(text: str, limit: int = 500) -> str:
    """Return text as PostgreSQL can keep and index it: no token, no NUL, at most `limit` bytes, still distinct."""
    text = scrub_tokens(text)
    if len(text) <= limit and text.isascii() and "\0" not in text:
        return text
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
        return str(IPv6Network((head, 64), strict=False))
    except ValueError:
        return address
