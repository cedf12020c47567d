"""Connecting a vault: lines arrive, or the one of the six usual reasons why they don't, with its mend."""

from __future__ import annotations

import io
import json
import os
import socket
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.core.management import call_command

from accounts.models import TrailEntry
from audit import actions, connect, receivers
from audit.models import Device, Mount, Source, Spool, Vault
from inventory.asking import client
from inventory.models import CheckLine, Connection
from inventory.models import Mount as KnownMount
from tests.audit.forgetting import forget_connections
from tests.audit.lines import Call
from vault import enrolment, policy
from vault.errors import TokenGone
from vault.fake import FakeServer, FakeVault
from vault.server import AuditDevice, Token
from vault.server import Mount as ToldMount


@dataclass(frozen=True)
class Knock(Call):
    """A call of our own, with the id that the vault told us."""

    told: str = ""

    @property
    def id(self):
        return self.told


class WritingVault(FakeVault):
    """A vault that writes a line for each knock into `log`, if it has one."""

    log = None

    def knock(self):
        told = super().knock()
        if self.log is not None:
            with self.log.open("ab") as file:
                file.write(b"\n".join(Knock(1, told=told, at=datetime.now(UTC)).lines()) + b"\n")
        return told


class Yard:
    """A vault, its log, a folder that logs may lie in, and the one who reads them: all at hand, none at work."""

    def __init__(self, folder):
        self.folder = folder
        self.log = folder / "logs" / "audit.log"
        self.log.parent.mkdir()
        self.log.touch()
        self.server = FakeServer()
        self.server.engines.append(ToldMount("secret/", "kv", "kv_1", 2))
        self.server.devices = [AuditDevice("file", "file", str(self.log))]
        self.server.policies["keybook"] = {right.path: right.capabilities for right in policy.RIGHTS}
        self.server.tokens["keybook"] = Token("keybook", ("keybook",), "a", "", 10**6, True, 10**6, True)
        self.vault = WritingVault(self.server, "keybook")
        self.vault.log = self.log
        self.reads = True

    def wish(self, **given):
        given = {"path": str(self.log), **given} if "receiver" not in given else given
        return connect.Wish(vault="prod", address="https://vault.example", **given)

    def connect(self, **given):
        wish = self.wish(**given)
        return connect.connect(wish, self.vault, connect.wanted(wish), actor="test", tell=lambda _: None)

    def outcome(self, done, seconds=0.0):
        """What is said after the wait; while waiting, whoever reads takes a turn, if somebody does."""

        def turn(_):
            if self.reads:
                for source in Source.objects.all():
                    actions.read_source(source)

        return connect.wait_for_lines(done, self.vault, seconds, turn)

    def write(self, count, start=100):
        with self.log.open("ab") as file:
            for number in range(start, start + count):
                file.write(b"\n".join(Call(number, at=datetime.now(UTC)).lines()) + b"\n")


@pytest.fixture
def yard(past, tmp_path, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "log_roots", str(tmp_path / "logs"))
    yield Yard(tmp_path)
    forget_connections()


def test_lines_arrive_and_our_own_call_is_among_them(yard):
    yard.write(5)
    check = yard.outcome(yard.connect(), 10)
    assert check.ok and "our own call is among them" in check.detail
    assert "12 lines so far" in check.detail and f"{datetime.now(UTC):%Y-%m-%d}" in check.detail


def test_connecting_keeps_the_vault_and_leaves_an_entry_in_the_trail(yard):
    done = yard.connect()
    assert Connection.objects.get().vault == "prod" and CheckLine.objects.filter(connection=done.connection).exists()
    assert TrailEntry.objects.get(verb="audit.vault.connected").subject_text == "prod"
    assert [source.settings["path"] for source in done.sources] == [str(yard.log)]


def test_connecting_again_changes_nothing(yard):
    yard.connect()
    yard.connect()
    assert (Connection.objects.count(), Source.objects.count(), Vault.objects.count()) == (1, 1, 1)


def test_ingestion_is_told_kv_versions_and_accessors(yard):
    yard.connect(namespace="")
    known = Mount.objects.get(path="secret/")
    assert (known.accessor, known.kv_version, known.namespace) == ("kv_1", 2, "")
    assert KnownMount.objects.get(path="secret/").kv_version == 2


def test_a_namespace_s_mounts_are_filed_under_it(yard):
    yard.connect(namespace="team-a/")
    assert Mount.objects.get(path="secret/").namespace == "team-a/"
    assert str(Connection.objects.get()) == "prod/team-a"


# The six usual reasons --------------------------------------------------------------------------------------------


def test_1_a_file_that_is_not_there_is_told_with_the_vault_s_own_path(yard):
    with pytest.raises(connect.Unusable) as caught:
        yard.connect(path=str(yard.log) + ".other")
    assert f"the vault says that it writes to {yard.log}" in str(caught.value) and "--file" in str(caught.value)
    assert not Connection.objects.exists() and not Source.objects.exists()


def test_1_without_the_vault_s_word_a_missing_file_is_told_all_the_same(yard):
    del yard.server.policies["keybook"]["sys/audit"]
    with pytest.raises(connect.Unusable, match="bao audit list"):
        yard.connect(path=str(yard.log) + ".other")
    with pytest.raises(connect.Unusable, match="nor is its folder"):
        yard.connect(path=str(yard.folder / "logs" / "nowhere" / "audit.log"))


def test_1_a_vault_that_writes_elsewhere_is_told(yard):
    yard.server.devices = [AuditDevice("file", "file", "/var/log/openbao/other.log")]
    yard.vault.log = None
    check = yard.outcome(yard.connect())
    assert not check.ok and "writes to /var/log/openbao/other.log" in check.detail and "--file" in check.mend


def test_2_a_file_that_we_may_not_read_is_told_with_owner_and_mode(yard, monkeypatch):
    yard.log.chmod(0o600)
    os.chown(yard.log, 54321, 54321)
    if os.geteuid() == 0:  # root reads everything, so the kernel's answer to another user is given instead
        refused = PermissionError(13, "Permission denied")
        opened = os.open
        monkeypatch.setattr("os.access", lambda *_, **__: False)
        monkeypatch.setattr(
            "os.open",
            lambda path, *a, **k: (_ for _ in ()).throw(refused) if path == str(yard.log) else opened(path, *a, **k),
        )
    with pytest.raises(connect.Unusable) as caught:
        yard.connect()
    said = str(caught.value)
    assert "uid 54321" in said and "mode 0600" in said and f"uid {os.geteuid()}" in said and 'mode = "0640"' in said


def test_2_what_the_worker_may_not_read_is_told_in_its_words(yard):
    done = yard.connect()
    Source.objects.update(trouble="audit.log: uid 999 may not read it.")
    yard.reads = False
    check = yard.outcome(done)
    assert "the ingest worker says" in check.detail and "uid 999" in check.detail and "worker" in check.mend


def test_3_a_file_outside_of_the_roots_is_told(yard):
    outside = yard.folder / "elsewhere.log"
    outside.touch()
    with pytest.raises(connect.Unusable, match="KEYBOOK_LOG_ROOTS"):
        yard.connect(path=str(outside))


def test_3_a_link_that_leads_out_of_the_roots_is_told(yard):
    outside = yard.folder / "elsewhere.log"
    outside.touch()
    link = yard.log.with_name("link.log")
    link.symlink_to(outside)
    with pytest.raises(connect.Unusable, match=f"resolves to {outside}"):
        yard.connect(path=str(link))


def test_4_a_vault_that_still_writes_to_the_renamed_file_is_told(yard):
    done = yard.connect()
    yard.vault.log = yard.log.rename(yard.log.with_name("old-name"))  # no name that a rotation gives
    yard.log.touch()
    check = yard.outcome(done)
    assert f"still writes to {yard.vault.log}" in check.detail and "SIGHUP" in check.mend


def test_4_a_log_that_nobody_writes_to_is_told(yard):
    yard.vault.log = None
    check = yard.outcome(yard.connect())
    assert "our own call was answered, and the file did not grow" in check.detail and "SIGHUP" in check.mend


def test_5_that_nothing_reads_is_told(yard):
    yard.reads = False
    check = yard.outcome(yard.connect())
    assert (
        "nothing reads" in check.detail and "prod/file yet" in check.detail and "ingest worker and beat" in check.mend
    )


def test_5_that_nothing_reads_any_more_is_told(yard):
    done = yard.connect()
    assert yard.outcome(done, 10).ok
    yard.reads = False
    assert "nothing reads" in yard.outcome(done).detail


def test_the_log_of_another_vault_is_told(yard):
    yard.vault.log = None
    done = yard.connect()
    waits = connect.arrival.begin(done.sources[0], lambda: str(uuid.uuid4()))
    yard.write(3)
    actions.read_source(done.sources[0])
    assert connect.arrival.wait(waits, 0) is None  # lines that are not ours are no proof
    check = connect.absence.why_not(waits, yard.server.devices)
    assert "belongs to another vault or another node" in check.detail and "Compare the address" in check.mend


@pytest.fixture
def free_port():
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        yield door


def test_6_a_receiver_that_does_not_run_is_told(yard, free_port, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "receiver", f"127.0.0.1:{free_port.getsockname()[1]}")
    check = yard.outcome(yard.connect(receiver=True))
    assert "the receiver does not answer at 127.0.0.1" in check.detail and "python -m receiver" in check.mend


def test_6_a_receiver_that_nobody_reaches_is_told(yard, free_port, monkeypatch):
    free_port.listen()
    monkeypatch.setattr(settings.KEYBOOK, "receiver", f"127.0.0.1:{free_port.getsockname()[1]}")
    check = yard.outcome(yard.connect(receiver=True))
    assert "no line has come with a token of http yet" in check.detail
    assert all(word in check.mend for word in ("401", "503", "certificate", "/audit", "restarted"))


def test_6_a_revoked_token_is_told(yard):
    done = yard.connect(receiver=True)
    for one in receivers.tokens(done.sources[0].device):
        receivers.revoke(one.id)
    check = yard.outcome(done)
    assert "answered with 401" in check.detail and "receiver_token --vault prod --device http" in check.mend


def test_6_lines_of_another_vault_s_token_are_told(yard):
    done = yard.connect(receiver=True)
    Device.objects.get(name="http").receiver_tokens.update(used_at=datetime.now(UTC))
    assert "they belong to another vault" in yard.outcome(done).detail


def test_6_received_lines_that_nothing_takes_are_told(yard):
    done = yard.connect(receiver=True)
    Spool.objects.create(
        device=done.sources[0].device,
        key=uuid.uuid4(),
        micros=1,
        sha256=b"",
        length=1,
        line=b"{}",
        received_at=datetime.now(UTC),
    )
    yard.reads = False
    assert "nothing reads" in yard.outcome(done).detail


def test_asking_for_a_receiver_twice_makes_no_second_token(yard):
    first, second = yard.connect(receiver=True), yard.connect(receiver=True)
    assert first.token.startswith("kbr_") and second.token == ""
    assert len(receivers.tokens(first.sources[0].device)) == 1


def test_without_a_token_to_call_with_a_quiet_log_is_told(yard, monkeypatch):
    done = yard.connect()
    monkeypatch.setattr(yard.vault, "knock", lambda: (_ for _ in ()).throw(TokenGone("gone")))
    check = yard.outcome(done)
    assert "without a token we made no call" in check.detail and "bao token lookup" in check.mend


# What is refused --------------------------------------------------------------------------------------------------


def test_a_token_that_may_read_secrets_is_refused_unless_it_is_meant(yard):
    yard.server.policies["keybook"]["secret/*"] = ("read",)
    with pytest.raises(connect.Unusable, match=r"may read secret values \(secret/\*\): Keybook does not need that"):
        yard.connect()
    assert not Connection.objects.exists() and not TrailEntry.objects.exists()
    assert yard.connect(accept_rights=True).connection.pk


def test_a_vault_without_a_source_asks_for_one(yard):
    with pytest.raises(connect.Unusable, match="--file PATH"):
        yard.connect(path="")
    assert not Connection.objects.exists()


def run(*words):
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("connect", *words, stdout=out, stderr=err)
    except SystemExit as left:
        code = left.code
    return code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--vault", "prod", "--addr", "ftp://x"], "no http(s) address"),
        (["--vault", "prod"], "no http(s) address"),
        (["--addr", "https://x"], "name '' can't be used"),
        (["--vault", "a/b", "--addr", "https://x"], "name 'a/b' can't be used"),
        (["--vault", "prod", "--addr", "http://vault.example"], "plain http"),
        (["--vault", "prod", "--addr", "https://vault.example"], "There is no token yet"),
        (["--vault", "prod", "--addr", "https://x", "--token-file", "/nowhere"], "/nowhere"),
        (["--vault", "prod", "--addr", "http://127.0.0.1:1"], "gave no answer"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(yard, capsys, monkeypatch, words, said):
    if "127.0.0.1" in words[-1]:
        monkeypatch.setenv("VAULT_TOKEN", "s.never-shown")
    else:
        monkeypatch.delenv("VAULT_TOKEN", raising=False)
    code, out, err = run(*words, "--timeout", "0", "--json")
    assert code == 2 and json.loads(out)["added"] is None
    said_last = capsys.readouterr().err
    assert said in said_last and "s.never-shown" not in said_last + out + err
    assert not Connection.objects.exists() and not Vault.objects.exists()


def test_the_policy_is_printed_before_there_is_a_token(yard, monkeypatch):
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    code, out, _ = run("--vault", "prod", "--addr", "https://vault.example")
    assert code == 2 and policy.hcl() in out and "bao token create -orphan" in out and "approle" in out


def test_the_policy_alone_is_printed_on_request():
    assert run("--policy") == (0, policy.hcl(), "")


def test_what_the_executor_needs_is_printed_for_each_target_and_verb():
    connection = Connection.objects.create(vault="prod", address="https://vault.example")
    known = {"path": "teams/a/", "accessor": "k", "type": "kv", "seen_first": datetime.now(UTC)}
    KnownMount.objects.create(connection=connection, **known)
    words = ("--vault", "prod", "--addr", "https://vault.example", "--enrol", "kv:teams/a/prod/", "--enrol", "token:")
    code, out, _ = run(*words)
    assert code == 0 and enrolment.executor_policy() in out and "KEYBOOK_EXECUTOR=prod=approle:" in out
    for one in (
        enrolment.enrolment("kv", "write", "teams/a", "prod/"),
        enrolment.enrolment("kv", "destroy", "teams/a", "prod/"),
        enrolment.enrolment("token", "revoke", ""),
    ):
        assert one.policy() in out and one.commands() in out
    told = json.loads(run(*words, "--json")[1])
    assert [one["name"] for one in told["enrolments"]] == [
        "keybook-op-kv-write-teams-a-prod", "keybook-op-kv-destroy-teams-a-prod", "keybook-op-token-revoke",
    ]  # fmt: skip
    assert not Vault.objects.exists()


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ("secret/prod/", "names no target"),
        ("pki:pki/", "Write one of kv, database_role"),
        ("kv:", "names no mount"),
        ("kv:secret/a*b", "can't be said in a policy"),
        ("transit:transit/pay*", "can't be said in a policy"),
        ("token:abc", "a policy can't"),
    ],
)
def test_a_wish_that_cannot_be_enrolled_is_one_sentence(wish, said, capsys):
    code, out, _ = run("--vault", "prod", "--enrol", wish)
    assert (code, out) == (2, "") and said in capsys.readouterr().err


def test_a_client_never_leaves_a_guarded_address():
    with pytest.raises(Exception, match="where no vault can be"):
        client(Connection(vault="prod", address="https://169.254.169.254"), "s.token")
