"""A pod is named where it is proven, and every recorded caller is named rightly or not at all."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from inventory.attribution import NAMING, RULE, SENTENCES, Calibration, Grade, Token, Verdict, World, attribute
from inventory.binding import LATE
from inventory.calibration import calibrated
from inventory.history import History
from inventory.lives import Life, Span, moment
from inventory.verdict import Deliveries
from tests.inventory import older, recording

S = 1_000_000
PROVEN = (Grade.EXACT, Grade.STRONG)


def verdicts(seen, world, reads) -> list[tuple[dict, Verdict]]:
    """The verdict of each true call that the log has."""
    calls = {call.id: call for call in seen.calls}
    some = [(one, calls[one["request_id"]]) for one in reads if one["request_id"] in calls]
    return [(one, attribute(seen.tokens[call.token], call.address, call.at, world)) for one, call in some]


def wrong(told, uid_of):
    return [(one, verdict) for one, verdict in told if verdict.pod is not None and verdict.pod.uid != uid_of(one)]


# --- the recorded cluster


@pytest.fixture(scope="module")
def cluster():
    seen, world = recording.recorded_world()
    return verdicts(seen, world, recording.truth()["reads"])


def test_no_recorded_read_is_given_to_a_wrong_pod_and_nearly_all_are_proven(cluster):
    assert not wrong(cluster, lambda one: one["pod"])
    grades = Counter(verdict.grade in PROVEN for one, verdict in cluster if one["kind"] == "pod")
    assert grades.total() == 284
    assert grades[True] / grades.total() >= 0.95


def test_all_five_kinds_of_stolen_tokens_are_conflicts(cluster):
    stolen = {one["case"]: verdict.grade for one, verdict in cluster if one["kind"] == "thief"}
    assert stolen == dict.fromkeys(
        ["stolen-token", "stolen-token-outside", "same-account-neighbour", "stolen-token-with-pod-claim",
         "stolen-service-account-token"], Grade.CONFLICT,
    )  # fmt: skip
    assert not [one for one, verdict in cluster if verdict.grade == Grade.CONFLICT and one["kind"] != "thief"]


def test_reused_addresses_mislead_nobody(cluster):
    reused = {one["ip"] for one in recording.truth()["ip_reuse"]}
    told = [(one, verdict) for one, verdict in cluster if one["source"] in reused and one["kind"] == "pod"]
    assert len({one["pod"] for one, _ in told}) == 6
    for one, verdict in told:
        uids = {pod.uid for pod in verdict.candidates} if verdict.pod is None else {verdict.pod.uid}
        assert one["pod"] in uids


def test_what_operators_read_is_delivered(cluster):
    told = {(one["kind"], verdict.delivered_by, verdict.grade) for one, verdict in cluster if one["kind"] in
            ("operator", "provider")}  # fmt: skip
    assert told == {
        ("operator", "Vault Secrets Operator", Grade.STRONG),
        ("operator", "External Secrets Operator", Grade.STRONG),
        ("provider", "Vault CSI provider", Grade.STRONG),
    }
    assert not any(verdict.delivered_by for one, verdict in cluster if one["kind"] == "pod")


def test_where_the_proxies_are_not_known_nothing_recorded_is_proven_by_an_address():
    seen, world = recording.recorded_world(proxies=None)
    told = verdicts(seen, world, recording.truth()["reads"])
    assert not wrong(told, lambda one: one["pod"])
    assert not any(verdict.grade == Grade.STRONG for _, verdict in told)
    assert any(verdict.grade == Grade.EXACT for _, verdict in told)


def test_an_operator_that_is_asked_for_nobody_is_in_conflict():
    seen, world = recording.recorded_world()
    reads = [one for one in recording.truth()["reads"] if one["kind"] == "operator"]
    ends = max(moment(one["at"]) for one in reads)
    none = replace(world, deliveries={"c1": Deliveries(until=ends + LATE)})
    assert {verdict.grade for _, verdict in verdicts(seen, none, reads)} == {Grade.CONFLICT}


def test_as_long_as_it_is_not_known_who_asks_an_operator_nothing_is_held_against_it():
    seen, world = recording.recorded_world()
    reads = [one for one in recording.truth()["reads"] if one["kind"] == "operator"]
    begins, ends = min(moment(one["at"]) for one in reads), max(moment(one["at"]) for one in reads)
    late = replace(world, deliveries={"c1": Deliveries(until=begins)})
    told = [verdict for _, verdict in verdicts(seen, late, reads)]
    assert {verdict.grade for verdict in told} == {Grade.POSSIBLE}
    assert all("picture_late" in verdict.reasons and verdict.candidates for verdict in told)
    before = replace(world, deliveries={"c1": Deliveries(since=ends, until=ends + LATE)})
    assert {verdict.grade for _, verdict in verdicts(seen, before, reads)} == {Grade.STRONG}


# --- the older recording and what may stand between


def older_reads():
    identities = older.truth()["identities"]
    calls = [call for call in older.truth()["calls"] if call["secret"] and call["status"] == 200]
    return [call | {"request_id": call["audit_request_id"]} for call in calls
            if identities[call["identity"]]["kind"] in ("pod", "stolen-token")]  # fmt: skip


def uid_of(call):
    return older.truth()["identities"][call["identity"]].get("pod_uid")


def test_the_older_recording_names_nobody_wrongly_and_finds_its_thief():
    seen, world = older.world(older.unpacked("audit.log"), older.history())
    told = verdicts(seen, world, older_reads())
    assert not wrong(told, uid_of)
    pods = [verdict.grade in PROVEN for one, verdict in told if uid_of(one)]
    assert len(pods) > 500 and sum(pods) / len(pods) >= 0.95
    thief = {verdict.grade for one, verdict in told if one["identity"] == "intruder"}
    assert thief == {Grade.CONFLICT}
    assert not [one for one, verdict in told if verdict.grade == Grade.CONFLICT and one["identity"] != "intruder"]


def test_addresses_reused_after_a_pods_end_mislead_nobody():
    ended = sorted((one for one in older.pods().values() if one.get("gone")), key=lambda one: one["gone"])
    begun = sorted((one for one in older.pods().values() if not one.get("gone")), key=lambda one: one["first"])[-5:]
    taken = {new["address"]: old["address"] for new, old in zip(begun, ended, strict=False)}
    assert taken
    raw = older.rewritten(lambda line: taken.get(line["request"].get("remote_address")))
    seen, world = older.world(raw, older.history(lambda one: taken.get(one["address"], one["address"])))
    told = verdicts(seen, world, older_reads())
    assert not wrong(told, uid_of)


@pytest.mark.parametrize("shown", ["pods keep their addresses", "pods show the node's address"])
def test_behind_one_address_for_each_node_nothing_is_above_the_service_account(shown):
    nodes = {one["address"]: "10.9.0." + older.node_of(one)[-1] for one in older.pods().values()}
    raw = older.rewritten(lambda line: nodes.get(line["request"].get("remote_address")))
    own = shown == "pods keep their addresses"
    lives = older.history(lambda one: one["address"] if own else nodes[one["address"]])
    seen, world = older.world(raw, lives)
    told = [verdict for one, verdict in verdicts(seen, world, older_reads()) if uid_of(one)]
    assert len(told) > 500
    assert {verdict.grade for verdict in told} == {Grade.ACCOUNT}


@pytest.mark.parametrize("proxies", [None, frozenset(), frozenset({"10.9.9.9"})], ids=["unknown", "none", "listed"])
@pytest.mark.parametrize("forged", ["of another account", "of nobody", "of the same account"])
def test_an_unlisted_proxy_that_forwards_a_false_address_misleads_nobody(proxies, forged):
    pods = list(older.pods().values())
    victim = next(one for one in pods if one["service"] == "ledger")
    same = next(one for one in pods if one["service"] == "ledger" and one is not victim)
    other = next(one for one in pods if one["service"] == "cart")
    false = {"of another account": other["address"], "of nobody": "203.0.113.9", "of the same account": same["address"]}
    through = [call["audit_request_id"] for call in older.truth()["calls"] if call["identity"] == victim["identity"]]
    raw = older.rewritten(lambda line: false[forged] if line["request"]["id"] in through[4:] else None)
    seen, world = older.world(raw, older.history(), proxies=proxies)
    assert not wrong(verdicts(seen, world, older_reads()), uid_of)


# --- rules one by one


def life(uid, account, address, start=0, end=None, **more):
    spans = [Span(address, start * S, None if end is None else end * S)]
    node = more.pop("node", "n1")
    return Life(uid, "shop", f"{uid}-pod", account, node, more.pop("host_network", False), start * S, start * S,
                None if end is None else end * S, spans=spans, **more)  # fmt: skip


def world_of(*lives, **more):
    known = {
        "histories": {"c1": History("c1", lives)},
        "accounts": {"u-web": ("c1", "shop", "web"), "u-api": ("c1", "shop", "api")},
        "calibrations": {"c1": Calibration(10, 10, frozenset({"n1"}))},
        "proxies": frozenset(),
    }
    return World(**(known | more))


def token(account="web", address="10.0.0.1", at=100, **more):
    meta = {"service_account_uid": f"u-{account}"} | more.pop("metadata", {})
    return Token(("shop", account), meta, True, "auth/k/", address, at * S, at * S, **more)


def grade_of(world, one=None, address="10.0.0.1", at=100):
    return attribute(one or token(), address, at * S, world)


def test_one_pod_at_the_address_with_the_tokens_account_is_strong():
    told = grade_of(world_of(life("a", "web", "10.0.0.1")))
    assert (told.grade, told.pod.uid, told.rule) == (Grade.STRONG, "a", RULE)
    assert "this pod alone" in told.evidence


def test_both_families_of_a_pods_addresses_are_its_own():
    one = life("a", "web", "10.0.0.1")
    one.spans.append(Span("fd00::1", 0))
    assert grade_of(world_of(one), address="FD00::0:1").grade == Grade.STRONG


def test_within_five_seconds_of_a_change_both_pods_are_candidates():
    world = world_of(life("a", "web", "10.0.0.1", 0, 98), life("b", "web", "10.0.0.1", 98))
    told = grade_of(world)
    assert (told.grade, {pod.uid for pod in told.candidates}) == (Grade.POSSIBLE, {"a", "b"})
    later = replace(token(), last_at=200 * S)
    assert grade_of(world, later, at=200).pod.uid == "b"


def test_an_end_that_nobody_watched_is_in_doubt():
    one = life("a", "web", "10.0.0.1", 0, 300)
    one.spans[0].sure = 90 * S
    told = grade_of(world_of(one))
    assert (told.grade, told.pod) == (Grade.POSSIBLE, None)
    assert "ended_unsure" in told.reasons


def test_pods_that_are_not_known_yet_may_have_taken_the_address():
    world = world_of()
    late = replace(world, histories={"c1": History("c1", [life("a", "web", "10.0.0.1")], horizon=101 * S)})
    assert grade_of(late).reasons[-1] == "picture_late"
    assert grade_of(late, token("api")).grade == Grade.POSSIBLE
    assert grade_of(late).grade == Grade.POSSIBLE


def test_a_login_of_another_clusters_account_of_the_same_name_names_nobody():
    one = token(metadata={"service_account_uid": "u-web-elsewhere"})
    world = world_of(life("a", "web", "10.0.0.1"), links={"auth/k/": "c1"})
    assert grade_of(world, one).grade == Grade.ACCOUNT


def test_a_mount_that_nothing_links_to_a_cluster_names_nobody():
    world = world_of(life("a", "web", "10.0.0.1"), accounts={})
    assert grade_of(world).reasons == ("unlinked",)


def test_a_claim_counts_under_any_key_and_only_if_it_fits():
    world = world_of(life("a", "web", "10.0.0.1"), life("b", "api", "10.0.0.2"))
    claim = token(metadata={"whatever": "a"})
    assert grade_of(world, claim).grade == Grade.EXACT
    assert grade_of(world, token(metadata={"whatever": "b"})).grade == Grade.CONFLICT
    assert grade_of(world, claim, address="10.0.0.2").grade == Grade.CONFLICT
    assert grade_of(world, token(metadata={"pod_uid": "nobody"})).pod is None
    differs = token(metadata={"pod_uid": "a", "pod_name": "b-pod"})
    assert grade_of(world, differs).grade == Grade.CONFLICT


def test_a_claim_by_name_is_a_pods_of_that_time():
    old, new = life("a", "web", "10.0.0.1", 0, 50), life("b", "web", "10.0.0.1", 200)
    old.name = new.name = "web-0"
    world = world_of(old, new)
    claim = token(metadata={"pod_name": "web-0"})
    assert grade_of(world, replace(claim, at=40 * S), at=40).pod.uid == "a"
    assert grade_of(world, replace(claim, at=300 * S), at=300).pod.uid == "b"
    assert grade_of(world, replace(claim, at=100 * S), at=100).pod is None


def test_what_nobody_signed_claims_nothing():
    world = world_of(life("a", "web", "10.0.0.1"))
    told = grade_of(world, replace(token(metadata={"pod_uid": "a"}), signed=False))
    assert (told.grade, told.pod) == (Grade.POSSIBLE, None)


def test_a_login_within_ten_seconds_of_its_pods_end_is_no_conflict():
    world = world_of(life("a", "web", "10.0.0.1", 0, 100))
    claim = token(metadata={"uid": "a"}, at=110)
    assert grade_of(world, claim, at=110).grade == Grade.POSSIBLE
    assert grade_of(world, replace(claim, at=200 * S), at=200).reasons == ("claim_dead",)


def test_a_call_after_its_pods_end_from_an_address_that_is_nobodys_is_only_possible():
    told = grade_of(world_of(life("a", "web", "10.0.0.1", 0, 150)), at=200)
    assert (told.grade, told.candidates[0].uid) == (Grade.POSSIBLE, "a")


def test_a_token_that_is_used_by_the_next_pod_of_its_address_is_a_conflict():
    world = world_of(life("a", "web", "10.0.0.1", 0, 150), life("b", "web", "10.0.0.1", 151))
    assert grade_of(world, at=200).grade == Grade.CONFLICT


def test_a_nodes_address_is_strong_for_its_only_pod_and_only_where_other_pods_show_their_own():
    host = life("h", "web", "10.0.0.1", host_network=True)
    other = life("g", "api", "10.0.0.1", host_network=True)
    assert grade_of(world_of(host)).grade == Grade.STRONG
    hidden = {"c1": Calibration(10, 10, frozenset({"n2"}))}
    assert grade_of(world_of(host, calibrations=hidden)).grade == Grade.ACCOUNT
    assert grade_of(world_of(host, other)).grade == Grade.LIKELY


def test_an_address_behind_which_several_accounts_log_in_is_a_relays_and_no_conflict():
    ingress = life("i", "ingress", "10.0.0.9")
    lives = [ingress, *(life(f"p{n}", f"sa{n}", f"10.0.1.{n}") for n in range(20))]
    accounts = {f"u-sa{n}": ("c1", "shop", f"sa{n}") for n in range(20)}
    logins = [token(f"sa{n}", "10.0.0.9" if n < 6 else f"10.0.1.{n}") for n in range(20)]
    world = calibrated(logins, world_of(*lives, accounts=accounts))
    assert world.calibrations["c1"].relays == {"10.0.0.9"}
    assert grade_of(world, logins[0], "10.0.0.9").grade == Grade.ACCOUNT
    assert grade_of(world, logins[10], "10.0.1.10").grade == Grade.STRONG


def test_a_mount_is_linked_by_addresses_where_no_uid_tells_but_never_by_names_alone():
    lives = [life(f"p{n}", "web", f"10.0.1.{n}") for n in range(8)]
    elsewhere = [life(f"q{n}", "web", f"10.7.1.{n}") for n in range(8)]
    histories = {"c1": History("c1", lives), "c2": History("c2", elsewhere)}
    logins = [Token(("shop", "web"), {}, True, "auth/k/", f"10.0.1.{n}", 100 * S) for n in range(8)]
    world = World(histories, proxies=frozenset())
    assert calibrated(logins, world).links == {"auth/k/": "c1"}
    assert calibrated(logins[:3], world).links == {}


def test_people_and_pipelines_are_not_named_by_an_address():
    world = world_of(life("a", "web", "10.0.0.1"))
    person = Token(None, {"username": "alice"}, False)
    assert attribute(person, "192.0.2.1", 100 * S, world).grade == Grade.UNKNOWN
    inside = attribute(person, "10.0.0.1", 100 * S, world)
    assert (inside.grade, inside.pod, inside.candidates[0].uid) == (Grade.POSSIBLE, None, "a")


def test_every_reason_has_its_sentence(cluster):
    reasons = {reason for _, verdict in cluster for reason in verdict.reasons}
    assert reasons <= SENTENCES.keys()
    assert all(verdict.evidence for _, verdict in cluster)
    assert all((verdict.pod is not None) == (verdict.grade in NAMING) for _, verdict in cluster)


def test_the_recorded_truth_is_of_the_time_of_its_watch():
    assert moment(recording.truth()["meta"]["started"]) < moment(recording.truth()["meta"]["ended"])


# --- what somebody forges


def behind_a_relay(*lives, **more):
    return world_of(*lives, calibrations={"c1": Calibration(10, 10, relays=frozenset({"10.0.0.9"}))}, **more)


def test_a_person_whose_profile_holds_a_pods_uid_is_not_that_pod():
    world = behind_a_relay(life("a", "web", "10.0.0.1"))
    person = Token(None, {"email": "mallory@example.org", "nickname": "a"}, True, "auth/oidc/", "10.0.0.9", 100 * S)
    told = attribute(person, "10.0.0.9", 100 * S, world)
    assert (told.grade, told.pod, told.candidates) == (Grade.UNKNOWN, None, ())


def test_a_role_that_is_called_like_a_pods_uid_claims_nothing():
    world = behind_a_relay(life("a", "web", "10.0.0.1"), life("b", "web", "10.0.0.2"))
    chosen = token(address="10.0.0.9", metadata={"role": "a"})
    assert attribute(chosen, "10.0.0.9", 100 * S, world).pod is None


def test_another_cluster_that_a_vault_trusts_signs_no_claims_of_this_ones_pods():
    histories = {"c1": History("c1", [life("a", "web", "10.0.0.1")]), "c2": History("c2", [])}
    world = behind_a_relay(histories=histories, links={"auth/other/": "c2"})
    forged = Token(("shop", "web"), {"pod_uid": "a"}, True, "auth/other/", "10.0.0.9", 100 * S)
    told = attribute(forged, "10.0.0.9", 100 * S, world)
    assert (told.grade, told.pod, told.reasons[0]) == (Grade.ACCOUNT, None, "claim_unknown")


def test_one_login_with_another_clusters_uid_does_not_say_which_cluster_a_mount_serves():
    histories = {"c1": History("c1", [life("a", "web", "10.0.0.1")]), "c2": History("c2", [])}
    honest = [Token(("shop", "web"), {"service_account_uid": "u-web"}, True, "auth/k/", "10.0.0.1", 100 * S)] * 9
    odd = replace(honest[0], metadata={"service_account_uid": "u-2"})
    known = {"u-web": ("c1", "shop", "web"), "u-2": ("c2", "shop", "web")}
    world = World(histories, known, proxies=frozenset())
    assert calibrated([*honest, odd], world).links == {"auth/k/": "c1"}
    unknown = [replace(one, metadata={"service_account_uid": "u-3"}) for one in honest]
    assert calibrated([*unknown, odd], world).links == {}


def labelled(uid, account, address, name, node):
    return life(uid, account, address, node=node, labels={"app.kubernetes.io/name": name})


@pytest.mark.parametrize(("node", "grade"), [("n1", Grade.STRONG), ("n2", Grade.CONFLICT)])
def test_a_pods_own_token_is_delivered_by_a_provider_of_its_node_alone(node, grade):
    provider = labelled("p", "csi", "10.0.0.7", "vault-csi-provider", node)
    world = world_of(life("a", "web", "10.0.0.1"), provider)
    told = grade_of(world, token(address="10.0.0.7", metadata={"pod_uid": "a"}), address="10.0.0.7")
    assert (told.grade, bool(told.delivered_by)) == (grade, grade == Grade.STRONG)


def test_a_pods_own_token_is_delivered_by_no_operator_that_asks_for_tokens_of_its_own():
    impostor = labelled("p", "mallory", "10.0.0.7", "external-secrets", "n1")
    world = world_of(life("a", "web", "10.0.0.1"), impostor)
    told = grade_of(world, token(address="10.0.0.7", metadata={"pod_uid": "a"}), address="10.0.0.7")
    assert told.grade == Grade.CONFLICT
