"""The schema that the migrations make is the schema that the models describe, and there is one way through them."""

from __future__ import annotations

from django.apps import apps
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

# The form that Django gives to names that nobody thought about.
UNNAMED = ("auto", "initial")


def test_the_migrations_describe_the_models(house):
    loader = MigrationLoader(None)
    changes = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps)).changes(loader.graph)
    ours = {app: [op.describe() for m in found for op in m.operations] for app, found in changes.items()}
    assert ours == {}, "run manage.py makemigrations"


def test_no_two_migrations_claim_the_same_place():
    assert MigrationLoader(None).detect_conflicts() == {}


def test_every_migration_is_named_for_what_it_does(house):
    numbered = [p for p in house.modules(*house.rooms) if p.parent.name == "migrations" and p.name != "__init__.py"]
    assert [str(p) for p in numbered if p.stem[5:].startswith(UNNAMED)] == []
