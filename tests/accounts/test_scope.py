"""A view that is limited covers what its areas cover, by whole segments, and a token never reaches past its owner."""

import pytest

from accounts.areas import scope_of
from accounts.models import PersonArea
from accounts.scope import EVERYTHING, Area, Scope


@pytest.mark.parametrize(
    ("area", "secret", "covered"),
    [
        (Area(), ("prod", "", "secret/a"), True),
        (Area("prod"), ("prod", "team/", "secret/a"), True),
        (Area("prod"), ("production", "", "secret/a"), False),
        (Area(namespace="team"), ("prod", "team/", "secret/a"), True),
        (Area(namespace="team"), ("prod", "team/child/", "secret/a"), True),
        (Area(namespace="team"), ("prod", "teams/", "secret/a"), False),
        (Area(namespace="team"), ("prod", "", "secret/a"), False),
        (Area(prefix="secret/prod"), ("prod", "", "secret/prod/db"), True),
        (Area(prefix="secret/prod"), ("prod", "", "secret/prod"), True),
        (Area(prefix="secret/prod"), ("prod", "", "secret/production/db"), False),
        (Area(prefix="secret/prod"), ("prod", "team/", "secret/prod/db"), True),
    ],
)
def test_an_area_covers_by_whole_segments(area, secret, covered):
    assert area.covers(*secret) is covered


def test_areas_of_one_person_add_up_and_those_of_a_token_narrow():
    person = Scope.of([Area(prefix="secret/a"), Area(prefix="secret/b")])
    token = Scope.of([Area(prefix="secret/b"), Area(prefix="secret/c")])
    both = person.narrowed(token)
    seen = [path for path in ("secret/a/x", "secret/b/x", "secret/c/x") if both.covers("prod", "", path)]
    assert seen == ["secret/b/x"]


def test_nobody_without_areas_is_limited():
    assert Scope.of([]) == EVERYTHING
    assert EVERYTHING.covers("any", "", "thing")


@pytest.mark.django_db
def test_a_persons_rows_are_their_scope(django_user_model):
    cat = django_user_model.objects.create_user("cat")
    assert scope_of(cat).everything
    PersonArea.objects.create(user=cat, vault="prod", prefix="secret/prod")
    assert scope_of(cat) == Scope.of([Area("prod", "", "secret/prod")])
