"""What the first page shows: a question, ready questions with their counts, what is wrong, what can be seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from urllib.parse import urlencode

from django.urls import reverse

from accounts.may import may
from accounts.models import User
from accounts.scope import Scope
from audit import coverage, event_search, lookup, old_holders, pulse
from audit.event_filter import Filter, condition
from audit.lease_questions import Outlived, Wish, leases, outlived
from audit.principal import Kind
from audit.query_tree import Match, Value, matches, show
from dashboard import cluster_words, histogram
from dashboard.changes_page import Item, item
from dashboard.lease_words import exposed
from dashboard.record_holes import Known, known
from dashboard.source_health import SourceHealth, Trouble
from dashboard.time_range import PRESETS
from dashboard.words import counted, unit, visible
from inventory import cluster_questions, freshness
from inventory.cluster_questions import Stuck
from rotation import channels, findings, playbooks, queries
from rotation.playbook import Playbook

DAY, WEEK = timedelta(days=1), timedelta(days=7)
NEEDS = 5  # changes that are named
OLD = 3  # secrets of which pods hold old versions


@dataclass(frozen=True, slots=True)
class Ready:
    """A ready question: its words, its count and what is counted, its page; `look` when somebody must look."""

    words: str
    count: int
    unit: str
    url: str
    look: str = ""  # the class of a count that is no mere fact


@dataclass
class HomePage:
    """The first page now."""

    now: datetime
    scope: Scope
    person: User

    @cached_property
    def needs_me(self) -> list[Item]:
        """Return the first changes that wait for a word of the person, what ends soonest first."""
        return [item(one, self.now) for one in queries.for_me(self.person, self.scope)[:NEEDS]]

    @cached_property
    def moving(self) -> int:
        """Return how many changes run, are about to, or stopped."""
        return queries.moving(self.scope).count()

    @property
    def ranges(self) -> list[tuple[str, str]]:
        """Return the ranges of the question."""
        return [(key, words) for key, (_, _, words) in PRESETS.items()]

    @cached_property
    def sources(self) -> SourceHealth:
        """Return the state of the sources, over a day."""
        return SourceHealth(self.now, self.scope, DAY)

    @cached_property
    def troubles(self) -> list[Trouble]:
        """Return what is wrong, the gravest first."""
        found = [
            *_findings(self.now, self.scope),
            *_untold(self.now, self.person),
            *self.sources.troubles,
            *_outlived(self.outlived, self.now),
            *_clusters(self.now, self.scope, self.stuck),
        ]
        return sorted(found, key=lambda trouble: not trouble.grave)

    @cached_property
    def record(self) -> Known:
        """Return what is known of the last day."""
        since = self.now - DAY
        return known(coverage.group_by_vault(self.sources.records), since, self.now, self.now)

    @cached_property
    def _bins(self) -> list[event_search.Bin]:
        one = Filter(self.now - DAY, self.now, scope=self.scope)
        return event_search.timeline(one, condition(one))

    @cached_property
    def chart(self) -> histogram.Chart:
        """Return the last day."""
        return histogram.chart(self.record.buckets(self._bins), self.missing)

    @property
    def missing(self) -> str:
        """Return how much of the last day is not known, in words."""
        return self.record.missing

    @cached_property
    def ready(self) -> list[Ready]:
        """Return the ready questions."""
        used = pulse.used_by([Kind.HUMAN, Kind.ROOT, Kind.ANONYMOUS], self.now - WEEK, self.now, scope=self.scope)
        none = pulse.Used(0, 0, 0, 0)
        people, root = used.get(Kind.HUMAN, none), used.get(Kind.ROOT, none)
        denied = sum(bar.denied for bar in self._bins)
        reads = f"{unit(people.reads, 'read')} by {people.principals}"
        return [
            Ready("Calls denied, last 24 hours", denied, unit(denied, "call"), _events("outcome:denied", "24h")),
            Ready(
                "Secrets read by people, last 7 days", people.reads,
                reads, _events("kind:human disclosed:value,credential,key,plaintext", "7d"),
            ),
            Ready(
                "The root token used, last 7 days", root.events, unit(root.events, "call"),
                _events("kind:root", "7d"), "warn-words" if root.events else "",
            ),
        ]  # fmt: skip

    @cached_property
    def outlived(self) -> Outlived:
        """Return how many leases outlive their pod."""
        return outlived(scope=self.scope, now=self.now)

    @cached_property
    def stuck(self) -> Stuck:
        """Return how many pods do not get their secrets; none for the limited, whose view has no pods."""
        return cluster_questions.stuck() if self.scope.everything else Stuck(0, "")

    @cached_property
    def live(self) -> list[Ready]:
        """Return the ready questions about what is live; of pods none to the limited."""
        leases, pods = reverse("lease-list"), reverse("pod-list")
        orphans = self.outlived.count
        found = [_live("Leases held by pods that are gone", orphans, "lease", f"{leases}?orphaned=yes")]
        if self.scope.everything:
            old = cluster_questions.pod_rows(cluster_questions.Filter(old=True)).count()
            found += [
                _live("Pods on an old version of a secret", old, "pod", f"{pods}?old=yes"),
                _live("Pods that do not get their secrets", self.stuck.pods, "pod", f"{pods}?troubled=yes"),
            ]
        return found

    @property
    def playbooks(self) -> list[Playbook]:
        """Return the playbooks that can be run."""
        return playbooks.good()

    @property
    def counts(self) -> str:
        """Return the counts in front of the closing line."""
        return f"{counted(sum(bar.count for bar in self._bins), 'event')} in 24 hours."


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that a question may mean, with the page that answers it."""

    match: lookup.Match
    url: str


@dataclass
class Question:
    """The words in the one field, and what they may mean."""

    asked: str
    range: str
    scope: Scope

    @cached_property
    def exact(self) -> list[Found]:
        """Return what is named exactly so."""
        return [Found(one, self._url(one)) for one in lookup.what_is(self.asked, scope=self.scope)]

    @cached_property
    def near(self) -> list[Found]:
        """Return what begins so."""
        return [Found(one, self._url(one)) for one in lookup.what_begins(self.asked, scope=self.scope)]

    @property
    def answer(self) -> str:
        """Return the one page that answers; empty when the words mean nothing, or several things."""
        if self.asked.endswith("*"):
            return _events(show(matches("secret", [self.asked])), self.range)
        found = self.exact or self.near
        return found[0].url if len(found) == 1 else ""

    def _url(self, one: lookup.Match) -> str:
        if one.sort == "address":
            return _events(show(Match("address", (Value(one.name),))), self.range)
        page = "secret-detail" if one.sort == "secret" else "principal-detail"
        return f"{reverse(page, args=[one.id])}?{urlencode({'range': self.range})}"


def _findings(now: datetime, scope: Scope) -> list[Trouble]:
    """Return what stands against what Keybook itself did, as one line."""
    found = findings.standing(scope, now)
    if not found:
        return []
    stand = f"{counted(len(found), 'finding')} {'stands' if len(found) == 1 else 'stand'} against what Keybook did"
    grave = any(one.severity == "critical" for one in found)
    return [Trouble(stand, visible(found[0].says), grave=grave, url=reverse("finding-list"))]


def _untold(now: datetime, person: User) -> list[Trouble]:
    """Return that people are not told what they should be, for who can mend it."""
    if not may(person, "notices.change"):
        return []
    url = reverse("settings-notices")
    if (since := channels.stuck_since(now)) is not None:
        fact = f"Notices wait since {since:%H:%M:%S} UTC, and nobody is told"
        return [Trouble(fact, "The worker notices does not run, or its database is away.", grave=True, url=url)]
    lost = channels.given_up()
    return [Trouble(f"{counted(lost, 'notice')} given up within a week", "Each says why.", url=url)] if lost else []


@dataclass
class Present:
    """The words in the field about what is live: a lease's id, a secret, or a part of a pod's or workload's name."""

    asked: str
    scope: Scope
    now: datetime

    @property
    def answer(self) -> str:
        """Return the page that shows it now."""
        lease = leases(Wish(), scope=self.scope, now=self.now).filter(lease_id=self.asked.strip("/")).first()
        if lease is not None:
            return reverse("lease-detail", args=[lease.pk])
        secrets = [one for one in lookup.what_is(self.asked, scope=self.scope) if one.sort == "secret"]
        if len(secrets) == 1:
            return f"{reverse('secret-detail', args=[secrets[0].id])}?present=now"
        namespace, slash, name = self.asked.partition("/")
        which = {"namespace": namespace, "name": name} if slash and "/" not in name else {"name": self.asked}
        return f"{reverse('pod-list')}?{urlencode(which)}"


def _live(words: str, count: int, noun: str, url: str) -> Ready:
    return Ready(words, count, unit(count, noun), url, "warn-words" if count else "")


def _outlived(found: Outlived, now: datetime) -> list[Trouble]:
    """Return that leases outlive their pod, where some do."""
    if not found.count or found.since is None:
        return []
    one = found.count == 1
    fact = f"{counted(found.count, 'lease')} {'outlives its' if one else 'outlive their'} pod"
    which = "Its pod" if one else "The first of these pods"
    mend = f"{which} ended {exposed(now - found.since)} ago, and nobody asked for the lease's end."
    return [Trouble(fact, mend, url=f"{reverse('lease-list')}?orphaned=yes")]


def _clusters(now: datetime, scope: Scope, stuck: Stuck) -> list[Trouble]:
    """Return which pictures of clusters are stale, and which pods do not get their secrets; nothing for the limited."""
    if not scope.everything:
        return []
    pictures = [cluster_words.picture(one, now) for one in freshness.clusters(now)]
    found = [
        Trouble(f"The picture of {visible(one.cluster)} is {one.words}", one.note, url=reverse("pod-list"))
        for one in pictures
        if one.stale
    ]
    return [*found, *_stuck(stuck), *_old()] if pictures else found


def _stuck(found: Stuck) -> list[Trouble]:
    """Return that pods do not get their secrets, with the cause of most of them."""
    if not found.pods:
        return []
    does = "does not get its secrets" if found.pods == 1 else "do not get their secrets"
    fact = f"{counted(found.pods, 'pod')} {does}"
    says = f"Most often: {visible(found.says)}" if found.pods > 1 else visible(found.says)
    return [Trouble(fact, says, url=f"{reverse('pod-list')}?troubled=yes")]


def _old() -> list[Trouble]:
    """Return that pods hold an old version of a secret, a line for each of the secrets with most of such pods."""
    found = old_holders.old(OLD)
    lines = [
        Trouble(
            f"{counted(one.pods, 'pod')} {'holds' if one.pods == 1 else 'hold'} an old version of {visible(one.name)}",
            "Its page tells which, since when, and what gives them the new one.",
            url=f"{reverse('secret-detail', args=[one.id])}?present=now#behind",
        )
        for one in found.secrets
    ]
    if found.more:
        more = f"Pods hold an old version of {counted(found.more, 'more secret')}"
        lines.append(Trouble(more, "The list of pods shows them.", url=f"{reverse('pod-list')}?old=yes"))
    return lines


def _events(query: str, key: str) -> str:
    return f"{reverse('event-list')}?{urlencode({'q': query, 'range': key})}"
