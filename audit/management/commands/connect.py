"""`manage.py connect`: attach a real Vault or OpenBao, or a Kubernetes cluster, read-only, and show that it works."""

from __future__ import annotations

import dataclasses
import getpass
import json
import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit import connect, connect_cluster, enrolling
from audit.arrival import Seen
from audit.commands import BadInput, explained, visible
from cluster import access, restarter
from inventory import asking
from kit.check import Check
from vault import policy
from vault.errors import VaultError

NOTHING_ARRIVES = 1
NEVER_ALONE = (
    "An http device must never be the vault's only audit device: a vault that can write to none refuses every call, "
    "and a fresh OpenBao does not start while its http device is down. Keep a file device beside it."
)


_KUBECONFIG = "the first file that KUBECONFIG names, else ~/.kube/config"


class Command(BaseCommand):
    """Print the policy, test each right, add the source, and wait for lines; see docs/operations.md."""

    help = __doc__ or ""
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what may be given."""
        parser.add_argument("--vault", default="", help="your name for the vault")
        parser.add_argument("--addr", default="", help="its address, https://vault.example:8200")
        cluster = parser.add_argument_group("a cluster")
        cluster.add_argument("--cluster", default="", help="your name for a Kubernetes cluster")
        cluster.add_argument("--context", default="", help="the kubeconfig's context (default: its current one)")
        cluster.add_argument("--kubeconfig", default="", help=f"its kubeconfig, or in-cluster (default: {_KUBECONFIG})")
        cluster.add_argument("--secrets", action="store_true", help="also ask for names and times of Secrets")
        cluster.add_argument("--role", action="store_true", help="print what to apply and nothing else, and do nothing")
        words = "print the restarter's role for these namespaces and nothing else, and do nothing"
        cluster.add_argument("--restarter", nargs="+", default=[], metavar="NAMESPACE", help=words)
        parser.add_argument("--policy", action="store_true", help="print the policy and nothing else, and do nothing")
        parser.add_argument("--enrol", action="append", default=[], metavar="TARGET:MOUNT/PREFIX",
                            help="print what lets the executor change something there, such as kv:secret/prod/, and do "
                                 "nothing; may be given again")  # fmt: skip
        parser.add_argument("--namespace", default="", help="the namespace that the token belongs to")
        parser.add_argument("--token-file", help="a file with the read-only token (else VAULT_TOKEN)")
        parser.add_argument("--ca-file", default="", help="certificates to trust, PEM (else the system's)")
        parser.add_argument("--plain-http", action="store_true", help="allow http to another machine")
        lines = parser.add_mutually_exclusive_group()
        lines.add_argument("--file", default="", help="its audit log, under KEYBOOK_LOG_ROOTS")
        lines.add_argument("--receiver", action="store_true", help="its lines come to our receiver")
        parser.add_argument("--device", default="", help="the audit device (default: file, or http with --receiver)")
        parser.add_argument("--accept-rights", action="store_true", help="use a token that may do more than it needs")
        parser.add_argument("--timeout", type=float, default=60.0, help="seconds to wait for lines (default: 60)")
        parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")

    def handle(self, *args: Any, **given: Any) -> None:
        """Connect; exit code 0 when lines arrive, 1 when all was added and none arrive, 2 for bad input."""
        if given["policy"]:
            self.stdout.write(policy.hcl(), ending="")
            return
        if given["enrol"]:
            self._enrol(given["vault"], given["addr"], given["enrol"], as_json=given["json"])
            return
        if given["role"]:
            self.stdout.write(access.manifest(secrets=given["secrets"]), ending="")
            return
        if given["restarter"]:
            self._restarter(given["restarter"])
            return
        self._json, self._checks = bool(given["json"]), list[Check]()
        if given["cluster"]:
            self._cluster(given)
            return
        wish = connect.Wish(
            vault=given["vault"], address=given["addr"], namespace=given["namespace"], ca_file=given["ca_file"],
            plain_http=given["plain_http"], path=given["file"], receiver=given["receiver"], device=given["device"],
            accept_rights=given["accept_rights"],
        )  # fmt: skip
        with explained():
            try:
                ok = self._connect(wish, given["token_file"], given["timeout"])
            except (connect.Unusable, asking.UnusableToken) as error:
                self._document(None)
                raise BadInput(visible(str(error))) from None
        if not ok:
            sys.exit(NOTHING_ARRIVES)

    def _restarter(self, namespaces: list[str]) -> None:
        """Print the role of who restarts and has secrets read anew, bound in these namespaces alone."""
        with explained():
            try:
                self.stdout.write(restarter.manifest(namespaces), ending="")
            except restarter.UnusableNamespace as error:
                raise BadInput(visible(str(error))) from None

    def _enrol(self, vault: str, address: str, wishes: list[str], *, as_json: bool) -> None:
        """Print the executor's policies; exit code 2 for a wish that can't be met."""
        with explained():
            try:
                sheet = enrolling.sheet(vault, address, wishes)
            except connect.Unusable as error:
                raise BadInput(visible(str(error))) from None
        lines = [json.dumps(sheet.document())] if as_json else [visible(one) for one in sheet.text().split("\n")]
        self.stdout.write("\n".join(lines), ending="")

    def _cluster(self, given: dict[str, Any]) -> None:
        """Connect a cluster: exit code 0 when it was added, 2 when anything stands against it."""
        wish = connect_cluster.Wish(
            given["cluster"], given["kubeconfig"], given["context"], given["secrets"], given["accept_rights"]
        )
        role = access.manifest(secrets=wish.secrets)
        self._say(f"What Keybook asks for; save it as keybook.yaml:\n\n{role}")
        self._say(f"Apply it and make a token:\n\n{access.token_commands()}")
        done = None
        with explained():
            try:
                done = connect_cluster.connect(wish, actor=f"command line: {getpass.getuser()}", tell=self._tell)
            except connect_cluster.Unusable as error:
                raise BadInput(visible(str(error))) from None
            finally:
                self._cluster_document(role, done)
        self._say(f"Connected {wish.name}; the worker `cluster` watches it within seconds.")
        if done.setting:
            self._say(f"Its environment needs:  KEYBOOK_KUBECONFIG={visible(done.setting)}")

    def _cluster_document(self, role: str, done: connect_cluster.Connected | None) -> None:
        if self._json:
            added = None
            if done is not None and done.link is not None:
                link = done.link
                added = {"cluster": link.cluster.name, "uid": link.cluster.uid, "address": link.address,
                         "secrets": link.secrets, "setting": done.setting}  # fmt: skip
            checks = [dataclasses.asdict(check) for check in self._checks]
            self.stdout.write(json.dumps({"role": role, "checks": checks, "added": added}))

    def _connect(self, wish: connect.Wish, token_file: str | None, timeout: float) -> bool:
        connection = connect.wanted(wish)
        self._say(f"The policy that Keybook asks for; save it as keybook.hcl:\n\n{policy.hcl()}")
        self._say(f"Apply it and make a token (`vault` takes the same words as `bao`):\n\n{policy.token_commands()}")
        self._say(f"Or with AppRole:\n\n{policy.approle_commands()}")
        token = asking.read_token(token_file) if token_file else os.environ.get("VAULT_TOKEN", "")
        if not token:
            raise connect.Unusable(
                "There is no token yet. Make one as printed and give --token-file. Nothing was changed."
            )
        try:
            server = asking.client(connection, token)
        except (VaultError, OSError) as error:
            raise connect.Unusable(f"{error}. Nothing was changed.") from None
        actor = f"command line: {getpass.getuser()}"
        done = connect.connect(wish, server, connection, actor=actor, tell=self._tell)
        for source in done.sources:
            self._say(f"Connected {wish.vault}; its lines come from {visible(str(source))}.")
        if done.token:
            self._receiver(done.token)
        self._say(f"Waiting up to {timeout:.0f} s for lines ...")
        check = connect.wait_for_lines(done, server, timeout, self._progress)
        self._tell(check)
        self._document(done)
        return check.ok

    def _receiver(self, token: str) -> None:
        if self._json:
            return  # the document holds it
        self._say(f"The receiver's token, shown this once:\n\n{token}\n")
        self._say(f"Put this into the configuration of the vault's server and restart it:\n\n{connect.stanza(token)}")
        self._say(NEVER_ALONE)

    def _progress(self, seen: Seen) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{seen.lines} lines so far ")
            sys.stderr.flush()

    def _tell(self, check: Check) -> None:
        self._checks.append(check)
        missing = not check.ok or check.detail.startswith("missing ")
        word = "ok     " if not missing else "missing" if check.detail.startswith("missing ") else "MEND   "
        mend = f"\n         {visible(check.mend)}" if check.mend and missing else ""
        self._say(f"{word}  {check.name}: {visible(check.detail)}{mend}")

    def _say(self, words: str) -> None:
        (sys.stderr if self._json else self.stdout).write(words + "\n")

    def _document(self, done: connect.Connected | None) -> None:
        """One JSON document; a receiver's token stands in it once, for there is no other place for it."""
        if not self._json:
            return
        added: dict[str, Any] | None = None
        if done is not None and done.connection is not None:
            sources = [{"id": s.pk, "device": str(s.device), "kind": s.kind, **s.settings} for s in done.sources]
            added = {"vault": done.connection.vault, "connection": done.connection.pk, "sources": sources}
            if done.token:
                added |= {"token": done.token, "stanza": connect.stanza(done.token), "warning": NEVER_ALONE}
        checks = [dataclasses.asdict(check) for check in self._checks]
        self.stdout.write(json.dumps({"policy": policy.hcl(), "checks": checks, "added": added}))
