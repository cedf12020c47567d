"""A list without anything says whether Keybook reads nothing, or the reader's view holds none of what it reads."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import PersonArea, User
from audit.models import Device, Vault

LISTS = ["/", "/events/", "/secrets/", "/principals/", "/leases/"]


@pytest.fixture
def cat(db):
    return User.objects.create_user("cat", password="a long enough password")


@pytest.fixture
def page(cat):
    client = Client()
    client.force_login(cat)
    return lambda address: client.get(address).content.decode()


@pytest.mark.parametrize("address", LISTS)
def test_who_sees_everything_is_told_how_to_begin(page, address):
    said = page(address)
    assert "No audit source yet" in said and "manage.py ingest_file" in said
    assert "An administrator adds it under Settings." in said and 'href="/settings/sources/"' not in said


def test_who_may_add_a_source_is_led_there(client, db, settings):
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"require_mfa": False})
    client.force_login(User.objects.create_user("eve", role="administrator"))
    said = client.get("/").content.decode()
    assert '<a class="button primary" href="/settings/sources/">Add a source…</a>' in said


@pytest.mark.parametrize("address", LISTS)
def test_a_limited_person_is_told_of_their_view_and_nothing_of_what_lies_beside_it(page, cat, address):
    Device.objects.create(vault=Vault.objects.create(name="hidden-one"), name="file")
    PersonArea.objects.create(user=cat, vault="elsewhere", prefix="secret/a<b")
    said = page(address)
    assert "No audit source in your view" in said and "elsewhere, secret/a&lt;b" in said
    assert "No audit source yet" not in said and "ingest_file" not in said
    assert "hidden-one" not in said
