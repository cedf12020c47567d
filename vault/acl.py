"""Works out what a set of policies allows at a path, exactly as Vault and OpenBao do: globs, `+`, priority, deny.

Of all the rules that fit a path only one pattern counts, the most specific; what several policies grant at that same
pattern is united, and a deny there puts everything else out. What a deny at a less specific pattern says is ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from vault.policy_text import Rule
from vault.templates import ForbiddenValue, Identity, asks, could_be, filled

SHOWN = frozenset(("sudo", "read", "list", "update", "delete", "create", "patch", "scan", "subscribe", "recover"))
DENY = frozenset(("deny",))
ROOT = frozenset(("root",))


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy that could be read; `namespace` is where it lives: empty, or ending in `/`.

    `slashes` and `wildcards` tell whether what fills a template may hold `/`, or `*` and `+`.
    """

    name: str
    rules: tuple[Rule, ...] = ()
    namespace: str = ""
    slashes: bool = False
    wildcards: bool = False

    @property
    def templated(self) -> bool:
        """Whether a rule of it depends on who asks."""
        return any(asks(rule.pattern) for rule in self.rules)


@dataclass(slots=True)
class Grant:
    """What all policies together say at one pattern; `rules` are theirs, each with the policy's name.

    `pattern` holds the namespace; `capabilities` is `deny` alone, or what is granted (nothing, for an empty list).
    """

    pattern: str
    capabilities: frozenset[str]
    rules: list[tuple[str, Rule]] = field(default_factory=list)

    def add(self, name: str, rule: Rule) -> None:
        """Unite another policy's rule at the same pattern."""
        self.rules.append((name, rule))
        denied = "deny" in self.capabilities | rule.capabilities
        self.capabilities = DENY if denied else self.capabilities | rule.capabilities

    def by(self, capability: str) -> tuple[str, ...]:
        """Return the names of the policies that grant one capability here, in their order."""
        if capability not in self.capabilities:
            return ()
        return tuple(dict.fromkeys(name for name, rule in self.rules if capability in rule.capabilities))


class Acl:
    """Policies made ready to be asked, for one identity at one time.

    Without an identity (a token without an entity) the vault leaves rules with templates out, and so does this; a rule
    whose time is over counts as not written. `trouble` is a sentence if the policies can't be used with this identity:
    the vault then refuses every call, and nothing is granted here either.
    """

    def __init__(self, policies: Iterable[Policy], *, at: datetime, identity: Identity | None = None) -> None:
        self._exact: dict[bytes, Grant] = {}
        self._beginnings: dict[bytes, Grant] = {}
        self._segments: dict[bytes, Grant] = {}
        self._roots: list[str] = []
        self.trouble = ""
        for policy in policies:
            if policy.name == "root":
                self._roots.append(policy.namespace)
            try:
                self._add(policy, identity, at)
            except ForbiddenValue as error:
                self.trouble = f"the policy {policy.name}: {error}"

    def capabilities(self, path: str, namespace: str = "") -> frozenset[str]:
        """Return what `sys/capabilities` answers for a path asked in a namespace: `deny` for nothing.

        Like the vault's answer it looks, for a path that ends in `/`, at rules without that `/` too, as a list does.
        """
        if self.is_root(namespace):
            return ROOT
        grant = self.grant(path, namespace, listing=True)
        found = grant.capabilities & SHOWN if grant is not None else frozenset()
        return found or DENY

    def is_root(self, namespace: str = "") -> bool:
        """Whether the policy `root` of this namespace, or of one above, is among them."""
        return any(namespace.startswith(root) for root in self._roots)

    def grant(self, path: str, namespace: str = "", *, listing: bool = False) -> Grant | None:
        """Return the one pattern that counts for a path, None if no rule fits; `listing` for a list or a scan."""
        if self.trouble:
            return None
        full = _bytes(namespace + path).lstrip(b"/")
        short = full.removesuffix(b"/") if listing else full
        exact = self._exact.get(full) or self._exact.get(short)
        if exact is not None:
            return exact
        return self._inexact(full) or (self._inexact(short) if short != full else None)

    def _add(self, policy: Policy, identity: Identity | None, at: datetime) -> None:
        for rule in policy.rules:
            pattern = _pattern(policy, rule, identity, at)
            if pattern is not None:
                self._put(policy.name, rule, pattern)

    def _put(self, name: str, rule: Rule, pattern: str) -> None:
        key = _bytes(pattern)
        if key == b"+" or b"/+" in key or key.startswith(b"+/"):
            table = self._segments
        elif key.endswith(b"*"):
            table, key = self._beginnings, key[:-1]
        else:
            table = self._exact
        if key in table:
            table[key].add(name, rule)
        else:
            table[key] = Grant(pattern, rule.capabilities, [(name, rule)])

    def _inexact(self, path: bytes) -> Grant | None:
        fitting = list(self._fitting(path))
        return max(fitting, key=lambda one: one[0])[1] if fitting else None

    def _fitting(self, path: bytes) -> Iterator[tuple[tuple[object, ...], Grant]]:
        """Yield each pattern with a wildcard that fits, with its rank; of plain beginnings only the longest."""
        for length in range(len(path), -1, -1):
            if (beginning := path[:length]) in self._beginnings:
                yield (length, False, 0, length, beginning), self._beginnings[beginning]
                break
        for pattern, grant in self._segments.items():
            plain = pattern.removesuffix(b"*")
            wildcards = _wildcards(plain, path, glob=plain != pattern)
            if wildcards is not None:
                yield (pattern.index(b"+"), plain == pattern, -wildcards, len(plain), plain), grant


def _wildcards(pattern: bytes, path: bytes, *, glob: bool) -> int | None:
    """Return how many `+` a pattern has if it fits the path, else None."""
    wanted, given = pattern.split(b"/"), path.split(b"/")
    if len(given) < len(wanted) or (not glob and len(given) != len(wanted)):
        return None
    last = len(wanted) - 1
    for number, one in enumerate(wanted):
        fits = one in (b"+", given[number]) or (glob and number == last and given[number].startswith(one))
        if not fits:
            return None
    return wanted.count(b"+")


def _bytes(text: str) -> bytes:
    """The vault compares and counts bytes, not characters."""
    return text.encode("utf-8", "surrogateescape")


def _pattern(policy: Policy, rule: Rule, identity: Identity | None, at: datetime) -> str | None:
    """Return the whole pattern of a rule for an identity, None if the rule does not count."""
    pattern: str | None = rule.pattern
    if policy.templated:
        free = {"slashes": policy.slashes, "wildcards": policy.wildcards}
        pattern = filled(rule.pattern, identity, namespace=policy.namespace, at=at, **free)
    if rule.expires is not None and at > rule.expires:
        return None  # after the filling: a value that may not stand there is refused in a rule that is over, too
    return None if pattern is None else policy.namespace + pattern.removeprefix("/")


def capabilities(
    policies: Iterable[Policy],
    path: str,
    *,
    at: datetime,
    namespace: str = "",
    identity: Identity | None = None,
) -> frozenset[str]:
    """Return what `sys/capabilities` of the vault answers for a token with these policies."""
    return Acl(policies, identity=identity, at=at).capabilities(path, namespace)


@dataclass(frozen=True, slots=True)
class Call:
    """One call that gives something away: `gives` says what, all of `needs` have to be granted at `path`."""

    gives: str
    path: str
    needs: tuple[str, ...]

    @property
    def listing(self) -> bool:
        """Whether it is a list, for which the vault also looks at rules without the last `/`."""
        return bool({"list", "scan"} & set(self.needs))


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether policies allow a call: `may` is `yes`, `no` or `depends`.

    `pattern` is the one that counts (empty if none fits), `by` the policies that grant it there, `conditions` what the
    call needs besides, `depends_on` the identity's fields that templates ask for.
    """

    may: str
    pattern: str = ""
    by: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()


def may_read(
    policies: Sequence[Policy],
    call: Call,
    *,
    at: datetime,
    namespace: str = "",
    identity: Identity | None = None,
    anybody: bool = False,
) -> Answer:
    """Answer whether policies allow a call; with `anybody` it is not known who asks, and templates make it depend."""
    sure = _answer(Acl(policies, identity=identity, at=at), call, namespace)
    if not anybody or sure.by == ("root",):
        return sure
    turning = [
        (what, policy.name, pattern)
        for what, policy, pattern, others in _possible(policies, call, namespace)
        if _answer(Acl(others, at=at), call, namespace).may != sure.may
    ]
    if not turning:
        return sure
    fields = dict.fromkeys(one for what, _, _ in turning for one in what)
    names = sure.by or tuple(dict.fromkeys(name for _, name, _ in turning))
    return replace(sure, may="depends", pattern=sure.pattern or turning[0][2], by=names, depends_on=tuple(fields))


def _possible(
    policies: Sequence[Policy], call: Call, namespace: str
) -> Iterator[tuple[tuple[str, ...], Policy, str, list[Policy]]]:
    """Yield each rule with templates that could fit the path, and the policies with that rule filled so."""
    full = (namespace + call.path).lstrip("/")
    for place, policy in enumerate(policies):
        if not full.startswith(policy.namespace):
            continue
        path = full.removeprefix(policy.namespace)
        for rule in policy.rules:
            what = asks(rule.pattern)
            fitting = could_be(rule.pattern, path, slashes=policy.slashes) if what else None
            if fitting is not None:
                fixed = Policy(policy.name, (replace(rule, pattern=fitting),), policy.namespace)
                whole = policy.namespace + rule.pattern.removeprefix("/")
                yield what, policy, whole, [*policies[: place + 1], fixed, *policies[place + 1 :]]


def _answer(acl: Acl, call: Call, namespace: str) -> Answer:
    if acl.is_root(namespace):
        return Answer("yes", "*", ("root",))
    grant = acl.grant(call.path, namespace, listing=call.listing)
    if grant is None:
        return Answer("no")
    allowed = set(call.needs) <= grant.capabilities and not _contradicts(grant)
    if not allowed:
        return Answer("no", grant.pattern)
    return Answer("yes", grant.pattern, grant.by(call.needs[0]), tuple(_conditions(grant)))


def _contradicts(grant: Grant) -> bool:
    """Whether wrapping limits that came together from several policies leave no length at all."""
    longest, shortest = _wrapping(grant)
    return 0 < longest < shortest


def _wrapping(grant: Grant) -> tuple[float, float]:
    """Return the longest and the shortest wrapping in seconds; of several limits the vault takes the lesser."""
    longest = min((rule.max_wrap for _, rule in grant.rules if rule.max_wrap > 0), default=0)
    shortest = min((rule.min_wrap for _, rule in grant.rules if rule.min_wrap > 0), default=0)
    return longest, shortest


def _conditions(grant: Grant) -> Iterator[str]:
    """Yield what a granted call still needs, in words that follow "may read, ..."."""
    rules = [rule for _, rule in grant.rules]
    if any(_wrapping(grant)):
        yield "only wrapped"
    if grant.rules[0][1].control_group:
        yield "only after others approve"
    if any(rule.mfa_methods for rule in rules):
        yield "only with a second factor"
    if required := sorted({one for rule in rules for one in rule.required}):
        yield f"only with the parameters {', '.join(required)}"
    if any(set(rule.allowed) - {"*"} for rule in rules):
        yield "with some parameters only"
    if any(rule.denied for rule in rules):
        yield "not with every parameter"
    if (ends := [rule.expires for rule in rules if rule.expires]) and len(ends) == len(rules):
        yield f"until {max(ends):%Y-%m-%d %H:%M} UTC"
    if unknown := sorted({one for rule in rules for one in rule.unknown}):
        yield f"with fields that Keybook does not know: {', '.join(unknown)}"
