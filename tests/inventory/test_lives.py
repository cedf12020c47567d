"""A pod's addresses are its own from its start to its terminal phase, and what nobody watched is said to be unsure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inventory.history import SKEW, History, shared
from inventory.lives import Life, Lives, Sight, Span, canonical, moment, sight_of
from tests.inventory.recording import replayed, truth, watched

S = 1_000_000


def sight(uid="u1", addresses=("10.0.0.1",), started=100 * S, **more) -> Sight:
    return Sight(uid, "shop", "web-0", "web", "n1", addresses=addresses, started=started, **more)


def test_an_address_is_released_at_the_terminal_phase_and_not_at_the_delete():
    lives = Lives()
    lives.see(101 * S, sight())
    lives.see(200 * S, sight(over=True, finished=199 * S))
    lives.see(230 * S, sight(over=True, finished=199 * S))
    lives.gone(230 * S, "u1")
    life = lives.of["u1"]
    assert (life.end, life.uncertain) == (200 * S, False)
    assert life.spans == [Span("10.0.0.1", 100 * S, 200 * S)]


def test_an_end_that_is_told_long_after_it_is_unsure_from_when_the_last_container_ended():
    lives = Lives()
    lives.see(101 * S, sight())
    lives.see(500 * S, sight(over=True, finished=199 * S))
    assert lives.of["u1"].spans == [Span("10.0.0.1", 100 * S, 500 * S, 199 * S)]


def test_a_list_that_does_not_show_a_pod_ends_it_somewhere_since_it_was_last_known():
    lives = Lives()
    lives.see(101 * S, sight())
    lives.see(102 * S, sight("u2", ("10.0.0.2",)))
    lives.listed(300 * S, ["u2"], known_until=250 * S)
    gone, kept = lives.of["u1"], lives.of["u2"]
    assert (gone.end, gone.uncertain, gone.spans[0].sure) == (300 * S, True, 250 * S)
    assert kept.end is None


def test_a_delete_that_comes_after_an_incomplete_list_settles_the_end():
    lives = Lives()
    lives.see(101 * S, sight())
    lives.listed(300 * S, [])
    lives.see(310 * S, sight())
    assert lives.of["u1"].end is None
    lives.gone(400 * S, "u1")
    assert (lives.of["u1"].end, lives.of["u1"].uncertain) == (400 * S, False)


def test_every_family_of_addresses_counts_and_a_new_address_closes_the_old_one():
    lives = Lives()
    lives.see(101 * S, sight(addresses=("10.0.0.1", "fd00::1")))
    lives.see(200 * S, sight(addresses=("10.0.0.9",), networked=199 * S))
    assert {(span.address, span.start, span.end) for span in lives.of["u1"].spans} == {
        ("10.0.0.1", 100 * S, 200 * S),
        ("fd00::1", 100 * S, 200 * S),
        ("10.0.0.9", 199 * S, None),
    }


def test_a_repeated_watch_changes_nothing():
    once, twice = Lives(), Lives()
    events = [(101 * S, sight()), (150 * S, sight(over=True, finished=149 * S))]
    for lives, told in ((once, events), (twice, events * 2)):
        for at, one in told:
            lives.see(at, one)
        lives.gone(160 * S, "u1")
    assert once.of == twice.of


def test_an_address_has_one_spelling():
    assert canonical("::FFFF:10.0.0.1") == canonical("10.0.0.1") == "10.0.0.1"
    assert canonical("FD00:0::0001%eth0") == "fd00::1"
    assert canonical("not an address") == canonical("") == ""


def test_a_pod_is_read_whatever_is_missing():
    assert sight_of({}).service_account == "default"
    assert moment("nonsense") == moment(None) == 0


def test_the_recorded_watch_tells_every_pod_its_address_and_its_end():
    lives = replayed(watched())
    for uid, told in truth()["pods"].items():
        life = lives.of[uid]
        assert (life.namespace, life.name, life.service_account, life.host_network) == (
            told["namespace"], told["name"], told["service_account"], told["host_network"],
        )  # fmt: skip
        if told["ip"] and told["address_from"]:
            (span,) = life.spans
            assert span.address == told["ip"]
            assert abs(span.start - moment(told["address_from"])) < 2 * S
            assert (span.end is None) == (told["address_to"] is None)
            assert span.end is None or abs(span.end - moment(told["address_to"])) < S


spans = st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 5_000), st.booleans()), max_size=30)


@given(spans, st.integers(-10_000, 20_000))
def test_the_holders_of_an_address_are_those_whose_span_touches_the_window(some, at):
    lives = [
        Life(str(n), "a", str(n), "s", "n", False, start, start,
             spans=[Span("10.0.0.1", start * 1000, None if is_open else (start + length) * 1000)])
        for n, (start, length, is_open) in enumerate(some)
    ]  # fmt: skip
    found = {one.life.uid for one in History("c", lives).holders("10.0.0.1", at * 1000)}
    low, high = at * 1000 - SKEW, at * 1000 + SKEW
    touching = [x.spans[0] for x in lives if x.spans[0].start <= high]
    assert len(found) == sum(span.end is None or span.end >= low for span in touching)


def test_pods_that_have_an_address_together_share_it_and_successors_do_not():
    lives = [
        Life("a", "x", "a", "s", "n", False, 0, 0, spans=[Span("10.0.0.1", 0, 100 * S)]),
        Life("b", "x", "b", "s", "n", False, 0, 0, spans=[Span("10.0.0.1", 99 * S, 200 * S)]),
        Life("c", "x", "c", "s", "n", False, 0, 0, spans=[Span("10.0.0.1", 150 * S)]),
    ]
    history = History("c", lives)
    assert not shared(history.holders("10.0.0.1", 99 * S))
    assert shared(history.holders("10.0.0.1", 160 * S))
