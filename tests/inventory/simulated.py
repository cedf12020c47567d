"""A made-up cluster that reuses addresses, where every caller is known: the oracle of attribution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from inventory.attribution import Calibration, Token, World
from inventory.history import SKEW, History
from inventory.lives import Lives, Sight

S = 1_000_000
NODES = 20
ACCOUNTS = 8


@dataclass(frozen=True)
class Made:
    """One pod as it really was; moments are of the cluster's clock."""

    sight: Sight
    address: str
    start: int
    end: int
    claims: bool


@dataclass(frozen=True)
class Said:
    """One call in the vault's log and the pod that really made it; `login` is the pod whose token it was."""

    token: Token
    address: str
    at: int
    caller: Made
    owner: Made


class Fleet:
    """Pods that follow each other on few addresses, half of them as the same service account as the one before."""

    def __init__(self, seed: int, lives: int, *, cuts: int = 3, late: bool = True) -> None:
        self.dice = Random(seed)
        self.offset = self.dice.randint(-SKEW, SKEW) * 9 // 10  # the vault's clock less the cluster's
        self.cuts, self.late = cuts, late
        self.pods: list[Made] = []
        addresses = max(2, lives // 40)
        for number in range(addresses):
            self._fill(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", lives // addresses, number)
        self.told = self._watch()

    def _fill(self, address: str, count: int, number: int) -> None:
        dice, at, account = self.dice, self.dice.randint(0, 100 * S), 0
        for turn in range(count):
            at += dice.choice([0, dice.randint(0, S), dice.randint(0, 60 * S)])
            account = account if dice.random() < 0.5 else dice.randrange(ACCOUNTS)
            end = at + dice.choice([dice.randint(S, 4 * S), dice.randint(10 * S, 600 * S)])
            uid = f"{number}-{turn}"
            sight = Sight(uid, "shop", f"pod-{uid}", f"sa-{account}", f"n{number % NODES}", addresses=(address,),
                          started=at // S * S)  # fmt: skip
            self.pods.append(Made(sight, address, at, end, dice.random() < 0.1))
            at = end

    def _watch(self) -> Lives:
        """What a watch tells of them: it begins with a list, and is away for stretches that end with another."""
        end = max(pod.end for pod in self.pods)
        away = [(self.dice.randint(0, end), self.dice.choice([1, 5, 300, 900])) for _ in range(self.cuts)]
        self.first = self.dice.choice([0, end // 3]) if self.late else 0
        gaps = [(0, self.first)] + [(at, at + seconds * S) for at, seconds in away]
        lives, reached = Lives(), 0
        for since, until in sorted(gaps):
            self._tell(lives, reached, since)
            if until > reached:
                alive = [pod for pod in self.pods if pod.start <= until < pod.end]
                for pod in alive:
                    lives.see(until, pod.sight)
                lives.listed(until, [pod.sight.uid for pod in alive], known_until=max(reached, since))
            reached = max(reached, since, until)
        self._tell(lives, reached, end)
        return lives

    def _tell(self, lives: Lives, since: int, until: int) -> None:
        """Tell what happens in (since, until]."""
        events = [(pod.start, 1, pod) for pod in self.pods] + [(pod.end, 0, pod) for pod in self.pods]
        for at, kind, pod in sorted(events, key=lambda one: one[:2]):
            if since < at <= until:
                if kind:
                    lives.see(at, pod.sight)
                else:
                    lives.gone(at, pod.sight.uid)

    def world(self, *, proxies: frozenset[str] | None = frozenset()) -> World:
        nodes = frozenset(f"n{number}" for number in range(NODES))
        history = History("c1", self.told.of.values(), gaps=self.told.gaps)
        accounts = {f"uid-{n}": ("c1", "shop", f"sa-{n}") for n in range(ACCOUNTS)}
        return World({"c1": history}, accounts, proxies=proxies, calibrations={"c1": Calibration(100, 100, nodes)})

    def calls(self, each: int = 2, stolen: float = 0.02) -> Iterator[Said]:
        """Calls at honest addresses; now and then a pod uses another's token from its own address."""
        dice = self.dice
        for pod in self.pods:
            times = sorted(dice.randint(pod.start, pod.end) + self.offset for _ in range(each + 1))
            account = pod.sight.service_account
            meta = {"service_account_uid": account.replace("sa", "uid")} | (
                {"the_pod": pod.sight.uid} if pod.claims else {}
            )
            token = Token(("shop", account), meta, True, "auth/k/", pod.address, times[0], times[-1])
            for at in times:
                if self.first and abs(at - self.offset - self.first) < 2 * SKEW:
                    continue  # who ended just before the first list of all is unknown, and is not thought of
                yield Said(token, pod.address, at, pod, pod)
            if dice.random() < stolen:
                thief = dice.choice(self.pods)
                if thief.address != pod.address:  # the next on the same address is told apart by time alone
                    yield Said(token, thief.address, dice.randint(thief.start, thief.end) + self.offset, thief, pod)
