"""The callers and secrets of the synthetic audit log, and the JSON that repeats from call to call."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from hashlib import sha256

IDENTITIES, SECRETS, PURSE = 2_000, 20_000, 200
_TEAMS = ("payments", "ledger", "search", "catalogue", "identity", "shipping", "billing", "risk", "mail", "web")
_ACL = '"policy_results":{"allowed":true,"granting_policies":[{"name":"%s","namespace_id":"root","type":"acl"}]},'
_REFUSED = '"policy_results":{"allowed":false},'
HOUR = 3_600_000_000_000


def hmac(salt: str, value: str) -> str:
    """Return what a device with this salt writes for a value: distinct per value and device, 64 hexadecimal digits."""
    return "hmac-sha256:" + sha256(f"{salt}\0{value}".encode()).hexdigest()


def uuid(number: int) -> str:
    """Return 128 bits in the form of a request id."""
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def skewed(draw: random.Random, size: int) -> int:
    """Return an index below `size`, cubically skewed: the first eighth gets half of the draws."""
    return int(size * draw.random() ** 3)


@dataclass(slots=True)
class Secret:
    """One KV v2 secret; its answer changes with each version."""

    name: str
    keys: tuple[str, ...]
    created: str
    version: int = 1
    answer: str = ""
    body: str = ""

    def renew(self, salt: str) -> None:
        """Work out the `data` of an answer and of a write for the version that is current."""
        values = ",".join(f'"{key}":"{hmac(salt, f"{self.name} {key} {self.version}")}"' for key in self.keys)
        self.body = f'"data":{{"data":{{{values}}}}},'
        self.answer = f'"data":{{"data":{{{values}}},"metadata":{self.metadata(salt)}}}'

    def metadata(self, salt: str) -> str:
        """Return the metadata object as OpenBao writes it: its empty deletion time is an HMAC too."""
        return (
            f'{{"created_time":"{self.created}","custom_metadata":null,"deletion_time":"{hmac(salt, "")}",'
            f'"destroyed":false,"version":{self.version}}}'
        )


@dataclass(slots=True)
class Caller:
    """One identity with the token that it holds now; `auth` and `refused` are the whole `auth` objects of its calls."""

    number: int
    name: str
    team: str
    kind: str
    uid: str
    entity: str
    addresses: list[str]
    purse: list[Secret] = field(default_factory=list)
    tokens: int = 0
    token: str = ""
    accessor: str = ""
    auth: str = ""
    refused: str = ""
    granted: str = ""

    @property
    def mount(self) -> str:
        """The auth method's mount."""
        return f"auth/{self.kind}/"

    def log_in(self, salt: str, issued: str) -> None:
        """Take a new token, issued at this time."""
        self.tokens += 1
        self.token = hmac(salt, f"token {self.number} {self.tokens}")
        self.accessor = hmac(salt, f"accessor {self.number} {self.tokens}")
        head = (
            f'{{"client_token":"{self.token}","accessor":"{self.accessor}","display_name":"{self.kind}-{self.team}-'
            f'{self.name}","policies":["default","{self.name}"],"token_policies":["default","{self.name}"],'
        )
        tail = f'"metadata":{self._metadata()},"entity_id":"{self.entity}","token_type":"service","token_ttl":3600'
        tail_issued = f'{tail},"token_issue_time":"{issued}"}}'
        self.auth = head + _ACL % self.name + tail_issued
        self.refused = head + _REFUSED + tail_issued
        self.granted = f"{head}{tail}}}"

    def _metadata(self) -> str:
        if self.kind == "approle":
            return f'{{"role_name":"{self.name}"}}'
        return (
            f'{{"role":"{self.name}","service_account_name":"{self.name}","service_account_namespace":"{self.team}",'
            f'"service_account_secret_name":"","service_account_uid":"{self.uid}"}}'
        )


def secrets(draw: random.Random, salt: str, created: str, number: int = SECRETS) -> list[Secret]:
    """Return the secrets, the most read first."""
    made = []
    for n in range(number):
        team = _TEAMS[n % len(_TEAMS)]
        keys = draw.choice((("password", "username"), ("value",), ("owner", "password", "username"), ("token",)))
        one = Secret(f"prod/{team}/{team}-{n // 40}/credential-{n}", keys, created)
        one.renew(salt)
        made.append(one)
    return made


def callers(draw: random.Random, salt: str, start: str, some: list[Secret], number: int = IDENTITIES) -> list[Caller]:
    """Return the callers, the busiest first, each with the secrets that its policy lets it read."""
    made = []
    for n in range(number):
        team = _TEAMS[n % len(_TEAMS)]
        one = Caller(
            number=n,
            name=f"{team}-service-{n}",
            team=team,
            kind="approle" if n % 10 == 9 else "kubernetes",
            uid=uuid(draw.getrandbits(128)),
            entity=uuid(draw.getrandbits(128)),
            addresses=[f"10.{n // 250}.{n % 250}.{10 + pod}" for pod in range(1 + n % 3)],
            purse=[some[skewed(draw, len(some))] for _ in range(PURSE)],
        )
        one.log_in(salt, start)
        made.append(one)
    return made
