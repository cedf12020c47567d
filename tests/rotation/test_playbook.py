"""A playbook's YAML is checked when it is loaded, and each thing that is wrong is named by its exact place."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from rotation import finds, playbook_schema, playbooks, targets
from rotation import playbook_yaml as yaml
from rotation.playbook import Playbook, filled
from rotation.playbook_yaml import BadPlaybook

GOOD = """
form: keybook.playbook.1
title: Good
verb: Do good
about: It does good.
question: Is $secret good?
subject: $secret
inputs:
  secret: {title: The secret, kind: secret}
  since: {title: Since when, kind: time, default: 24h}
  keys: {title: Keys, kind: names}
  rotate: {title: Rotate it, kind: "yes", default: true}
find:
  it: {ask: secret, with: {secret: $secret}}
steps:
  - each: it.kv
    target: kv
    when: rotate
    with: {secret: $each.secret, way: generated, keys: $keys}
  - leave: {subject: $secret, says: Nothing else is done., mend: Do it by hand.}
"""


def read(text: str, name: str = "good") -> Playbook:
    return playbooks.read(name, text.encode())


def troubles(*edits: tuple[str, str], name: str = "good") -> list[str]:
    text = GOOD
    for before, after in edits:
        assert before in text
        text = text.replace(before, after, 1)
    with pytest.raises(BadPlaybook) as bad:
        read(text, name)
    return bad.value.troubles


def test_a_good_one_is_read_with_its_inputs_questions_and_steps():
    made = read(GOOD)
    assert (made.name, made.first.kind, list(made.find), len(made.steps)) == ("good", "secret", ["it"], 2)
    assert made.steps[0].given["keys"] == "$keys"
    assert made.sha256 == read(GOOD).sha256 != read(GOOD + "\n").sha256


@pytest.mark.parametrize("before, after, place, words", [
    ("way: generated, ", "way: generated, id: x, ", "steps[0].with.id", "there is no such argument. Known are secret"),
    ("way: generated, ", "", "steps[0].with.way", "this is missing"),
    ("way: generated", "way: stolen", "steps[0].with.way", "invalid enum value 'stolen'"),
    ("keys: $keys", "keys: 3", "steps[0].with.keys", "expected array, got int"),
    ("keys: $keys", "keys: [a, 3]", "steps[0].with.keys[1]", "expected str, got int"),
    ("keys: $keys", "keys: $secret", "steps[0].with.keys", "expected array, got str"),
    ("keys: $keys", "keys: $kees", "steps[0].with.keys", "$kees stands for nothing. Known are $secret, $since"),
    ("target: kv", "target: kw", "steps[0].target", "no target is called 'kw' here. Known are database_role"),
    ("target: kv", "target: playbook", "steps[0].target", "no target is called 'playbook' here"),
    ("target: kv", "target: grant_role", "steps[0].target", "no target is called 'grant_role' here"),
    ("target: kv", "step: write_kv", "steps[0].step", "write_kv has an effect, so it comes by a target"),
    ("target: kv", "step: nothing", "steps[0].step", "no step is called 'nothing' here"),
    ("when: rotate", "when: secret", "steps[0].when", "'secret' is no input of the kind yes"),
    ("each: it.kv", "each: it.kw", "steps[0].each", "nothing is found as 'it.kw'. Known are it.kv, it.static_roles"),
    ("ask: secret,", "ask: secrets,", "find.it.ask", "no question is called 'secrets'. Known are entities, pod"),
    ("subject: $secret\n", "subject: $it.nothing\n", "subject", "$it.nothing stands for nothing"),
    ("kind: names", "kind: nams", "inputs.keys.kind", "invalid enum value 'nams'"),
    ("default: 24h", "default: 24", "inputs.since.default", "array | null, got int"),
    ("default: true", 'default: "true"', "inputs.rotate.default", "an input of the kind yes takes yes or no"),
    ("title: Good", "title: 3", "title", "expected str, got int"),
    ("title: Good\n", "", "title", "this is missing"),
    ("title: Good", "tittle: Good", "tittle", "there is no such field. Known are form, title"),
    ("kind: secret}", "kind: secret, hint: x}", "inputs.secret.hint", "there is no such field. Known are title, kind"),
    ("form: keybook.playbook.1", "form: keybook.playbook.2", "form", "invalid enum value"),
    ("mend: Do it by hand.", "mend: Do $it.", "steps[1].leave.mend", "$it stands for nothing"),
    ("says: Nothing else is done., ", "", "steps[1].leave.says", "this is missing"),
    ("  - leave:", "  - when: rotate\n  - leave:", "steps[1]", "it has none of target, step and leave"),
    ("    when: rotate\n", "    when: rotate\n    step: notify\n", "steps[0]", "it has target and step of"),
])  # fmt: skip
def test_what_is_wrong_is_named_by_its_place(before, after, place, words):
    found = troubles((before, after))
    assert any(one.startswith(f"{place}: ") and words in one for one in found), found


@pytest.mark.parametrize("before, after, words", [
    ("way: generated,", "way: adopt, way: generated,", "steps[0].with.way: this key stands twice, in lines 19 and 19."),
    ("title: Good\n", "title: Good\ntitle: Better\n", "title: this key stands twice, in lines 3 and 4."),
    ("secret: $each.secret", "3: $each.secret", "steps[0].with: line 19 has a key that is no text. Put it in quotes."),
    ("title: Good", "title: &x Good", "line 3: anchors and aliases are not taken. Write it out."),
    ("title: Good", "title: !!python/name:os.system Good", "title: line 3 has the tag tag:yaml.org,2002:python/name"),
    ("title: Good", "title: [Good", "this is no YAML"),
])  # fmt: skip
def test_yaml_that_could_mean_something_else_is_refused_with_its_line(before, after, words):
    assert words in " ".join(troubles((before, after)))


def test_every_trouble_is_told_at_once():
    found = troubles(
        ("target: kv", "target: kw"), ("each: it.kv", "each: it.static_roles"), ("subject: $secret\n", "subject: $no\n")
    )
    assert len(found) == 2


@pytest.mark.parametrize("text, words", [
    ("", "It is empty"), ("- a\n", "the top: expected object, got array"), ("a" * 70_000, "65,536 are"),
    ("\0", "no YAML"), ("{a: " * 20 + "}" * 20, "nested deeper"), ("a: 1\n---\nb: 2\n", "another document"),
])  # fmt: skip
def test_what_is_no_playbook_at_all_is_refused(text, words):
    with pytest.raises(BadPlaybook, match="The playbook good can't be used") as bad:
        read(text)
    assert words in str(bad.value)


def test_a_name_of_a_file_has_small_letters_digits_and_hyphens():
    assert "The file is called 'Not good'" in troubles(("title: Good", "title: Good "), name="Not good")[0]


def test_a_text_that_is_one_name_becomes_its_value_and_others_are_filled_in():
    known = {"keys": ["a", "b"], "it.count": "3", "secret": "x"}
    given = {"a": "$keys", "b": "$secret has $it.count: $keys", "c": ["$secret"], "d": "costs $$5", "e": True}
    assert filled(given, known.__getitem__) == {
        "a": ["a", "b"], "b": "x has 3: a, b", "c": ["x"], "d": "costs $5", "e": True,
    }  # fmt: skip


def test_the_playbooks_that_are_shipped_are_good():
    assert (
        {one.name for one in playbooks.good()} == set(playbooks.every()) >= {"leaked-static-secret", "compromised-pod"}
    )


def test_a_file_that_is_wrong_is_told_in_its_place_and_keeps_no_other_from_being_run(monkeypatch, tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(GOOD.replace("target: kv", "target: kw"))
    monkeypatch.setattr(playbooks, "folder", lambda: Path(tmp_path))
    assert list(playbooks.every()) == ["bad", "good"]
    assert [one.name for one in playbooks.good()] == ["good"]


def test_every_question_has_examples_of_what_it_finds():
    for name, kind in finds.kinds().items():
        assert all(isinstance(one, str) for one in kind.FACTS.values()), name
        assert all(isinstance(one, str) for row in kind.GROUPS.values() for one in row.values()), name


def test_every_target_of_an_effect_can_be_named():
    usable = playbooks.usable_targets()
    assert {"kv", "lease", "token", "entity", "restart", "database_role"} <= set(usable) < set(targets.kinds())


def schema_says(text: str) -> list[str]:
    checker = Draft202012Validator(playbook_schema.schema())
    return [error.json_path for error in checker.iter_errors(yaml.read("good", text))]


def test_the_published_schema_takes_what_is_good_and_the_playbooks_that_are_shipped():
    Draft202012Validator.check_schema(playbook_schema.schema())
    assert schema_says(GOOD) == []
    for path in playbooks.folder().glob("*.yaml"):
        assert schema_says(path.read_text()) == [], path


@pytest.mark.parametrize("before, after, place", [
    ("way: generated,", "way: stolen,", "$.steps[0]"), ("target: kv", "target: kw", "$.steps[0]"),
    ("way: generated, ", "way: generated, id: x, ", "$.steps[0]"), ("kind: names", "kind: nams", "$.inputs.keys.kind"),
    ("title: Good\n", "", "$"), ("ask: secret,", "ask: secrets,", "$.find.it"),
])  # fmt: skip
def test_the_published_schema_refuses_what_loading_refuses(before, after, place):
    assert schema_says(GOOD.replace(before, after, 1)) == [place]
