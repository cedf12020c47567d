"""What a target may ask when it draws a plan: places of secrets, enrolment, who gets a secret, what a restart touches.

All of it is the mirror's and the record's word: no vault and no cluster is asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from inventory import restarts, secret_places
from inventory.cluster_models import PodState, SecretConsumer, Workload
from inventory.cluster_questions import api_path, consumers_of
from inventory.enrolled import enrolled
from inventory.holders import account
from inventory.models import Cluster, Connection, Entity, PodLife
from inventory.restarts import Restart
from inventory.secret_places import SecretPlace
from inventory.sightings import HeldLease
from rotation.planning import Need, Refused
from rotation.world import Books
from vault import paths
from vault.enrolment import NotEnrollable, Want

MOST_WORKLOADS = 50
NOT_AS_LOOKED_AT = "not_as_looked_at"  # a refusal that no playbook takes for something that it leaves
READING = timedelta(minutes=15)  # for so long a plan may be looked at before it is asked for
OURS = ("Deployment", "StatefulSet", "DaemonSet")


@dataclass(frozen=True, slots=True)
class Eater:
    """One workload that gets a secret: its pods now, how, and whether it must be restarted to get a new value."""

    cluster: str
    namespace: str
    kind: str
    name: str
    uid: str
    pods: Sequence[str]
    methods: Sequence[str]
    needs_restart: str  # always, never, unknown
    restarted_by: str  # vso, reloader, "" for nobody
    k8s_secret: str
    service_accounts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod, alive or gone: `name` and `account` (its service account) are `namespace/name`."""

    uid: str
    name: str
    cluster: str
    account: str
    workload: str
    lives: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """The leases of a plan that somebody looked at, and when they asked for it: others come and end meanwhile."""

    leases: Collection[str]
    asked: datetime


@dataclass(frozen=True, slots=True)
class Estate:
    """What is there, as of `at`; of leases, with a `listing`, those that it names."""

    books: Books
    at: datetime
    may_generate: Sequence[str] = ()  # globs over `vault:secret`: whose value Keybook may choose
    listing: Listing | None = None

    def place(self, name: str, vault: str = "", *, type: str = "") -> SecretPlace:
        """Return the one place that a name leads to; raises `Refused` for none, for several, or another engine.

        Vault takes `a//b` and `a/x/../b` for `a/b`: policies and areas go by the name, so only that one is taken.
        """
        if not paths.is_plain(name.strip("/")):
            raise Refused(
                f"{name[:200]!r} is no name of a secret: Vault would take it for another one.",
                "Leave out doubled slashes, . and .. between slashes, and signs that are not printed.",
                code="bad_args", field="args.secret",
            )  # fmt: skip
        found = secret_places.find(name, vault=vault)
        if not found:
            known = ", ".join(sorted({one.vault for one in Connection.objects.all()})) or "none"
            raise Refused(
                f"No mount of a connected vault holds {name!r}.",
                f"Connected vaults: {known}. Check the name, or connect the vault.",
                code="not_there", field="args.secret",
            )  # fmt: skip
        if len(found) > 1:
            where = ", ".join(f"{one.vault} ({one.namespace or 'root'})" for one in found)
            raise Refused(f"{name!r} is in {where}.", "Name the vault too.", code="not_there", field="vault")
        if type and found[0].type not in (type, "generic" if type == "kv" else type):
            raise Refused(
                f"{found[0].mount}/ is of the kind {found[0].type}, not {type}.", "Choose a target that fits it.",
                field="args.secret",
            )  # fmt: skip
        return found[0]

    def need(self, connection: Connection, want: Want) -> Need:
        """Return the enrolled role for a verb at a thing; raises `Refused` with the policy to apply for none."""
        try:
            found = enrolled(connection, want, self.at)
        except NotEnrollable as error:
            raise Refused(f"It can't be enrolled: {error}.", code="not_enrolled") from None
        if not found:
            wanted = found.apply
            lines = f"Apply on {connection.vault}:\n{wanted.policy()}{wanted.commands()}" if wanted else ""
            raise Refused(f"Keybook may not {want}: {found.why_not}.", lines, code="not_enrolled")
        return Need(
            "vault", found.role, want.name and f"{want.mount.strip('/')}/{want.name}", f"{want.target} {want.verb}"
        )

    def consumers(self, place: SecretPlace) -> list[SecretConsumer]:
        """Return every container that gets a secret, by the clusters' pictures."""
        path = api_path(place.mount, place.path, place.kv_version if place.type in ("kv", "generic") else 0)
        return [one for one in consumers_of(place.vault, path, namespace=place.namespace) if not one.ended]

    def strangers(self, place: SecretPlace, rows: Sequence[SecretConsumer]) -> list[str]:
        """Return a sentence for each workload that may get its secret from another vault, where there are several."""
        known = list(Connection.objects.values_list("vault", "address"))
        if {vault for vault, _ in known} <= {place.vault}:
            return []
        own = {address for vault, address in known if vault == place.vault}
        names = {(_workload(row), row.address) for row in rows if row.address not in own}
        return [
            f"{name} calls its vault {by or 'by an address that is not known'}: see that it is {place.vault}."
            for name, by in sorted(names)
        ]

    def eaters(self, rows: Sequence[SecretConsumer]) -> list[Eater]:
        """Return the workloads of consumers, in the order of their names."""
        by: dict[tuple[str, str, str, str], list[SecretConsumer]] = defaultdict(list)
        for row in rows:
            by[row.cluster.name, row.namespace, row.workload_kind, row.workload_name].append(row)
        return [_eater(key, some) for key, some in sorted(by.items())]

    def restart(self, cluster: str, kind: str, namespace: str, name: str, k8s_secret: str = "") -> Restart:
        """Return what the restart of a workload would be; raises `Refused` when there is none, or it can't be."""
        home = Cluster.objects.filter(name=cluster).first()
        if home is None:
            known = ", ".join(Cluster.objects.order_by("name").values_list("name", flat=True)) or "none"
            raise Refused(f"No cluster is connected as {cluster!r}.", f"Known are {known}.", code="not_there")
        found = restarts.restart_of(home, kind, namespace, name, k8s_secret=k8s_secret)
        if found is None:
            raise Refused(
                f"The picture of {cluster} has no {kind} {namespace}/{name}.",
                f"Check kind ({', '.join(OURS)}), namespace and name.", code="not_there",
            )  # fmt: skip
        if found.blast.obstacle:
            says, mend = found.blast.obstacle.says, found.blast.obstacle.mend
            raise Refused(f"{kind} {namespace}/{name} can't be restarted: {says}.", f"{mend[:1].upper()}{mend[1:]}.")
        return found

    def leases(self, **which: str) -> Sequence[HeldLease]:
        """Return live leases, by what `Books.leases` takes; with a listing those of it that fit, live or ended.

        Raises `Refused` for a listing that leaves out what lived well before it was asked for.
        """
        given = {name: value for name, value in which.items() if value}
        if self.listing is None:
            return self.books.leases(**given)
        listed = self.books.leases_among(self.listing.leases, ended=True, **given)
        self._whole(listed, self.listing.asked - READING, given)
        return listed

    def leases_by_id(self, leases: Collection[str], **narrow: str) -> Sequence[HeldLease]:
        """Return those of some leases that live; with a listing those of it, live or ended."""
        given = {name: value for name, value in narrow.items() if value}
        some = leases if self.listing is None else [one for one in leases if one in self.listing.leases]
        return self.books.leases_among(some, ended=self.listing is not None, **given)

    def _whole(self, listed: Sequence[HeldLease], before: datetime, which: Mapping[str, str]) -> None:
        known = {one.lease_id for one in listed}
        missed = [one for one in self.books.leases(**which) if one.issued < before and one.lease_id not in known]
        if missed:
            many = f"{len(missed):,} leases live" if len(missed) > 1 else "One lease lives"
            raise Refused(
                f"{many} there longer than the plan is old and not in it, such as {missed[0].lease_id}.",
                "Look at the plan again, then ask.",
                code=NOT_AS_LOOKED_AT,
            )

    def connection(self, vault: str, namespace: str = "") -> Connection:
        """Return the connection to a vault's namespace; the only vault there is where none is named."""
        some = Connection.objects.filter(**({"vault": vault} if vault else {}))
        exact = [one for one in some if one.namespace.strip("/") == namespace.strip("/")]
        if len(exact) != 1:
            known = ", ".join(sorted(str(one) for one in Connection.objects.all())) or "none"
            raise Refused(
                f"{'No' if not exact else 'More than one'} vault is connected as {vault or 'any'}/{namespace}.",
                f"Known are {known}: name one.", code="not_there", field="vault",
            )  # fmt: skip
        return exact[0]

    def entity(self, connection: Connection, given: str) -> Entity:
        """Return an entity by its id or its only name; raises `Refused`."""
        some = Entity.objects.filter(connection=connection, gone_at=None)
        found = list(some.filter(entity_id=given)) or list(some.filter(name=given)[:2])
        if len(found) != 1:
            raise Refused(
                f"{connection} has {'no' if not found else 'more than one'} entity {given!r}.",
                "Give its id.",
                code="not_there",
            )
        return found[0]

    def known_as(self, entity: Entity) -> str:
        """Return whom people know by an entity: the service accounts and users that log in as it, three at most."""
        names = sorted({account(alias) or alias.name for alias in entity.aliases.all()} - {entity.name, ""})
        return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

    def pod(self, given: str) -> Pod:
        """Return a pod by its uid, or by `namespace/name` where only one ever had it; raises `Refused`."""
        namespace, _, name = given.strip().partition("/")
        which = {"namespace": namespace, "name": name} if name else {"uid": given.strip()}
        alive = {one.uid: _alive(one) for one in PodState.objects.select_related("cluster").filter(**which)[:9]}
        lives = PodLife.objects.select_related("cluster").filter(**which).order_by("-started")[:9]
        found = {one.uid: _gone(one) for one in lives} | alive
        chosen = list(alive.values()) if len(alive) == 1 else list(found.values())
        if len(chosen) == 1:
            return chosen[0]
        mend = f"Give one of the uids {', '.join(sorted(found))}." if found else "Look at the list of pods."
        many = f"{len(found)} pods were" if found else "No pod was"
        raise Refused(f"{many} ever seen as {given[:80]!r}.", mend, code="not_there", field="args.pod")

    def workload(self, uid: str) -> Workload | None:
        """Return a workload by its uid, None when the picture has none."""
        return Workload.objects.select_related("cluster").filter(uid=uid).first()


def _alive(one: PodState) -> Pod:
    account = f"{one.namespace}/{one.service_account or 'default'}"
    workload = f"{one.workload_kind} {one.namespace}/{one.workload_name}" if one.workload_name else ""
    return Pod(one.uid, f"{one.namespace}/{one.name}", one.cluster.name, account, workload, True)


def _gone(one: PodLife) -> Pod:
    account = f"{one.namespace}/{one.service_account or 'default'}"
    return Pod(one.uid, f"{one.namespace}/{one.name}", one.cluster.name, account, "", one.ended is None)


def _workload(row: SecretConsumer) -> str:
    return f"{row.workload_kind} {row.namespace}/{row.workload_name} in {row.cluster.name}"


def _eater(key: tuple[str, str, str, str], some: Sequence[SecretConsumer]) -> Eater:
    cluster, namespace, kind, name = key
    wants = {one.needs_restart for one in some}
    needs = next((one for one in ("always", "unknown", "never") if one in wants), "unknown")
    return Eater(
        cluster, namespace, kind, name, some[0].workload_uid, tuple(sorted({one.pod_name for one in some})),
        tuple(sorted({one.method for one in some})), needs,
        next((one.restarted_by for one in some if one.restarted_by), ""),
        next((one.k8s_secret for one in some if one.k8s_secret), ""),
        tuple(sorted({one.service_account for one in some if one.service_account})),
    )  # fmt: skip
