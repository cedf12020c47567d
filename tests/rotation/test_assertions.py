"""A passkey's assertion counts for one change, one plan, one verdict and one person, made at our address by a hand."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest
from fido2 import cbor
from fido2.utils import websafe_decode, websafe_encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotation import assertions
from rotation.assertions import AssertionRefused, Key, challenge, party
from tests.rotation.passkeys import CHECKED, PARTY, TOUCHED, Authenticator

often = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

BOB = 2
PLAN = "a" * 64
ASKED = challenge("C-215", PLAN, "approve")


@pytest.mark.parametrize("ed25519", [False, True])
def test_an_assertion_over_the_change_the_plan_and_the_verdict_is_good(ed25519):
    mine = Authenticator(BOB, ed25519)
    answer = mine.answer(ASKED)
    assert assertions.verify(answer, mine.key(), ASKED, PARTY) == 0
    assert assertions.credential_of(answer) == mine.credential


@pytest.mark.parametrize(
    "other",
    [
        challenge("C-216", PLAN, "approve"),
        challenge("C-215", "b" * 64, "approve"),
        challenge("C-215", PLAN, "reject"),
        challenge("C-215", PLAN, "approve", "f" * 64),
    ],
)
def test_an_assertion_over_anything_else_is_refused(other):
    mine = Authenticator(BOB)
    with pytest.raises(AssertionRefused, match="another change, another plan"):
        assertions.verify(mine.answer(ASKED), mine.key(), other, PARTY)


def test_parts_of_a_challenge_cannot_flow_into_each_other():
    assert challenge("C-2", "1" + PLAN, "approve") != challenge("C-21", PLAN, "approve")
    assert len(ASKED) == 32


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"origin": "https://keybook.example"}, "another address than KEYBOOK_URL"),
        ({"origin": "https://sub.keybook.example:8443"}, "another address than KEYBOOK_URL"),
        ({"rp": "example"}, "another site"),
        ({"flags": TOUCHED}, "PIN, finger or face"),
        ({"flags": CHECKED}, "Nobody touched"),
        ({"kind": "webauthn.create"}, "not good"),
        ({"cross": True}, "frame of another site"),
        ({"user": 9}, "another person"),
    ],
)
def test_an_assertion_made_elsewhere_or_without_a_hand_is_refused(wrong, said):
    mine = Authenticator(BOB)
    with pytest.raises(AssertionRefused, match=said):
        assertions.verify(mine.answer(ASKED, **wrong), mine.key(), ASKED, PARTY)


def test_a_key_that_is_not_the_pinned_one_is_refused():
    mine, other = Authenticator(BOB), Authenticator(BOB)
    with pytest.raises(AssertionRefused, match="another passkey"):
        assertions.verify(other.answer(ASKED), mine.key(), ASKED, PARTY)
    forged = replace(mine.key(), credential=other.credential)
    with pytest.raises(AssertionRefused, match="not of the pinned key"):
        assertions.verify(other.answer(ASKED), forged, ASKED, PARTY)


@pytest.mark.parametrize(
    ("pinned", "shown", "good"), [(0, 0, True), (4, 5, True), (5, 5, False), (5, 4, False), (5, 0, False)]
)
def test_a_counter_that_goes_back_tells_of_a_copy(pinned, shown, good):
    mine = Authenticator(BOB)
    answer = mine.answer(ASKED, counter=shown)
    if good:
        assert assertions.verify(answer, mine.key(sign_count=pinned), ASKED, PARTY) == shown
    else:
        with pytest.raises(AssertionRefused, match="counter went back"):
            assertions.verify(answer, mine.key(sign_count=pinned), ASKED, PARTY)


MINE = Authenticator(BOB)
GOOD = MINE.answer(ASKED)
PARTS = ["clientDataJSON", "authenticatorData", "signature"]


@often
@given(st.sampled_from(PARTS), st.integers(0, 10_000), st.integers(1, 255))
def test_any_changed_byte_of_an_assertion_voids_it(part, place, change):
    answer = copy.deepcopy(GOOD)
    data = bytearray(websafe_decode(answer["response"][part]))
    data[place % len(data)] ^= change
    answer["response"][part] = websafe_encode(bytes(data))
    with pytest.raises(AssertionRefused):
        assertions.verify(answer, MINE.key(), ASKED, PARTY)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, *PARTS]), inner, max_size=5),
    max_leaves=8,
)


@often
@given(JUNK)
def test_whatever_comes_instead_of_an_assertion_is_a_refusal(junk):
    with pytest.raises(AssertionRefused):
        assertions.verify(junk, MINE.key(), ASKED, PARTY)
    if isinstance(junk, dict):
        with pytest.raises(AssertionRefused):
            assertions.verify({**GOOD, "response": junk}, MINE.key(), ASKED, PARTY)


def test_a_huge_answer_is_not_decoded():
    with pytest.raises(AssertionRefused, match="too long"):
        assertions.verify({**GOOD, "rawId": "A" * 20_001}, MINE.key(), ASKED, PARTY)


@pytest.mark.parametrize(
    "public_key", [b"", b"\xff", cbor.encode({1: 3, 3: -65535, -1: b"n", -2: b"e"}), cbor.encode({1: 2})]
)
def test_a_row_without_a_key_of_ours_proves_nothing(public_key):
    with pytest.raises(AssertionRefused, match=r"can't be read|not taken"):
        assertions.verify(GOOD, Key(BOB, MINE.credential, public_key), ASKED, PARTY)


def test_the_browser_is_asked_for_the_pinned_keys_with_a_check_of_the_person():
    asked = assertions.options([MINE.key()], ASKED, PARTY)
    assert websafe_decode(asked["challenge"]) == ASKED
    assert (asked["rpId"], asked["userVerification"]) == ("keybook.example", "required")
    assert [websafe_decode(one["id"]) for one in asked["allowCredentials"]] == [MINE.credential]
    json.dumps(asked)
    with pytest.raises(AssertionRefused, match="No passkey is pinned"):
        assertions.options([], ASKED, PARTY)


def test_a_passkey_is_registered_for_one_person_and_proves_itself_afterwards():
    mine = Authenticator(BOB)
    mine.counter = 3
    asked, state = assertions.registration(BOB, "bob", [MINE.key()], PARTY)
    assert [websafe_decode(one["id"]) for one in asked["excludeCredentials"]] == [MINE.credential]
    assert {one["alg"] for one in asked["pubKeyCredParams"]} <= assertions.ALGORITHMS
    assert "bob" not in str(websafe_decode(asked["user"]["id"]))
    state = json.loads(json.dumps(state))
    made = assertions.registered(mine.register(websafe_decode(state["challenge"])), state, BOB, PARTY)
    assert made == mine.key(sign_count=3)
    assert assertions.verify(mine.answer(ASKED, counter=4), made, ASKED, PARTY) == 4
    assert assertions.fingerprint(made).startswith("SHA256:") and len(assertions.fingerprint(made)) == 50
    assert assertions.unpack(assertions.pack(made.public_key)) == made.public_key


@pytest.mark.parametrize("wrong", [{"origin": "https://elsewhere.example"}, {"flags": TOUCHED}, {}])
def test_a_registration_that_is_not_ours_is_refused(wrong):
    mine = Authenticator(BOB)
    _asked, state = assertions.registration(BOB, "bob", [], PARTY)
    answer = mine.register(websafe_decode(state["challenge"]) if wrong else b"0" * 32, **wrong)
    with pytest.raises(AssertionRefused, match="no passkey of ours"):
        assertions.registered(answer, state, BOB, PARTY)
    with pytest.raises(AssertionRefused):
        assertions.registered({"response": 4}, state, BOB, PARTY)


@pytest.mark.parametrize(
    "url", ["", "keybook.example", "http://keybook.example", "https://127.0.0.1:8000", "ftp://x", "https://[::1]/"]
)
def test_an_address_to_which_no_browser_gives_a_passkey_is_told(url):
    with pytest.raises(AssertionRefused, match=r"KEYBOOK_URL|https and a name"):
        party(url)


def test_localhost_and_names_are_taken():
    assert party("http://localhost:8000").id == "localhost"
    assert party("https://kb.example").origin == "https://kb.example"
    with pytest.raises(AssertionRefused):
        assertions.unpack("ä")
