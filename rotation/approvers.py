"""The facts that approvals are judged by, read from rows: the rule of a change, who votes, and what was voted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.db import connection, transaction
from django.db.models import Q

from accounts import ties
from accounts.models import ApiToken, TrailEntry, User
from accounts.not_done import NotDone
from accounts.trail import Subject, record
from rotation import lifecycle, rules
from rotation.ballot import (
    Asker,
    ChangeFacts,
    Channel,
    Group,
    Means,
    Membership,
    No,
    Proof,
    Risk,
    Tie,
    Tied,
    Token,
    Verdict,
    Vote,
    Voter,
)
from rotation.effects import touched
from rotation.models import ApprovalPolicy, Change
from rotation.models import Verdict as VerdictRow
from rotation.planning import Refused, parts_of
from rotation.rules import Rule

EVERYTHING = "everything"  # the policy that a new Keybook begins with
APPROVE_SCOPE = "changes:approve"
SCHEDULED = ("rotation.schedule.made", "rotation.schedule.changed")
SEEN = ("username", "role", "is_active", "email", "epoch")  # of a person, what the worker may read


def policies(at: datetime | None = None) -> list[Rule]:
    """Return the approval policies that hold now, or that held at a time."""
    rows = ApprovalPolicy.objects.order_by("name", "pk")
    if at is None:
        return [_rule(row) for row in rows.filter(ended_at=None)]
    return [_rule(row) for row in rows.filter(Q(ended_at=None) | Q(ended_at__gt=at), made_at__lte=at)]


def policy(name: str) -> Rule | None:
    """Return the approval policy of this name that holds now."""
    row = ApprovalPolicy.objects.filter(name=name, ended_at=None).first()
    return _rule(row) if row else None


@transaction.atomic
def set_up(proof: str, approvers: str, *, actor: str) -> dict[str, Any]:
    """Set the policy for everything before anybody has asked for a change, and return it. Raises `NotDone`."""
    if proof not in rules.STRENGTH:
        raise NotDone(f"“{proof[:40]}” is no proof. It is {', '.join(rules.STRENGTH)}.")
    if approvers not in {str(number) for number in range(1, 11)}:
        raise NotDone(f"“{approvers[:20]}” approvers can't be asked for. Ask for 1 to 10.")
    if Change.objects.exists():
        raise NotDone("Changes were asked for already: ask for a change of the approval policy instead.")
    ApprovalPolicy.objects.filter(name=EVERYTHING, ended_at=None).update(proof=proof, approvers=int(approvers))
    record(actor, "rotation.policy.set_up", Subject("policy", None, EVERYTHING), details={"proof": proof})
    found = policy(EVERYTHING)
    if found is None:
        raise NotDone(f"There is no policy “{EVERYTHING}” any more.")
    return rules.document(found)


def takes_tokens() -> bool:
    """Return whether some approval policy takes votes by API token; which changes it is about is asked at each vote."""
    return any(rule.effect == rules.REQUIRE and rule.takes(Proof.API_TOKEN) for rule in policies())


def database_time() -> datetime:
    """Return PostgreSQL's clock: expiry and freshness go by one clock, whatever a machine thinks."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found


def _rule(row: ApprovalPolicy) -> Rule:
    return Rule(
        name=row.name,
        targets=tuple(row.targets),
        effect=row.effect,
        risk=Risk(row.risk),
        approvers=row.approvers,
        roles=frozenset(row.roles) or rules.APPROVING,
        people=frozenset(row.people),
        groups=frozenset(Group(*one) for one in row.groups),
        proof=Proof(row.proof),
        hours=row.hours,
    )


def rule_for(target: str, subject: str, risk: str, at: datetime | None = None) -> Rule:
    """Return what a change of this target and subject needs. Raises `rotation.planning.Refused`, which names the rule.

    Ask it when a change is asked for and give `rules.document(rule)` and `rule.hours` to `actions.request`.
    """
    found = rules.choose(policies(at), f"{target}:{subject}", Risk(risk))
    if isinstance(found, No):
        raise Refused(found.sentence, code=found.way)
    return found


def rule_of_plan(document: Mapping[str, Any], risk: str, at: datetime | None = None) -> Rule | No:
    """Return what a change of this plan needs, or why nobody may approve it: the strictest of the whole and its parts.

    So a plan of several parts is no way around a rule that is about one of them, and a plan that is named after a pod
    none around a rule about one of its leases.
    """
    whole = (f"{document['target']}:{document['subject']}", Risk(risk))
    parts = [(f"{one.target}:{one.subject}", Risk(one.risk)) for one in parts_of(document)]
    return rules.choose_all(policies(at), [whole, *parts], touched(document))


def rule_for_plan(document: Mapping[str, Any], risk: str) -> Rule:
    """Return the same for a change that is asked for now. Raises `rotation.planning.Refused`, which names the rule."""
    found = rule_of_plan(document, risk)
    if isinstance(found, No):
        raise Refused(found.sentence, code=found.way)
    return found


def rule_of(change: Change) -> Rule | No:
    """Return the rule that was frozen with a change, or why there is none that can be read."""
    try:
        return rules.read(change.rule)
    except (KeyError, TypeError, ValueError):
        return No(f"{change.name} has no approval policy that can be read. Ask for it anew.", "no_rule")


def facts_of(change: Change, rule: Rule, asked: datetime | None = None) -> ChangeFacts:
    """Return a change as policies see it."""
    asker = User.objects.only(*SEEN).filter(pk=change.asker_id or 0).first()
    at = asked or change.asked_at
    held = _ties(asker, at) if asker else ()
    editors = schedulers(change)
    return ChangeFacts(
        id=change.name,
        plan_hash=change.plan_hash,
        asker=Asker(change.asker_id or 0, change.asker_name),
        asked=at,
        risk=Risk(change.risk),
        rule_digest=rules.rule_digest(rule),
        approvers=rule.approvers,
        open=change.state in {lifecycle.REQUESTED, lifecycle.APPROVED},
        editors=frozenset(editors),
        ties=held,
        editor_ties=tuple(_editor_ties(editors - {change.asker_id or 0}, at)),
    )


def _editor_ties(editors: set[int], at: datetime) -> Iterable[tuple[str, Tie]]:
    """Yield who counts as one person with somebody that drew the plan: a schedule's editors may be others than now."""
    for editor in User.objects.only(*SEEN).filter(pk__in=editors).order_by("pk"):
        yield from ((editor.username, tie) for tie in _ties(editor, at))


def schedulers(change: Change) -> set[int]:
    """Return who made or changed the schedule that asked for a change, by the trail: none of them approves it."""
    kept = change.asked_for.values_list("schedule_id", flat=True).first() if change.asked_by == "schedule" else None
    if kept is None:
        return set()
    some = TrailEntry.objects.filter(verb__in=SCHEDULED, subject_kind="schedule", subject_id=kept)
    return {key for key in some.values_list("actor_id", flat=True) if key is not None}


def _ties(user: User, at: datetime) -> tuple[Tie, ...]:
    return tuple(Tie(one.person, one.name, Tied(one.why), one.at) for one in ties.same_person(user, at).values())


def voter_of(user: User, means: Means, at: datetime, impersonator: int | None = None) -> Voter:
    """Return a person as a voter, as their account is now; ties are those at the time of the vote."""
    return Voter(
        id=user.pk,
        name=user.username,
        role=user.role,
        active=user.is_active,
        means=means,
        memberships=tuple(_memberships(user)),
        ties=_ties(user, at),
        impersonator=impersonator,
    )


def _memberships(user: User) -> Iterable[Membership]:
    """Yield the groups that the provider named at the last sign-in; a group is known by the provider and its id."""
    for data in SocialAccount.objects.filter(user=user).values_list("extra_data", flat=True):
        for name in data.get("groups", ()):
            yield Membership(Group(data["issuer"], name, name))


def token_of(token_id: int) -> Token | None:
    """Return an API token as a means to vote, with whoever made it by the trail; None if it is good for nothing."""
    row = ApiToken.objects.only("owner_id", "scopes").filter(pk=token_id, revoked=None).first()
    if row is None:
        return None
    made = TrailEntry.objects.filter(verb="accounts.token.made", subject_kind="token", subject_id=token_id).first()
    minted = (made.actor_id, made.actor_name) if made else (None, "")
    return Token(row.owner_id, *minted, may_approve=APPROVE_SCOPE in row.scopes)


def verdicts_of(change: Change) -> list[VerdictRow]:
    """Return the verdicts on a change that are not void, the oldest first."""
    return list(VerdictRow.objects.filter(change=change, void=False).order_by("at", "pk"))


def votes_of(change: Change, rows: Sequence[VerdictRow] | None = None) -> list[Vote]:
    """Return the verdicts on a change that are not void, or these, each with its voter as they are now."""
    rows = verdicts_of(change) if rows is None else rows
    people = User.objects.only(*SEEN).in_bulk({row.person_id for row in rows})
    return [_vote(change, row, people.get(row.person_id)) for row in rows]


def _vote(change: Change, row: VerdictRow, user: User | None) -> Vote:
    means = means_of(row)
    gone = Voter(id=row.person_id, name=row.person_name, role="", active=False, means=means)
    return Vote(
        change=change.name,
        plan_hash=row.plan_hash,
        verdict=Verdict(row.verdict) if row.verdict in set(Verdict) else Verdict.REJECT,
        voter=voter_of(user, means, row.at) if user else gone,
        at=row.at,
        mark=str(row.pk),
    )


def means_of(row: VerdictRow) -> Means:
    """Return how a kept verdict was given. That a session was fresh then is the web process's word, and no more."""
    proof = Proof(row.proof) if row.proof in set(Proof) else None
    if proof == Proof.API_TOKEN:
        token = token_of(row.token_id) if row.token_id else None
        return Means(Channel.API, proof, token=token)
    return Means(Channel.PAGE if proof else Channel.COMMAND, proof, proved_at=row.at)
