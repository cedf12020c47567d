"""What a person enrols for the executor: per target, verb and place a policy and a token role, and what is covered.

Vault has no inline policies, and who may write policies is root. So the executor can only mint short tokens of roles
that stand here, each with the least rights of one verb; what is not enrolled is refused with the lines to apply.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Protocol

from vault.acl import Call, Policy, may_read

EXECUTOR = "keybook-executor"
PREFIX = "keybook-op-"  # how every role begins that the executor may mint from
LIFE = 600  # seconds that a token of an operation lives at most
USES = {"lease": 1000, "kv": 100}  # calls that one token may make at most: three a lease, one a generated value
_USES = 20


class NotEnrollable(ValueError):
    """No policy can say this; the message tells why and what can be said."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a policy: a path, what it grants, what for, and which parameters a call must or may have."""

    path: str
    capabilities: tuple[str, ...]
    why: str
    required: tuple[str, ...] = ()
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def hcl(self) -> str:
        """Return the rule as a policy writes it."""
        lines = [f"# {self.why}", f"path {_quoted(self.path)} {{", f"  capabilities = {_list(self.capabilities)}"]
        if self.required:
            lines.append(f"  required_parameters = {_list(self.required)}")
        if self.allowed:
            inside = ", ".join(f"{_quoted(name)} = {_list(values)}" for name, values in self.allowed.items())
            lines.append(f"  allowed_parameters = {{ {inside} }}")
        return "\n".join([*lines, "}"])


@dataclass(frozen=True, slots=True)
class Place:
    """Where: a mount (`secret/`), and below it one name, or with `/` or `*` at the end (or nothing) a beginning."""

    mount: str
    prefix: str = ""

    @property
    def beginning(self) -> bool:
        """Whether it stands for everything that begins so."""
        return not self.prefix or self.prefix[-1] in "/*"

    def below(self, kind: str) -> str:
        """Return the pattern of this place below a folder of the mount."""
        star = "*" if self.beginning else ""
        return f"{self.mount.strip('/')}/{kind}/{self.prefix.removesuffix('*')}{star}"

    @property
    def logical(self) -> str:
        """Return mount and prefix as one text."""
        mount = self.mount.strip("/")
        return f"{mount}/{self.prefix}" if mount else self.prefix

    @property
    def word(self) -> str:
        """Return a short suffix of a role's name; another place never has the same."""
        bare = re.sub(r"[^a-z0-9]+", "-", self.logical.lower()).strip("-")[:40].strip("-")
        plain = self.prefix in ("", bare) or self.prefix.endswith("/")
        if plain and re.fullmatch(r"[a-z0-9/]{0,40}", self.logical):
            return bare
        return f"{bare}-{sha256(self.logical.encode()).hexdigest()[:6]}"


@dataclass(frozen=True, slots=True)
class Want:
    """One verb at one thing: a secret, role, key, lease, token or entity below a mount."""

    target: str
    verb: str
    mount: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {Place(self.mount, self.name).logical or self.target}"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a person applies so that the executor may do one verb at one place."""

    target: str
    verb: str
    place: Place

    @property
    def name(self) -> str:
        """Return the name of the policy and of the token role: `keybook-op-kv-write-secret-prod`."""
        return "-".join(filter(None, (_begins(self.target, self.verb), self.place.word)))

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return the least rights of the verb. Raises `NotEnrollable`."""
        return (*_KINDS[self.target, self.verb](self.place), *_ALWAYS)

    def policy(self) -> str:
        """Return the policy's text."""
        what = f"# Keybook's executor: {self.target.replace('_', ' ')}, {self.verb}, at {self.place.logical or 'all'}."
        return "\n".join([what, *(rule.hcl() for rule in self.rules)]) + "\n"

    def role(self) -> dict[str, object]:
        """Return the token role, as the API takes it."""
        return {
            "allowed_policies": [self.name],
            "orphan": True,
            "renewable": False,
            "token_no_default_policy": True,
            "token_explicit_max_ttl": LIFE,
            "token_num_uses": USES.get(self.target, _USES),
            "token_type": "service",
        }

    def commands(self, tool: str = "bao") -> str:
        """Return the shell lines that apply both; the policy stands in `<name>.hcl`."""
        words = [f"{key}={_word(value)}" for key, value in self.role().items()]
        return f"{tool} policy write {self.name} {self.name}.hcl\n{tool} write auth/token/roles/{self.name} \\\n  " + (
            " ".join(map(shlex.quote, words)) + "\n"
        )


def enrolment(target: str, verb: str, mount: str, prefix: str = "") -> Enrolment:
    """Return the enrolment of a verb at a place; raises `NotEnrollable` for a pair or a place that can't be said."""
    if (target, verb) not in _KINDS:
        known = ", ".join(f"{one} {other}" for one, other in _KINDS)
        raise NotEnrollable(f"{target} {verb} is nothing that can be enrolled; there are {known}")
    found = Enrolment(target, verb, _EVERYWHERE.get(target, Place(mount.strip("/") + "/", prefix.lstrip("/"))))
    if target in _EVERYWHERE and prefix:
        found = Enrolment(target, verb, Place(found.place.mount, prefix))
    if re.search(r'["\\{}\x00-\x1f]|\+|\*.', found.place.logical):
        raise NotEnrollable(f"{found.place.logical!r} holds signs that a policy reads in another way")
    _ = found.rules
    return found


def verbs(target: str) -> tuple[str, ...]:
    """Return what can be enrolled for a target, none for one that is not known."""
    return tuple(verb for one, verb in _KINDS if one == target)


def suggested(want: Want) -> Enrolment:
    """Return the enrolment to propose for something: for a KV secret its folder, else the thing alone."""
    prefix = want.name
    if want.target in ("kv", "lease"):
        prefix = want.name.rpartition("/")[0] + "/" if "/" in want.name else ""
    return enrolment(want.target, want.verb, want.mount, prefix)


# What is covered ----------------------------------------------------------------------------------------------------


class TokenRole(Protocol):
    """A mirrored token role: its name and the policies that it may give."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def policies(self) -> Iterable[str]:
        """What it may give."""
        ...


@dataclass(frozen=True, slots=True)
class Covered:
    """Whether somebody enrolled what is wanted: `role` to mint from, else why not and `apply`, what would do."""

    role: str = ""
    why_not: str = ""
    apply: Enrolment | None = None

    def __bool__(self) -> bool:
        return bool(self.role)


def covers(
    roles: Iterable[TokenRole], policies: Mapping[str, Policy], want: Want, *, at: datetime, namespace: str = "",
    unreadable: Mapping[str, str] | None = None,
) -> Covered:  # fmt: skip
    """Tell whether one of the enrolled roles may do all that a verb needs at one thing; `policies` are by name.

    `unreadable` are policies that could not be read, with the reason: what they grant is not known.
    """
    begins = _begins(want.target, want.verb)
    ours = sorted((role for role in roles if f"{role.name}-".startswith(f"{begins}-")), key=lambda one: one.name)
    why_not = f"nothing is enrolled for {want.target.replace('_', ' ')} {want.verb}"
    for role in ours:
        lost = [name for name in role.policies if name in (unreadable or {})]
        given = [policies[name] for name in role.policies if name in policies]
        missing = _missing(given, want, at, namespace)
        if not missing:
            return Covered(role.name)
        why_not = f"{role.name} does not allow {missing}"
        if lost:
            why_not = f"the policy {lost[0]} of {role.name} could not be read: {(unreadable or {})[lost[0]]}"
    return Covered("", why_not, suggested(want))


def _missing(given: list[Policy], want: Want, at: datetime, namespace: str) -> str:
    """Return the first call that is not allowed, as `patch on secret/data/prod/a`, empty if all are."""
    for call in calls(want):
        answer = may_read(given, call, at=at, namespace=namespace)
        stops = [one for one in answer.conditions if one.startswith(_STOPPING)]
        if answer.may != "yes" or stops:
            return f"{' and '.join(call.needs)} on {call.path}" + (f" ({stops[0]})" if stops else "")
    return ""


_STOPPING = ("only wrapped", "only after others", "only with a second", "with fields")


def calls(want: Want) -> tuple[Call, ...]:
    """Return the calls that a verb makes at one thing, each with all that has to be granted."""
    exact = Enrolment(want.target, want.verb, Place(want.mount.strip("/") + "/", want.name))
    rules = _KINDS[want.target, want.verb](exact.place)
    return tuple(
        Call("", _concrete(rule.path), rule.capabilities)
        for rule in rules
        if not rule.path.startswith(("sys/wrapping/", "sys/policies/", "sys/audit-hash/"))
    )


def _concrete(path: str) -> str:
    return path.replace("+", "any").removesuffix("*")


# Least rights, by target and verb -----------------------------------------------------------------------------------


def _kv_write(place: Place) -> tuple[Rule, ...]:
    return (
        Rule(
            place.below("data"), ("create", "patch"), "Write keys and keep the others; never read, never replace all.",
            required=("options",),
        ),
        Rule(place.below("metadata"), ("read",), "Which versions there are, without values."),
        Rule(place.below("subkeys"), ("read",), "Which keys it has, without values."),
        Rule("sys/wrapping/unwrap", ("update",), "Open a value that somebody wrapped for this change."),
        Rule("sys/policies/password/+/generate", ("read",), "Have a value made by a password policy."),
    )  # fmt: skip


def _kv_destroy(place: Place) -> tuple[Rule, ...]:
    return (
        Rule(place.below("destroy"), ("update",), "Destroy an old version for good."),
        Rule(place.below("metadata"), ("read",), "Which versions there are, without values."),
    )


def _database_role(place: Place) -> tuple[Rule, ...]:
    return (
        Rule(place.below("rotate-role"), ("update",), "Have a static role's password changed."),
        Rule(place.below("static-roles"), ("read",), "When it was changed last, without the password."),
    )


def _database_root(place: Place) -> tuple[Rule, ...]:
    return (
        Rule(place.below("rotate-root"), ("update",), "Have the vault's own password at the database changed."),
        Rule(place.below("config"), ("read",), "Which database it is; the vault leaves the password out."),
    )


def _transit(place: Place) -> tuple[Rule, ...]:
    if place.beginning and place.prefix:
        raise NotEnrollable("of transit keys a policy can name one or all, not those that begin alike")
    key = f"{place.mount.strip('/')}/keys/{place.prefix or '+'}"
    return (
        Rule(f"{key}/rotate", ("update",), "Add a version to the key."),
        Rule(key, ("read",), "Which version is the latest."),
    )


_HASH = Rule("sys/audit-hash/+", ("update",), "Hash a login's name as the log does, to tell whose it is; optional.")


def _lease(place: Place) -> tuple[Rule, ...]:
    prefix = place.logical.removesuffix("*").lstrip("/")
    if not place.beginning:
        return (
            Rule(f"sys/leases/revoke/{prefix}", ("update",), "Revoke this lease."),
            Rule("sys/leases/lookup", ("update",), "See whether it lives.", allowed={"lease_id": (prefix,)}),
            _HASH,
        )
    return (
        Rule(f"sys/leases/revoke/{prefix}*", ("update",), "Revoke one lease at a time, named in the path."),
        Rule("sys/leases/lookup", ("update",), "See whether one lives.", allowed={"lease_id": (f"{prefix}*",)}),
        Rule(f"sys/leases/lookup/{prefix}*", ("list", "sudo"), "See which there are."),
        _HASH,
    )


def _token(place: Place) -> tuple[Rule, ...]:
    return (
        Rule("auth/token/revoke-accessor", ("update",), "Revoke a token by its accessor; a policy can't name which."),
        Rule("auth/token/lookup-accessor", ("update",), "See whether it lives."),
    )


def _entity(place: Place) -> tuple[Rule, ...]:
    id = place.prefix.removesuffix("*") or "+"
    return (
        Rule(
            f"identity/entity/id/{id}", ("read", "update"), "Disable an entity or enable it, and change nothing else.",
            allowed={"disabled": ()},
        ),
    )  # fmt: skip


_KINDS: dict[tuple[str, str], Callable[[Place], tuple[Rule, ...]]] = {
    ("kv", "write"): _kv_write,
    ("kv", "destroy"): _kv_destroy,
    ("database_role", "rotate"): _database_role,
    ("database_root", "rotate"): _database_root,
    ("transit", "rotate"): _transit,
    ("lease", "revoke"): _lease,
    ("token", "revoke"): _token,
    ("entity", "disable"): _entity,
}
TARGETS = tuple(dict.fromkeys(target for target, _ in _KINDS))
_EVERYWHERE = {"token": Place("", ""), "entity": Place("", "")}
_ALWAYS = (
    Rule("sys/capabilities-self", ("update",), "Ask beforehand what this token may."),
    Rule("auth/token/revoke-self", ("update",), "End itself when the work is done."),
)


# The executor's own identity ----------------------------------------------------------------------------------------

EXECUTOR_RULES = (
    Rule(
        f"auth/token/create/{PREFIX}*", ("update",), "Mint tokens of enrolled roles, never without saying what for.",
        required=("meta", "num_uses", "ttl"),
    ),
    Rule("auth/token/lookup-accessor", ("update",), "See whether a token that it minted lives."),
    Rule("auth/token/lookup-self", ("read",), "See whether its own token lives."),
    Rule("auth/token/revoke-self", ("update",), "End its own token when it stops."),
)  # fmt: skip


def executor_policy() -> str:
    """Return the policy of the executor itself: it can mint, and do nothing else."""
    first = "# Keybook's executor. Everything else it does with tokens that it mints of enrolled roles."
    return "\n".join([first, *(rule.hcl() for rule in EXECUTOR_RULES)]) + "\n"


def approle(mount: str = "approle") -> tuple[str, dict[str, object]]:
    """Return where the executor's AppRole is written, and what."""
    given = {"token_policies": [EXECUTOR], "token_no_default_policy": True, "token_ttl": 1200, "token_max_ttl": 1200}
    return f"auth/{mount}/role/{EXECUTOR}", {**given, "secret_id_ttl": 30 * 24 * 3600}


def executor_commands(tool: str = "bao") -> str:
    """Return the shell lines that make the executor's identity with AppRole, and hand its secret id over wrapped."""
    place, given = approle()
    words = " ".join(shlex.quote(f"{key}={_word(value)}") for key, value in given.items())
    return (
        f"{tool} policy write {EXECUTOR} {EXECUTOR}.hcl\n"
        f"{tool} write {place} {words}\n"
        f"{tool} read -field=role_id {place}/role-id\n"
        f"{tool} write -wrap-ttl=30m -f -field=wrapping_token {place}/secret-id > {EXECUTOR}.wrapped\n"
    )


def _begins(target: str, verb: str) -> str:
    return f"{PREFIX}{target.replace('_', '-')}-{verb}"


def _word(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(text: str) -> str:
    return f'"{text}"'


def _list(values: Iterable[str]) -> str:
    return f"[{', '.join(map(_quoted, values))}]"
