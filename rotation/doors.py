"""The executor's own connections: a fresh token of an enrolled role for each step, and the restarter in a cluster.

Only the worker of operations imports this: pages and the API reach no wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cluster.client import Client
from cluster.operating import Operator as Restarter
from inventory.executing import operator_of
from inventory.kubeconfigs import place_of
from inventory.models import Connection
from rotation import at_databases, handed
from rotation.handed import Given
from rotation.logins import Logins
from vault.errors import NotPermitted
from vault.operating import Operator

LIVES = 60  # seconds of an operation's token


@dataclass(frozen=True, slots=True)
class OpenDoors:
    """Doors for one step of one change, whose names stand in every audit line of it; `head` is the trail's.

    `executor`, `restarter` and `witness` are the settings that name the worker's identities, `key` its key for what is
    handed over to it.
    """

    executor: str
    restarter: str
    change: str
    step: int
    plan_hash: str
    head: str = ""
    witness: str = ""
    key: str = ""

    @contextmanager
    def vault(self, vault: str, namespace: str, role: str, uses: int) -> Iterator[Operator]:
        """Mint a token of a role for `uses` calls, lend it, and revoke it. Raises `VaultError`."""
        name = f"{vault}/{namespace}".rstrip("/")
        address = Connection.objects.filter(vault=vault).values_list("address", flat=True).first()
        if address is None:
            raise NotPermitted("no vault is connected by this name", name, "connect it")
        meta = {
            "keybook_change": self.change, "keybook_step": str(self.step), "keybook_plan": self.plan_hash,
            "keybook_head": self.head,
        }  # fmt: skip
        with operator_of(name, address, self.executor).minted(role, meta, LIVES, uses) as operator:
            try:
                yield operator
            except NotPermitted as error:
                mend = f"apply the policy {role} again as Keybook printed it"
                what = f"a token of the role {role} may not do this"
                raise NotPermitted(what, error.where, mend, error.said) from error

    @contextmanager
    def cluster(self, cluster: str) -> Iterator[Restarter]:
        """Open a cluster as the restarter. Raises `ClusterError`, and `UnusableSetting` where it has no kubeconfig."""
        yield Restarter(Client(place_of(cluster, self.restarter)))

    def logins(self, vault: str, namespace: str, path: str) -> Logins | None:
        """Ask the databases behind a mount for their logins; None where no witness is set. Raises `Away`."""
        return at_databases.logins(self.witness, f"{vault}/{namespace.strip('/')}".rstrip("/"), path)

    def given(self) -> Given | None:
        """Return the wrapping token that was handed over last for this change and not used yet, None for nothing."""
        return handed.given(self.change, self.key)
