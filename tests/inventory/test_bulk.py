"""Rows that are written by the thousand hold what Django's own models would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import transaction
from psycopg.types.json import Jsonb

from inventory import bulk
from inventory.cluster_models import KubeObject, PodState
from inventory.models import Cluster, PodAddress, PodLife

NOW = datetime(2026, 11, 28, 6, 30, 0, 123456, UTC)
PLAIN = ("cluster_id", "uid", "namespace", "name", "service_account", "node", "host_network", "started", "seen_at",
         "ended", "ended_uncertain", "labels", "change")  # fmt: skip


@pytest.fixture
def cluster(db):
    return Cluster.objects.create(name="prod", uid="c-1")


def life(cluster, uid, **other):
    told = dict.fromkeys(("namespace", "name", "service_account", "node"), "ledger")
    told |= {"host_network": False, "started": NOW, "seen_at": NOW, "ended": None, "ended_uncertain": False}
    told |= {"labels": Jsonb({"app": 'łedger \\ \t "x"'}), "change": 1}
    return [(told | {"cluster_id": cluster.pk, "uid": uid} | other)[name] for name in PLAIN]


def put(rows, **more):
    return bulk.put(PodLife, PLAIN, rows, key=PLAIN[:2], update=PLAIN[2:], **more)


def test_every_type_comes_back_as_it_was_given(cluster):
    ended = NOW + timedelta(microseconds=1)
    put([life(cluster, "one", ended=ended, host_network=True, change=2**40), life(cluster, "two", labels=Jsonb({}))])
    one, two = PodLife.objects.order_by("uid")
    assert (one.started, one.ended, one.host_network, one.change) == (NOW, ended, True, 2**40)
    assert one.labels == {"app": 'łedger \\ \t "x"'}
    assert (two.labels, two.ended, two.host_network) == ({}, None, False)


def test_bytes_and_words_that_the_text_form_would_have_to_escape_come_back(cluster):
    names = ("cluster_id", "resource", "uid", "namespace", "name", "version", "data", "broken", "seen_at", "gone_exact")
    data = bytes(range(256)) + b"\\N\n\\."
    bulk.put(KubeObject, names, [(cluster.pk, "pods", "u", "\\N", "a\tb\nc\\.", "", data, "", NOW, False)])
    found = KubeObject.objects.get()
    assert (bytes(found.data), found.namespace, found.name) == (data, "\\N", "a\tb\nc\\.")


def test_what_was_written_is_given_back_new_or_known(cluster):
    first = dict(put([life(cluster, "one")], giving=("uid", "id")))
    both = dict(put([life(cluster, "one", change=7), life(cluster, "two")], giving=("uid", "id")))
    assert both.keys() == {"one", "two"} and both["one"] == first["one"]
    assert PodLife.objects.get(uid="one").change == 7
    assert put([]) == []


def test_a_type_that_python_has_no_one_form_of_goes_as_text(cluster):
    assert bulk._plain(PodLife, PLAIN) and bulk._plain(PodAddress, ("life_id", "address"))
    assert not bulk._plain(PodState, ("uid", "methods"))  # lists of words


@pytest.mark.parametrize("wrong", [{"name": "a\0b"}, {"change": 2**63}, {"name": None}])
def test_what_does_not_fit_is_refused_and_nothing_is_written(cluster, wrong):
    with pytest.raises((psycopg.Error, OverflowError)), transaction.atomic():
        put([life(cluster, "fits"), life(cluster, "not", **wrong)])
    assert not PodLife.objects.exists()
