"""Playbooks by command and by API: the same plan as on the page, asked for by the same way, and the report of it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from accounts.models import TrailEntry, User
from accounts.scope import EVERYTHING
from inventory.models import Connection, Mount
from inventory.sightings import OurCall, Reach
from rotation import plan, queries, report, report_markdown
from rotation.models import Attempt, Change, Mismatch, Proof, Step, Verdict
from tests.api.test_changes import by
from tests.audit.conftest import ROOT
from tests.rotation.asked import person
from tests.rotation.test_playbook_target import ENROLLED, SECRET, Books
from tests.rotation.vaults import connected, enrol

pytestmark = pytest.mark.django_db
LEAKED = "leaked-static-secret"
WISH = ("--input", f"secret={SECRET}", "--input", "way=generated", "--input", "keys=password")
NOW = datetime(2026, 11, 18, 3, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _plain_http(settings):
    settings.SECURE_SSL_REDIRECT = False


@pytest.fixture(autouse=True)
def books(monkeypatch):
    made = connected()
    for one in ENROLLED:
        enrol(made, *one)
    found = Books()
    monkeypatch.setattr("rotation.asking.books", lambda: found)
    monkeypatch.setattr(plan, "may_generate", lambda: ("demo:secret/*",))
    return found


def said(capsys, *words):
    call_command("playbook", *words)
    return capsys.readouterr().out


def refused(*words):
    with pytest.raises(CommandError) as why:
        call_command("playbook", *words)
    assert why.value.returncode == 2
    return str(why.value)


def test_the_list_names_each_with_its_inputs(capsys):
    told = json.loads(said(capsys, "list", "--json"))["playbooks"]
    assert [one["name"] for one in told] == ["compromised-pod", LEAKED, "stolen-identity"]
    assert told[1]["inputs"][0] == {
        "name": "secret", "title": "The secret that leaked", "kind": "secret", "default": None, "of": [],
        "help": "as its page prints it, such as secret/prod/shop/stripe",
    }  # fmt: skip
    assert "--input secret=" in said(capsys, "list")


def test_a_plan_is_one_document_or_a_print_and_changes_nothing(capsys):
    told = json.loads(said(capsys, "plan", LEAKED, *WISH, "--json"))
    assert told["plan"]["steps"][0]["step"] == "write_kv" and told["risk"] == "high"
    assert told["plan"]["answers"][0]["rows"][1][0] == "mallory"
    printed = said(capsys, "plan", LEAKED, *WISH)
    assert f"Replace leaked secret {SECRET} in demo (risk high)" in printed
    assert "Destroy the old version of secret/prod/ledger/bank-sftp  CANNOT BE UNDONE" in printed
    assert f"Left: {SECRET} at whoever issued it" in printed and "Nothing was changed." in printed
    assert not Change.objects.exists()


def test_a_run_asks_for_a_change_as_the_page_does_and_approves_nothing(capsys):
    person("ann")
    words = ("run", LEAKED, *WISH, "--user", "ann", "--reason", "It leaked.", "--key", "k1", "--json")
    told = json.loads(said(capsys, *words))
    change = Change.objects.get()
    assert told["id"] == change.name and told["state"] == "requested" and told["plan"]["hash"] == change.plan_hash
    assert (change.asked_by, change.asker_name, change.rule["approvers"]) == ("command", "ann", 1)
    assert json.loads(said(capsys, *words))["id"] == change.name, "the same key asks once"
    assert not Verdict.objects.exists()


@pytest.mark.parametrize("words, says", [
    (("plan", "leaked"), "No playbook is called 'leaked'. "),
    (("plan", LEAKED), "The secret that leaked is missing."),
    (("plan", LEAKED, "--input", "secret"), "--input secret has no =."),
    (("plan", LEAKED, *WISH, *WISH), "stands there twice"),
    (("plan", LEAKED, *WISH, "--input", "colour=red"), "has no input 'colour'"),
    (("run", LEAKED, *WISH, "--user", "nobody", "--reason", "x"), "'nobody' may ask for no change."),
    (("run", LEAKED, *WISH, "--user", "cat", "--reason", "x"), "'cat' may ask for no change."),
    (("run", LEAKED, *WISH, "--user", "ann", "--reason", " "), "A change needs a reason"),
    (("plan", "compromised-pod", "--input", "which=payments/ghost"), "No pod was ever seen as 'payments/ghost'."),
    (("plan", LEAKED, "--input", "secret=secret/both/x"), "'secret/both/x' is in demo (root), other (root)."),
    (("plan", LEAKED, "--input", "secret=secret/both/x", "--vault", "third"), "No vault is connected as third"),
    (("plan", LEAKED, "--input", "secret=" + "x" * 3000, "--json"), "secret takes a text of at most 2,000"),
    (("run", LEAKED, *WISH, "--user", "ann", "--reason", "x", "--key", "k" * 201), "The Idempotency-Key has 201"),
    (("report", "C-999"), "There is no change C-999."), (("report", "x"), "There is no change x."),
])  # fmt: skip
def test_bad_input_ends_with_one_sentence_and_nothing_changed(words, says):
    person("ann"), person("cat")
    if "secret=secret/both/x" in words:
        other = Connection.objects.create(vault="other", address="http://127.0.0.1:8201")
        Mount.objects.create(connection=other, path="secret/", accessor="o", type="kv", kv_version=2, seen_first=NOW)
    assert says in refused(*words)
    assert not Change.objects.exists()


def test_the_shell_gets_exit_code_2_one_sentence_and_nothing_on_standard_output():
    words = ("plan", "leaked", "--json")
    done = subprocess.run(
        [sys.executable, "manage.py", "playbook", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    known = "Known are compromised-pod, leaked-static-secret, stolen-identity."
    assert done.stderr == f"CommandError: No playbook is called 'leaked'. {known}\n"


# The API


@pytest.fixture
def anns():
    return by(User.objects.filter(username="ann").first() or person("ann"))


def test_the_api_plans_and_what_it_answers_asks_for_that_very_plan(anns):
    assert [one["name"] for one in anns.ask("/playbooks").json["items"]][1] == LEAKED
    assert anns.ask("/playbooks/schema").json["properties"]["form"] == {"const": "keybook.playbook.1"}
    inputs = {"secret": SECRET, "way": "generated", "keys": ["password"], "since": "24h"}
    told = anns.send(f"/playbooks/{LEAKED}/plan", {"inputs": inputs}).json
    assert told["target"] == "playbook" and not Change.objects.exists()
    body = {"target": told["target"], "args": told["args"], "reason": "It leaked."}
    made = anns.send("/changes", body, "k1")
    assert made.status == 201 and made.json["plan"]["hash"] == told["plan"]["hash"]
    assert made.json["plan"]["left"] == told["plan"]["left"]


@pytest.mark.parametrize("name, body, status, kind", [
    ("nothing", {}, 422, "not-there"), (LEAKED, {}, 422, "bad-arguments"),
    (LEAKED, {"inputs": {"secret": "nowhere/x"}}, 422, "not-there"), (LEAKED, {"input": {}}, 400, "bad-body"),
])  # fmt: skip
def test_the_api_says_what_is_wrong(anns, name, body, status, kind):
    assert anns.send(f"/playbooks/{name}/plan", body).problem() == (status, kind)


# The report


def call(change, **more):
    given = {
        "event": 71, "seq": 9, "vault": "demo", "at": NOW, "request_id": "r-1", "kind": "call", "change": change.name,
        "step": "1", "plan": change.plan_hash, "head": "", "role": "keybook-op-kv-write-secret", "minted": 70,
        "minted_by": "", "principal": "", "principal_kind": "token", "entity": "", "policies": [],
        "address": "10.0.0.1", "operation": "patch", "namespace": "", "path": "secret/data/prod/ledger/bank-sftp",
        "secret": SECRET, "version": 9, "versions": [], "lease": "", "prefix": "", "outcome": "ok", **more,
    }  # fmt: skip
    return OurCall(**given)


@pytest.fixture
def done(monkeypatch, capsys):
    """A run that has ended, with what the log shows of it."""
    person("ann")
    said(capsys, "run", LEAKED, *WISH, "--user", "ann", "--reason", "It leaked | <b>badly</b>.")
    change = Change.objects.get()
    Change.objects.update(state="succeeded", started_at=NOW, ended_at=NOW, says="Done and proven.")
    step = Step.objects.create(change=change, number=1, kind="write_kv", args={}, title="Write", state="done",
                               seen_at=NOW, seen_event=71)  # fmt: skip
    Attempt.objects.create(step=step, number=1, epoch=1, worker="one", outcome="done", receipt={"version": 9})
    Proof.objects.create(change=change, step=3, kind="pod", subject="payments/ledger-1", state="proven", at=NOW)
    Verdict.objects.create(change=change, person_id=2, person_name="bob", verdict="approve", proof="passkey",
                           plan_hash=change.plan_hash)  # fmt: skip
    Mismatch.objects.create(change=change.name, step="9", event=99, says="read x: it had not begun a step 9.")
    looks = [
        call(change, operation="read", event=69, path="secret/metadata/x"),
        call(change),
        call(change, kind="mint"),
    ]
    witness = SimpleNamespace(calls=lambda name: looks if name == change.name else [],
                              reach=lambda _vault, _since: Reach(NOW, ("file: rotated away",)))  # fmt: skip
    monkeypatch.setattr("rotation.management.commands.playbook.witness", lambda: witness)
    monkeypatch.setattr("rotation.playbook_api.witness", lambda: witness)
    change.refresh_from_db()
    return change


def test_a_report_tells_question_coverage_verdicts_calls_proofs_and_the_trails_head(done, capsys, anns):
    told = json.loads(said(capsys, "report", done.name, "--json"))
    assert told["question"].startswith(f"Who had {SECRET} since 2")
    assert told["playbook"]["sha256"] == done.args["sha256"]
    assert told["coverage"]["holes"] == ["file: rotated away"] and not told["coverage"]["covers_the_run"]
    assert [(one["event"], one["changes_something"], one["of_this_plan"]) for one in told["calls"]] == [
        (69, False, True), (71, True, True),
    ]  # fmt: skip
    assert told["change"]["verdicts"][0]["proof"] == "passkey"
    assert told["disagreements"] == ["read x: it had not begun a step 9."]
    entry = TrailEntry.objects.get(verb="rotation.change.requested")
    assert told["trail"]["entries"] == [
        {"position": entry.position, "at": told["trail"]["entries"][0]["at"], "who": "ann", "did": entry.verb,
         "hash": entry.hash}
    ]  # fmt: skip
    by_api = anns.ask(f"/changes/{done.name}/report").json
    assert {**by_api, "made_at": ""} == {**told, "made_at": ""}


def test_the_markdown_says_the_same_and_draws_no_word_of_others_as_markup(done, capsys, anns):
    text = said(capsys, "report", done.name)
    for words in (f"# {done.name} Replace leaked secret {SECRET}", "State: **succeeded**. Done and proven.",
                  "does **not** cover all of the run", "- not known: file: rotated away", "approve by bob",
                  "1. **done** Write; seen in Vault's log at 2026-11-18T03:00:00.000000Z.", "| 71 | r-1 |",
                  "1 of 1 lines are proven.", "## Left to people", f"Who had {SECRET}", "| mallory | human |",
                  "**Disagreement:** read x: it had not begun a step 9."):  # fmt: skip
        assert words in text, words
    assert "It leaked \\| \\<b\\>badly\\</b\\>." in text and "<b>" not in text
    assert "| 69 |" not in text, "looks are in the JSON"
    assert anns.ask(f"/changes/{done.name}/report.md").status == 200


def test_both_files_are_written_where_they_are_wanted(done, capsys, tmp_path):
    told = json.loads(said(capsys, "report", done.name, "--write", str(tmp_path / "new"), "--json"))
    assert [one.rpartition("/")[2] for one in told["files"]] == [f"{done.name}.md", f"{done.name}.json"]
    assert json.loads((tmp_path / "new" / f"{done.name}.json").read_text())["form"] == "keybook.report.1"
    (tmp_path / "file").write_text("")
    assert "can't be written" in refused("report", done.name, "--write", str(tmp_path / "file"))


def test_long_tables_are_cut_in_the_markdown_and_say_so(done):
    told = queries.one(done.pk, EVERYTHING)
    witness = SimpleNamespace(calls=lambda _name: [call(done, event=at) for at in range(1, 302)],
                              reach=lambda *_: Reach(NOW))  # fmt: skip
    text = report_markdown.markdown(report.document(told, witness, NOW))
    assert "101 more rows are in the JSON." in text
