"""A playbook is one plan: settled when it is made, each part judged by its own rules, and what is left is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from accounts.scope import EVERYTHING, Area, Scope
from cluster.blast import Blast
from inventory.models import Cluster, Mount, PodLife
from inventory.sightings import Had, HeldToken, Reach, Taken
from rotation import approvers, asking, glass, plan, playbooks, queries, redraw, standing
from rotation.actions import Asked, request
from rotation.approving import NotApproved
from rotation.asking import Want
from rotation.ballot import No
from rotation.estate import Eater, Estate
from rotation.models import ApprovalPolicy, Change
from rotation.planning import Refused, Wish
from tests.rotation.asked import person
from tests.rotation.vaults import NOW, connected, enrol, held

pytestmark = pytest.mark.django_db
SECRET = "secret/prod/ledger/bank-sftp"
ACCOUNT = "payments/ledger"
LEAKED, POD, IN = "leaked-static-secret", "compromised-pod", "args.inputs."

ENROLLED = (
    ("kv", "write", "secret/"), ("kv", "destroy", "secret/"), ("token", "revoke", ""), ("entity", "disable", ""),
    ("lease", "revoke", "database/creds/payments-rw"), ("database_role", "rotate", "database/"),
    ("transit", "rotate", "transit/"),
)  # fmt: skip


class Books:
    """A record that shows one pod: what it read, with which tokens, and who else had the secret."""

    def __init__(self, **more):
        now = datetime.now(UTC)
        self.until = now - timedelta(seconds=2)
        self.held, self.read, self.held_tokens = [held(expires=None)], [], []
        self.ids = ["e-1"]
        for name, value in more.items():
            setattr(self, name, value)
        self.asked = []

    def leases(self, **which):
        return [one for one in self.held if which.get("pod", one.pod_uid) == one.pod_uid]

    def leases_among(self, leases, *, ended, **which):
        return [one for one in self.leases(**which) if one.lease_id in leases]

    def had(self, vault, namespace, mount, path, since, until):
        self.asked.append((since, until))
        return [
            Had(ACCOUNT, "service_account", "payments/ledger-1", "exact", "", 41, 0, since, until, (7, 8)),
            Had("mallory", "human", "", "unknown", "", 1, 2, since, until, (8,)),
        ]

    def taken(self, since, until, *, pod="", principal=""):
        self.asked.append((since, until))
        return [Taken("demo", name, "KV v2", "exact", 3, since, until, 8) for name in self.read]

    def tokens(self, since, until, *, pod="", principal=""):
        return [HeldToken("demo", one, ACCOUNT, "e-1", "exact", since, until) for one in self.held_tokens]

    def entities(self, vault, principal):
        return self.ids

    def reach(self, vault, since):
        return Reach(self.until)


@pytest.fixture(autouse=True)
def _may_generate(monkeypatch):
    monkeypatch.setattr(plan, "may_generate", lambda: ("demo:secret/*",))


@pytest.fixture
def demo():
    """A connected vault in which everything that the playbooks do is enrolled, and one pod."""
    made = connected()
    for target, verb, mount in ENROLLED:
        enrol(made, target, verb, mount)
    cluster = Cluster.objects.create(name="prod", uid="prod")
    PodLife.objects.create(cluster=cluster, uid="u1", namespace="payments", name="ledger-1", service_account="ledger",
                           started=NOW, seen_at=NOW, change=1)  # fmt: skip
    return made


@pytest.fixture
def eaters(monkeypatch):
    """Two workloads get every secret; both must be restarted."""
    common = {"cluster": "prod", "namespace": "payments", "kind": "Deployment", "methods": ["injector"],
              "k8s_secret": "", "service_accounts": [], "needs_restart": "always", "restarted_by": ""}  # fmt: skip
    some = [Eater(name=name, uid=name, pods=[f"{name}-1"], **common) for name in ("ledger", "payout")]

    def restart(_self, _cluster, kind, namespace, name, _secret=""):
        blast = Blast(kind, namespace, name, name, (f"{name}-1",), 1, 1, 0, (), "", ())
        return SimpleNamespace(blast=blast, owner="", fingerprint="f")

    monkeypatch.setattr(Estate, "consumers", lambda *_: [])
    monkeypatch.setattr(Estate, "eaters", lambda *_: some)
    monkeypatch.setattr(Estate, "restart", restart)


def draw(name, books=None, wish=None, **inputs):
    return plan.make("playbook", {"playbook": name, "inputs": inputs}, books or Books(), wish or Wish("playbook"))


def kinds(made):
    return [one["step"] for one in made.document["steps"]]


def leaked(books=None, **more):
    return draw("leaked-static-secret", books, **{"secret": SECRET, "way": "generated", "keys": ["password"], **more})


def pod(books=None, **more):
    return draw("compromised-pod", books, **{"which": "u1", **more})


def test_a_leaked_secret_is_replaced_restarted_proven_and_retired_and_who_had_it_stands_in_the_plan(demo, eaters):
    made = leaked(since="7d")
    assert kinds(made) == [
        "write_kv", "restart_rollout", "restart_batch", "verify_delivery", "retire_version",
    ]  # fmt: skip
    document = made.document
    assert (document["verb"], document["subject"], document["vault"]) == ("Replace leaked secret", SECRET, "demo")
    assert document["parts"] == [{"target": "kv", "subject": SECRET, "risk": "high", "family": "rotate"}]
    assert made.risk == "high"
    answer = document["answers"][0]
    assert answer["title"] == f"Who had {SECRET}"
    assert [row[0] for row in answer["rows"]] == [ACCOUNT, "mallory"]
    assert answer["rows"][0][-1] == "v7 v8"
    assert "The record is complete until" in answer["says"][1]
    assert document["left"][0]["subject"] == f"{SECRET} at whoever issued it"


def test_everything_is_settled_so_that_drawing_it_again_comes_to_the_same_plan(demo, eaters):
    books = Books()
    made = leaked(books, since="7d")
    settled = made.document["args"]
    assert settled["sha256"] == playbooks.one("leaked-static-secret").sha256
    assert settled["at"] == books.until.strftime("%Y-%m-%dT%H:%M:%SZ")
    again = plan.make("playbook", settled, books, Wish("playbook"))
    assert again.hash == made.hash
    assert books.asked[0] == books.asked[1], "the same stretch of the record"
    change = Change(target="playbook", args=settled, plan=made.document, plan_hash=made.hash)
    assert redraw.differs(change, books) == ""
    books.had = lambda *_: []
    assert redraw.differs(change, books) == "", "what the record learned of the past changes nothing that is done"


def test_another_file_than_was_planned_with_is_refused(demo, eaters, monkeypatch):
    made = leaked()
    book = playbooks.one("leaked-static-secret")
    monkeypatch.setattr(playbooks, "one", lambda _name: playbooks.read(book.name, _data() + b"\n# more\n"))
    change = Change(target="playbook", args=made.document["args"], plan=made.document, plan_hash=made.hash)
    assert "its file has changed" in redraw.differs(change, Books())


def _data():
    return (playbooks.folder() / "leaked-static-secret.yaml").read_bytes()


def test_a_compromised_pod_is_cut_off_first_then_what_it_read_is_rotated_all_values_before_any_restart(demo, eaters):
    books = Books(read=[SECRET, "secret/prod/web/tls"], held_tokens=["acc-1", "hmac-sha256:ab"])
    books.held += [held("database/creds/payments-rw/two", pod_uid="u2")]
    made = pod(books)
    assert kinds(made) == [
        "disable_entity", "revoke_leases", "revoke_leases", "revoke_token", "notify", "verify_revoked",
        "await_version", "await_version", "restart_rollout", "restart_batch", "verify_delivery", "verify_delivery",
        "retire_version", "retire_version",
    ]  # fmt: skip
    steps = [one["args"] for one in made.document["steps"]]
    assert steps[1]["leases"] == ["database/creds/payments-rw/abc"]
    assert steps[2]["leases"] == ["database/creds/payments-rw/two"], "none is revoked twice"
    assert steps[3]["accessor"] == "acc-1", "before a proof that may wait for a database"
    assert steps[5] == {"revoked_by": [2, 3], "namespace": ""}
    assert steps[10]["cordoned"] == [ACCOUNT]
    left = {one["subject"]: one for one in made.document["left"]}
    assert "hmac_accessor=false" in left["1 token"]["mend"]
    assert "payments/ledger-1 itself" in left
    assert made.document["subject"] == "payments/ledger-1"
    assert made.document["blast_radius"]["figures"][0]["count"] == 2


def test_what_is_not_enrolled_or_has_no_rotation_is_named_with_its_mend_and_not_left_out_in_silence(demo, eaters):
    books = Books(read=[SECRET, "legacy/old", "database/creds/payments-rw", "nowhere/x", "cubbyhole/y"])
    Mount.objects.create(connection=demo, path="other/", accessor="o", type="kv", kv_version=2, seen_first=NOW)
    books.read.append("other/not/enrolled")
    made = pod(books)
    left = {one["subject"]: f"{one['says']} {one['mend']}" for one in made.document["left"]}
    assert "KV version 1" in left["Rotate a KV secret: legacy/old"]
    assert "bao policy write keybook-op-kv-write" in left["Rotate a KV secret: other/not/enrolled"]
    assert "credentials by lease" in left["database/creds/payments-rw"]
    assert "No mount of a connected vault holds 'nowhere/x'" in left["nowhere/x"]
    assert kinds(made).count("await_version") == 1


def test_without_rotating_it_only_cuts_off(demo, eaters):
    assert kinds(pod(Books(read=[SECRET]), rotate=False)) == [
        "disable_entity", "revoke_leases", "notify", "verify_revoked",
    ]  # fmt: skip


def test_what_has_ended_is_told_and_the_rest_is_done(demo, eaters):
    made = pod(Books(held=[]))
    assert kinds(made) == ["disable_entity", "notify"]
    assert [one["says"] for one in made.document["left"]][:1] == ["No live lease is known there."]


@pytest.mark.parametrize("name, inputs, code, field, words", [
    ("leaked-secret", {}, "not_there", "args.playbook", "Did you mean leaked-static-secret?"),
    (LEAKED, {}, "bad_args", IN + "secret", "The secret that leaked is missing."),
    (LEAKED, {"secret": SECRET, "colour": "red"}, "bad_args", IN + "colour", "It takes secret, since"),
    (LEAKED, {"secret": SECRET, "since": "soon"}, "bad_args", IN + "since", "'soon' is no time"),
    (LEAKED, {"secret": SECRET, "since": "2099-01-01"}, "bad_args", IN + "since", "not in the past"),
    (LEAKED, {"secret": SECRET, "way": "guess"}, "bad_args", IN + "way", "none of adopt, generated"),
    (LEAKED, {"secret": ["x"]}, "bad_args", IN + "secret", "takes a text"),
    (LEAKED, {"secret": SECRET, "keys": [1]}, "bad_args", IN + "keys", "takes a list"),
    (LEAKED, {"secret": SECRET, "keys": ["a"]}, "bad_args", "steps[0].with", "keys and policy say nothing"),
    (LEAKED, {"secret": "nowhere/x"}, "not_there", "args.secret", "No mount of a connected vault holds"),
    (LEAKED, {"secret": "database/creds/a"}, "not_possible", "", "credentials by lease"),
    (POD, {"which": "payments/nobody"}, "not_there", "args.pod", "No pod was ever seen as 'payments/nobody'"),
    (POD, {"which": "u1", "rotate": "perhaps"}, "bad_args", IN + "rotate", "takes yes or no"),
])  # fmt: skip
def test_bad_input_is_refused_with_what_why_and_its_place(demo, name, inputs, code, field, words):
    with pytest.raises(Refused) as refused:
        draw(name, **inputs)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert words in str(refused.value)


def test_a_leaked_secret_that_is_not_enrolled_is_refused_with_the_policy_to_apply():
    connected()
    with pytest.raises(Refused) as refused:
        leaked()
    assert refused.value.code == "not_enrolled"
    assert "bao policy write keybook-op-kv-write" in str(refused.value)


def test_a_pod_is_found_by_its_name_where_only_one_had_it(demo, eaters):
    assert pod(which="payments/ledger-1").document["subject"] == "payments/ledger-1"
    PodLife.objects.create(cluster=Cluster.objects.get(), uid="u9", namespace="payments", name="ledger-1",
                           service_account="ledger", started=NOW, seen_at=NOW, change=2)  # fmt: skip
    with pytest.raises(Refused, match=r"2 pods were ever seen as 'payments/ledger-1'\. Give one of the uids u1, u9"):
        pod(which="payments/ledger-1")


# Approvals


def ask(made, asker):
    rule = approvers.rule_for_plan(made.document, made.risk)
    return rule, request(asker, made, "It leaked.", Asked(), rule=approvers.rules.document(rule), hours=rule.hours)


def test_a_playbook_needs_the_strictest_of_what_its_parts_need(demo, eaters):
    ApprovalPolicy.objects.create(name="prod secrets", targets=["kv:secret/prod/*"], approvers=2, hours=8)
    rule, change = ask(leaked(), person("ann"))
    assert (rule.approvers, rule.hours, change.expires_at - change.asked_at < timedelta(hours=9)) == (2, 8, True)


def test_a_rule_that_forbids_a_part_forbids_the_playbook_and_breaking_the_glass_does_not_help(demo, eaters):
    ApprovalPolicy.objects.create(name="hands off", targets=["entity:payments-*"], effect="deny")
    made = pod(rotate=False)
    with pytest.raises(Refused, match="“hands off” forbids entity:payments-ledger"):
        ask(made, person("ann"))
    with pytest.raises(Refused, match="hands off"):
        glass.break_glass(person("bob"), made, "The pod is in other hands since two o'clock.", Asked(),
                          proved_at=approvers.database_time())  # fmt: skip


def test_the_glass_breaks_for_a_playbook_that_only_revokes_and_never_for_one_that_rotates(demo, eaters):
    reason, ann = "The pod is in other hands since two o'clock.", person("ann")
    for rotates, why in ((pod(Books(read=[SECRET])), "loses nothing that is revoked"), (leaked(), "for revocations")):
        with pytest.raises(NotApproved, match=why):
            glass.break_glass(ann, rotates, reason, Asked(), proved_at=approvers.database_time())
    made = glass.break_glass(ann, pod(rotate=False), reason, Asked(), proved_at=approvers.database_time())
    assert (made.state, made.break_glass) == ("approved", True)


def test_the_executor_judges_a_playbook_by_its_parts_again(demo, eaters, monkeypatch):
    ApprovalPolicy.objects.create(name="prod secrets", targets=["kv:secret/prod/*"], approvers=2)
    _, change = ask(leaked(), person("ann"))
    change.redrawn.create(plan_hash=change.plan_hash)
    found = standing.judged_rule(change)
    assert not isinstance(found, No) and found.approvers == 2
    weaker = {**change.rule, "approvers": 1, "name": "everything"}
    Change.objects.filter(pk=change.pk).update(rule=weaker)
    change.refresh_from_db()
    assert standing.judged_rule(change).way == "rule"


def test_a_limited_person_gets_no_plan_that_reaches_outside_of_their_view(demo, eaters, monkeypatch):
    monkeypatch.setattr(asking, "books", lambda: Books(read=[SECRET]))
    mine = Scope(((Area("demo", "", "secret/prod"),),))
    want = Want("playbook", {"playbook": "leaked-static-secret", "inputs": {"secret": SECRET}})
    assert asking.draw(want, mine).document["subject"] == SECRET
    other = Want("playbook", {"playbook": "compromised-pod", "inputs": {"which": "u1"}})
    with pytest.raises(Refused, match="Nothing that you may see is called so"):
        asking.draw(other, mine)
    assert asking.draw(other, EVERYTHING).document["subject"] == "payments/ledger-1"
    named_alike = Scope(((Area("demo", "", "payments"),),))  # a path of the vault, and the pod's namespace
    with pytest.raises(Refused, match="Nothing that you may see is called so"):
        asking.draw(other, named_alike)
    Change.objects.create(
        target="playbook", args={}, vault="demo", verb="Contain", subject="payments/ledger-1", plan_hash="", reason="x",
        plan=asking.draw(other, EVERYTHING).document, expires_at=NOW,
    )  # fmt: skip
    assert queries.seen(EVERYTHING).exists() and not queries.seen(named_alike).exists()
