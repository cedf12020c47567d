"""Where a call happened and under which secret it is filed."""

from __future__ import annotations

import pytest

from vault.paths import Place, kv_version, place, print_name, secret_path


@pytest.mark.parametrize(
    ("path", "mount_point", "namespace", "expected"),
    [
        ("secret/data/prod/x", "secret/", "", Place("", "secret/", "data/prod/x")),
        ("secret/data/prod/x", "analytics/secret/", "analytics/", Place("analytics/", "secret/", "data/prod/x")),
        ("secret/data/x", "a/b/secret/", "a/b/", Place("a/b/", "secret/", "data/x")),
        ("secret/data/x", "secret/", "analytics/", Place("analytics/", "secret/", "data/x")),  # Vault writes it bare
        ("secret/x", "secret/", "secret/", Place("secret/", "secret/", "x")),
        ("secret/x", "secret/secret/", "secret/", Place("secret/", "secret/", "x")),
        ("team/kv/data/x", "team/kv/", "", Place("", "team/kv/", "data/x")),
        ("auth/corp/ldap/login/bob", "auth/corp/ldap/", "", Place("", "auth/corp/ldap/", "login/bob")),
        ("secret", "secret/", "", Place("", "secret/", "")),
        ("/secret/x", "secret/", "", Place("", "secret/", "x")),
        ("secret/metadata/", "secret/", "", Place("", "secret/", "metadata/")),
        ("secret/data/clé-privée & co", "secret/", "", Place("", "secret/", "data/clé-privée & co")),
        # without a mount point: no such mount, or a server older than the field
        ("nosuchmount/x", "", "", Place("", "nosuchmount/", "x")),
        ("auth/kubernetes/login", "", "", Place("", "auth/kubernetes/", "login")),
        ("auth/kubernetes", "", "", Place("", "auth/kubernetes/", "")),
        ("auth", "", "", Place("", "auth/", "")),
        ("sys/wrapping/unwrap", "", "analytics/", Place("analytics/", "sys/", "wrapping/unwrap")),
        ("cubbyhole/x", "", "", Place("", "cubbyhole/", "x")),
        ("identity/entity/id/1", "", "", Place("", "identity/", "entity/id/1")),
        ("", "", "", Place("", "/", "")),
        # a mount point that does not fit the path is not believed
        ("other/x", "secret/", "", Place("", "other/", "x")),
    ],
)  # fmt: skip
def test_a_path_is_cut_into_namespace_mount_and_rest(path, mount_point, namespace, expected):
    assert place(path, mount_point, namespace) == expected


@pytest.mark.parametrize(
    ("rest", "keys", "operation", "version"),
    [
        ("data/x", {"data", "metadata"}, "read", 2),
        ("data/x", {"created_time", "custom_metadata", "deletion_time", "destroyed", "version"}, "create", 2),
        ("data/x", {"http_content_type", "http_raw_body", "http_status_code"}, "read", 2),
        ("metadata/x", {"versions", "current_version", "created_time"}, "read", 2),
        ("subkeys/x", {"subkeys", "metadata"}, "read", 2),
        ("config", {"cas_required", "delete_version_after", "max_versions"}, "read", 2),
        ("data/x", {"user", "password"}, "read", 1),
        ("prod/x", {"value"}, "read", 1),
        ("config", {"value"}, "read", 1),
        ("folder/", {"keys"}, "list", 1),
        ("metadata/", {"keys"}, "list", 0),
        ("detailed-metadata/x/", {"keys", "key_info"}, "scan", 0),
        ("folder/", {"http_raw_body"}, "list", 0),
        ("data/x", {"error"}, "read", 0),
        ("data/x", set(), "read", 0),
        ("prod/x", {"http_raw_body", "http_status_code"}, "read", 0),
        ("data/x", {"something"}, "update", 0),
    ],
)
def test_the_version_of_a_kv_mount_is_learnt_from_the_shape_of_an_answer(rest, keys, operation, version):
    assert kv_version(rest, keys, operation) == version


@pytest.mark.parametrize("verb", ["data", "metadata", "delete", "undelete", "destroy", "subkeys"])
@pytest.mark.parametrize("version", [2, 0])
def test_every_kv2_call_on_a_secret_is_filed_under_its_logical_path(verb, version):
    assert secret_path("kv", version, f"{verb}/prod/ledger/bank-sftp", "read") == "prod/ledger/bank-sftp"


@pytest.mark.parametrize(
    ("mount_type", "version", "rest", "operation", "logical"),
    [
        ("kv", 1, "data/x", "read", "data/x"),
        ("kv", 1, "prod/x", "read", "prod/x"),
        ("kv", 0, "prod/x", "read", "prod/x"),
        ("generic", 0, "data/x", "read", "data/x"),
        ("kv", 2, "config", "read", None),
        ("kv", 0, "config", "read", None),
        ("kv", 1, "config", "read", "config"),
        ("kv", 2, "odd/x", "read", None),
        ("kv", 2, "metadata/prod/", "list", None),
        ("kv", 2, "metadata/prod", "list", None),
        ("kv", 2, "data/prod/x", "help", None),
        ("kv", 1, "prod/", "read", None),
        ("kv", 2, "", "read", None),
        ("cubbyhole", 0, "scratch", "read", "scratch"),
        ("ns_cubbyhole", 0, "scratch", "read", "scratch"),
        ("database", 0, "creds/payments-rw", "read", "creds/payments-rw"),
        ("database", 0, "static-creds/batch", "read", "static-creds/batch"),
        ("database", 0, "rotate-role/batch", "update", "static-creds/batch"),
        ("database", 0, "config/main", "update", None),
        ("database", 0, "creds", "read", None),
        ("aws", 0, "sts/deploy", "update", "sts/deploy"),
        ("ldap", 0, "static-cred/svc", "read", "static-cred/svc"),
        ("ldap", 0, "rotate-role/svc", "update", "static-cred/svc"),
        ("ldap", 0, "creds/dyn", "read", "creds/dyn"),
        ("ssh", 0, "creds/otp", "update", "creds/otp"),
        ("ssh", 0, "sign/host", "update", None),
        ("kubernetes", 0, "creds/deployer", "update", "creds/deployer"),
        ("pki", 0, "issue/internal", "update", "issue/internal"),
        ("pki", 0, "issuer/default/issue/internal", "update", "issue/internal"),
        ("pki", 0, "root/generate/exported", "update", "root/generate/exported"),
        ("pki", 0, "roles/internal", "read", None),
        ("transit", 0, "decrypt/app", "update", "keys/app"),
        ("transit", 0, "keys/app/rotate", "update", "keys/app"),
        ("transit", 0, "export/encryption-key/app/3", "read", "keys/app"),
        ("transit", 0, "datakey/plaintext/app", "update", "keys/app"),
        ("transit", 0, "export/encryption-key", "read", None),
        ("transit", 0, "random/32", "update", None),
        ("totp", 0, "code/mail", "read", "keys/mail"),
        ("totp", 0, "keys/mail", "create", "keys/mail"),
        ("totp", 0, "keys", "read", None),
        ("approle", 0, "role/backup/secret-id", "update", "role/backup/secret-id"),
        ("approle", 0, "role/backup/custom-secret-id", "update", "role/backup/secret-id"),
        ("approle", 0, "role/backup/secret-id/destroy", "update", "role/backup/secret-id"),
        ("approle", 0, "role/backup", "read", None),
        ("approle", 0, "login", "update", None),
        ("token", 0, "create", "update", "create"),
        ("ns_token", 0, "create/deploy", "update", "create/deploy"),
        ("token", 0, "lookup-self", "read", None),
        ("system", 0, "raw/core/x", "read", "raw/core/x"),
        ("system", 0, "mounts", "read", None),
        ("identity", 0, "oidc/token/web", "read", "oidc/token/web"),
        ("identity", 0, "entity/id/1", "read", None),
        ("something-new", 0, "creds/x", "read", "creds/x"),
        ("", 0, "x", "read", None),
    ],
)  # fmt: skip
def test_a_call_is_filed_under_the_secret_that_it_concerns(mount_type, version, rest, operation, logical):
    assert secret_path(mount_type, version, rest, operation) == logical


def test_names_print_with_namespace_mount_and_logical_path():
    assert print_name("", "secret/", "prod/ledger/bank-sftp") == "secret/prod/ledger/bank-sftp"
    assert print_name("analytics/", "secret/", "prod/etl/s3-key") == "analytics/secret/prod/etl/s3-key"
    assert print_name("a/b/", "team/kv/", "x") == "a/b/team/kv/x"
    assert print_name("", "database/", "creds/payments-rw") == "database/creds/payments-rw"
