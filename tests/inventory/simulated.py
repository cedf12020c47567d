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

    def __init__(self, seed: int, lives: int, *, watched: float = 0.98) -> None:
        self.dice = Random(seed)
        self.offset = self.dice.randint(-SKEW, SKEW) * 9 // 10  # the vault's clock less the cluster's
        self.watched = watched
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
        """What a watch tells of them: some ends are seen by a later list only."""
        lives, events = Lives(), []
        for pod in self.pods:
            events += [(pod.start + self.dice.randint(0, S), 0, pod), (pod.end, 1, pod)]
        missed: set[str] = set()
        for at, kind, pod in sorted(events, key=lambda one: one[:2]):
            if kind == 0:
                lives.see(max(at, pod.start), pod.sight)
            elif self.dice.random() < self.watched:
                lives.gone(at, pod.sight.uid)
            else:
                missed.add(pod.sight.uid)
        for uid in missed:
            life = lives.of[uid]
            lives.see(life.seen, next_sight(life))
            one = Lives([life])
            one.listed(max(pod.end for pod in self.pods if pod.sight.uid == uid) + self.dice.randint(0, 90 * S), [])
        return lives

    def world(self, *, proxies: frozenset[str] | None = frozenset()) -> World:
        nodes = frozenset(f"n{number}" for number in range(NODES))
        history = History("c1", self.told.of.values())
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
                yield Said(token, pod.address, at, pod, pod)
            if dice.random() < stolen:
                thief = dice.choice(self.pods)
                if thief.address != pod.address:  # the next on the same address is told apart by time alone
                    yield Said(token, thief.address, dice.randint(thief.start, thief.end) + self.offset, thief, pod)


def next_sight(life) -> Sight:
    """The same pod, seen as it was."""
    return Sight(life.uid, life.namespace, life.name, life.service_account, life.node,
                 addresses=tuple(span.address for span in life.spans), started=life.start)  # fmt: skip
