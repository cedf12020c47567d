"""One watch: what it shows equals what the server has, whatever the server and the network do."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from msgspec.structs import replace as replace_struct

from cluster.client import Client
from cluster.picture import Seen
from cluster.place import Address
from cluster.resources import RESOURCES
from cluster.turn import hold
from cluster.watch import Watching
from sandbox.kube_resources import kind_of
from tests.cluster.watched import HASTY, Diary, eventually, pod, versions, watched


@pytest.fixture
def shop(kube):
    kube.store.namespace("shop")
    for number in range(20):
        kube.store.put(pod(f"web-{number:02}"))
    return kube


def drop(kube, name: str):
    stored = kube.store.get(kind_of("pods", ""), "shop", name)
    kube.store.drop(stored)


def same(kube, diary, resource="pods", group=""):
    eventually(lambda: diary.seen.get(resource) and diary.versions(resource) == versions(kube, resource, group))


def asked(kube, verb: str, resource: str = "pods"):
    return [one for one in list(kube.requests) if (one.verb, one.resource) == (verb, resource)]


def test_a_list_comes_in_pages_and_is_watched_from_its_version(shop):
    with watched(shop.url, shop.token, "pods") as diary:
        same(shop, diary)
        eventually(lambda: asked(shop, "watch"))
    lists = asked(shop, "list")
    assert [one.query["limit"] for one in lists] == ["7", "7", "7"]
    assert "continue" not in lists[0].query and all("continue" in one.query for one in lists[1:])
    assert {"allowWatchBookmarks", "timeoutSeconds", "resourceVersion"} <= asked(shop, "watch")[0].query.keys()


def test_creates_updates_and_deletes_arrive(shop):
    with watched(shop.url, shop.token, "pods") as diary:
        same(shop, diary)
        shop.store.put(pod("new"))
        shop.store.put(pod("web-03", changed="yes"))
        drop(shop, "web-04")
        same(shop, diary)
    assert [kind for kind, _ in diary.events] == ["ADDED", "MODIFIED", "DELETED"]
    assert [exact for _, _, exact in diary.deleted] == [True]


def test_a_turn_resumes_from_where_the_last_one_ended_without_a_list(shop):
    diary = Diary()
    with watched(shop.url, shop.token, "pods", picture=diary):
        same(shop, diary)
    drop(shop, "web-05")
    shop.store.put(pod("later"))
    with watched(shop.url, shop.token, "pods", picture=diary):
        same(shop, diary)
    assert diary.lists == 1
    assert [exact for _, _, exact in diary.deleted] == [True], "the watch told it, not a list"


def test_what_was_deleted_while_nobody_looked_is_told_by_the_next_list(shop):
    diary = Diary()
    with watched(shop.url, shop.token, "pods", picture=diary):
        same(shop, diary)
    drop(shop, "web-06")
    shop.restart()
    with watched(shop.url, shop.token, "pods", picture=diary):
        same(shop, diary)
    assert diary.lists == 2
    assert [exact for _, _, exact in diary.deleted] == [False]


def test_a_namesake_that_was_made_anew_is_another_object(shop):
    diary = Diary()
    with watched(shop.url, shop.token, "pods", picture=diary):
        same(shop, diary)
    before = set(diary.seen["pods"].objects)
    drop(shop, "web-07")
    shop.store.put(pod("web-07"))
    shop.restart()
    with watched(shop.url, shop.token, "pods", picture=diary):
        same(shop, diary)
    assert len(before - set(diary.seen["pods"].objects)) == 1 and len(diary.deleted) == 1


def test_a_version_that_is_gone_is_listed_anew_whether_told_as_an_event_or_as_a_status(shop):
    diary = Diary()
    with watched(shop.url, shop.token, "pods", picture=diary):
        same(shop, diary)
        shop.restart()  # ends the watch; the version is told as too old by an ERROR event in an answer 200
        eventually(lambda: diary.lists == 2)
        same(shop, diary)
        eventually(lambda: diary.seen["pods"].state == "watching")
        shop.faults.fail(410, "watch", "pods")
        shop.cut()
        eventually(lambda: diary.lists == 3)
        same(shop, diary)
    assert not [state for _, state, _ in diary.states if state == "away"]


def test_a_page_that_is_gone_has_the_list_begin_again(shop):
    shop.faults.fail(410, "list", "pods", times=1)
    with watched(shop.url, shop.token, "pods") as diary:
        same(shop, diary)
    assert diary.lists == 2


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_an_error_of_the_server_is_told_and_waited_out(shop, code):
    shop.faults.fail(code, "list", "pods", times=3)
    with watched(shop.url, shop.token, "pods") as diary:
        same(shop, diary)
        eventually(lambda: diary.seen["pods"].state == "watching")
    assert ("away", str(code)) in [(state, word) for _, state, text in diary.states for word in text.split()
                                   if word.strip(":") == str(code) or word == str(code)] or any(
        str(code) in text for _, state, text in diary.states if state == "away"
    )  # fmt: skip


def test_a_server_that_wants_to_be_left_alone_is(shop):
    shop.faults.fail(429, "list", "pods", retry_after=1)
    with watched(shop.url, shop.token, "pods") as diary:
        same(shop, diary)
    first, second = asked(shop, "list")[:2]
    assert second.at - first.at >= 0.9


def test_old_servers_that_answer_every_watch_with_an_error_are_not_stormed(shop):
    shop.manners.watch_list = False
    shop.faults.garble("pods", b'{"type":"ERROR","object":{"kind":"Status","code":500,"reason":"InternalError"}}\n',
                       times=1000)  # fmt: skip
    with watched(shop.url, shop.token, "pods") as diary:
        eventually(lambda: len(asked(shop, "watch")) >= 3)
        began, count = time.monotonic(), len(shop.requests)
        time.sleep(1.0)
        rate = (len(shop.requests) - count) / (time.monotonic() - began)
        shop.faults.clear()
        same(shop, diary)
    assert rate < 60, "a wait of up to 0.1 s lies between two in this test's pace"
    assert any("500" in text for _, state, text in diary.states if state == "away")


def test_a_half_dead_connection_is_watched_anew_and_never_called_stale(shop):
    shop.faults.hang(0, "watch", "pods")
    with watched(shop.url, shop.token, "pods") as diary:
        same(shop, diary)
        eventually(lambda: asked(shop, "watch"))
        shop.store.put(pod("while-dead"))
        same(shop, diary)
    assert {state for _, state, _ in diary.states} == {"listing", "watching"}
    assert diary.lists == 1


def test_a_quiet_watch_stays_as_current_as_it_is(shop):
    with watched(shop.url, shop.token, "pods") as diary:
        same(shop, diary)
        eventually(lambda: len(asked(shop, "watch")) >= 3)
    assert diary.lists == 1
    assert {state for _, state, _ in diary.states} == {"listing", "watching"}


def test_a_cut_in_the_middle_of_a_line_loses_nothing(shop):
    with watched(shop.url, shop.token, "pods") as diary:
        same(shop, diary)
        for number in range(5):
            shop.faults.cut(150 + number, "watch", "pods")
            shop.cut()
            shop.store.put(pod(f"cut-{number}"))
            same(shop, diary)
    assert diary.lists == 1


def test_a_watch_that_was_cut_goes_on_only_after_the_server_was_asked_whether_it_is_so_far(shop):
    diary, cuts = Diary(), []
    diary.cut = lambda resource: cuts.append(resource.name)
    with watched(shop.url, shop.token, "pods", picture=diary, pace=replace(HASTY, silence=60)):
        same(shop, diary)
        eventually(lambda: asked(shop, "watch"))
        shop.store.put(pod("while-it-runs"))
        same(shop, diary)  # by the stream: a cut before that would be of a call that was never answered
        before = len([one for one in asked(shop, "list") if one.query.get("resourceVersionMatch")])
        shop.cut()
        eventually(lambda: len(asked(shop, "watch")) > 1)
        questions = [one for one in asked(shop, "list") if one.query.get("resourceVersionMatch") == "NotOlderThan"]
    assert len(questions) > before and diary.lists == 1 and cuts == ["pods"]


def test_garbage_on_a_watch_is_told_and_left_behind(shop):
    shop.faults.garble("pods", times=3)
    with watched(shop.url, shop.token, "pods") as diary:
        same(shop, diary)
        eventually(lambda: any("no event" in text for _, state, text in diary.states if state == "away"))
        shop.store.put(pod("after"))
        same(shop, diary)


def test_a_watch_that_ends_at_once_again_and_again_is_no_hot_loop(shop):
    with watched(shop.url, shop.token, "pods", pace=replace(HASTY, shortest_watch=0.001, longest_watch=0.002)) as diary:
        same(shop, diary)
        shop.faults.garble("pods", b"\n", times=1000)
        time.sleep(1.0)
    assert len(asked(shop, "watch")) < 60


def test_a_future_version_is_found_out_and_everything_is_listed(shop):
    diary = Diary()
    with watched(shop.url, shop.token, "pods", picture=diary):
        same(shop, diary)
    diary.seen["pods"].version = "99999999"
    with watched(shop.url, shop.token, "pods", picture=diary):
        eventually(lambda: diary.lists == 2, 20)
        same(shop, diary)


def test_bookmarks_move_the_version_on(shop):
    with watched(shop.url, shop.token, "pods") as diary:
        same(shop, diary)
        shop.store.put(pod("seen"))
        same(shop, diary)
        shop.bookmark()
        eventually(lambda: diary.events and diary.events[-1][0] == "BOOKMARK")
        assert diary.seen["pods"].version == diary.events[-1][1]


def test_a_missing_right_is_a_state_that_names_it_and_ends_when_it_is_given(shop):
    shop.faults.fail(403, "list", "pods", times=4)
    with watched(shop.url, shop.token, "pods") as diary:
        eventually(lambda: diary.seen.get("pods") and diary.seen["pods"].state == "not_permitted")
        assert "we may not list pods" in diary.seen["pods"].detail
        assert "add list on pods to our ClusterRole" in diary.seen["pods"].detail
        same(shop, diary)
        eventually(lambda: diary.seen["pods"].state == "watching")


def test_what_is_not_installed_is_a_state_that_ends_when_it_is(shop):
    shop.uninstall("secrets.hashicorp.com")
    with watched(shop.url, shop.token, "vaultauths") as diary:
        eventually(lambda: diary.seen.get("vaultauths") and diary.seen["vaultauths"].state == "not_installed")
        assert "the cluster has no vaultauths" in diary.seen["vaultauths"].detail
        shop.install("secrets.hashicorp.com")
        eventually(lambda: diary.seen["vaultauths"].state == "watching")


def test_a_server_without_pods_is_not_taken_for_a_kubernetes(shop):
    shop.faults.fail(404, "list", "pods", times=3)
    with watched(shop.url, shop.token, "pods") as diary:
        eventually(lambda: diary.seen.get("pods") and diary.seen["pods"].state == "away")
        assert "it is no Kubernetes API" in diary.seen["pods"].detail
        same(shop, diary)


def test_a_version_that_is_none_is_left_behind(shop):
    diary = Diary()
    diary.seen["pods"] = Seen(version="12:34")
    with watched(shop.url, shop.token, "pods", picture=diary):
        same(shop, diary)


def test_an_older_version_of_a_resource_is_taken_where_the_newer_is_not_served(shop):
    newer = replace_struct(RESOURCES["vaultauths"], version="v9", older=("v8", "v1beta1"))
    diary = Diary()
    hold(Client(Address(shop.url, shop.token)), [newer], diary, seconds=1.0, pace=HASTY)
    assert diary.seen["vaultauths"].state == "watching"
    assert "not_installed" not in {state for _, state, _ in diary.states}


def test_a_token_that_was_renewed_is_taken_without_a_word(shop, tmp_path):
    file = tmp_path / "token"
    file.write_text("too old\n")
    client, diary = Client(Address(shop.url, token_file=str(file))), Diary()
    file.write_text(shop.token + "\n")
    hold(client, [RESOURCES["pods"]], diary, seconds=1.0, pace=HASTY)
    assert diary.versions("pods") == versions(shop, "pods")
    assert not [text for _, state, text in diary.states if state == "away"]


def test_a_token_that_stays_refused_is_told(shop):
    with watched(shop.url, "wrong", "pods") as diary:
        eventually(lambda: diary.seen.get("pods") and diary.seen["pods"].state == "away")
        assert "does not know who asks" in diary.seen["pods"].detail and "make a new token" in diary.seen["pods"].detail


def test_an_absent_server_is_told_and_its_return_is_noticed(shop):
    with watched(shop.url, shop.token, "pods") as diary:
        same(shop, diary)
        shop.go_away()
        eventually(lambda: diary.seen["pods"].state == "away")
        eventually(lambda: "nobody answers" in diary.seen["pods"].detail)
        assert len(diary.seen["pods"].objects) == 20, "what was known stays known, with its age"
        shop.come_back()
        eventually(lambda: diary.seen["pods"].state == "watching")
        shop.store.put(pod("back"))
        same(shop, diary)


def test_values_of_secrets_never_leave_the_server(shop):
    shop.store.put({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop"},
        "data": {"password": "Y2FuYXJ5"},
    })  # fmt: skip
    with watched(shop.url, shop.token, "secrets") as diary:
        same(shop, diary, "secrets")
        eventually(lambda: asked(shop, "watch", "secrets"))
    assert {one.accept for one in asked(shop, "list", "secrets")} == {
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    }
    assert {one.accept for one in asked(shop, "watch", "secrets")} == {
        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    }


def test_many_watches_are_held_at_once_and_end_in_time(shop):
    diary, began = Diary(), time.monotonic()
    hold(Client(Address(shop.url, shop.token)), RESOURCES.values(), diary, seconds=1.5, pace=HASTY)
    assert time.monotonic() - began < 6
    states = {name: seen.state for name, seen in diary.seen.items()}
    assert set(states) == set(RESOURCES)
    assert set(states.values()) == {"watching"}, states


def test_what_the_sink_raises_ends_the_turn_and_every_watch(shop):
    class Full(Diary):
        def listed(self, resource, generation, resource_version):
            raise OSError("the disk is full")

    before = threading.active_count()
    with pytest.raises(OSError, match="disk is full"):
        hold(Client(Address(shop.url, shop.token)), RESOURCES.values(), Full(), seconds=30, pace=HASTY)
    eventually(lambda: threading.active_count() <= before + len(RESOURCES))
    assert not [one for one in threading.enumerate() if one.name in RESOURCES and one.is_alive()]


def test_the_sink_is_told_when_nothing_more_waits_and_each_second_while_something_does(shop):
    class Committing(Diary):
        written = settled = 0
        longest = last = 0.0

        def event(self, resource, event):
            super().event(resource, event)
            self.written += 1
            self.longest = max(self.longest, time.monotonic() - (self.last or time.monotonic()))

        def settle(self):
            self.settled, self.written, self.last = self.settled + 1, 0, time.monotonic()

    diary, stop = Committing(), threading.Event()

    def flow():
        for number in range(100_000):
            if stop.is_set():
                return
            shop.store.put(pod("busy", mark=str(number)))

    with watched(shop.url, shop.token, "pods", picture=diary):
        same(shop, diary)
        eventually(lambda: diary.settled and diary.written == 0)
        flowing = threading.Thread(target=flow)
        flowing.start()
        before = diary.settled
        eventually(lambda: diary.settled >= before + 2)
        stop.set()
        flowing.join()
        same(shop, diary)
        eventually(lambda: diary.written == 0)
    assert diary.longest < 3


def test_an_hour_without_the_server_costs_few_questions_and_loses_nothing(shop):
    class Clock(threading.Event):
        """Time that passes only while somebody waits."""

        now = 0.0

        def __call__(self):
            return self.now

        def wait(self, seconds=None):
            self.now += seconds
            if self.now >= 3600 and self.away:
                self.away = False
                shop.come_back()

        away = True

    diary, clock, tries = Diary(), Clock(), 0
    with watched(shop.url, shop.token, "pods", picture=diary):
        same(shop, diary)
    drop(shop, "web-08")
    shop.go_away()
    client = Client(Address(shop.url, shop.token), connect=0.5, read=0.5)
    ask = client._ask

    def counted(*given, **also):
        nonlocal tries
        tries += 1
        return ask(*given, **also)

    client._ask = counted
    watching = Watching(client, RESOURCES["pods"], diary, until=3700, stop=clock, clock=clock)
    thread = threading.Thread(target=watching.run)
    thread.start()
    same(shop, diary)
    clock.now = 4000
    watching.interrupt()
    thread.join(10)
    assert not thread.is_alive()
    assert 80 < tries < 200, "about two a minute"
    assert diary.lists == 1 and [exact for _, _, exact in diary.deleted] == [True]
