"""The recorded logs of two devices, imported in either order and twice, answer exactly what their callers did."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from dataclasses import dataclass

import pytest
import zstandard
from django.core.management import call_command

from accounts.scope import EVERYTHING
from audit import queries
from audit.actions import Imported
from tests.audit.past import Past, is_accounted
from tests.vault.callers import happened, principal_of

LOGS = {"file": "audit.log", "http": "audit-http.log"}


@dataclass
class Corpus:
    """A past made of both logs, imported twice."""

    past: Past
    files: dict[str, str]
    first: dict[str, Imported]
    second: dict[str, Imported]


@pytest.fixture(scope="module")
def files(recorded, tmp_path_factory):
    """Both logs as files, by device."""
    folder = tmp_path_factory.mktemp("corpus")
    for name in LOGS.values():
        (folder / name).write_bytes(recorded(name))
    return {device: str(folder / name) for device, name in LOGS.items()}


@pytest.fixture(scope="module", params=[("file", "http"), ("http", "file")], ids=" then ".join)
def corpus(request, empty_past, files):
    with empty_past() as past:
        first = {device: past.take(files[device], device=device) for device in request.param}
        second = {device: past.take(files[device], device=device) for device in request.param}
        yield Corpus(past, files, first, second)


def readers_of(name):
    told = Counter()
    for reader in queries.who_read(queries.find_secret(name, scope=EVERYTHING)).readers:
        told[reader.kind, reader.principal] += reader.count
    return +told


def test_who_read_tells_every_reader_of_every_secret_and_no_other(corpus, truth):
    wanted = defaultdict(Counter)
    for who, counts in happened(truth, "reads").items():
        for secret, count in counts.items():
            wanted[secret][who] += count
    assert sum(map(Counter.total, wanted.values())) == 715
    assert {secret: readers_of(secret) for secret in wanted} == wanted
    given = corpus.past.rows(
        "SELECT DISTINCT name FROM audit_event e JOIN audit_secret s ON s.id = secret WHERE disclosed = 1"
    )
    assert {row[0] for row in given} == set(wanted)


def test_what_read_tells_every_secret_of_every_principal_and_no_other(corpus, truth):
    for (kind, name), counts in happened(truth, "reads").items():
        answer = queries.what_read(name, scope=EVERYTHING)
        told = Counter({one.secret: one.count for one in answer.secrets if one.count})
        assert answer.kinds == [kind]
        assert {secret: told[secret] for secret in counts} == counts
        issued = {secret for secret in told if secret not in counts}
        assert not any(secret in reads for secret in issued for reads in happened(truth, "reads").values()), name


def test_every_dynamic_credential_is_told_with_its_lease_and_its_holder(corpus, truth):
    told = corpus.past.rows(
        """SELECT l.lease_id, s.name, p.kind, p.name FROM audit_leaseissue l JOIN audit_secret s ON s.id = l.secret_id
           JOIN audit_principal p ON p.id = l.principal_id"""
    )
    leases = truth["leases"]
    assert {row[0]: row[1:] for row in told} == {
        id: (lease["namespace"] + lease["path"], *principal_of(truth, lease["holder"])) for id, lease in leases.items()
    }
    issued = Counter(lease["namespace"] + lease["path"] for lease in leases.values())
    assert {name: readers_of(name).total() for name in issued} == issued


# What no log tells: who it was. A login that is refused shows no identity, and a token that nobody ever got has no
# login to be joined with. One is known better than its caller says: the intruder sent card-vault's token.
NAMELESS = Counter(
    {
        ("storefront/web", "auth/kubernetes/login"): 3,  # entity disabled
        ("payments/payments-api", "auth/kubernetes/login"): 2,  # a foreign key's signature, another account's role
        ("payments/payments-api", "secret/data/prod/payments-api/stripe-key"): 2,  # no token, a made-up token
        ("payments/fraud-score", "secret/data/prod/card-vault/kek"): 1,  # its stolen identity's call, by another token
    }
)
INSTEAD = Counter(
    {
        ("anonymous", "auth/kubernetes/login"): 5,
        ("anonymous", "secret/data/prod/payments-api/stripe-key"): 2,
        ("payments/card-vault", "secret/data/prod/card-vault/kek"): 1,
    }
)


def test_every_denial_is_told_and_who_it_was_wherever_the_log_shows_it(corpus, truth):
    rows = corpus.past.rows(
        """SELECT p.name, a.namespace || a.path, count(*) FROM audit_event e
           JOIN audit_principal p ON p.id = e.principal JOIN audit_path a ON a.id = e.path
           WHERE outcome = 2 AND flags & 4 = 0 GROUP BY 1, 2"""
    )
    told = Counter({(name, path): count for name, path, count in rows})
    wanted = Counter()
    for (_, name), counts in happened(truth, "denied").items():
        wanted.update({(name, path): count for path, count in counts.items()})
    assert told == wanted - NAMELESS + INSTEAD
    assert told.total() == wanted.total() == truth["denied_total"]


def test_a_secrets_readers_show_its_denials_too(corpus):
    readers = queries.who_read(queries.find_secret("secret/prod/payments-api/stripe-key", scope=EVERYTHING)).readers
    denied = {reader.principal: reader.denied for reader in readers if reader.denied}
    assert denied == {"alice": 1, "chidi": 1, "token-handmade": 1, "anonymous": 2, "storefront/notifier": 1,
                      "storefront/cart": 1, "nightly-backup": 2}  # fmt: skip


def test_what_one_device_missed_is_its_gap(corpus, truth):
    told = corpus.past.gaps("missed")
    probe = {id for id, _ in truth["http_device_missing"]} - {key.split()[0] for _, key in told}
    path = "SELECT a.path FROM audit_event e JOIN audit_path a ON a.id = e.path WHERE request_id = ANY(%s::uuid[])"
    assert corpus.past.rows(path, list(probe)) == [("sys/audit/test",)]
    missing = {("http", f"{id} {side}") for id, side in truth["http_device_missing"] if id not in probe}
    assert len(missing) == 3
    assert told == missing


def test_each_device_is_known_to_have_shown_exactly_its_own_entries(corpus, recorded):
    for device, name in LOGS.items():
        entries = [json.loads(line) for line in recorded(name).splitlines()]
        assert corpus.past.shown_by(device) == {(entry["request"]["id"], entry["type"]) for entry in entries}


def test_every_request_stands_once(corpus, recorded):
    ids = {json.loads(line)["request"]["id"] for name in LOGS.values() for line in recorded(name).splitlines()}
    assert corpus.past.requests() == Counter(ids)


def test_the_second_import_adds_nothing(corpus):
    for device, done in corpus.second.items():
        assert (done.events, done.quarantined) == (0, 0)
        assert done.accounted["duplicates"] == done.bytes == corpus.first[device].bytes
        assert done.lines == done.duplicates == corpus.first[device].lines


def test_every_byte_is_accounted_for(corpus):
    for device, path in corpus.files.items():
        assert is_accounted(corpus.first[device], [path])
        assert is_accounted(corpus.second[device], [path])
    settled = corpus.past.bytes_per_class()
    assert settled["event"] + settled["duplicate"] + settled["framing"] == settled["position"]
    assert settled["quarantine"] == settled["waiting"] == 0


def the_same_story(past, truth):
    """Whether the past holds the file device's log, whole and once."""
    reads = past.one("SELECT count(*) FROM audit_event WHERE disclosed = 1 AND flags & 4 = 0")
    denied = past.one("SELECT count(*) FROM audit_event WHERE outcome = 2 AND flags & 4 = 0")
    return (past.events(), reads, denied) == (1526, 715, truth["denied_total"])


def packed(way, data):
    if way == "gz":
        return gzip.compress(data, 1)
    if way == "zst":
        return zstandard.ZstdCompressor(level=1).compress(data)
    half = data.index(b"\n", len(data) // 2) - 100  # within a line
    return gzip.compress(data[:half], 1) + gzip.compress(data[half:], 1)


@pytest.mark.parametrize("way", ["gz", "zst", "gz in two members"])
def test_a_packed_log_gives_the_same_and_is_the_same_file_as_the_plain_one(past, truth, recorded, files, tmp_path, way):
    file = tmp_path / ("audit.log.gz" if "gz" in way else "audit.log.zst")
    file.write_bytes(packed(way, recorded("audit.log")))
    done = past.take(file)
    assert the_same_story(past, truth)
    assert sum(done.accounted.values()) == done.bytes == truth["meta"]["audit_bytes"]
    again = past.take(files["file"])
    assert (again.events, again.accounted["duplicates"]) == (0, truth["meta"]["audit_bytes"])
    assert past.one("SELECT count(*) FROM audit_generation") == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["older part first", "newer part first"])
@pytest.mark.parametrize("at_once", [True, False], ids=["in one command", "one by one"])
def test_rotated_parts_in_any_order_tell_the_same(past, truth, recorded, tmp_path, order, at_once):
    log, cut = recorded("audit.log"), truth["meta"]["rotation_offset"]
    parts = [tmp_path / "audit.log.1", tmp_path / "audit.log"]
    parts[0].write_bytes(log[:cut])
    parts[1].write_bytes(log[cut:])
    chosen = [parts[n] for n in order]
    calls = [chosen] if at_once else [[part] for part in chosen]
    done = [past.take(*files) for files in calls * 2]
    assert the_same_story(past, truth)
    assert all(is_accounted(one, files) for one, files in zip(done, calls * 2, strict=True))
    assert sum(one.events for one in done[len(calls) :]) == 0


def answer(capsys, *words):
    """The one JSON document that a command prints."""
    call_command(*words, "--json")
    return json.loads(capsys.readouterr().out)


def test_the_commands_print_the_documents_that_scripts_rely_on(past, files, capsys):
    done = answer(capsys, "ingest_file", files["file"], "--vault", "demo")
    assert " ".join(done) == "files bytes lines events duplicates quarantined gaps accounted seconds"
    assert list(done["accounted"]) == ["events", "duplicates", "quarantine", "gaps", "framing"]
    read = answer(capsys, "who_read", "secret/prod/ledger/bank-sftp", "--since", "2026-11-21", "--vault", "demo")
    assert {"secret", "complete_until", "readers"} <= set(read)
    fields = {"principal", "kind", "pod", "grade", "count", "denied", "first", "last", "addresses", "versions"}
    assert read["readers"] and all(fields <= set(reader) for reader in read["readers"])
    ledger = next(reader for reader in read["readers"] if reader["principal"] == "payments/ledger")
    assert (ledger["kind"], ledger["count"], ledger["denied"]) == ("service_account", 14, 0)
    what = answer(capsys, "what_read", "payments/ledger")
    assert {"principal", "secrets"} <= set(what)
    assert all({"secret", "count", "denied", "first", "last"} <= set(one) for one in what["secrets"])
    assert {one["secret"]: one["count"] for one in what["secrets"]}["secret/prod/ledger/bank-sftp"] == 14


def test_a_window_of_time_counts_what_lies_in_it(past, files, recorded):
    past.take(files["file"])
    one = queries.find_secret("secret/prod/payments-api/stripe-key", scope=EVERYTHING)
    everything = queries.who_read(one)
    ours = [row for row in queries.events_of_secret(one, limit=1000) if row.principal == "payments/payments-api"]
    times = sorted(row.time for row in ours if row.disclosed)
    middle = times[len(times) // 2]
    before, after = queries.who_read(one, until=middle), queries.who_read(one, since=middle)
    count = lambda answer: sum(r.count for r in answer.readers if r.principal == "payments/payments-api")  # noqa: E731
    assert count(before) + count(after) == count(everything) == len(times)
    assert count(after) == sum(time >= middle for time in times)
