"""One event, or what was learned of it later, as a line of JSON; names are looked up once for a whole page of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from audit.event import (
    AMENDS,
    BY_TOKEN,
    COLLAPSED,
    SEEN_REQUEST,
    SEEN_RESPONSE,
    SUSPICIOUS,
    SYNTHETIC,
    WRAPPED,
)
from audit.grades import grade
from audit.operations import OPERATIONS
from vault.reads import Disclosure, Outcome

# The columns of a row that becomes an item, as a SELECT over `audit_event` names them.
COLUMNS = (
    "id, time, request_id::text, principal, path, secret, address, version, duration, "
    "vault, device, operation, outcome, disclosed, flags"
)
Row = tuple[Any, ...]
POD = -2  # the operation of a row that is what was found out of an event's pod, `version` the key of what is said
Ask = Callable[[str, list[Any]], list[tuple[Any, ...]]]
SEEN = ((SEEN_REQUEST, "request"), (SEEN_RESPONSE, "response"))
NOTES = (
    (BY_TOKEN, "who_by_token"),
    (COLLAPSED, "path_collapsed"),
    (SYNTHETIC, "simulated"),
    (WRAPPED, "wrapped"),
    (SUSPICIOUS, "suspicious"),
)


def moment(time: datetime) -> str:
    """Return a time of UTC with its microseconds: `2026-03-14T09:00:00.000000Z`."""
    return f"{time.isoformat(timespec='microseconds')[:26]}Z"


def text(value: object) -> str:
    """Return a value as JSON."""
    return msgspec.json.encode(value).decode()


def lines(
    rows: Sequence[Row], names: Names, amends: dict[int, int], pods: Mapping[int, str] | None = None
) -> list[str]:
    """Return the JSON of rows, each the number of the event that a sighting or a pod is of, or 0, and then `COLUMNS`.

    `amends` tells of which event a row with that flag is the amendment. `pods` has what is known now of the pods of
    rows, by their number (see `pod`); without it each event is given as it was when it was accepted.
    """
    names.learn(rows)
    who, where, what, whence, tails, devices, unproven = (
        names.people, names.paths, names.secrets, names.addresses, names.tails, names.devices, names.unproven
    )  # fmt: skip
    known = pods or {}
    made: list[str] = []
    add = made.append
    for of, number, time, request, principal, path, secret, address, version, duration, *coded in rows:
        if of and coded[2] == POD:
            add(_found(number, of, time, names.pods[version]))
            continue
        if of:
            add(_sighting(number, of, time, devices[coded[1]], coded[-1]))
            continue
        if coded[2] < 0:
            add(_hidden(number, time, who[principal], whence[address], names.vaults[coded[0]], coded[3]))
            continue
        said = known.get(number) or unproven[principal]
        head = _EVENT
        if coded[-1] >= AMENDS:
            head = f'"type":"amendment","change":"response","amends":{amends[number]}'
            said = said if pods is not None else ""  # what the stream told of the event's pod still holds
        add(
            f'{{{head},"id":{number},"time":"{time.isoformat("T", "microseconds")[:26]}Z","request_id":"{request}",'
            f'{who[principal]},{said}{where[path]},{what[secret]},{whence[address]},"version":{version or "null"},'
            f'"duration_us":{duration if duration >= 0 else "null"},{tails[tuple(coded)]}}}'
        )
    return made


_EVENT = '"type":"event"'


def _sighting(number: int, event: int, time: datetime, device: str, sides: int) -> str:
    """Return another device's record of an event; `time` is that device's own, `device` is JSON already."""
    seen = text([word for bit, word in SEEN if sides & bit])
    return (
        f'{{"type":"amendment","change":"sighting","amends":{event},"id":{number},"time":"{moment(time)}",'
        f'"device":{device},"seen":{seen}}}'
    )


def pod(grade: str, cluster: str = "", uid: str = "", namespace: str = "", name: str = "", operator: str = "") -> str:
    """Return what is said of the pod of a call as fields, with a comma behind them."""
    named = f"{namespace}/{name}" if uid else None
    return (
        f'"pod":{text(named)},"pod_uid":{text(uid or None)},"cluster":{text(cluster or None)},"grade":{text(grade)},'
        f'"delivered_by":{text(operator or None)},'
    )


def _found(number: int, event: int, time: datetime, said: str) -> str:
    """Return what was found out of an event's pod after its acceptance; `time` is the event's."""
    return f'{{"type":"amendment","change":"pod","amends":{event},"id":{number},"time":"{moment(time)}",{said[:-1]}}}'


def _hidden(number: int, time: datetime, who: str, whence: str, vault: str, outcome: int) -> str:
    """Return an event beside a limited view: when, how it ended, who and from where, and that the rest is hidden."""
    return (
        f'{{"type":"event","id":{number},"time":"{moment(time)}",{who},{whence},"vault":{vault},'
        f'"outcome":"{Outcome(outcome).label}","hidden":true}}'
    )


class Names:
    """The names behind the numbers of rows, each as a piece of JSON; what a page needs and is not known is looked up.

    A dictionary's row never changes. Whoever keeps one of these has to drop it when the tables are others (`mark`).
    """

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.people = {0: '"principal_id":null,"principal":null,"kind":null'}
        self.unproven = {0: pod(grade(""))}
        self.pods: dict[int, str] = {}
        self.paths = {0: '"path":null,"namespace":null'}
        self.secrets = {0: '"secret_id":null,"secret":null'}
        self.addresses = {0: '"address":null'}
        self.devices: dict[int, str] = {0: "null"}
        self.vaults: dict[int, str] = {0: "null"}
        self.tails: dict[tuple[int, ...], str] = {}

    def learn(self, rows: Sequence[Row]) -> None:
        """Look up what these rows name and is not known yet: at most one statement for each dictionary."""
        for known, column, sql, form in (
            (self.people, 4, _PEOPLE, _person), (self.paths, 5, _PATHS, _path),
            (self.secrets, 6, _SECRETS, _secret), (self.addresses, 7, _ADDRESSES, _address),
            (self.vaults, 10, _VAULTS, _name), (self.devices, 11, _DEVICES, _name),
        ):  # fmt: skip
            wanted = {row[column] for row in rows}.difference(known)
            if wanted:
                told = self.ask(sql, [list(wanted)])
                known.update([(row[0], form(*row)) for row in told])
                if known is self.people:
                    self.unproven.update([(row[0], pod(grade(row[2]))) for row in told])
        said = {row[8] for row in rows if row[0] and row[12] == POD}.difference(self.pods)
        if said:
            self.pods.update([(key, pod(*told)) for key, *told in self.ask(_PODS, [list(said)])])
        for coded in {row[10:] for row in rows if not row[0]}.difference(self.tails):
            self.tails[coded] = self._tail(*coded)

    @property
    def many(self) -> bool:
        """Whether so much is known that it is time to begin anew."""
        known = (self.people, self.paths, self.secrets, self.addresses, self.pods)
        return max(len(one) for one in known) > _MOST or len(self.tails) > _MOST

    def _tail(self, vault: int, device: int, operation: int, outcome: int, disclosed: int, flags: int) -> str:
        seen = text([word for bit, word in SEEN if flags & bit])
        notes = text([word for bit, word in NOTES if flags & bit])
        return (
            f'"vault":{self.vaults[vault]},"device":{self.devices[device]},"operation":"{OPERATIONS[operation]}",'
            f'"outcome":"{Outcome(outcome).label}","disclosed":"{Disclosure(disclosed).label}","seen":{seen},'
            f'"notes":{notes}'
        )


_MOST = 100_000
_PEOPLE = "SELECT id, name, kind FROM audit_principal WHERE id = ANY(%s)"
_PATHS = "SELECT id, path, namespace FROM audit_path WHERE id = ANY(%s)"
_SECRETS = "SELECT id, name FROM audit_secret WHERE id = ANY(%s)"
_ADDRESSES = "SELECT id, address FROM audit_address WHERE id = ANY(%s)"
_PODS = (
    "SELECT id, grade, cluster, pod_uid, pod_namespace, pod_name, delivered_by FROM audit_toldpod WHERE id = ANY(%s)"
)
_VAULTS = "SELECT id, name FROM audit_vault WHERE id = ANY(%s)"
_DEVICES = "SELECT id, name FROM audit_device WHERE id = ANY(%s)"


def _person(key: int, name: str, kind: str) -> str:
    return f'"principal_id":{key},"principal":{text(name)},"kind":{text(kind)}'


def _path(_: int, path: str, namespace: str) -> str:
    return f'"path":{text(path)},"namespace":{text(namespace.strip("/"))}'


def _secret(key: int, name: str) -> str:
    return f'"secret_id":{key},"secret":{text(name)}'


def _address(_: int, address: str) -> str:
    return f'"address":{text(address)}'


def _name(_: int, name: str) -> str:
    return text(name)
