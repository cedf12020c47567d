"""Free text gives away no token, no user information and no quoted value."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.plain_text import find_plain_token, mask_error, mask_login_path, mask_url, scrub_tokens

TOKEN = "hvs.CAESIJlU9JMYEhOPYv4igdhm9PnZDrabYTobQ4Ymnlq1qY"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("1 error occurred:\n\t* permission denied\n\n", None),
        ("wrapping token is not valid or does not exist", None),
        ("This mount hasn't configured the mount's AIA fields; it's James' turn", None),
        ("dial tcp 127.0.0.1:35361: connect: connection refused", None),
        ("", None),
        ('TTL of "10m" exceeded the effective max_ttl of "8s"',
         'TTL of "string, 3" exceeded the effective max_ttl of "string, 2"'),
        ("failed to connect to `user=bao_root database=postgres`: 127.0.0.1:5432",
         "failed to connect to `string, 31`: 127.0.0.1:5432"),
        ("unknown user 'ann's'", "unknown user 'string, 5'"),
        ('cannot use "dan:@hunter2" as a name', 'cannot use "string, 11" as a name'),
        (r'bad value "a\"secret\" b" here', r'bad value "string, 13" here'),
        ('an open "quote to the end', 'an open "string, 16"'),
        ('role "my"secret" there', 'role "string, 9" there'),
        ('role "a "secret" b" there', 'role <string, 20>'),
        ("postgres://ann:s3cr%40t@db.acme:5432/x failed", "postgres://***@db.acme:5432/x failed"),
        ("mysql://root:p'w\"d@h/", "mysql://***@h/"),
        ("Error: root:hunter2@tcp(127.0.0.1:3306)/ refused", "Error: ***@tcp(127.0.0.1:3306)/ refused"),
        ("host=db password=hunter2 user=ann", "host=db password=<string, 7> user=ann"),
        ("invalid password: hunter2, try again", "invalid password: <string, 7>, try again"),
        ("DB_PASSWORD=hunter2;API_KEY=abc", "DB_PASSWORD=<string, 7>;API_KEY=<string, 3>"),
        ("secret_id=abc)", "secret_id=<string, 3>)"),
        (f"bad token {TOKEN}", f"bad token <token, {len(TOKEN)}>"),
    ],
)  # fmt: skip
def test_an_error_keeps_its_words_and_hosts(text, masked):
    assert mask_error(text) == (text if masked is None else masked)


quoted = st.text(st.characters(exclude_characters="\n\r", exclude_categories=("Cs",)), min_size=1, max_size=20)


@settings(max_examples=300, deadline=None)
@given(quoted, st.sampled_from("\"'`"), st.booleans())
def test_no_quoted_value_survives(value, quote, escaped):
    inside = f"kanarie{value}kanarie"
    if escaped:
        inside = inside.replace("\\", "\\\\").replace(quote, "\\" + quote)
    elif quote in inside or inside.endswith("\\"):
        return
    assert "kanarie" not in mask_error(f"cannot use {quote}{inside}{quote} as a name")


userinfo = st.text(st.characters(exclude_categories=("Cs", "Z", "Cc")), min_size=1, max_size=20)


@settings(max_examples=300, deadline=None)
@given(userinfo, st.sampled_from(["postgres", "https", "amqp+ssl", "mongodb"]))
def test_no_user_information_of_a_url_survives(secret, scheme):
    assert "kanarie" not in mask_error(f"dial {scheme}://ann:kanarie{secret}@db.acme:5432/x: refused")
    assert "kanarie" not in mask_url(f"{scheme}://kanarie{secret}@db.acme/x?kanarie={secret}")


@pytest.mark.parametrize(
    "token",
    [TOKEN, "hvb." + "AAAAAQ" * 20, "hvr.CAESI" + "x" * 30, "s.Abcdefghijklmnopqrstuvwx", "b." + "AAAA-_" * 15,
     "r.Abcdefghijklmnopqrstuvwx", "s.Abcdefghijklmnopqrstuvwx.FMJftB"],
)  # fmt: skip
@pytest.mark.parametrize("around", ["{}", '"{}"', "auth/token/lookup/{}", "a {} b", "x={}", "({})", "'{}'"])
def test_tokens_of_every_form_are_found_anywhere(token, around):
    text = around.format(token)
    assert find_plain_token(text.encode())
    assert scrub_tokens(text) == around.format(f"<token, {len(token)}>")


@pytest.mark.parametrize(
    "text",
    ["v2.7.2+builtin.bao", "hosts.internal-cluster-domain-name-of-acme.example", "s.short", "2026-11-21T02:54:00.5Z",
     "hvs.tooshort", "secrets.Abcdefghijklmnopqrstuvwxyz", "", "no dots at all in this text"],
)  # fmt: skip
def test_what_is_no_token_is_not_taken_for_one(text):
    assert not find_plain_token(text.encode())
    assert scrub_tokens(text) == text


def test_no_line_of_a_clean_log_holds_a_token(lines):
    assert not any(map(find_plain_token, lines))


@pytest.mark.parametrize(
    ("path", "masked"),
    [
        ("auth/userpass/login/alice", "auth/userpass/login/<name, 5>"),
        ("auth/corp/ldap/login/a/b", "auth/corp/ldap/login/<name, 3>"),
        ("auth/login/login/bob", "auth/login/login/<name, 3>"),
        ("auth/ldap/login/two\nlines", "auth/ldap/login/<name, 9>"),
        ("auth/kubernetes/login", None),
        ("auth/userpass/login/", None),
        ("secret/data/login/x", None),
    ],
)
def test_the_name_in_a_logins_path_is_masked(path, masked):
    assert mask_login_path(path) == (masked or path)
    assert mask_login_path(mask_login_path(path)) == mask_login_path(path)


def test_a_url_loses_its_query():
    assert mask_url("/ui/vault?token=abc") == "/ui/vault?<string, 9>"
    assert mask_url("https://acme.example/a/b") == "https://acme.example/a/b"


# With patterns that try again from each letter any of these would take hours, and whoever makes a vault complain can
# send one.
LONG = ["a", "a-", "a://", "a@", "key-", "password", "s.aaaa-", "'a ", "`", "x:y@", "/login/<name, 5", '\\"', "key= "]


@pytest.mark.parametrize("piece", LONG)
def test_a_long_hostile_text_is_masked_and_what_follows_it_too(piece):
    text = piece * (400_000 // len(piece)) + " https://root:hunter2@db password=hunter2"
    for mask in (mask_error, mask_url):
        assert "root:hunter2" not in mask(text)
    assert "hunter2" not in mask_error(text)
    assert "hunter2" not in mask_login_path(f"auth/x/login/{text}")
