"""Values planted in a real OpenBao and in hand-made lines stand in no table, no output and no log afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
from pathlib import Path

import pytest
import zstandard
from django.conf import settings
from django.core.management import call_command

from audit.ingest import connect
from sandbox.bao_http import Bao
from tests.audit.lines import Call, calls, hmac, log, written
from tests.audit.mutants import MUTATIONS

TEXT = "canary-Tr0ub4dor&3"
NUMBER = 738291650417
DATE = "1987-06-05T04:03:02.111222333Z"
KEY = "canary_key_of_a_secret"
TYPED = "canary-typed-as-a-name"
TOKENS = ("hvs." + "CanaryCanaryCanaryCanary1234", "s.CanaryCanaryCanaryCanary", "hvb." + "Canary" * 20)
CANARIES = [TEXT, str(NUMBER), DATE, DATE[:19], KEY, TYPED, *TOKENS, TEXT.replace("&", "\\u0026")]


def texts(value):
    """The bytes of one column's value, unpacked too if it is packed."""
    if value is None:
        return b""
    if not isinstance(value, bytes | memoryview):
        return (
            json.dumps(value, default=str, ensure_ascii=False).encode()
            if isinstance(value, dict | list)
            else str(value).encode()
        )
    raw = bytes(value)
    at = raw.find(b"\x28\xb5\x2f\xfd")
    return raw if at < 0 else raw + zstandard.ZstdDecompressor().decompress(raw[at:])


def found_in(name, data, canaries):
    return [(name, canary) for canary in canaries if canary.encode() in data]


def found_in_tables(wire, canaries):
    """Where a canary stands in any column of any table."""
    tables = wire.execute(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE nspname = 'public' AND relkind = 'r'"
    ).fetchall()
    assert len(tables) > 20
    hits, seen = [], 0
    for (table,) in tables:
        cursor = wire.execute(f"SELECT * FROM {table}")
        columns = [column.name for column in cursor.description]
        for row in cursor:
            seen += 1
            for column, value in zip(columns, row, strict=True):
                hits += found_in(f"{table}.{column}", texts(value), canaries)
    assert seen > 50
    return hits


def questions(file):
    """Everything that can be asked on the command line, of what is known and of what is not."""
    follow = ["follow", "--once", "--path", str(file), "--vault", "demo", "--device", "live"]
    asked = [["doctor"], ["who_read", "secret/prod/canary"], ["what_read", "root"], ["what_read", "shop/app-0"]]
    take = ["ingest_file", str(file), "--vault", "demo"]
    unknown = [["what_read", "nobody at all"], ["who_read", "secret/no/such"]]
    return [take, [*take, "--json"], follow, *asked, *([*words, "--json"] for words in asked), *unknown]


@pytest.fixture
def told_by(past, capsys, caplog, monkeypatch):
    """A function that imports a log here, asks everything and returns where a canary shows."""

    def check(file, canaries):
        monkeypatch.setattr(settings.KEYBOOK, "log_roots", str(file.parent))
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for words in questions(file):
            with contextlib.suppress(SystemExit):
                call_command(*words)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        said = capsys.readouterr()
        with connect() as wire:
            hits = found_in_tables(wire, canaries)
        return sorted({*hits, *found_in("output", (said.out + said.err + caplog.text).encode(), canaries)})

    return check


def fill_a_vault_with_canaries(bao):
    """Use every way in which people put secrets into a vault; some of the calls fail, as they do."""
    data = {"password": TEXT, "pin": NUMBER, "born": DATE, KEY: "x", "deep": [{KEY: [NUMBER, DATE, TEXT]}], "on": True}
    for mount in ("secret/data/prod/canary", "legacy/prod/canary", "cubbyhole/canary"):
        body = {"data": data} if mount.startswith("secret/data") else data
        bao.must("POST", mount, body)
        bao.must("GET", mount)
    bao.call("PATCH", "secret/data/prod/canary", {"data": data}, Content_Type="application/merge-patch+json")
    bao.must("POST", "secret/metadata/prod/canary", {"custom_metadata": {KEY: TEXT}, "max_versions": 7})
    bao.must("GET", "secret/metadata/prod/canary")
    bao.must("GET", "secret/subkeys/prod/canary")
    bao.call("POST", "sys/auth/userpass", {"type": "userpass"})
    bao.must("POST", "auth/userpass/users/mira", {"password": TEXT, "token_ttl": "10m"})
    bao.must("POST", "auth/userpass/login/mira", {"password": TEXT})
    anonymous = Bao(bao.url)
    assert anonymous.call("POST", f"auth/userpass/login/{TYPED}", {"password": TEXT}).status == 400
    assert anonymous.call("POST", "auth/userpass/login/mira", {"password": TYPED}).status == 400
    wrapped = bao.must("POST", "sys/wrapping/wrap", data, X_Vault_Wrap_TTL="60s").body["wrap_info"]["token"]
    Bao(bao.url, wrapped).must("POST", "sys/wrapping/unwrap")
    child = bao.must("POST", "auth/token/create", {"ttl": "10m", "policies": ["default"]}).body["auth"]["client_token"]
    bao.call("GET", f"auth/token/lookup/{child}")
    bao.call("POST", f"auth/token/revoke/{child}")
    Bao(bao.url, TOKENS[1]).call("GET", "secret/data/prod/canary")
    bao.must("PUT", "sys/config/auditing/request-headers/X-Api-Key", {"hmac": False})
    bao.must("GET", "secret/data/prod/canary", None, X_Api_Key=TEXT)
    url = f"postgresql://canary:{TYPED}@127.0.0.1:1/none?application_name={KEY}"
    plugin = {"plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "connection_url": url}
    assert bao.call("POST", "database/config/broken", plugin).status == 400
    bao.call("POST", "database/config/broken", {**plugin, "verify_connection": False})
    bao.call("POST", "database/roles/broken", {"db_name": "broken", "creation_statements": [f"-- {TEXT}"]})
    assert bao.call("GET", "database/creds/broken").status == 500
    return child


@pytest.mark.live
def test_no_value_of_a_real_vault_is_kept(own_sandbox, told_by):
    own = own_sandbox.environment
    child = fill_a_vault_with_canaries(Bao(own["VAULT_ADDR"], own["VAULT_TOKEN"]))
    file = Path(own["KEYBOOK_AUDIT_LOG"])
    in_the_clear = {canary for canary in (*CANARIES, child) if canary.encode() in file.read_bytes()}
    assert {str(NUMBER), KEY, TYPED, child} <= in_the_clear  # what the vault itself does not hide
    assert any(date in in_the_clear for date in (DATE, DATE[:19]))
    canaries = [*CANARIES, child]
    assert told_by(file, canaries) == []
    server_log = Path(json.loads(Path(os.environ["KEYBOOK_SANDBOX_STATE"]).read_text())["postgres"]["log"])
    assert found_in("PostgreSQL's log", server_log.read_bytes(), canaries) == []


def raw_entries():
    """Entries of a device that hides nothing, or of broken versions that wrote tokens in plain."""
    call, data = (
        Call(1),
        {"password": TEXT, "pin": NUMBER, "born": DATE, KEY: TEXT, "t": TOKENS[0], "l": [TEXT, {KEY: DATE}]},
    )
    error = (
        f"1 error occurred:\n\t* failed to connect to `host=db user=app password={TEXT}`: dial postgres://app:{TEXT}@db:5432/x"
        f' "{TYPED}" is no number; token {TOKENS[0]} expired\n'
    )
    plain = {"auth__client_token": TOKENS[0], "request__client_token": TOKENS[0]}
    failed = {
        "request__path": f"auth/userpass/login/{TYPED}", "request__mount_point": "auth/userpass/",
        "request__mount_type": "userpass", "request__operation": "update", "auth": {"token_type": "default"},
    }  # fmt: skip
    return [
        call.request(request__data=data, **plain),
        call.response(data={"data": data, "metadata": {"version": 1, "custom_metadata": {KEY: TEXT}}}, **plain),
        Call(2).request(request__data=data),
        Call(2).response(data={}, error=error),
        Call(3).request(**failed, request__data={"password": TEXT}),
        Call(3).response(data={"error": TEXT}, error="invalid username or password", **failed),
        Call(4).request(**failed),  # never answered
        Call(5).request(request__path=f"auth/token/lookup/{TOKENS[1]}", request__mount_type="token"),
        Call(5).response(data={"id": TOKENS[1], "accessor": "x"}, request__path=f"auth/token/lookup/{TOKENS[1]}"),
        Call(6).request(
            request__headers={"x-api-key": [TEXT], "authorization": [f"Bearer {TOKENS[0]}"], "cookie": [TYPED]}
        ),
        Call(6).response(
            request__headers={"x-vault-token": [TOKENS[2]], "referer": [f"https://u:{TEXT}@h/?k={TYPED}"]}
        ),
        Call(7).request(a_new_field={KEY: TEXT, "n": NUMBER}, request__another=[TEXT, NUMBER, DATE]),
        Call(7).response(a_new_field=TEXT, auth__something_new=TYPED),
        Call(8).request(request__id="", request__data=data),
        Call(9).response(data=[TEXT, NUMBER, {KEY: DATE}]),
        Call(9, seed="wrap").response(
            data=data, request__mount_type="a-plugin", request__path=f"plugin/creds/{TOKENS[1]}"
        ),
        Call(10).request(time=TEXT),
        written(
            json.loads(Call(13).response())
            | {"response": {"warnings": [error], "redirect": f"https://u:{TEXT}@h/?k={KEY}"}}
        ),
        Call(12).request(request__operation=[TEXT], request__namespace=[TEXT]),
    ]


def test_nothing_of_a_raw_log_is_kept_whole_or_torn(told_by, tmp_path):
    file, entries = tmp_path / "audit.log", raw_entries()
    raw = b"".join(entry + b"\n" for entry in entries)
    assert all(canary.encode() in raw for canary in (TEXT, str(NUMBER), DATE, KEY, TYPED, *TOKENS))
    torn = [entry[:cut] for entry in entries for cut in range(60, len(entry), 173)]
    tails = [entry[-cut:] for entry in entries for cut in range(60, len(entry), 331)]
    rubbish = [
        f"password={TEXT} {NUMBER} {DATE}".encode(), json.dumps({KEY: TEXT}).encode(),
        json.dumps([TEXT, NUMBER]).encode(), f"{TEXT}\0\0{TYPED}".encode(), f"<xml>{TEXT}</xml>".encode(),
        f'{{"type":"{TEXT}","auth":{{}}}}'.encode(), written({"log": f"{TYPED} {TOKENS[0]}\n", "stream": "stdout"}),
        f"export {KEY}={TEXT}".encode() + entries[1],
    ]  # fmt: skip
    glued = [entries[0] + entry for entry in torn[::7]]
    lines = [log(calls(30))[:-1], *entries, *torn, *tails, *rubbish, *glued]
    file.write_bytes(b"\n".join(lines) + b"\n" + entries[1][:700])
    assert told_by(file, CANARIES) == []


def test_what_is_told_of_one_call_hides_the_other_under_the_same_id(told_by, tmp_path):
    file, read, other = tmp_path / "audit.log", Call(1), Call(2)
    failed = next(entry for entry in map(json.loads, raw_entries()) if TYPED in entry["request"]["path"])
    failed["request"]["id"] = read.id
    before = written(failed)
    failed["request"]["id"] = other.id
    after = written(failed)
    lines = [log(calls(30, first=10))[:-1], before, read.response(), other.response(), after]
    file.write_bytes(b"\n".join(lines) + b"\n")
    assert told_by(file, CANARIES) == []


@pytest.mark.parametrize("seed", [11, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(20))])
def test_nothing_of_a_damaged_raw_log_is_kept(told_by, tmp_path, seed):
    dice, file = random.Random(seed), tmp_path / "audit.log"
    entries = [*raw_entries(), Call(77).response(data={"data": {"x": hmac("file", "x")}})]
    damaged = [log(calls(30))[:-1]]
    for _ in range(600):
        with contextlib.suppress(KeyError, TypeError, ValueError):  # this entry has no such part to damage
            damaged.append(dice.choice(MUTATIONS)(dice, dice.choice(entries)))
    file.write_bytes(b"\n".join(damaged) + b"\n")
    # A damaged value may be cut, and then it is not the canary any more: look for its halves too. A key's name may
    # come to stand, where bytes are lost, among the fields of the entry itself, whose names are kept.
    values = [canary for canary in CANARIES if canary != KEY]
    assert told_by(file, [*values, TEXT[:12], TEXT[-10:], TYPED[:14], TYPED[-14:]]) == []
