"""A passkey's word that was void once counts never again, whatever comes back and whoever writes rows."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, transaction

from accounts.models import User
from config import roles
from rotation import ballots, preflight
from rotation.approving import approve
from rotation.models import Change, Verdict
from tests.rotation.asked import FOUND, as_role, check, touched, toys
from tests.rotation.test_forged import Scene
from tests.rotation.toys import hands

pytestmark = pytest.mark.django_db
OTHER = {"ok": True, "facts": {"1.version": 9}, "lines": []}


@pytest.fixture
def scene(db, made_roles, monkeypatch) -> Scene:
    toys(monkeypatch)
    return Scene()


def moves_away_and_back(scene: Scene) -> None:
    """Let the worker's look find other facts, and then the same ones as before."""
    with as_role(roles.OPERATIONS):
        check(scene.change, OTHER)
        check(scene.change, FOUND)


def drifts(scene: Scene) -> None:
    """Let the look before the start find other facts that are put right before anybody looks again."""
    with as_role(roles.OPERATIONS):
        verb, _why = preflight.drift(Change.objects.get(pk=scene.change.pk), hands())  # the toy's own facts
        assert verb == "void"
        check(scene.change, FOUND)


def loses_the_role_for_a_moment(scene: Scene) -> None:
    """Let the approver be nobody at the moment of the start, and an approver again afterwards."""
    User.objects.filter(pk=scene.bob.pk).update(role="reader")
    assert scene.judged()[0] == "void"
    User.objects.filter(pk=scene.bob.pk).update(role="approver")


@pytest.mark.parametrize(
    ("came_back", "kept"),
    [(moves_away_and_back, True), (moves_away_and_back, False), (drifts, True), (drifts, False),
     (loses_the_role_for_a_moment, True)],
)  # fmt: skip
def test_a_word_that_was_void_is_not_revived_by_a_row(scene, came_back, kept):
    word = touched(scene.change, scene.keys[scene.bob.pk])
    if kept:
        with as_role(roles.WEB):
            approve(scene.change, scene.bob, scene.change.plan_hash, word)
        assert scene.judged() == ("", "")
    before = scene.change.facts_hash
    came_back(scene)
    scene.change.refresh_from_db()
    assert scene.change.facts_hash == before, "the same plan and the same facts are back"
    scene.forge(assertion=word.assertion)
    verb, why = scene.judged()
    assert verb == "void" and "before an approval of it became void" in why, why
    with as_role(roles.WEB):
        Change.objects.filter(pk=scene.change.pk).update(state="requested")
        anew = touched(scene.change, scene.keys[scene.bob.pk])
        assert approve(scene.change, scene.bob, scene.change.plan_hash, anew).state == "approved"
    assert scene.judged() == ("", ""), "bob can give it anew"


def test_a_look_that_finds_the_same_leaves_the_word_and_another_approvers_counts_on(scene):
    word = touched(scene.change, scene.keys[scene.bob.pk])
    with as_role(roles.WEB):
        approve(scene.change, scene.bob, scene.change.plan_hash, word)
    check(scene.change, FOUND)
    assert scene.judged() == ("", "")
    Verdict.objects.create(
        change=scene.change, person_id=scene.eve.pk, person_name="eve", verdict="approve", proof="passkey",
        plan_hash=scene.change.plan_hash, void=True,
    )  # fmt: skip
    assert scene.judged() == ("", ""), "that eve's was struck takes nothing from bob's"


def test_the_web_process_does_not_count_ballots(scene):
    with as_role(roles.WEB), pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        ballots.next_one(scene.change)
