"""The rights that Keybook asks of a vault, as policy text, and what a token may do beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vault.server import Mount, Reach

NAME = "keybook"
_ACL = "sys/internal/ui/resultant-acl"


@dataclass(frozen=True, slots=True)
class Right:
    """One right: a policy path with its capabilities, what it is for, and what is lost without it if it is optional.

    `probe` is a path that the rule covers, to ask the vault about.
    """

    path: str
    capabilities: tuple[str, ...]
    why: str
    probe: str
    without: str = ""

    @property
    def needed(self) -> bool:
        """Whether Keybook can't do its work without it."""
        return not self.without

    def hcl(self) -> str:
        """Return the rule as a policy writes it."""
        listed = ", ".join(f'"{one}"' for one in self.capabilities)
        return f'path "{self.path}" {{ capabilities = [{listed}] }}'


RIGHTS = (
    Right("auth/token/lookup-self", ("read",), "how long the token lives", "auth/token/lookup-self"),
    Right("auth/token/renew-self", ("update",), "keep the token alive", "auth/token/renew-self"),
    Right("sys/capabilities-self", ("update",), "test these rights one by one", "sys/capabilities-self"),
    Right(_ACL, ("read",), "see that the token may do no more", _ACL),
    Right("sys/mounts", ("read",), "secrets engines and their KV versions", "sys/mounts"),
    Right("sys/auth", ("read",), "auth methods", "sys/auth"),
    Right("identity/entity/id", ("list",), "who exists: entities, by id", "identity/entity/id"),
    Right("identity/entity/id/+", ("read",), "their names, aliases and metadata", "identity/entity/id/any"),
    Right(
        "sys/audit", ("read", "sudo"), "where the vault writes its audit log", "sys/audit",
        "Keybook can't compare the vault's own file path with the one you give",
    ),
    Right(
        "sys/audit-hash/+", ("update",), "find a known token or lease id in the log", "sys/audit-hash/file",
        "a known token or lease id can't be looked for in the log",
    ),
    Right(
        "sys/leases/lookup", ("update",), "see whether a known lease is still alive", "sys/leases/lookup",
        "what became of a lease is told from the log alone, and stays unverified",
    ),
    Right(
        "sys/leases", ("read", "sudo"), "see which leases the vault gave up revoking", "sys/leases",
        "a lease that can't be revoked looks like one whose revocation still fails",
    ),
    Right(
        "sys/policies/acl/*", ("list", "read"), "what policies allow", "sys/policies/acl/any",
        "Keybook can't say who may read a secret",
    ),
    Right(
        "auth/+/role/+", ("list", "read"), "which policies the roles of auth methods give", "auth/any/role/any",
        "who may read a secret by a role of Kubernetes, JWT, OIDC or AppRole is not seen",
    ),
    Right(
        "auth/+/users/+", ("list", "read"), "which policies users with a password get", "auth/any/users/any",
        "who may read a secret as a user of userpass is not seen",
    ),
    Right(
        "auth/+/certs/+", ("list", "read"), "which policies certificates give", "auth/any/certs/any",
        "who may read a secret by a certificate is not seen",
    ),
    Right(
        "auth/+/roles/+", ("list", "read"), "which policies token roles may give", "auth/token/roles/any",
        "who may read a secret by a token role is not seen",
    ),
    Right(
        "identity/group/id/+", ("list", "read"), "which policies groups give to whom", "identity/group/id/any",
        "who may read a secret as a member of a group is not seen",
    ),
)  # fmt: skip


def hcl() -> str:
    """Return the whole read-only policy; the optional rights stand under a comment that says what is lost."""
    lines = ["# Keybook reads what exists, never the value of a secret."]
    lines += [f"{right.hcl()}  # {right.why}" for right in RIGHTS if right.needed]
    for right in RIGHTS:
        if not right.needed:
            lines += [f"# Optional; without it, {right.without}:", f"{right.hcl()}  # {right.why}"]
    return "\n".join(lines) + "\n"


def token_commands(tool: str = "bao") -> str:
    """Return the shell lines that apply the policy and make a token: periodic, orphan, without any other policy."""
    return (
        f"{tool} policy write {NAME} keybook.hcl\n"
        f"{tool} token create -orphan -no-default-policy -policy={NAME} -period=768h -field=token > keybook.token\n"
    )


def approle_commands(tool: str = "bao") -> str:
    """Return the shell lines for the same with AppRole, where tokens must come from a login."""
    role = f"auth/approle/role/{NAME}"
    return (
        f"{tool} policy write {NAME} keybook.hcl\n"
        f"{tool} write {role} token_policies={NAME} token_no_default_policy=true token_period=768h\n"
        f"{tool} write -field=token auth/approle/login role_id=$({tool} read -field=role_id {role}/role-id) \\\n"
        f"  secret_id=$({tool} write -f -field=secret_id {role}/secret-id) > keybook.token\n"
    )


@dataclass(frozen=True, slots=True)
class Excess:
    """A rule of the token that Keybook does not need: `reads` tells that it gives out secret values."""

    path: str
    capabilities: tuple[str, ...]
    reads: bool


_GIVES = {
    "database": ("creds/", "static-creds/"),
    "transit": ("decrypt/", "export/", "datakey/plaintext/"),
    "totp": ("code/",),
    "pki": ("issue/",),
    "ssh": ("creds/", "sign/", "issue/"),
    "rabbitmq": ("creds/",),
    "kubernetes": ("creds/",),
}
_NO_SECRETS = ("system", "identity", "cubbyhole", "ns_system", "ns_identity", "ns_cubbyhole")
# Whoever may do these can give itself any right, or copy everything.
_LADDERS = ("sys/policies/acl/", "sys/policy/", "auth/token/create", "sys/raw/", "sys/storage/raft/snapshot")
_CHANGES = {"create", "update", "patch", "sudo"}


def places(mount: Mount) -> tuple[str, ...]:
    """Return the beginnings of the paths that give out secret values of a mount; none for the vault's own mounts."""
    if mount.type in _NO_SECRETS or mount.path.startswith("auth/"):
        return ()
    if mount.type in ("kv", "generic"):
        return (mount.path if mount.kv_version == 1 else f"{mount.path}data/",)
    return tuple(mount.path + rest for rest in _GIVES.get(mount.type, ("",)))


def probes(mounts: Sequence[Mount]) -> list[str]:
    """Return a made-up path in each place that gives out values: `sys/capabilities-self` also knows rules with `+`."""
    return [place + "keybook-probe" for mount in mounts for place in places(mount)]


def excess(reach: Reach, mounts: Sequence[Mount]) -> list[Excess]:
    """Return the rules by which a token gets at secret values, changes them, or gives itself other rights."""
    if reach.root:
        return [Excess("*", ("root",), True)]
    inside = [place for mount in mounts for place in places(mount)]
    rules = [(path, caps, False) for path, caps in reach.exact.items()]
    rules += [(path, caps, True) for path, caps in reach.beginnings.items()]
    found = []
    for path, caps, beginning in rules:
        touched = _touches(path, beginning, inside)
        ladder = _touches(path, beginning, _LADDERS) and bool(_CHANGES & set(caps))
        if "deny" in caps or not (touched or ladder):
            continue
        reads = touched and bool({"read", "root"} & set(caps))
        gives = touched and bool(_CHANGES & set(caps))
        if reads or gives or ladder:
            found.append(Excess(path + ("*" if beginning else ""), caps, reads))
    return sorted(found, key=lambda one: (not one.reads, one.path))


def _touches(path: str, beginning: bool, places: Sequence[str]) -> bool:
    return any(path.startswith(place) or (beginning and place.startswith(path)) for place in places)
