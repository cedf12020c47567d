"""Free text is kept as far as it names something; what may be a value goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.redaction import bare_address, kept_annotations, kept_literal, kept_message, paths_in_template
from tests.cluster.made import CANARY

PREFIX = "vault.hashicorp.com/"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://vault:8200", "http://vault:8200"),
        ("https://user:pw@Vault.Example/path?q=1#f", "https://vault.example"),
        ("https://[::1]:8200/", "https://[::1]:8200"),
        ("vault:8200", ""),
        ("", ""),
        ("https://v:notaport", ""),
        ("javascript:alert(1)", ""),
        ("https://", ""),
    ],
)
def test_of_an_address_scheme_host_and_port_are_kept(text, address):
    assert bare_address(text) == address


@given(st.text(max_size=60))
def test_no_text_makes_the_reading_of_an_address_fail(text):
    assert isinstance(bare_address(text), str)
    assert isinstance(bare_address(f"https://{text}"), str)


def test_templates_name_the_paths_that_they_read_in_order_and_once():
    text = """{{ with secret "kv/data/a" }}{{ .Data.data.x }}{{ end }}{{- with pkiCert `pki/issue/web` "cn=x" }}
    {{ end }}{{ range secrets "kv/metadata/" }}{{ end }}{{ with secret "kv/data/a" "version=2" }}{{ end }}"""
    assert paths_in_template(text) == ["kv/data/a", "pki/issue/web", "kv/metadata/"]


def test_a_path_that_a_template_computes_is_not_guessed():
    assert paths_in_template('{{ with secret (printf "kv/data/%s" .x) }}{{ end }}') == []


def test_a_template_annotation_keeps_its_paths_alone():
    found = kept_annotations({f"{PREFIX}agent-inject-template-x": f'{CANARY}{{{{ with secret "kv/data/a" }}}}{CANARY}'})
    assert found == {f"{PREFIX}agent-inject-template-x": '{{ secret "kv/data/a" }}'}


@pytest.mark.parametrize(
    "name",
    [
        "auth-config-secret-id",
        "agent-json-patch",
        "agent-inject-command-x",
        "agent-telemetry-dogstatsd_addr",
        "new-one",
    ],
)
def test_of_other_annotations_of_the_injector_only_the_name_stays(name):
    assert kept_annotations({PREFIX + name: CANARY}) == {PREFIX + name: ""}


def test_annotations_that_say_where_and_how_stay():
    given_ = {f"{PREFIX}role": "web", f"{PREFIX}agent-inject-secret-db": "database/creds/web", "openbao.org/role": "x"}
    assert kept_annotations(given_) == given_


def test_what_a_person_typed_to_change_a_workload_is_not_kept():
    typed = f"kubectl set env deployment/web DB_PASSWORD={CANARY} --record=true"
    assert kept_annotations({"kubernetes.io/change-cause": typed}) == {}


@pytest.mark.parametrize("key", ["vault.hashicorp.com/role", "reloader.stakater.com/auto", "argocd.argoproj.io/x"])
def test_a_token_in_an_annotation_that_is_kept_is_removed(key):
    assert kept_annotations({key: JWT}) == {key: "[removed]"}


def test_what_a_template_says_outside_of_its_actions_is_no_path():
    text = f'key "x" {{ algorithm hmac-sha256; secret "{CANARY}"; }} {{{{ with secret "kv/data/a" }}}}{{{{ end }}}}'
    assert paths_in_template(text) == ["kv/data/a"]
    assert paths_in_template(f'{{{{ end }}}} secret "{CANARY}" {{{{ end }}}}') == []


def test_a_long_annotation_is_cut():
    assert len(kept_annotations({"reloader.stakater.com/auto": "x" * 10_000})["reloader.stakater.com/auto"]) == 1024


JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"login with {JWT} failed", "login with [removed] failed"),
        ("token hvs.CAESIJlWzYpBqDDDDDDDDDDDDDDDDD is bad", "token [removed] is bad"),
        (f"get https://u:{CANARY}@vault:8200/v1: refused", "get https://[removed]@vault:8200/v1: refused"),
        (f'patch {{"password": "{CANARY}", "x": 1}}', 'patch {"password[removed]", "x": 1}'),
        (f"secret_id={CANARY}, role=x", "secret_id[removed], role=x"),
        (f"-----BEGIN KEY-----\n{CANARY}\n-----END KEY----- done", "[removed] done"),
        (f"-----BEGIN KEY-----\n{CANARY}", "[removed]"),
        (f'body {{\\"password\\":\\"{CANARY}\\",\\"x\\":1}}', 'body {\\"password[removed]\\",\\"x\\":1}'),
        (f'dsn password="two {CANARY} words" host=x', 'dsn password[removed]" host=x'),
        (f"dsn passphrase='two {CANARY}' host=x", "dsn passphrase[removed]' host=x"),
        (f"postgres://app:a/{CANARY}@db:5432/x: refused", "postgres://[removed]@db:5432/x: refused"),
        (f"client_secret={CANARY}&grant=x", "client_secret[removed]&grant=x"),
        (f"api-key: {CANARY}, apikey={CANARY}", "api-key[removed], apikey[removed]"),
        (f"Authorization: Bearer {CANARY}", "Authorization: [removed]"),
        (f"Authorization: Basic {CANARY}", "Authorization: [removed]"),
        (f"{'x' * 1015} hvs.CAESIJlWzYpBqDDDDDDDDDDDDDDDDD", f"{'x' * 1015} [removed"),
    ],
)
def test_what_looks_like_a_credential_in_a_message_is_removed(text, kept):
    assert kept_message(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        'secret "dispatch-env" not found',
        "Secret synced, lease_id=database/creds/web/LIpbp1766h5EkRkTMI59KqDk, sync_reason=initial",
        "token is expired",
        'Error creating: admission webhook "vault.hashicorp.com" denied the request: no Vault role found',
        "Back-off pulling image x@sha256:0000000000000000000000000000000000000000000000000000000000000000",
    ],
)
def test_other_words_stay_as_they_are(text):
    assert kept_message(text) == text


def test_a_message_is_cut():
    assert len(kept_message("x " * 9999)) == 1024


@given(st.text(max_size=200))
def test_to_remove_twice_is_to_remove_once(text):
    assert kept_message(kept_message(text)) == kept_message(text)


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("VAULT_ROLE", "web", "web"),
        ("VAULT_ROLE", "not a name", ""),
        ("VAULT_ROLE", "x" * 129, ""),
        ("VAULT_TOKEN", "hvs.abc", ""),
        ("PASSWORD", "web", ""),
        ("BAO_ADDR", "https://u:p@bao", "https://bao"),
    ],
)
def test_of_literals_only_addresses_and_names_are_kept(name, value, kept):
    assert kept_literal(name, value) == kept
