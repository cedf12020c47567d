"""A small company at work on a real OpenBao: services, people and a CI read, write and are refused.

`python -m sandbox.story --setup-only | --once [--json] | --forever`, with VAULT_ADDR and a root VAULT_TOKEN.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from sandbox.bao_http import Answer, Bao
from sandbox.ci_token import CiKey
from sandbox.company import (
    BACKED_UP,
    BANK,
    DEPLOYED,
    ELSEWHERE,
    NIGHTLY,
    OLD,
    OPERATORS,
    ORPHAN,
    PEOPLE,
    REPOSITORY,
    SERVICES,
    Pod,
    Service,
    all_secrets,
    api_path,
)
from sandbox.errors import YardError
from sandbox.foundation import ISSUER, lay, write_value
from sandbox.kube_client import Kube, sandbox_cluster
from sandbox.kube_company import REVIEWER, attend, settle
from sandbox.kubeapi import KubeApi
from sandbox.noticing import Notice
from sandbox.speakers import Speakers
from sandbox.upkeep import Turn, Upkeep

REVIEWED_FOR = 10 * 365 * 86400  # seconds: OpenBao keeps the reviewer's token, and every start gives it another
CI = f"repo:{REPOSITORY}:ref:refs/heads/main"


@dataclass
class Ledger:
    """What really happened, from the callers' side: (principal, secret) and how often."""

    reads: Counter[tuple[str, str]] = field(default_factory=Counter)
    denied: Counter[tuple[str, str]] = field(default_factory=Counter)

    def note(self, who: str, secret: str, answer: Answer) -> None:
        """Count a read that was answered, or refused."""
        if answer.status == 200:
            self.reads[who, secret] += 1
        elif answer.status == 403:
            self.denied[who, secret] += 1

    def document(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return {"reads": {secret: {principal: count}}, "denied": ...}."""
        found: dict[str, dict[str, dict[str, int]]] = {"reads": {}, "denied": {}}
        for kind, counter in (("reads", self.reads), ("denied", self.denied)):
            for (who, secret), count in sorted(counter.items()):
                found[kind].setdefault(secret, {})[who] = count
        return found


def own_cluster() -> Kube:
    """Return a cluster of our own for as long as we live: the sandbox has none."""
    api = KubeApi().start()
    settle(api.store, api.access)
    attend(api.store, api.controllers.kubelets)
    api.controllers.start()
    return Kube(api.url, api.token)


class Story:
    """The company's day; every method is one act of somebody."""

    def __init__(self, root: Bao) -> None:
        """Find the cluster and make the CI's key; `lay` has to come before any act."""
        self.root = root
        self.cluster = sandbox_cluster() or own_cluster()
        self.key = CiKey()
        self.speakers = Speakers(root.url, self.cluster)
        self.ledger = Ledger()
        self.upkeep = Upkeep(root, self.speakers)
        self.notice = Notice(self.speakers, self.upkeep, self.read, self.take_credentials)
        self._old = Turn(self._keep_old, 600.0)

    def lay(self) -> bool:
        """Lay the foundation; tell whether the company is new here."""
        reviewer = Kube(self.cluster.url, self.cluster.token_of(*REVIEWER, life=REVIEWED_FOR))
        return lay(self.root, reviewer, self.key.pem(), self.speakers.passwords)

    def pods(self, service: Service) -> list[Pod]:
        """Return the pods of a service that run now, as the cluster names them."""
        return self.speakers.pods(service)

    # What they do -----------------------------------------------------------------------------------------------

    def _read(self, bao: Bao, who: str, secret: str) -> Answer:
        answer = bao.call("GET", api_path(secret))
        self.ledger.note(who, secret, answer)
        return answer

    def read(self, service: Service, pod: Pod, secret: str) -> Answer:
        """A pod reads one of its secrets, or one that isn't meant for it."""
        bao = self.speakers.reader(service, pod, secret)
        answer = self._read(bao, service.account, secret)
        if answer.status == 403 and secret in service.secrets:
            self.speakers.forget(bao)  # its token was revoked or has expired
        return answer

    def take_credentials(self, service: Service, pod: Pod, role: str) -> None:
        """A pod has a database log-in issued and renews it once; an operator takes one for its service."""
        if service.delivery == "vso":
            self.ledger.note(service.account, f"database/creds/{role}", self.upkeep.take_for(service, role))
            return
        bao = self.speakers.pod(service, pod)
        answer = bao.call("GET", f"database/creds/{role}")
        self.ledger.note(service.account, f"database/creds/{role}", answer)
        if answer.status == 200:
            bao.call("PUT", "sys/leases/renew", {"lease_id": answer.body["lease_id"], "increment": 1800})

    def ask_for_nothing(self, service: Service, pod: Pod) -> None:
        """A pod asks for a secret that it may read and that does not exist (yet)."""
        self.speakers.pod(service, pod).call("GET", f"secret/data/prod/{service.name}/feature-flags")

    def hand_over(self, service: Service, pod: Pod, secret: str) -> None:
        """A pod has a secret wrapped and unwraps it: one disclosure, and the unwrap's path is not the secret's."""
        bao = self.speakers.reader(service, pod, secret)
        wrapped = bao.call("GET", api_path(secret), X_Vault_Wrap_TTL="60")
        if wrapped.status == 200:
            opened = bao.call("PUT", "sys/wrapping/unwrap", {"token": wrapped.body["wrap_info"]["token"]})
            self.ledger.note(service.account, secret, opened)

    def look_up(self, person: str, secret: str) -> None:
        """A person reads a secret."""
        self._read(self.speakers.person(person), person, secret)

    def change(self, person: str, secret: str) -> None:
        """A person writes a new value of a secret; operators that keep a copy read it and write theirs."""
        write_value(self.speakers.person(person), secret)
        for service in SERVICES:
            if secret in service.secrets and service.delivery in OPERATORS:
                for pod in self.pods(service)[: None if service.delivery == "csi" else 1]:
                    self.read(service, pod, secret)
        self.upkeep.follow(secret)
        self.notice.told(secret)

    def show_the_finds(self) -> None:
        """See that there is a lease that outlives its pod, a pod on an old version and one that is stuck."""
        self._old.perhaps()
        self.upkeep.tick()

    def _keep_old(self) -> None:
        if self.upkeep.needs_a_change():
            self.change("bob", OLD)

    def mistype(self, person: str) -> None:
        """A person's password is refused."""
        Bao(self.root.url, address="10.8.0.99").call("POST", f"auth/userpass/login/{person}", {"password": "wrong"})

    def deploy(self) -> None:
        """A CI run logs in with its job's token and reads what it deploys."""
        claims = {
            "iss": ISSUER,
            "aud": "openbao",
            "sub": CI,
            "repository": REPOSITORY,
            "actor": "bob",
            "run_id": str(secrets.randbelow(10**9)),
            "workflow_ref": f"{REPOSITORY}/.github/workflows/deploy.yml@refs/heads/main",
        }
        address = f"140.82.112.{random.randint(2, 250)}"  # noqa: S311 (a decoration)
        bao = self.speakers.log_in(
            "auth/github-actions/login", {"role": "deploy", "jwt": self.key.token(claims)}, address
        )
        for secret in DEPLOYED:
            self._read(bao, CI, secret)

    def back_up(self) -> None:
        """The nightly job logs in by AppRole and reads what it backs up."""
        role_id = self.root.must("GET", f"auth/approle/role/{NIGHTLY}/role-id").data["role_id"]
        secret_id = self.root.must("POST", f"auth/approle/role/{NIGHTLY}/secret-id", {}).data["secret_id"]
        bao = self.speakers.log_in("auth/approle/login", {"role_id": role_id, "secret_id": secret_id}, "10.20.0.7")
        for secret in BACKED_UP:
            self._read(bao, NIGHTLY, secret)

    def use_root(self) -> None:
        """Somebody reads the bank's log-in with the root token."""
        self._read(self.root.seen_as(address="10.8.0.66"), "root", BANK)

    def steal(self) -> None:
        """Somebody uses a ledger pod's token from outside of the cluster: its reads look like the pod's own."""
        ledger = SERVICES[0]
        stolen = self.speakers.pod(ledger, self.pods(ledger)[0]).seen_as(address=ELSEWHERE)
        for secret in (BANK, BANK, *ledger.secrets[1:], "secret/prod/payout/psp-key"):
            self._read(stolen, ledger.account, secret)

    # The order of things ----------------------------------------------------------------------------------------

    def once(self) -> None:
        """Every act once, by every pod that it fits."""
        for service in SERVICES:
            for pod in self.pods(service):
                for secret in service.secrets + service.curious:
                    self.read(service, pod, secret)
                for role in service.database:
                    self.take_credentials(service, pod, role)
        ledger, web = SERVICES[0], SERVICES[3]
        self.hand_over(ledger, self.pods(ledger)[0], "secret/prod/ledger/signing")
        self.ask_for_nothing(web, self.pods(web)[0])
        self.look_up("alice", BANK)
        self.look_up("alice", "secret/prod/checkout/psp-key")
        self.change("bob", BANK)
        self.change("bob", OLD)
        if answer := self.upkeep.take_for_month_end():
            self.ledger.note(ORPHAN.account, f"database/creds/{ORPHAN.database[0]}", answer)
        self.upkeep.knock()
        self.mistype("alice")
        self.deploy()
        self.back_up()
        self.use_root()
        self.steal()

    def next_act(self, dice: random.Random) -> None:
        """One act at random; most are pods that read their own secrets."""
        service = dice.choice(SERVICES)
        pods = self.pods(service)
        if not pods:
            return
        pod = dice.choice(pods)
        secret = dice.choice(service.secrets)
        acts: list[tuple[int, Callable[[], object]]] = [
            (70, lambda: self.read(service, pod, secret)),
            (3, lambda: self.ask_for_nothing(service, pod)),
            (3, lambda: self.hand_over(service, pod, secret)),
            (3, lambda: self.look_up("alice", dice.choice(all_secrets()))),
            (3, lambda: self.change("bob", dice.choice(all_secrets()))),
            (2, lambda: self.mistype(dice.choice(PEOPLE))),
            (2, self.deploy),
            (1, self.back_up),
        ]
        if service.delivery != "vso":
            acts += [(8, partial(self.take_credentials, service, pod, role)) for role in service.database]
        acts += [(10, partial(self.read, service, pod, other)) for other in service.curious]
        dice.choices([act for _, act in acts], [weight for weight, _ in acts])[0]()

    def forever(self, every: float) -> None:
        """Act again and again, about `every` seconds apart; OpenBao may be away for a while."""
        dice = random.Random()  # noqa: S311 (a decoration)
        while True:
            try:
                self.show_the_finds()
                self.notice.tick()
                self.next_act(dice)
            except (OSError, YardError) as trouble:
                print(f"The story waits: {trouble}", flush=True)
                self.speakers.forget()
                time.sleep(2)
            time.sleep(every * dice.uniform(0.4, 1.6))


def main() -> int:
    """Tell the story that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.story", description=__doc__)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--setup-only", action="store_true", help="mounts, policies, roles and first values, no act")
    length.add_argument("--once", action="store_true", help="then every act once")
    length.add_argument("--forever", action="store_true", help="then acts at random until it is stopped")
    parser.add_argument("--json", action="store_true", help="with --once: print what was read and refused, by whom")
    parser.add_argument("--every", type=float, default=1.5, help="seconds between two acts (default 1.5)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        story = Story(Bao(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"]))
        new = story.lay()
        if options.once or (options.forever and new):
            story.once()
        if options.json:
            print(json.dumps(story.ledger.document(), indent=1))
        if options.forever:
            print("The company is at work.", flush=True)
            story.forever(options.every)
    except KeyError as missing:
        print(f"The story needs {missing.args[0]}: run it in bin/sandbox --vault.", file=sys.stderr)
        return 2
    except (OSError, YardError) as trouble:
        print(f"The story broke off: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
